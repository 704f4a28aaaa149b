// Values as the Debezium formats write them in flavor oms.
#pragma once
#include "base/status.h"
#include "event/event_batch.h"
#include "format/json_writer.h"
#include "format/table_plan.h"

namespace tailrace {

// {"column":value,…}; `more`, which begins with a comma, is written before the closing brace.
Status write_envelope_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Row row,
                            std::string_view more = {});
// The schema member of a message of this table.
std::string envelope_schema(const TableSchema& table);

}  // namespace tailrace
