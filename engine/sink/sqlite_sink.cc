// SQLite sink: rows of every target table in one file, with the checkpoint in the same transaction.
//
// One SQLite transaction covers one or more batches and ends only where a checkpoint may stand, so a source
// transaction is never half there, whatever its size: pages beyond the cache go to the write-ahead log. A
// failure rolls everything since the last commit back and ends the sink; the next one goes on from the stored
// checkpoint.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "sink/sink.h"
#include "sink/sqlite_tables.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr sqlite::ErrorFamily kFamily{ErrorCode::kSinkOpen, ErrorCode::kSinkWrite, ErrorCode::kSinkFull};
constexpr int kBusySliceMs = 100;
constexpr auto kLongestWait = std::chrono::milliseconds(500);
constexpr auto kBusyPatience = std::chrono::seconds(10);

struct SqliteSinkOptions {
  std::string path;
  SqliteNaming naming = SqliteNaming::kTable;
  sqlite::OpenOptions database;
  std::chrono::microseconds commit_every{50'000};
  size_t commit_bytes = 4u << 20;
};

class SqliteSink final : public Sink {
 public:
  explicit SqliteSink(SqliteSinkOptions options) : options_(std::move(options)) {}
  SinkCaps caps() const override {
    SinkCaps caps;
    caps.owns_checkpoint = true;
    caps.detects_collisions = true;
    return caps;
  }

  Status open(const SinkContext& context, AckReceiver& acks) override {
    job_id_ = context.job_id;
    acks_ = &acks;
    TAILRACE_TRY(database_, sqlite::Database::open(options_.path, options_.database, kFamily));
    TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
    TAILRACE_OK(
        database_->execute("CREATE TABLE IF NOT EXISTS _tailrace_checkpoint (job TEXT PRIMARY KEY, source_kind TEXT NOT NULL, "
                           "position TEXT NOT NULL, commit_time_us INTEGER NOT NULL, snapshot_state TEXT NOT NULL, rows INTEGER "
                           "NOT NULL, "
                           "saved_us INTEGER NOT NULL) STRICT"));
    TAILRACE_OK(check_owner(context.job_has_started));
    tables_.emplace(*database_, options_.naming);
    TAILRACE_OK(tables_->open());
    TAILRACE_TRY(commit_checkpoint_, database_->prepare("UPDATE _tailrace_checkpoint SET source_kind = ?2, position = ?3, "
                                                        "commit_time_us = ?4, snapshot_state = ?5, "
                                                        "rows = ?6, saved_us = ?7 WHERE job = ?1",
                                                        true));
    TAILRACE_OK(transaction.commit());
    database_->set_busy_timeout(kBusySliceMs);  // from here on waits are cut into slices, so that a stop is seen
    return Status();
  }

  Result<std::optional<Checkpoint>> stored_checkpoint() override {
    TAILRACE_TRY(auto s, database_->prepare("SELECT source_kind, position, commit_time_us, snapshot_state, rows, saved_us "
                                            "FROM _tailrace_checkpoint WHERE job = ? AND position <> ''"));
    s.bind_text(1, job_id_);
    TAILRACE_TRY(bool found, s.step());
    if (!found) return std::optional<Checkpoint>();
    Checkpoint checkpoint;
    checkpoint.position = {std::string(s.column_text(0)), std::string(s.column_text(1))};
    checkpoint.commit_time_us = s.column_int(2);
    checkpoint.snapshot_state = s.column_text(3);
    checkpoint.rows = static_cast<uint64_t>(s.column_int(4));
    last_position_ = checkpoint.position.text;
    last_saved_us_ = s.column_int(5);
    may_lack_rows_ = !checkpoint.snapshot_state.empty();
    return std::optional<Checkpoint>(std::move(checkpoint));
  }

