#include "pipeline/delivery.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"

namespace tailrace {
namespace {

int64_t wall_clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Status Delivery::prepare(const SinkContext& sink_context) {
  SinkContext context = sink_context;
  if (sink_context.set_aside) {
    context.set_aside = [this, keep = sink_context.set_aside](const Status& why, const EventBatch& batch, const ChangeEvent& event) {
      TAILRACE_OK(keep(why, batch, event));
      const TableSchema& table = event.output && event.output->source ? *event.output->source : *event.table;
      std::lock_guard lock(run_.mutex);
      ++run_.counts.of_closed(batch.sequence, table.qualified_name()).dropped;
      return Status();
    };
  }
  TAILRACE_OK(run_.parts.sink->open(context, *run_.parts.acks));
  std::optional<Checkpoint> stored;
  if (caps_.owns_checkpoint) {
    TAILRACE_TRY(stored, run_.parts.sink->stored_checkpoint());
  } else {
    TAILRACE_TRY(stored, run_.parts.checkpoints->load());
  }
  TAILRACE_OK(restore(stored));
  TAILRACE_OK(run_.parts.rules->start(*run_.parts.source, position_));
  TAILRACE_OK(restore_memory(stored));
  if (snapshot_.phase() != SnapshotStage::Phase::kDone) {
    TAILRACE_OK(list_tables());
  } else if (!stored) {
    look_at_tables();
  }
  if (!stored) TAILRACE_OK(write_first_checkpoint());
  TAILRACE_OK(let_rules_pass());
  {
    std::lock_guard lock(run_.mutex);
    run_.status.read_position = position_;
    run_.status.heartbeat_interval_us = run_.parts.source->heartbeat_interval_us();
    run_.status.was_open = !stored || snapshot_.phase() != SnapshotStage::Phase::kDone;
  }
  if (snapshot_.phase() == SnapshotStage::Phase::kKeyless) TAILRACE_OK(copy_keyless());
  run_.set_phase("snapshot");
  note_snapshot_end();
  if (run_.drain.stop_requested()) return {};
  // Opened last: while nobody reads, a server's send buffer would fill and it would hang up.
  TAILRACE_OK(run_.parts.source->open(position_));
  run_.source_open = true;
  std::lock_guard lock(run_.mutex);
  run_.status.was_open = true;
  return {};
}

Status Delivery::restore(const std::optional<Checkpoint>& stored) {
  if (!stored) {
    TAILRACE_OK(run_.parts.source->open(run_.parts.start));
    position_ = run_.parts.source->start_position();
    if (!run_.options.snapshot) snapshot_.begin_keyed();  // no tables set: ends the snapshot at once
    return {};
  }
  position_ = stored->position;
  rows_total_ = stored->rows;
  last_commit_time_us_ = stored->commit_time_us;
  started_ = true;
  run_.tracker.restore(*stored);
  if (run_.parts.on_resumed) run_.parts.on_resumed(*stored);
  if (stored->snapshot_state.empty()) snapshot_.begin_keyed();
  return snapshot_.restore(stored->snapshot_state);
}

Status Delivery::list_tables() {
  TAILRACE_TRY(auto reader, run_.parts.source->snapshot_reader());
  TAILRACE_TRY(auto tables, reader->tables());
  // Every table is planned before the first row, so that a mistake in the rules is found before anything is delivered.
  for (const SnapshotTable& table : tables) {
    auto output = run_.parts.rules->stage().output(table.schema);
    if (!output.ok()) return std::move(output).status();
    if (*output) note_target(*table.schema, *(*output)->schema);
  }
  tell_tables(*reader, tables);
  std::lock_guard lock(run_.mutex);
  for (const SnapshotTable& table : tables) {
    TableProgress& progress = run_.status.tables[table.schema->qualified_name()];
    progress.rows_total = table.estimated_rows;
    progress.state = snapshot_.is_done(table) ? "copied" : "waiting";
  }
  snapshot_.set_tables(std::move(tables));
  return {};
}

// A job that only streams copies nothing, but a pattern that matches nothing is worth telling there, too.
void Delivery::look_at_tables() {
  if (!run_.parts.on_tables) return;
  auto look = [&]() -> Status {
    TAILRACE_TRY(auto reader, run_.parts.source->snapshot_reader());
    TAILRACE_TRY(auto tables, reader->tables());
    tell_tables(*reader, tables);
    return {};
  };
  Status looked = look();  // files have no tables to look at
  if (!looked.ok() && looked.code() != ErrorCode::kSourceUnsupported)
    log(LogLevel::kInfo, "patterns were not checked: " + looked.to_string());
}

void Delivery::tell_tables(SnapshotReader& reader, const std::vector<SnapshotTable>& tables) {
  if (!run_.parts.on_tables) return;
  FoundTables found;
  for (const SnapshotTable& table : tables) found.tables.push_back(table.schema);
  found.unmatched_rules = run_.parts.rules->stage().unmatched(found.tables);
  if (run_.options.stream) {
    auto unlogged = reader.unlogged_changes(tables);
    if (unlogged.ok()) found.unlogged = std::move(unlogged).value();
    else log(LogLevel::kWarn, "foreign keys were not looked at: " + unlogged.status().to_string());
  }
  run_.parts.on_tables(found);
}

// Goes down before any row: a job killed now begins at the same place.
Status Delivery::write_first_checkpoint() {
  EventBatch first;
  first.boundary = position_;
  first.snapshot_state = snapshot_.state();
  TAILRACE_OK(deliver(first));
  TAILRACE_OK(run_.parts.sink->flush(run_.abort.get_token()));
  TAILRACE_OK(run_.parts.acks->failure());
  return save();
}

Status Delivery::reset_copy(const SchemaRef& table) {
  EventBatch reset;
  reset.txns.push_back(Transaction{"snapshot", 0, "", 0, 0, true, true});
  ChangeEvent event;
  event.op = Op::kTruncate;
  event.table = reset.keep(table);
  reset.events.push_back(event);
  return deliver_rows(reset, false);
}

// A table without rows is to be there at the sink as well.
void Delivery::announce(const SchemaRef& table, EventBatch& batch) const {
  if (caps_.wants_records) return;
  if (batch.txns.empty()) batch.txns.push_back(Transaction{"snapshot", 0, "", 0, 0, true, true});
  batch.keep(table);
  ChangeEvent event;
  event.op = Op::kSchemaChange;
  event.new_schema = &batch.schemas.back();
  batch.events.push_back(event);
}

Status Delivery::copy_keyless() {
  run_.set_phase("snapshot");
  std::unique_ptr<SnapshotReader> reader;
  while (const SnapshotTable* next = snapshot_.next_table()) {
    SchemaRef table = next->schema;
    if (!reader) {
      TAILRACE_TRY(reader, run_.parts.source->snapshot_reader());
    }
    {
      std::lock_guard lock(run_.mutex);
      TableProgress& progress = run_.status.tables[table->qualified_name()];
      progress.state = "copying";
      progress.copied_anew = true;
      progress.rows_read = 0;
    }
    // What an earlier, interrupted copy left behind is taken away first; messages cannot be taken back.
    if (!caps_.wants_records) TAILRACE_OK(reset_copy(table));
    uint64_t ordinal = 0;
    auto pass_on = [&](SnapshotChunk chunk) -> Status {
      if (run_.drain.stop_requested()) return Status(ErrorCode::kJobAborted, "");
      for (ChangeEvent& row : chunk.rows.events) row.ordinal = ordinal++;
      return deliver_rows(chunk.rows, false);
    };
    TAILRACE_TRY(Position at, reader->read_whole(table, run_.options.chunk_bytes, pass_on));
    snapshot_.finish_keyless(table, at);
    EventBatch done;
    if (ordinal == 0) announce(table, done);
    TAILRACE_OK(deliver_rows(done, true));
    run_.set_table_state(table->qualified_name(), "copied");
  }
  snapshot_.begin_keyed();
  EventBatch done;
  return deliver_rows(done, true);
}

void Delivery::hold(ChunkReader::Chunk chunk) {
  snapshot_.forget_covered(chunk.rows.low);
  held_.emplace(std::move(chunk));
}

Result<bool> Delivery::merge_held() {
  if (!held_ || !at_boundary_ || !run_.parts.source->reached(position_, held_->rows.high)) return false;
  bool empty = !held_->dropped && held_->rows.rows.events.empty() && snapshot_.next_key().empty();
  TAILRACE_OK(snapshot_.filter(held_->rows));
  if (empty) announce(held_->table, held_->rows.rows);
  snapshot_.finish_chunk(held_->rows.next_key);
  TAILRACE_OK(deliver_rows(held_->rows.rows, true));
  run_.set_table_state(held_->table->qualified_name(), held_->rows.next_key.empty() ? "copied" : "copying");
  held_.reset();
  note_snapshot_end();
  return true;
}

void Delivery::note_snapshot_end() {
  if (snapshot_.phase() != SnapshotStage::Phase::kDone || run_.snapshot_done) return;
  run_.snapshot_done = true;
  run_.set_phase("stream");
}

Status Delivery::deliver_raw(const RawBatch& raw, MemoryCharge charge) {
  EventBatch batch;
  batch.charge = std::move(charge);
  if (Status decoded = run_.parts.source->decode(raw, batch); !decoded.ok()) {
    std::lock_guard lock(run_.mutex);
    run_.status.undecodable = true;
    return decoded;
  }
  batch.charge.adjust(raw.bytes + batch.bytes());
  batch.boundary = raw.boundary;
  if (raw.commit_time_us) {
    last_commit_time_us_ = raw.commit_time_us;
  } else if (!batch.txns.empty()) {
    last_commit_time_us_ = batch.txns.back().commit_time_us;
  }
  if (!raw.set_aside.empty()) {
    std::lock_guard lock(run_.mutex);
    for (const auto& [name, events] : raw.set_aside) {
      run_.status.tables[name].state = "quarantined";
      run_.counts.of(name).dropped += events;
    }
  }
  TAILRACE_OK(snapshot_.observe(batch));
  if (batch.boundary) {
    position_ = *batch.boundary;
    snapshot_.passed(position_);
    batch.snapshot_state = snapshot_.state();
  }
  at_boundary_ = batch.boundary.has_value();
  TAILRACE_OK(deliver(batch));
  return at_boundary_ ? let_rules_pass() : Status();
}

// Rows of a copy. A checkpoint stands after them: they are only merged between transactions.
Status Delivery::deliver_rows(EventBatch& batch, bool checkpoint_after) {
  batch.is_snapshot = true;
  if (batch.charge.bytes() == 0) batch.charge = MemoryCharge(run_.budget, 0);
  batch.charge.adjust(batch.bytes());
  if (checkpoint_after) {
    snapshot_.passed(position_);
    batch.boundary = position_;
    batch.snapshot_state = snapshot_.state();
  }
  return deliver(batch);
}

Status Delivery::deliver(EventBatch& batch) {
  batch.sequence = ++sequence_;
  count_rows(batch);
  TAILRACE_OK(run_.parts.rules->run(batch, *run_.parts.source));
  {
    std::lock_guard lock(run_.mutex);
    uint64_t dropped = run_.parts.rules->dropped();
    if (uint64_t now = dropped - std::exchange(dropped_by_rules_, dropped)) {
      run_.counts.drop_by_rules(now);
      count_dropped(batch);
    }
    run_.counts.close(batch.sequence);
    run_.settle_counts();
  }
  note_targets(batch);
  TAILRACE_OK(hand_on(batch));
  return tick(false);
}

// Behind the rules.
Status Delivery::hand_on(EventBatch& batch) {
  auto rows = static_cast<uint64_t>(std::count_if(batch.events.begin(), batch.events.end(), [](const ChangeEvent& event) {
    return event.op != Op::kSchemaChange && event.op != Op::kTruncate && event.op != Op::kHeartbeat;
  }));
  LaneBatch lane{&batch, std::nullopt};
  rows_total_ += rows;
  if (batch.boundary) {
    lane.checkpoint = Checkpoint{*batch.boundary, last_commit_time_us_, batch.snapshot_state, rows_total_};
    TAILRACE_OK(keep_memory(*lane.checkpoint));
  }
  run_.tracker.expect(batch.sequence, lane.checkpoint, rows);
  TAILRACE_OK(run_.parts.sink->write(lane, run_.abort.get_token()));
  if (!batch.events.empty()) fault_point(batch.is_snapshot ? "snapshot" : "mid-batch");
  {
    std::lock_guard lock(run_.mutex);
    run_.status.events += rows;
    run_.status.read_position = position_;
    run_.status.last_commit_time_us = last_commit_time_us_;
    run_.status.idle = false;
  }
  return {};
}

Status Delivery::tick(bool idle) {
  TAILRACE_OK(run_.parts.acks->failure());
  auto now = Clock::now();
  bool unacknowledged = run_.tracker.unacknowledged() != 0;
  if (unacknowledged && at_boundary_ && !caps_.asynchronous && (idle || now - flushed_at_ >= run_.options.flush_every)) {
    fault_point("flush");
    TAILRACE_OK(run_.parts.sink->flush(run_.abort.get_token()));
    flushed_at_ = now;
    // What was just synced would be delivered again after a kill, unless the checkpoint follows at once.
    if (!caps_.owns_checkpoint) TAILRACE_OK(save());
  }
  if (now - saved_at_ >= (idle ? run_.options.save_every / 5 : run_.options.save_every)) {
    TAILRACE_OK(save());
    saved_at_ = now;
  }
  if (idle && run_.tracker.unacknowledged() == 0) {
    std::lock_guard lock(run_.mutex);
    run_.status.idle = true;
  }
  return swap_rules();
}

Status Delivery::save() {
  if (auto durable = run_.tracker.take_durable()) {
    fault_point("flush");
    TAILRACE_OK(run_.parts.checkpoints->save(*durable));
    if (keeps_memory_) TAILRACE_OK(run_.parts.rule_state->settle(*durable));
    run_.parts.source->acknowledged(durable->position);
    if (durable->commit_time_us) {
      std::lock_guard lock(run_.mutex);
      if (run_.status.durable_commit_time_us != durable->commit_time_us) {
        run_.status.durable_commit_time_us = durable->commit_time_us;
        run_.status.durable_seen_us = wall_clock_us();
      }
    }
    if (!started_) {
      started_ = true;
      if (run_.parts.on_started) TAILRACE_OK(run_.parts.on_started());
    }
  }
  return {};
}

Status Delivery::finish() {
  Status status;
  if (run_.tracker.unacknowledged() != 0 && (at_boundary_ || !caps_.owns_checkpoint)) {
    status = run_.parts.sink->flush(run_.abort.get_token());
  }
  Status saved = save();
  if (status.ok()) status = std::move(saved);
  return status;
}

void Delivery::note_targets(const EventBatch& batch) {
  uint64_t last = 0;
  for (const ChangeEvent& event : batch.events) {
    if (!event.table || event.op == Op::kHeartbeat) continue;
    const TableSchema& layout = event.output && event.output->schema ? *event.output->schema : *event.table;
    if (layout.schema_id == last) continue;
    last = layout.schema_id;
    if (!noted_.insert(last).second) continue;
    if (event.output) note_target(*event.output->source, *event.output->schema);
    else note_target(*event.table, *event.table);
  }
}

void Delivery::note_target(const TableSchema& source, const TableSchema& target) {
  std::string name = source.qualified_name();
  std::set<std::string>& targets = targets_[name];
  if (!targets.insert(target.qualified_name()).second) return;
  std::string all;
  for (const std::string& one : targets) all += (all.empty() ? "" : ", ") + one;
  std::lock_guard lock(run_.mutex);
  run_.status.tables[name].target = all;
}

// Other rules hold from here on.
void Delivery::forget_targets() {
  noted_.clear();
  targets_.clear();
}

void Delivery::count_rows(const EventBatch& batch) {
  // By layout first: neighbours are seldom of one table, and names are long keys.
  came_.clear();
  const TableSchema* table = nullptr;
  RowCounts* counts = nullptr;
  for (const ChangeEvent& event : batch.events) {
    if (!event.table) continue;
    if (event.table != table) {
      table = event.table;
      counts = &came_[table];
    }
    switch (event.op) {
      case Op::kInsert: ++counts->inserts; break;
      case Op::kUpdate: ++counts->updates; break;
      case Op::kDelete: ++counts->deletes; break;
      case Op::kRead: ++counts->rows_read; break;
      default: break;
    }
  }
  // The copy of a table without a key has no checkpoint before its end; till then its rows show at once, and if it is begun
  // again they are forgotten.
  bool shows_at_once = batch.is_snapshot && snapshot_.phase() == SnapshotStage::Phase::kKeyless;
  std::lock_guard lock(run_.mutex);
  for (const auto& [layout, of_layout] : came_) {
    const std::string name = layout->qualified_name();
    RowCounts counted = of_layout;
    if (shows_at_once) run_.status.tables[name].rows_read += std::exchange(counted.rows_read, 0);
    counted.add_to(run_.counts.of(name));
  }
}

// Rows that came and of which the rules left nothing. REQUIRES: the mutex.
void Delivery::count_dropped(const EventBatch& batch) {
  std::unordered_map<uint64_t, uint64_t> left;  // by the source's layout
  for (const ChangeEvent& event : batch.events) {
    if (event.op > Op::kRead || event.sub_ordinal != 0 || !event.table) continue;
    const TableSchema& source = event.output && event.output->source ? *event.output->source : *event.table;
    ++left[source.schema_id];
  }
  for (const auto& [layout, came] : came_) {
    uint64_t rows = came.rows_read + came.inserts + came.updates + came.deletes;
    uint64_t& stays = left[layout->schema_id];
    uint64_t delivered = std::min(rows, stays);
    stays -= delivered;
    if (rows > delivered) run_.counts.of(layout->qualified_name()).dropped += rows - delivered;
  }
}

}  // namespace tailrace
