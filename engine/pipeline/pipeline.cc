#include "pipeline/pipeline.h"

#include <condition_variable>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"
#include "base/log.h"
#include "pipeline/delivery.h"
#include "pipeline/run_state.h"
#include "rule/rule_stage.h"

namespace tailrace {
namespace {

using std::chrono::milliseconds;

Result<std::unique_ptr<RawBatch>> read_once(RunState& run, ReadState& state) {
  std::unique_ptr<RawBatch> raw;
  if (!run.budget.acquire(run.options.batch_bytes, run.drain.get_token())) {
    state = ReadState::kEnd;
    return raw;
  }
  MemoryCharge charge(run.budget, run.options.batch_bytes);
  TAILRACE_TRY(state, run.parts.source->read(raw, run.options.batch_bytes, run.drain.get_token()));
  if (raw) {
    charge.adjust(raw->bytes);
    raw->charge = std::move(charge);
  }
  return raw;
}

Status deliver(Delivery& delivery, RawBatch& raw) {
  MemoryCharge charge = std::move(raw.charge);
  return delivery.deliver_raw(raw, std::move(charge));
}

Status run_inline(RunState& run, Delivery& delivery) {
  ChunkReader chunks(run);
  while (!run.drain.stop_requested()) {
    const SnapshotTable* table = delivery.wants_chunk_of();
    if (table && !delivery.holds_chunk()) {
      TAILRACE_TRY(auto chunk, chunks.read(*table, delivery.next_key()));
      delivery.hold(std::move(chunk));
    }
    TAILRACE_TRY(bool merged, delivery.merge_held());
    if (merged) continue;
    if (run.snapshot_done && !run.options.stream) return {};
    ReadState state = ReadState::kIdle;
    auto read = read_once(run, state);
    if (!read.ok()) {
      TAILRACE_OK(delivery.tick(true));  // what stood before the failure is made durable
      return std::move(read).status();
    }
    auto raw = std::move(read).value();
    if (raw) TAILRACE_OK(deliver(delivery, *raw));
    if (state == ReadState::kEnd) return {};
    TAILRACE_OK(delivery.tick(state == ReadState::kIdle));
  }
  return {};
}

Status run_threaded(RunState& run, Delivery& delivery) {
  // Bytes are bounded by the budget; the queue's own limit only has to be as large.
  BoundedQueue<std::unique_ptr<RawBatch>> queue(run.options.memory_bytes);
  ChunkReader chunks(run);
  std::jthread reader([&] {
    Status status = guarded([&]() -> Status {
      ReadState state = ReadState::kMore;
      while (state != ReadState::kEnd && !run.drain.stop_requested()) {
        TAILRACE_TRY(auto raw, read_once(run, state));
        if (!raw) continue;
        size_t bytes = raw->bytes;
        if (!queue.push(std::move(raw), bytes, run.drain.get_token())) break;
      }
      return {};
    });
    queue.close(std::move(status));  // batches read before the failure still go out
  });
  // Whatever ends this function: the reader must not be left waiting for a budget or a socket.
  struct Release {
    RunState& run;
    ~Release() {
      run.drain.request_stop();
      run.parts.source->interrupt();
    }
  } release{run};

  while (!run.drain.stop_requested()) {
    const SnapshotTable* table = delivery.wants_chunk_of();
    if (table && !delivery.holds_chunk()) {
      if (auto done = chunks.take()) {
        TAILRACE_TRY(auto chunk, std::move(*done));
        delivery.hold(std::move(chunk));
      } else {
        chunks.request(*table, delivery.next_key());
      }
    }
    TAILRACE_TRY(bool merged, delivery.merge_held());
    if (merged) continue;
    if (run.snapshot_done && !run.options.stream) return {};
    auto raw = queue.pop(milliseconds(run.snapshot_done ? 20 : 2), run.abort.get_token());
    if (raw) {
      TAILRACE_OK(deliver(delivery, **raw));
    } else if (queue.finished()) {
      TAILRACE_OK(delivery.tick(true));  // what stood before the end or the failure is made durable
      return queue.failure();
    } else {
      TAILRACE_OK(delivery.tick(true));
    }
  }
  return {};
}

}  // namespace

void Acknowledgements::failed(Status status) {
  std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = std::move(status);
}

Status Acknowledgements::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

Pipeline::Pipeline(PipelineOptions options, PipelineParts parts) : run_(std::make_unique<RunState>(options, std::move(parts))) {
  run_->set_phase("starting");
}

Pipeline::~Pipeline() = default;

Status Pipeline::run(const SinkContext& sink_context) {
  RunState& run = *run_;
  Delivery delivery(run);
  Status status = guarded([&]() -> Status {
    TAILRACE_OK(delivery.prepare(sink_context));
    if (run.drain.stop_requested()) return {};
    return run.options.threads == 1 ? run_inline(run, delivery) : run_threaded(run, delivery);
  });
  bool by_stop = run.stop_asked && (status.ok() || status.code() == ErrorCode::kJobAborted);
  if (status.ok() || by_stop) {
    run.set_phase("draining");
    Status finished = guarded([&] { return delivery.finish(); });
    if (!finished.ok() && finished.code() != ErrorCode::kJobAborted) {
      status = std::move(finished);
    } else if (!finished.ok() || by_stop) {
      status = Status(ErrorCode::kJobAborted, "");
    }
  } else if (is_at_statement(status) || run.undecodable()) {
    // The job stands still here, perhaps for long: what came before the statement, or the value, is not to wait for it.
    Status finished = guarded([&] { return delivery.finish(); });
    if (!finished.ok()) status = std::move(finished);
  } else {
    // What the sink has made durable counts even when the run ends badly.
    Status saved = guarded([&] { return delivery.save(); });
    if (!saved.ok()) log(LogLevel::kWarn, saved.to_string());
  }
  {
    std::lock_guard lock(stop_mutex_);
    over_ = true;
    patience_.reset();
  }
  run.abort.request_stop();
  run.parts.sink->abandon();
  run.set_phase("ended");
  return status;
}

void Pipeline::stop(milliseconds patience) {
  RunState& run = *run_;
  std::lock_guard lock(stop_mutex_);
  if (over_) return;
  run.stop_asked = true;
  run.drain.request_stop();
  run.parts.source->interrupt();
  if (patience.count() <= 0) {
    run.abort.request_stop();
    run.parts.sink->abandon();
  } else if (!patience_) {
    patience_.emplace([&run, patience](std::stop_token stop) {
      std::mutex mutex;
      std::condition_variable_any wake;
      std::unique_lock wait(mutex);
      wake.wait_for(wait, stop, patience, [] { return false; });
      if (stop.stop_requested()) return;
      run.abort.request_stop();
      run.parts.sink->abandon();  // it may still be waiting for its first connection
    });
  }
}

PipelineStatus Pipeline::status() const {
  PipelineStatus copy;
  {
    std::lock_guard lock(run_->mutex);
    // The counters stand for the very checkpoint they are shown with: a killed process's are compared with it.
    auto [sequence, durable] = run_->tracker.durable_at();
    run_->counts.settle(sequence, run_->status);
    copy = run_->status;
    copy.durable = std::move(durable);
  }
  copy.durable_rows = run_->tracker.acknowledged_rows();
  copy.memory_used = run_->budget.used();
  copy.memory_peak = run_->budget.peak();
  return copy;
}

bool Pipeline::snapshot_durable() const {
  // A copy that is delivered but not yet durable does not count: its checkpoint still tells of an open snapshot.
  auto durable = run_->tracker.durable();
  return run_->snapshot_done && durable && !SnapshotStage::is_open(durable->snapshot_state);
}

bool Pipeline::reached(const Position& target) const {
  // A position that the source refuses, say after its log was begun anew, has reached nothing.
  return run_->source_open && snapshot_durable() && run_->parts.source->reached(run_->tracker.durable()->position, target);
}

}  // namespace tailrace