  Status write(const LaneBatch& lane, std::stop_token stop) override {
    if (!failure_.ok()) return failure_;
    // A slice of a large transaction gets an SQLite transaction of its own: flush can then always commit what
    // is whole.
    if (open_ && checkpoint_ && !lane.checkpoint) TAILRACE_OK(commit());
    if (!open_) TAILRACE_OK(begin(stop));
    const EventBatch& batch = *lane.events;
    if (batch.is_snapshot) may_lack_rows_ = true;
    for (const ChangeEvent& event : batch.events) {
      Status status = tables_->apply(batch, event, may_lack_rows_);
      if (!status.ok()) return fail(std::move(status));
    }
    covered_.push_back(batch.sequence);
    bytes_ += batch.bytes();
    checkpoint_ = lane.checkpoint;
    if (checkpoint_) may_lack_rows_ = !checkpoint_->snapshot_state.empty();
    if (!checkpoint_) return Status();
    // On a slow disk commits are spaced out, so that they take a fifth of the time at most.
    Clock::duration due = options_.commit_every;
    if (due.count() > 0) due = std::max(due, std::min<Clock::duration>(4 * commit_took_, kLongestWait));
    return bytes_ >= options_.commit_bytes || Clock::now() - begun_at_ >= due ? commit() : Status();
  }

  // A source transaction still under way stays open and unacknowledged: committing half of it is never right.
  Status flush(std::stop_token) override {
    if (!failure_.ok()) return failure_;
    return open_ && checkpoint_ ? commit() : Status();
  }

 private:
  // One job per file. The job claims it on its first open, so that a job that has started finds its row for
  // sure.
  Status check_owner(bool job_has_started) {
    TAILRACE_TRY(auto s, database_->prepare("SELECT job, position, saved_us FROM _tailrace_checkpoint ORDER BY job = ? DESC"));
    s.bind_text(1, job_id_);
    TAILRACE_TRY(bool found, s.step());
    std::string job = found ? std::string(s.column_text(0)) : "";
    if (found && job == job_id_) {
      last_position_ = s.column_text(1);
      last_saved_us_ = s.column_int(2);
    }
    s.reset();
    if (found && job == job_id_) return Status();
    if (found) {
      return Status(ErrorCode::kSinkMismatch, fmt::format("it belongs to the job {}, this is job {}", job, job_id_))
          .with("file", options_.path);
    }
    if (job_has_started) {
      return Status(ErrorCode::kSinkMismatch, fmt::format("job {} has delivered before, but not into this file", job_id_))
          .with("file", options_.path);
    }
    TAILRACE_TRY(auto claim, database_->prepare("INSERT INTO _tailrace_checkpoint VALUES (?, '', '', 0, '', 0, 0)"));
    claim.bind_text(1, job_id_);
    return claim.run();
  }

  Status begin(std::stop_token stop) {
    auto until = Clock::now() + kBusyPatience;
    for (;;) {
      Status status = database_->execute("BEGIN IMMEDIATE");
      if (status.ok()) break;
      if (!database_->is_busy_error()) return fail(std::move(status));
      if (stop.stop_requested()) return Status(ErrorCode::kJobAborted, "stopped while another program held the sink file");
      if (Clock::now() >= until) {
        return fail(Status(ErrorCode::kSinkConnect, "another program keeps the file locked").with("file", options_.path));
      }
    }
    Status left = check_checkpoint();
    if (!left.ok()) return fail(std::move(left));
    open_ = true;
    begun_at_ = Clock::now();
    bytes_ = 0;
    checkpoint_.reset();
    return Status();
  }

  Status commit() {
    auto began = Clock::now();
    if (database_->is_gone()) {
      return fail(
          Status(ErrorCode::kSinkMismatch, "the file, or its -wal, was removed or replaced while the job ran").with("file", options_.path));
    }
    int64_t saved_us = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    auto& s = commit_checkpoint_;
    s.bind_text(1, job_id_);
    s.bind_text(2, checkpoint_->position.source_kind);
    s.bind_text(3, checkpoint_->position.text);
    s.bind_int(4, checkpoint_->commit_time_us);
    s.bind_text(5, checkpoint_->snapshot_state);
    s.bind_int(6, static_cast<int64_t>(checkpoint_->rows));
    s.bind_int(7, saved_us);
    Status status = s.run();
    if (status.ok()) status = database_->execute("COMMIT");
    if (!status.ok()) return fail(std::move(status));
    commit_took_ = Clock::now() - began;
    last_position_ = checkpoint_->position.text;
    last_saved_us_ = saved_us;
    open_ = false;
    checkpoint_.reset();
    for (uint64_t sequence : covered_) acks_->acknowledged(sequence);
    covered_.clear();
    return Status();
  }

