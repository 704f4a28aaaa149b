// CheckpointTracker: the only judge of progress. Batches are expected in order and acknowledged in any order; a
// checkpoint is durable when every batch up to it is. Thread-safe.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "event/position.h"

namespace tailrace {

class CheckpointTracker {
 public:
  // The checkpoint a run begins with: durable already.
  void restore(Checkpoint checkpoint);
  // Called in order, before the batch is handed to the sink. `checkpoint` is set when one may stand after it.
  void expect(uint64_t sequence, std::optional<Checkpoint> checkpoint, uint64_t rows);
  void acknowledge(uint64_t sequence);
  // The newest checkpoint of the acknowledged prefix, once: nullopt when it has not moved since the last call.
  std::optional<Checkpoint> take_durable();
  // The newest durable checkpoint ever seen.
  std::optional<Checkpoint> durable() const;
  // The number of the batch that the newest one stands after; 0 = none of this run.
  uint64_t durable_sequence() const;
  // Both, of one moment.
  std::pair<uint64_t, std::optional<Checkpoint>> durable_at() const;
  uint64_t acknowledged_rows() const;
  size_t unacknowledged() const;
  // How long the oldest batch has been waiting; zero when none is.
  std::chrono::nanoseconds head_age() const;

 private:
  struct Entry {
    uint64_t sequence;
    std::optional<Checkpoint> checkpoint;
    uint64_t rows;
    bool acknowledged;
    std::chrono::steady_clock::time_point since;
  };
  mutable std::mutex mutex_;
  std::deque<Entry> waiting_;
  std::optional<Checkpoint> durable_;
  uint64_t durable_sequence_ = 0;
  bool moved_ = false;
  uint64_t rows_ = 0;
};

}  // namespace tailrace
