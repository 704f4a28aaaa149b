#include "pipeline/pipeline.h"

#include <condition_variable>
#include <new>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "pipeline/snapshot_stage.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

Status stopped() { return Status(ErrorCode::kJobAborted, ""); }

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

}  // namespace

// Everything after the reader: decode, snapshot merge, rules, sink, checkpoints. One thread: the one that runs `run`.
class Pipeline::Delivery {
 public:
  Delivery(Pipeline& pipeline) : p_(pipeline), snapshot_(*pipeline.parts_.source) {}

  Status deliver_raw(const RawBatch& raw, MemoryCharge charge) {
    EventBatch batch;
    batch.charge = std::move(charge);
    TAILRACE_OK(p_.parts_.source->decode(raw, batch));
    batch.charge.adjust(raw.bytes + batch.bytes());
    batch.boundary = raw.boundary;
    if (!batch.txns.empty()) last_commit_time_us_ = batch.txns.back().commit_time_us;
    snapshot_.observe(batch);
    if (batch.boundary) {
      position_ = *batch.boundary;
      snapshot_.passed(position_);
      batch.snapshot_state = snapshot_.state();
    }
    at_boundary_ = batch.boundary.has_value();
    return deliver(batch);
  }

  // Rows of a copy. A checkpoint stands after them: they are only merged between transactions.
  Status deliver_rows(EventBatch& batch, bool checkpoint_after) {
    batch.is_snapshot = true;
    batch.charge = MemoryCharge(p_.budget_, 0);
    batch.charge.adjust(batch.bytes());
    if (checkpoint_after) {
      snapshot_.passed(position_);
      batch.boundary = position_;
      batch.snapshot_state = snapshot_.state();
    }
    count_rows(batch);
    return deliver(batch);
  }

  Status deliver(EventBatch& batch) {
    batch.sequence = ++sequence_;
    size_t rows = batch.events.size();
    if (!batch.is_snapshot) count_rows(batch);
    TAILRACE_OK(p_.parts_.rules->run(batch));
    LaneBatch lane{&batch, std::nullopt};
    rows_total_ += rows;
    if (batch.boundary) {
      lane.checkpoint = Checkpoint{*batch.boundary, last_commit_time_us_, batch.snapshot_state, rows_total_};
    }
    p_.tracker_.expect(batch.sequence, lane.checkpoint, rows);
    TAILRACE_OK(p_.parts_.sink->write(lane, p_.abort_.get_token()));
    if (!batch.events.empty()) fault_point(batch.is_snapshot ? "snapshot" : "mid-batch");
    {
      std::lock_guard lock(p_.status_mutex_);
      p_.status_.events += batch.events.size();
      p_.status_.read_position = position_;
      p_.status_.last_commit_time_us = last_commit_time_us_;
      p_.status_.idle = false;
    }
    return tick(false);
  }

  // Housekeeping between batches: failures of the sink, flushes, the stored checkpoint.
  Status tick(bool idle) {
    TAILRACE_OK(p_.parts_.acks->failure());
    auto now = Clock::now();
    bool unacknowledged = p_.tracker_.unacknowledged() != 0;
    if (unacknowledged && at_boundary_ && !caps_.asynchronous && (idle || now - flushed_at_ >= p_.options_.flush_every)) {
      fault_point("flush");
      TAILRACE_OK(p_.parts_.sink->flush(p_.abort_.get_token()));
      flushed_at_ = now;
    }
    if (now - saved_at_ >= (idle ? p_.options_.save_every / 5 : p_.options_.save_every)) {
      TAILRACE_OK(save());
      saved_at_ = now;
    }
    if (idle && p_.tracker_.unacknowledged() == 0) {
      std::lock_guard lock(p_.status_mutex_);
      p_.status_.idle = true;
    }
    return {};
  }

  Status save() {
    if (auto durable = p_.tracker_.take_durable()) {
      fault_point("flush");
      TAILRACE_OK(p_.parts_.checkpoints->save(*durable));
      p_.parts_.source->acknowledged(durable->position);
      if (!started_) {
        started_ = true;
        if (p_.parts_.on_started) TAILRACE_OK(p_.parts_.on_started());
      }
    }
    return {};
  }

