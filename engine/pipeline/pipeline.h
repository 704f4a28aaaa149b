// Pipeline: one run of a job's data path, from source to sink. Reader, decoder, snapshot, rules and sink are the
// parts; this file only decides which thread calls them.
//
//   threads = 1   everything in the caller's thread, in a fixed order (tests, debugging)
//   threads = 2   a reader thread (and, during a snapshot, a chunk reader thread) + the caller's thread
//
// `run` blocks its caller until the end of the source, a stop, or the first failure; after a transient failure the
// owner makes new parts and runs again from the durable checkpoint. `stop` and `status` may be called by any thread.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/memory_budget.h"
#include "event/rule_state_store.h"
#include "event/stores.h"
#include "pipeline/checkpoint_tracker.h"
#include "pipeline/rule_swap.h"
#include "pipeline/rule_timeline.h"
#include "sink/sink.h"
#include "source/source.h"

namespace tailrace {

struct PipelineOptions {
  int threads = 2;
  size_t memory_bytes = 96u << 20;  // everything in flight
  size_t batch_bytes = 256u << 10;
  size_t chunk_rows = 10000;
  size_t chunk_bytes = 4u << 20;
  std::string spill_dir;  // "" = $TMPDIR, else /var/tmp
  bool snapshot = true;
  bool stream = true;
  bool quarantine = false;  // a table whose schema is in trouble is set aside; else the job stops
  std::chrono::milliseconds flush_every{200};
  std::chrono::milliseconds save_every{500};
};

// What acknowledgements end up in. A sink's threads may call it until the sink is destroyed, and a status may be asked
// for after the run: whoever owns the sink shares this with the pipeline.
class Acknowledgements final : public AckReceiver {
 public:
  void acknowledged(uint64_t sequence) override { tracker.acknowledge(sequence); }
  void failed(Status status) override;
  Status failure() const;
  CheckpointTracker tracker;

 private:
  mutable std::mutex mutex_;
  Status failure_;
};

// What a new job finds at its source, for people.
struct FoundTables {
  std::vector<SchemaRef> tables;
  std::vector<std::string> unmatched_rules;  // patterns of the rules that none of them matches
  std::vector<std::string> unlogged;         // what changes their rows without the log's telling
};

// Borrowed parts; they outlive `run`.
struct PipelineParts {
  Source* source;
  RuleTimeline* rules;
  Sink* sink;
  std::shared_ptr<Acknowledgements> acks;
  CheckpointStore* checkpoints;  // used as truth unless the sink owns its checkpoint
  const TableFilter* tables;
  std::optional<Position> start;       // where a job without checkpoint begins; nullopt = now
  std::function<Status()> on_started;  // called once the first checkpoint is durable
  RuleSwap* swap = nullptr;            // where another version of the rules is asked for; may be null
  // Once, as a new job finds them; may be null.
  std::function<void(const FoundTables&)> on_tables = nullptr;
  RuleStateStore* rule_state = nullptr;  // keeps what ordered rules remember; null: they forget it at the end of a run
  // The checkpoint that this run goes on from, before anything is delivered; not of a new job. May be null.
  std::function<void(const Checkpoint&)> on_resumed = nullptr;
};

struct TableProgress {
  uint64_t rows_total = 0;  // estimate of the source's catalogue
  // Counted once they are durable; but a table without a key shows the rows of the copy that is under way.
  uint64_t rows_read = 0;  // by the snapshot, this run
  uint64_t inserts = 0, updates = 0, deletes = 0;
  uint64_t dropped = 0;      // row events of a quarantined table, rows that rules let nothing of through, or that the sink set aside
  bool copied_anew = false;  // what earlier runs read of it was taken away
  std::string target;        // where the rules send its rows; "" = nowhere, or not known yet
  std::string state;         // "" (stream only) | "waiting" | "copying" | "copied" | "quarantined"
};

struct PipelineStatus {
  bool was_open = false;      // source and sink were reached
  bool undecodable = false;   // ended at rows that cannot be decoded; what the batch has before them was not delivered
  bool again = false;         // ended only to begin again from the checkpoint
  std::string phase;          // "starting" | "snapshot" | "stream" | "draining" | "ended"
  uint64_t events = 0;        // rows and changes handed to the sink in this run
  uint64_t durable_rows = 0;  // acknowledged in this run
  std::optional<Checkpoint> durable;
  Position read_position;              // as far as the delivery thread has come
  bool idle = false;                   // the source has nothing more right now
  int64_t last_commit_time_us = 0;     // of the newest transaction handled
  int64_t durable_commit_time_us = 0;  // of the newest one that is durable, and when that was seen
  int64_t durable_seen_us = 0;
  uint64_t dropped_by_rules = 0;      // durable, as the counts of the tables
  int64_t heartbeat_interval_us = 0;  // the source makes a transaction this often; 0 = it does not
  size_t memory_used = 0, memory_peak = 0;
  std::map<std::string, TableProgress> tables;
};

class Pipeline {
 public:
  Pipeline(PipelineOptions options, PipelineParts parts);
  ~Pipeline();
  // Opens the sink and the source, then moves data.
  Status run(const SinkContext& sink_context);
  // Ends the run: what is in flight is made durable within `patience`, or dropped (the checkpoint then stays behind).
  void stop(std::chrono::milliseconds patience);
  PipelineStatus status() const;
  // True once everything up to `target` is durable and no snapshot is open.
  bool reached(const Position& target) const;
  bool snapshot_durable() const;

 private:
  std::unique_ptr<struct RunState> run_;
  std::mutex stop_mutex_;                 // guards over_ and patience_
  bool over_ = false;                     // the run has ended: the parts may be gone
  std::optional<std::jthread> patience_;  // aborts when a drain takes too long; last: it uses run_
};

}  // namespace tailrace
