// EventBatch: the unit of every queue. Move-only. Owns the arena, schemas and events, and keeps them alive until
// it is destroyed; its bytes are charged to the process' MemoryBudget for that time.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/arena.h"
#include "base/memory_budget.h"
#include "event/change_event.h"
#include "event/position.h"

namespace tailrace {

class EventBatch {
 public:
  EventBatch() = default;
  EventBatch(EventBatch&&) = default;
  EventBatch& operator=(EventBatch&&) = default;

  uint64_t sequence = 0;  // given by the reader; orders batches of this run; never stored
  std::vector<Transaction> txns;
  std::vector<ChangeEvent> events;
  std::deque<SchemaRef> schemas;                           // keeps every `table` alive; deque: addresses are stable
  std::deque<std::shared_ptr<const OutputTable>> outputs;  // keeps every `output` alive
  std::optional<Position> boundary;                        // set when the last transaction ends here: a checkpoint may stand here
  bool is_snapshot = false;                                // rows of a snapshot chunk
  std::string snapshot_state;                              // see Checkpoint
  Arena arena;
  std::shared_ptr<const void> kept;  // see keep_bytes
  size_t kept_bytes = 0;
  MemoryCharge charge;

  Row new_row(size_t columns) { return {arena.allocate_array<Value>(columns), columns}; }
  size_t bytes() const noexcept { return arena.bytes() + kept_bytes + events.capacity() * sizeof(ChangeEvent); }
  // Shares ownership of memory that values point into, e.g. the log's own bytes.
  void keep_bytes(std::shared_ptr<const void> memory, size_t size) {
    kept = std::move(memory);
    kept_bytes = size;
  }
  // Makes the batch own the schema; repeated calls with the same schema keep one reference.
  const TableSchema* keep(const SchemaRef& schema) {
    if (schemas.empty() || schemas.back() != schema) schemas.push_back(schema);
    return schema.get();
  }
};

}  // namespace tailrace