  // Makes what was written durable, or gives up when the stop's patience ends.
  Status finish() {
    Status status;
    if (p_.tracker_.unacknowledged() != 0 && (at_boundary_ || !caps_.owns_checkpoint)) {
      status = p_.parts_.sink->flush(p_.abort_.get_token());
    }
    Status saved = save();
    if (status.ok()) status = std::move(saved);
    return status;
  }

  void count_rows(const EventBatch& batch) {
    std::lock_guard lock(p_.status_mutex_);
    const TableSchema* table = nullptr;
    TableProgress* progress = nullptr;
    for (const ChangeEvent& event : batch.events) {
      if (!event.table) continue;
      if (event.table != table) {
        table = event.table;
        progress = &p_.status_.tables[table->qualified_name()];
      }
      switch (event.op) {
        case Op::kInsert: ++progress->inserts; break;
        case Op::kUpdate: ++progress->updates; break;
        case Op::kDelete: ++progress->deletes; break;
        case Op::kRead: ++progress->rows_read; break;
        default: break;
      }
    }
  }

  void set_phase(std::string_view phase) {
    std::lock_guard lock(p_.status_mutex_);
    p_.status_.phase = phase;
  }
  void set_table_state(const std::string& table, std::string_view state) {
    std::lock_guard lock(p_.status_mutex_);
    p_.status_.tables[table].state = state;
  }

  bool drained() const { return p_.drain_.stop_requested(); }

  Pipeline& p_;
  SnapshotStage snapshot_;
  SinkCaps caps_;
  Position position_;           // newest boundary handled
  bool at_boundary_ = true;
  bool started_ = false;
  uint64_t sequence_ = 0;
  uint64_t rows_total_ = 0;
  int64_t last_commit_time_us_ = 0;
  Clock::time_point flushed_at_ = Clock::now(), saved_at_ = Clock::now();
};

// Reads the chunks of keyed tables one after the other; holds at most one that the delivery thread has not taken.
class Pipeline::ChunkReader {
 public:
  struct Chunk {
    SchemaRef table;
    SnapshotChunk chunk;
  };
  ChunkReader(Pipeline& pipeline, Delivery& delivery) : p_(pipeline), d_(delivery) {}

  // Reads the next chunk in the calling thread. REQUIRES: d_.snapshot_.next_table().
  Result<Chunk> read(const SnapshotTable& table, const std::string& from) {
    if (!reader_) {
      TAILRACE_TRY(reader_, p_.parts_.source->snapshot_reader());
    }
    auto chunk = reader_->read_chunk(table.schema, from, p_.options_.chunk_rows, p_.options_.chunk_bytes);
    if (!chunk.ok()) return std::move(chunk).status();
    return Chunk{table.schema, std::move(chunk).value()};
  }

  // Asks the reader thread for the next chunk (threads = 2). At most one request is open.
  void request(const SnapshotTable& table, const std::string& from) {
    if (requested_) return;
    requested_ = true;
    if (!thread_) {
      thread_.emplace([this](std::stop_token stop) { loop(stop); });
    }
    std::lock_guard lock(mutex_);
    work_ = std::make_pair(table, from);
    changed_.notify_all();
  }
  // The chunk asked for, when it is there.
  std::optional<Result<Chunk>> take() {
    std::lock_guard lock(mutex_);
    if (!done_) return std::nullopt;
    requested_ = false;
    auto result = std::move(done_);
    done_.reset();
    return result;
  }
  bool requested() const noexcept { return requested_; }

 private:
  void loop(std::stop_token stop) {
    while (!stop.stop_requested()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return work_.has_value(); });
      if (stop.stop_requested()) return;
      auto work = std::move(*work_);
      work_.reset();
      lock.unlock();
      std::optional<Result<Chunk>> result;
      Status status = guarded([&] {
        result = read(work.first, work.second);
        return Status();
      });
      if (!status.ok()) result = Result<Chunk>(std::move(status));
      lock.lock();
      done_ = std::move(result);
    }
  }

  Pipeline& p_;
  Delivery& d_;
  std::unique_ptr<SnapshotReader> reader_;
  bool requested_ = false;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::pair<SnapshotTable, std::string>> work_;
  std::optional<Result<Chunk>> done_;
  std::optional<std::jthread> thread_;  // last: joins before the rest goes
};

