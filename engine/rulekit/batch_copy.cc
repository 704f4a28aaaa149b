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

}  // namespace

EventBatch copy_batch(const std::shared_ptr<const EventBatch>& batch, size_t first, size_t count) {
  EventBatch out;
  out.txns = batch->txns;
  out.schemas = batch->schemas;
  out.outputs = batch->outputs;
  out.is_snapshot = batch->is_snapshot;
  out.keep_bytes(batch, 0);
  out.events.assign(batch->events.begin() + static_cast<long>(first), batch->events.begin() + static_cast<long>(first + count));
  for (ChangeEvent& event : out.events) {
    event.before = copy_row(out, event.before);
    event.after = copy_row(out, event.after);
    if (!event.new_schema) continue;
    out.schemas.push_back(*event.new_schema);
    event.new_schema = &out.schemas.back();
  }
  return out;
}

}  // namespace tailrace
