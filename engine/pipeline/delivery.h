// Delivery: everything after the reader: decode, snapshot merge, rules, sink, checkpoints. One thread: the caller of
// Pipeline::run.
#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "pipeline/chunk_reader.h"
#include "pipeline/run_state.h"
#include "pipeline/snapshot_stage.h"

namespace tailrace {

class Delivery {
 public:
  explicit Delivery(RunState& run) : run_(run), caps_(run.parts.sink->caps()), snapshot_(*run.parts.source) {}

  // Opens the sink, finds the checkpoint or makes the first one durable, copies tables without a key, opens the source.
  Status prepare(const SinkContext& sink_context);
  Status deliver_raw(const RawBatch& raw, MemoryCharge charge);
  // Takes a chunk over; it waits here until the stream has come to its high position.
  void hold(ChunkReader::Chunk chunk);
  bool holds_chunk() const noexcept { return held_.has_value(); }
  // Delivers the held chunk if its time has come. True: it did.
  Result<bool> merge_held();
  // Housekeeping between batches: failures of the sink, flushes, the stored checkpoint.
  Status tick(bool idle);
  Status save();
  // Makes what was written durable, or gives up when the stop's patience ends.
  Status finish();
  // The table to read chunks of, or null when there is none (any more).
  const SnapshotTable* wants_chunk_of() const {
    return snapshot_.phase() == SnapshotStage::Phase::kKeyed ? snapshot_.next_table() : nullptr;
  }
  const std::string& next_key() const noexcept { return snapshot_.next_key(); }

 private:
  using Clock = std::chrono::steady_clock;
  Status restore(const std::optional<Checkpoint>& stored);
  Status list_tables();
  void look_at_tables();
  void tell_tables(SnapshotReader& reader, const std::vector<SnapshotTable>& tables);
  Status write_first_checkpoint();
  Status copy_keyless();
  Status reset_copy(const SchemaRef& table);
  void announce(const SchemaRef& table, EventBatch& batch) const;
  Status deliver_rows(EventBatch& batch, bool checkpoint_after);
  Status deliver(EventBatch& batch);
  Status hand_on(EventBatch& batch);
  Status tell(EventBatch& announcement);
  Status let_rules_pass();
  Status swap_rules();
  Status restore_memory(const std::optional<Checkpoint>& stored);
  Status keep_memory(const Checkpoint& at);
  void count_rows(const EventBatch& batch);     // ahead of the rules
  void count_dropped(const EventBatch& batch);  // behind them
  void note_targets(const EventBatch& batch);   // behind the rules
  void note_target(const TableSchema& source, const TableSchema& target);
  void forget_targets();
  void note_snapshot_end();

  RunState& run_;
  const SinkCaps caps_;
  SnapshotStage snapshot_;
  std::optional<ChunkReader::Chunk> held_;
  Position position_;  // newest boundary handled
  bool at_boundary_ = true;
  bool started_ = false;
  bool keeps_memory_ = false;  // the rules had something to keep in this run
  uint64_t sequence_ = 0;
  uint64_t rows_total_ = 0;
  uint64_t dropped_by_rules_ = 0;
  std::unordered_map<const TableSchema*, RowCounts> came_;  // rows of the batch at hand, which owns the layouts
  std::unordered_set<uint64_t> noted_;                      // layouts (schema_id, never reused) whose target is known, of these rules
  std::map<std::string, std::set<std::string>> targets_;    // by source table
  int64_t last_commit_time_us_ = 0;
  Clock::time_point flushed_at_ = Clock::now(), saved_at_ = Clock::now();
};

}  // namespace tailrace