void Acknowledgements::failed(Status status) {
  std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = std::move(status);
}

Status Acknowledgements::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

Pipeline::Pipeline(PipelineOptions options, PipelineParts parts)
    : options_(options), parts_(std::move(parts)), budget_(options.memory_bytes), tracker_(parts_.acks->tracker) {
  status_.phase = "starting";
}

Pipeline::~Pipeline() = default;

Status Pipeline::prepare(Delivery& d, const SinkContext& sink_context) {
  d.caps_ = parts_.sink->caps();
  TAILRACE_OK(parts_.sink->open(sink_context, *parts_.acks));
  std::optional<Checkpoint> stored;
  if (d.caps_.owns_checkpoint) {
    TAILRACE_TRY(stored, parts_.sink->stored_checkpoint());
  } else {
    TAILRACE_TRY(stored, parts_.checkpoints->load());
  }
  if (stored) {
    d.position_ = stored->position;
    d.rows_total_ = stored->rows;
    d.last_commit_time_us_ = stored->commit_time_us;
    d.started_ = true;
    tracker_.restore(*stored);
    bool snapshot_open = !stored->snapshot_state.empty();
    TAILRACE_OK(d.snapshot_.restore(stored->snapshot_state));
    if (!snapshot_open) d.snapshot_.begin_keyed();  // no tables set: ends the snapshot at once
  } else {
    TAILRACE_OK(parts_.source->open(parts_.start));
    d.position_ = parts_.source->start_position();
    if (!options_.snapshot) d.snapshot_.begin_keyed();
  }
  bool copying = d.snapshot_.phase() != SnapshotStage::Phase::kDone;
  if (copying) {
    TAILRACE_TRY(auto reader, parts_.source->snapshot_reader());
    TAILRACE_TRY(auto tables, reader->tables());
    {
      std::lock_guard lock(status_mutex_);
      for (const SnapshotTable& table : tables) {
        TableProgress& progress = status_.tables[table.schema->qualified_name()];
        progress.rows_total = table.estimated_rows;
        progress.state = "waiting";
      }
    }
    d.snapshot_.set_tables(std::move(tables));
  }
  if (!stored) {
    // The first checkpoint goes down before any row: a job killed now begins at the same place.
    EventBatch first;
    first.boundary = d.position_;
    first.snapshot_state = d.snapshot_.state();
    TAILRACE_OK(d.deliver(first));
    TAILRACE_OK(parts_.sink->flush(abort_.get_token()));
    TAILRACE_OK(parts_.acks->failure());
    TAILRACE_OK(d.save());
  }
  {
    std::lock_guard lock(status_mutex_);
    status_.read_position = d.position_;
  }
  if (d.snapshot_.phase() == SnapshotStage::Phase::kKeyless) TAILRACE_OK(copy_keyless(d));
  snapshot_done_ = d.snapshot_.phase() == SnapshotStage::Phase::kDone;
  d.set_phase(snapshot_done_ ? "stream" : "snapshot");
  if (drain_.stop_requested()) return {};
  // Opened last: while nobody reads, a server's send buffer would fill and it would hang up.
  TAILRACE_OK(parts_.source->open(d.position_));
  std::lock_guard lock(status_mutex_);
  status_.phase_reached = true;
  return {};
}

Status Pipeline::reset_copy(Delivery& d, const SchemaRef& table) {
  EventBatch reset;
  reset.txns.push_back(Transaction{"snapshot", 0, "", 0, 0, true, true});
  ChangeEvent event;
  event.op = Op::kTruncate;
  event.table = reset.keep(table);
  reset.events.push_back(event);
  return d.deliver_rows(reset, false);
}