  // The row moves on only from where this engine left it: a copy of the job file may run elsewhere.
  Status check_checkpoint() {
    TAILRACE_TRY(auto s, database_->prepare("SELECT position, saved_us FROM _tailrace_checkpoint WHERE job = ?"));
    s.bind_text(1, job_id_);
    TAILRACE_TRY(bool found, s.step());
    if (!found) return Status(ErrorCode::kSinkMismatch, "this job's checkpoint row is gone from the file").with("file", options_.path);
    if (s.column_text(0) == last_position_ && s.column_int(1) == last_saved_us_) return Status();
    return Status(ErrorCode::kSinkFenced,
                  fmt::format("another engine writes into this target: its checkpoint is at '{}', this one left it at '{}'",
                              s.column_text(0), last_position_))
        .with("file", options_.path);
  }

  Status fail(Status status) {
    // SQLite rolls back by itself on some failures; what it left open goes here.
    if (database_->in_transaction()) {
      Status rolled_back = database_->execute("ROLLBACK");
      if (!rolled_back.ok()) status = std::move(status).with("rollback", rolled_back.to_string());
    }
    open_ = false;
    covered_.clear();
    failure_ = status;
    return status;
  }

  const SqliteSinkOptions options_;
  std::string job_id_;
  AckReceiver* acks_ = nullptr;
  std::unique_ptr<sqlite::Database> database_;
  std::optional<SqliteTables> tables_;  // its statements and the next one must die before the database
  sqlite::Statement commit_checkpoint_;
  std::string last_position_;  // of the checkpoint row as this engine read or wrote it last, with its time
  int64_t last_saved_us_ = 0;
  bool open_ = false;
  bool may_lack_rows_ = true;             // until a checkpoint says that the snapshot is over
  std::optional<Checkpoint> checkpoint_;  // stands after the last batch written
  std::vector<uint64_t> covered_;         // batches in the open transaction
  Clock::time_point begun_at_{};
  Clock::duration commit_took_{};  // the last one
  size_t bytes_ = 0;
  Status failure_;
};

constexpr OptionSpec kOptions[] = {
    {"naming", "enum:table|db__table", "table", "name of a target table in the file: dw.user as user, or as dw__user"},
    {"synchronous", "enum:normal|full", "full", "full: every commit survives a power cut; normal: the last ones may not"},
    {"commit_every", "duration", "50ms", "commit at the first transaction end after this time; 0 = at each"},
    {"commit_bytes", "bytes", "4MiB", "… or after this many bytes"},
    {"cache", "bytes", "8MiB", "page cache"},
    {"max_page_count", "int", "0", "size limit of the file in pages; 0 = none"},
};

Result<std::unique_ptr<Sink>> create_sqlite(const Options& options, const Url& url) {
  SqliteSinkOptions out;
  // sqlite:///var/copy.db is absolute; sqlite://./copy.db and sqlite:copy.db are relative to the working
  // directory.
  out.path = url.host + url.path;
  if (out.path.empty() || out.path.back() == '/' || url.port != 0 || !url.user.empty()) {
    return Status(ErrorCode::kConfigUrl, "write sqlite:///absolute/file.db or sqlite://./relative/file.db");
  }
  out.naming = options.text("naming") == "table" ? SqliteNaming::kTable : SqliteNaming::kDatabaseAndTable;
  out.database.synchronous = options.text("synchronous") == "full" ? sqlite::Synchronous::kFull : sqlite::Synchronous::kNormal;
  out.database.wal_autocheckpoint = 4000;
  out.database.cache_kib = static_cast<int>(std::min<int64_t>(options.integer("cache") / 1024, 1 << 20));
  out.database.max_page_count = options.integer("max_page_count");
  out.commit_every = std::chrono::microseconds(options.integer("commit_every"));
  out.commit_bytes = static_cast<size_t>(options.integer("commit_bytes"));
  return std::unique_ptr<Sink>(std::make_unique<SqliteSink>(std::move(out)));
}

}  // namespace

extern const SinkInfo tailrace_sink_sqlite;
const SinkInfo tailrace_sink_sqlite{"sqlite", "one SQLite file, rows upserted, checkpoint in the data's transaction", kOptions,
                                    &create_sqlite};

}  // namespace tailrace
