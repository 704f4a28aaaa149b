// Where a failure of the rules happened: the places that every error of an event names.
#pragma once
#include <string>

#include "base/status.h"
#include "event/event_batch.h"

namespace tailrace {

// Adds rule version, table, key, transaction and position of the event.
Status at_event(Status status, const std::string& version, const EventBatch& batch, const ChangeEvent& event);

}  // namespace tailrace
