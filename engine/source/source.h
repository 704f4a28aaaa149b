// Source: reads a change log. open, read, acknowledged: reader thread only. decode, covers: const, any thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/registry.h"
#include "base/status.h"
#include "event/event_batch.h"
#include "event/quarantine.h"
#include "event/stores.h"
#include "event/table_filter.h"

namespace tailrace {

// What the reader hands to the decoder: framed, checksummed log events of whole transactions or a slice of one,
// with the schema of each rows event resolved. Each source derives its own.
class RawBatch {
 public:
  virtual ~RawBatch() = default;
  uint64_t sequence = 0;
  std::optional<Position> boundary;           // see EventBatch
  int64_t commit_time_us = 0;                 // of the newest transaction that ends in it, with or without rows; 0 = none
  std::map<std::string, uint64_t> set_aside;  // row events of quarantined tables that were passed over, by qualified name
  size_t bytes = 0;                           // memory held, roughly
  MemoryCharge charge;                        // the budget, taken by the pipeline
};

enum class ReadState : uint8_t { kMore, kIdle, kEnd };

struct SourceContext {
  const TableFilter* tables = nullptr;  // outlives the source
  SchemaStore* schemas = nullptr;       // outlives the source
  std::string spill_dir = {};           // for what has to be kept and is too large for memory; "" = $TMPDIR, else /var/tmp
  bool stream = true;                   // false: a copy of the tables is all that is wanted; a log may be missing
  Quarantine* quarantine = nullptr;     // outlives the source; null = a failure of one table's schema is the source's
  // Takes what people should know and no failure tells, the same perhaps again after a restart. Reader thread.
  std::function<void(const std::string&)> tell = nullptr;
  bool copies = false;  // the job copies its tables first: rows of one that was not there to be copied were never read
};

struct SnapshotTable {
  SchemaRef schema;
  uint64_t estimated_rows = 0;
};

// One chunk of a snapshot. The rows are what a SELECT saw at some moment between `low` and `high`; every transaction
// that `covers(low, …)` says is in `low` was visible to it.
struct SnapshotChunk {
  Position low, high;
  EventBatch rows;       // Op::kRead events, one pseudo transaction
  std::string next_key;  // where the next chunk starts, text only the reader can read; "" = the table is done
  bool exact = false;    // low == high: rows are the state at exactly that position
};

// Reads tables for the first copy, on its own connection. One thread at a time, not the source's reader thread.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual Result<std::vector<SnapshotTable>> tables() = 0;
  // What changes rows of these tables without the log's telling, a line for people each.
  virtual Result<std::vector<std::string>> unlogged_changes(const std::vector<SnapshotTable>&) { return std::vector<std::string>(); }
  // Reads the next rows of a keyed table after `from_key` ("" = from the start), at most about `max_bytes`.
  virtual Result<SnapshotChunk> read_chunk(const SchemaRef& table, const std::string& from_key, size_t max_rows, size_t max_bytes) = 0;
  // Reads a table without key whole, in one consistent view, handing batches to `sink`; all share low == high.
  // Returns that position. `sink` returning a failed Status ends the read with it.
  virtual Result<Position> read_whole(const SchemaRef& table, size_t max_bytes, const std::function<Status(SnapshotChunk)>& sink) = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  // Connects (or opens files) and checks that the log can be read. `from` empty = the current end of the log for a
  // server, the first event for files; without a source_kind its text is a start point as a person writes it
  // (event/start_point.h). Calling it again after a failure reconnects.
  virtual Status open(const std::optional<Position>& from) = 0;
  // Fills `out` with the next batch of at most about `max_bytes`, waiting at most ~1 s. kIdle: nothing came, `out`
  // may be null. kMore: `out` is set. kEnd: a file source is done.
  virtual Result<ReadState> read(std::unique_ptr<RawBatch>& out, size_t max_bytes, std::stop_token stop) = 0;
  virtual Status decode(const RawBatch& in, EventBatch& out) const = 0;
  // Is this transaction already included in `at`, a position between transactions? A slice of it tells as well.
  virtual bool covers(const Position& at, const Transaction& transaction) const = 0;
  // Is everything up to `target` at or before `at`? Both are positions of this source.
  virtual bool reached(const Position& at, const Position& target) const = 0;
  virtual Position start_position() const = 0;      // after open: where reading begins
  virtual Result<Position> current_position() = 0;  // newest position of the server now; any thread, own connection
  virtual Result<std::unique_ptr<SnapshotReader>> snapshot_reader() = 0;
  // Interrupts a read from another thread. Safe at any time.
  virtual void interrupt() noexcept = 0;
  // How often this source makes a transaction of its own, so that the age of the newest one tells the lag; 0 = never.
  virtual int64_t heartbeat_interval_us() const noexcept { return 0; }
  // Everything up to here is durable downstream.
  virtual void acknowledged(const Position&) {}
};

using SourceInfo = PluginInfo<Source, const Url&, const SourceContext&>;

}  // namespace tailrace