Status Pipeline::copy_keyless(Delivery& d) {
  d.set_phase("snapshot");
  std::unique_ptr<SnapshotReader> reader;
  while (const SnapshotTable* next = d.snapshot_.next_table()) {
    SchemaRef table = next->schema;
    if (!reader) {
      TAILRACE_TRY(reader, parts_.source->snapshot_reader());
    }
    d.set_table_state(table->qualified_name(), "copying");
    // What an earlier, interrupted copy left behind is taken away first; messages cannot be taken back.
    if (!d.caps_.wants_records) TAILRACE_OK(reset_copy(d, table));
    uint64_t ordinal = 0;
    auto deliver = [&](SnapshotChunk chunk) -> Status {
      if (drain_.stop_requested()) return stopped();
      for (ChangeEvent& row : chunk.rows.events) row.ordinal = ordinal++;
      return d.deliver_rows(chunk.rows, false);
    };
    auto at = reader->read_whole(table, options_.chunk_bytes, deliver);
    if (!at.ok()) return std::move(at).status();
    d.snapshot_.finish_keyless(table, *at);
    EventBatch done;
    TAILRACE_OK(d.deliver_rows(done, true));
    d.set_table_state(table->qualified_name(), "copied");
  }
  d.snapshot_.begin_keyed();
  EventBatch done;
  return d.deliver_rows(done, true);
}

namespace {

// A chunk waits here until the stream has come to its high position.
template <class Delivery, class Chunk>
Status merge_chunk(Delivery& d, std::optional<Chunk>& held, const Source& source, bool& merged) {
  merged = false;
  if (!held || !d.at_boundary_ || !source.reached(d.position_, held->chunk.high)) return {};
  d.snapshot_.filter(held->chunk);
  std::string table = held->table->qualified_name();
  bool last = held->chunk.next_key.empty();
  d.snapshot_.finish_chunk(held->chunk.next_key);
  TAILRACE_OK(d.deliver_rows(held->chunk.rows, true));
  d.set_table_state(table, last ? "copied" : "copying");
  held.reset();
  merged = true;
  return {};
}

}  // namespace

Result<std::unique_ptr<RawBatch>> Pipeline::read_once(ReadState& state) {
  std::unique_ptr<RawBatch> raw;
  if (!budget_.acquire(options_.batch_bytes, drain_.get_token())) {
    state = ReadState::kEnd;
    return raw;
  }
  MemoryCharge charge(budget_, options_.batch_bytes);
  TAILRACE_TRY(state, parts_.source->read(raw, options_.batch_bytes, drain_.get_token()));
  if (raw) {
    charge.adjust(raw->bytes);
    raw->charge = std::move(charge);
  }
  return raw;
}

Status Pipeline::run_inline(Delivery& d) {
  ChunkReader chunks(*this, d);
  std::optional<ChunkReader::Chunk> held;
  while (!drain_.stop_requested()) {
    if (d.snapshot_.phase() == SnapshotStage::Phase::kKeyed && !held) {
      const SnapshotTable* table = d.snapshot_.next_table();
      TAILRACE_TRY(auto chunk, chunks.read(*table, d.snapshot_.next_key()));
      d.snapshot_.forget_covered(chunk.chunk.low);
      held.emplace(std::move(chunk));
    }
    bool merged = false;
    TAILRACE_OK(merge_chunk(d, held, *parts_.source, merged));
    if (merged) {
      snapshot_done_ = d.snapshot_.phase() == SnapshotStage::Phase::kDone;
      if (snapshot_done_) d.set_phase("stream");
      continue;
    }
    if (snapshot_done_ && !options_.stream) return {};
    ReadState state = ReadState::kIdle;
    TAILRACE_TRY(auto raw, read_once(state));
    if (raw) {
      MemoryCharge charge = std::move(raw->charge);
      TAILRACE_OK(d.deliver_raw(*raw, std::move(charge)));
    }
    if (state == ReadState::kEnd) return {};
    TAILRACE_OK(d.tick(state == ReadState::kIdle));
  }
  return {};
}

