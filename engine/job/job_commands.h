// What commands posted to a job's process say, and what it answers: JSON in the job file.
#pragma once
#include <string>
#include <string_view>

#include "job/job.h"

namespace tailrace {

Result<RuleChange> rule_change_from_json(std::string_view text);
Result<DdlDecision> ddl_decision_from_json(std::string_view text);
std::string to_json(const RuleSwapAnswer& answer);

}  // namespace tailrace
