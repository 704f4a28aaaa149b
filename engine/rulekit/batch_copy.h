// A second batch with the same events, so that two stages can each rewrite their own.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "event/event_batch.h"

namespace tailrace {

// Rows are copied; the texts they point to are shared and kept alive. `events` or `first` and `count` choose the events.
EventBatch copy_batch(const std::shared_ptr<const EventBatch>& batch, std::span<const uint32_t> events);
EventBatch copy_batch(const std::shared_ptr<const EventBatch>& batch, size_t first, size_t count);
inline EventBatch copy_batch(const std::shared_ptr<const EventBatch>& batch) { return copy_batch(batch, 0, batch->events.size()); }

}  // namespace tailrace
