#include "pipeline/checkpoint_tracker.h"

#include <algorithm>

namespace tailrace {

void CheckpointTracker::expect(uint64_t sequence, std::optional<Checkpoint> checkpoint, uint64_t rows) {
  std::lock_guard lock(mutex_);
  waiting_.push_back({sequence, std::move(checkpoint), rows, false, std::chrono::steady_clock::now()});
}

void CheckpointTracker::restore(Checkpoint checkpoint) {
  std::lock_guard lock(mutex_);
  durable_ = std::move(checkpoint);
}

void CheckpointTracker::acknowledge(uint64_t sequence) {
  std::lock_guard lock(mutex_);
  auto it = std::lower_bound(waiting_.begin(), waiting_.end(), sequence, [](const Entry& entry, uint64_t s) { return entry.sequence < s; });
  if (it == waiting_.end() || it->sequence != sequence) return;  // acknowledged before: nothing to add
  it->acknowledged = true;
  while (!waiting_.empty() && waiting_.front().acknowledged) {
    Entry& head = waiting_.front();
    rows_ += head.rows;
    if (head.checkpoint) {
      durable_ = std::move(head.checkpoint);
      durable_sequence_ = head.sequence;
      moved_ = true;
    }
    waiting_.pop_front();
  }
}

std::optional<Checkpoint> CheckpointTracker::take_durable() {
  std::lock_guard lock(mutex_);
  if (!moved_) return std::nullopt;
  moved_ = false;
  return durable_;
}

std::optional<Checkpoint> CheckpointTracker::durable() const {
  std::lock_guard lock(mutex_);
  return durable_;
}

uint64_t CheckpointTracker::durable_sequence() const {
  std::lock_guard lock(mutex_);
  return durable_sequence_;
}

std::pair<uint64_t, std::optional<Checkpoint>> CheckpointTracker::durable_at() const {
  std::lock_guard lock(mutex_);
  return {durable_sequence_, durable_};
}

uint64_t CheckpointTracker::acknowledged_rows() const {
  std::lock_guard lock(mutex_);
  return rows_;
}

size_t CheckpointTracker::unacknowledged() const {
  std::lock_guard lock(mutex_);
  return waiting_.size();
}

std::chrono::nanoseconds CheckpointTracker::head_age() const {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::chrono::nanoseconds(0);
  return std::chrono::steady_clock::now() - waiting_.front().since;
}

}  // namespace tailrace
