// Builds events from the conformance cases: a table description and values as MySQL prints them.
#pragma once
#include <memory>

#include <nlohmann/json.hpp>

#include "event/event_batch.h"
#include "format/event_meta.h"

namespace tailrace::test {

struct CaseEvent {
  EventBatch batch;  // holds the one event
  EventMeta meta;
  std::string position, unique_id, trans_id, source_identity;  // kept for the views of meta
};

// Throws std::runtime_error with the reason when the case cannot be expressed.
std::unique_ptr<CaseEvent> make_case_event(const nlohmann::json& test_case);

}  // namespace tailrace::test
