#include "rule/event_place.h"

#include <fmt/format.h>

#include <algorithm>

#include "event/value_text.h"
#include "rule/rule_stage.h"

namespace tailrace {

Status at_event(Status status, const std::string& version, const EventBatch& batch, const ChangeEvent& event) {
  status = std::move(status).with("rule", version);
  if (event.table) {
    status = std::move(status).with("table", event.table->qualified_name());
    Row row = event.after.empty() ? event.before : event.after;
    // The image of the event may already have the output's layout; the key is then not printed.
    if (row.size() == event.table->columns.size()) {
      std::string key = describe_key(*event.table, event);
      if (!key.empty()) status = std::move(status).with("key", key);
    }
  }
  if (event.txn < batch.txns.size()) {
    const Transaction& txn = batch.txns[event.txn];
    status = std::move(status).with("gtid", txn.id);
    if (!txn.file.empty()) status = std::move(status).with("position", fmt::format("{}:{}", txn.file, txn.end_offset));
  }
  return status;
}

bool is_at_statement(const Status& failure) {
  if (failure.code() == ErrorCode::kSchemaHeld) return true;
  const auto& places = failure.context();
  return error_info(failure.code()).text.starts_with("RULE-") &&
         std::any_of(places.begin(), places.end(), [](const auto& place) { return place.first == "statement"; });
}

}  // namespace tailrace