Status Pipeline::run_threaded(Delivery& d) {
  // Bytes are bounded by the budget; the queue's own limit only has to be as large.
  BoundedQueue<std::unique_ptr<RawBatch>> queue(options_.memory_bytes);
  ChunkReader chunks(*this, d);
  std::optional<ChunkReader::Chunk> held;
  std::jthread reader([&] {
    Status status = guarded([&]() -> Status {
      ReadState state = ReadState::kMore;
      while (state != ReadState::kEnd && !drain_.stop_requested()) {
        TAILRACE_TRY(auto raw, read_once(state));
        if (!raw) continue;
        size_t bytes = raw->bytes;
        if (!queue.push(std::move(raw), bytes, drain_.get_token())) break;
      }
      return {};
    });
    queue.poison(std::move(status));
  });
  // Whatever ends this function: the reader must not be left waiting for a budget or a socket.
  struct Release {
    Pipeline& p;
    ~Release() {
      p.drain_.request_stop();
      p.parts_.source->interrupt();
    }
  } release{*this};

  while (!drain_.stop_requested()) {
    if (d.snapshot_.phase() == SnapshotStage::Phase::kKeyed) {
      if (!held) {
        if (auto done = chunks.take()) {
          TAILRACE_TRY(auto chunk, std::move(*done));
          d.snapshot_.forget_covered(chunk.chunk.low);
          held.emplace(std::move(chunk));
        } else if (!chunks.requested()) {
          chunks.request(*d.snapshot_.next_table(), d.snapshot_.next_key());
        }
      }
      bool merged = false;
      TAILRACE_OK(merge_chunk(d, held, *parts_.source, merged));
      if (merged) {
        snapshot_done_ = d.snapshot_.phase() == SnapshotStage::Phase::kDone;
        if (snapshot_done_) d.set_phase("stream");
        continue;
      }
    }
    if (snapshot_done_ && !options_.stream) return {};
    auto raw = queue.pop(milliseconds(snapshot_done_ ? 20 : 2), abort_.get_token());
    if (raw) {
      MemoryCharge charge = std::move((*raw)->charge);
      TAILRACE_OK(d.deliver_raw(**raw, std::move(charge)));
      continue;
    }
    if (queue.finished()) return queue.failure();
    TAILRACE_OK(d.tick(true));
  }
  return {};
}

Status Pipeline::run(const SinkContext& sink_context) {
  Delivery delivery(*this);
  Status status = guarded([&]() -> Status {
    TAILRACE_OK(prepare(delivery, sink_context));
    if (drain_.stop_requested()) return {};
    return options_.threads == 1 ? run_inline(delivery) : run_threaded(delivery);
  });
  bool ended_by_stop = drain_.stop_requested() && (status.ok() || status.code() == ErrorCode::kJobAborted);
  if (status.ok() || ended_by_stop) {
    delivery.set_phase("draining");
    Status finished = guarded([&] { return delivery.finish(); });
    if (!finished.ok() && finished.code() != ErrorCode::kJobAborted) {
      status = std::move(finished);
    } else if (!finished.ok() || ended_by_stop) {
      status = stopped();
    }
  } else {
    // What the sink has made durable counts even when the run ends badly.
    Status saved = guarded([&] { return delivery.save(); });
    if (!saved.ok()) log(LogLevel::kWarn, saved.to_string());
  }
  {
    std::lock_guard lock(stop_mutex_);
    abort_.request_stop();
  }
  parts_.sink->abandon();
  delivery.set_phase("ended");
  return status;
}

void Pipeline::stop(milliseconds patience) {
  std::lock_guard lock(stop_mutex_);
  drain_.request_stop();
  parts_.source->interrupt();
  if (patience.count() <= 0) {
    abort_.request_stop();
    parts_.sink->abandon();
  } else if (!patience_) {
    patience_.emplace([this, patience](std::stop_token stop) {
      std::mutex mutex;
      std::condition_variable_any wake;
      std::unique_lock wait(mutex);
      wake.wait_for(wait, stop, patience, [] { return false; });
      abort_.request_stop();
      parts_.sink->abandon();   // it may still be waiting for its first connection
    });
  }
}

PipelineStatus Pipeline::status() const {
  PipelineStatus copy;
  {
    std::lock_guard lock(status_mutex_);
    copy = status_;
  }
  copy.durable = tracker_.durable();
  copy.durable_rows = tracker_.acknowledged_rows();
  copy.memory_used = budget_.used();
  copy.memory_peak = budget_.peak();
  return copy;
}

bool Pipeline::snapshot_durable() const {
  auto durable = tracker_.durable();
  return snapshot_done_ && durable && !SnapshotStage::is_open(durable->snapshot_state);
}

bool Pipeline::reached(const Position& target) const {
  // A copy that is delivered but not yet durable is not reached: its checkpoint still tells of an open snapshot.
  if (!snapshot_done_) return false;
  auto durable = tracker_.durable();
  return durable && !SnapshotStage::is_open(durable->snapshot_state) && parts_.source->reached(durable->position, target);
}

}  // namespace tailrace
