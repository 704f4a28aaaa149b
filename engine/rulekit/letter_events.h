// Dead letters as the events they were made of: rule/dead_letter.h backwards.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"

namespace tailrace {

// One batch of all of them, in this order, each in its own transaction. kRuleCase: a payload that is none.
Result<std::shared_ptr<const EventBatch>> read_letters(const std::vector<std::string>& payloads);

}  // namespace tailrace
