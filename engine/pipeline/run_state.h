// RunState: what the threads of one run share. Internal to the pipeline.
#pragma once
#include <atomic>
#include <mutex>
#include <new>
#include <stop_token>

#include "pipeline/delivered_counts.h"
#include "pipeline/pipeline.h"

namespace tailrace {

struct RunState {
  RunState(PipelineOptions given, PipelineParts borrowed)
      : options(given), parts(std::move(borrowed)), budget(given.memory_bytes), tracker(parts.acks->tracker) {}

  const PipelineOptions options;
  const PipelineParts parts;
  MemoryBudget budget;
  CheckpointTracker& tracker;
  std::stop_source drain;               // reading ends
  std::stop_source abort;               // waiting for the sink ends
  std::atomic<bool> stop_asked{false};  // by the owner, not by the end of the log or a failure
  std::atomic<bool> snapshot_done{false};
  std::atomic<bool> source_open{false};  // the source has taken the position that this run begins at
  mutable std::mutex mutex;              // guards status and counts
  PipelineStatus status;
  DeliveredCounts counts;  // not in the status yet

  void set_phase(std::string_view phase) {
    std::lock_guard lock(mutex);
    status.phase = phase;
  }
  bool undecodable() const {
    std::lock_guard lock(mutex);
    return status.undecodable;
  }
  // REQUIRES: mutex.
  void settle_counts() { counts.settle(tracker.durable_sequence(), status); }
  void set_table_state(const std::string& table, std::string_view state) {
    std::lock_guard lock(mutex);
    status.tables[table].state = state;
  }
};

// Exceptions of libraries and of memory end here: none crosses a thread.
template <class F>
Status guarded(F&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status(ErrorCode::kOutOfMemory, "");
  } catch (const std::exception& error) {
    return Status(ErrorCode::kInternal, error.what());
  }
}

}  // namespace tailrace
