#include "rulekit/batch_copy.h"

#include <algorithm>

namespace tailrace {
namespace {

Row copy_row(EventBatch& to, Row row) {
  if (row.empty()) return {};
  Row out = to.new_row(row.size());
  std::copy(row.begin(), row.end(), out.begin());
  return out;
}

EventBatch frame(const std::shared_ptr<const EventBatch>& batch) {
  EventBatch out;
  out.txns = batch->txns;
  out.schemas = batch->schemas;
  out.outputs = batch->outputs;
  out.is_snapshot = batch->is_snapshot;
  out.keep_bytes(batch, 0);
  return out;
}

void own_rows(EventBatch& out) {
  for (ChangeEvent& event : out.events) {
    event.before = copy_row(out, event.before);
    event.after = copy_row(out, event.after);
    if (!event.new_schema) continue;
    out.schemas.push_back(*event.new_schema);
    event.new_schema = &out.schemas.back();
  }
}

}  // namespace

EventBatch copy_batch(const std::shared_ptr<const EventBatch>& batch, std::span<const uint32_t> events) {
  EventBatch out = frame(batch);
  out.events.reserve(events.size());
  for (uint32_t i : events) out.events.push_back(batch->events[i]);
  own_rows(out);
  return out;
}

EventBatch copy_batch(const std::shared_ptr<const EventBatch>& batch, size_t first, size_t count) {
  EventBatch out = frame(batch);
  out.events.assign(batch->events.begin() + static_cast<long>(first), batch->events.begin() + static_cast<long>(first + count));
  own_rows(out);
  return out;
}

}  // namespace tailrace
