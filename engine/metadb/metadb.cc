#include "metadb/metadb.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>

#include "metadb/job_file_lock.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

constexpr sqlite::ErrorFamily kMetaFamily{ErrorCode::kMetaOpen, ErrorCode::kMetaWrite, ErrorCode::kMetaWrite};
constexpr int64_t kApplicationId = 0x54524A42;  // "TRJB" in the file's header: told apart from any other SQLite file

struct Migration {
  int version;
  const char* sql;
};
constexpr Migration kMigrations[] = {
#include "migrations.inc"
};
// By SchemaOrigin.
constexpr std::string_view kOrigins[] = {"", "statement", "catalogue", "log", "given", "unknown"};
constexpr int kNewestVersion = kMigrations[std::size(kMigrations) - 1].version;

Result<int64_t> pragma(sqlite::Database& database, std::string_view name) {
  TAILRACE_TRY(auto value, database.query_int(fmt::format("PRAGMA {}", name)));
  return value.value_or(0);
}

Status not_a_job_file(const std::string& path) {
  return Status(ErrorCode::kMetaOpen, "it is an SQLite file, but not a job file").with("file", path);
}

}  // namespace

int64_t now_us() noexcept {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string make_uuid() {
  std::random_device random;
  uint8_t b[16];
  for (size_t i = 0; i < sizeof b; i += 4) {
    uint32_t word = random();
    std::memcpy(b + i, &word, 4);
  }
  b[6] = static_cast<uint8_t>((b[6] & 0x0F) | 0x40);
  b[8] = static_cast<uint8_t>((b[8] & 0x3F) | 0x80);
  std::string out;
  for (size_t i = 0; i < sizeof b; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", b[i]);
  }
  return out;
}

JobFile::JobFile(std::string path, Mode mode) : path_(std::move(path)), mode_(mode) {}
JobFile::~JobFile() = default;

std::string JobFile::owner_of(const std::string& path) { return JobFileLock::owner_of(path); }

Result<std::unique_ptr<JobFile>> JobFile::open(const std::string& path, Mode mode) {
  struct stat info;
  bool exists = ::stat(path.c_str(), &info) == 0;
  if (!exists && errno != ENOENT) {
    return Status(ErrorCode::kMetaOpen, fmt::format("cannot look at it: {}", std::strerror(errno))).with("file", path);
  }
  if (!exists && mode != Mode::kCreate) {
    return Status(ErrorCode::kJobMissing, "no such file").with("file", path);
  }
  std::unique_ptr<JobFile> job(new JobFile(path, mode));
  if (mode != Mode::kRead) {
    TAILRACE_TRY(job->lock_, JobFileLock::acquire(path));
  }
  sqlite::OpenOptions options;
  options.mode = mode == Mode::kCreate ? sqlite::OpenMode::kCreate : sqlite::OpenMode::kReadWrite;
  options.cache_kib = 2048;
  // Status is written four times a second: syncing each to disk would cost more than the data. A power cut
  // may take the last writes with it, never the file; a checkpoint that falls back is only read again.
  // Schemas are synced (append).
  options.synchronous = sqlite::Synchronous::kNormal;
  auto opened = sqlite::Database::open(path, options, kMetaFamily);
  if (!opened.ok() && mode == Mode::kRead) {  // a file we may only read
    options.mode = sqlite::OpenMode::kReadOnly;
    opened = sqlite::Database::open(path, options, kMetaFamily);
  }
  if (!opened.ok()) return std::move(opened).status();
  job->database_ = std::move(opened).value();
  TAILRACE_OK(job->prepare_file());
  return job;
}

Status JobFile::prepare_file() {
  TAILRACE_TRY(int64_t application, pragma(*database_, "application_id"));
  TAILRACE_TRY(int64_t version, pragma(*database_, "user_version"));
  if (application != kApplicationId) {
    TAILRACE_TRY(auto tables, database_->query_int("SELECT count(*) FROM sqlite_schema"));
    if (application != 0 || tables.value_or(0) != 0) return not_a_job_file(path_);
    // An empty file: made by an owner that died before its first commit, or about to be filled by one.
    if (mode_ == Mode::kRead) return Status(ErrorCode::kJobMissing, "the file is still empty").with("file", path_);
  }
  if (version > kNewestVersion) {
    if (mode_ == Mode::kRead) return Status();  // the views only gain columns
    return Status(ErrorCode::kMetaSchema, fmt::format("version {} of the file, this engine knows {}", version, kNewestVersion))
        .with("file", path_);
  }
  if (version == kNewestVersion || mode_ == Mode::kRead) return Status();
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  for (const Migration& migration : kMigrations) {
    if (migration.version <= version) continue;
    TAILRACE_OK(database_->execute(migration.sql));
    TAILRACE_OK(database_->execute(fmt::format("PRAGMA user_version={}", migration.version)));
  }
  TAILRACE_OK(database_->execute(fmt::format("PRAGMA application_id={}", kApplicationId)));
  return transaction.commit();
}

Status JobFile::require_owner(std::string_view what) const {
  if (mode_ != Mode::kRead) return Status();
  return Status(ErrorCode::kJobState, fmt::format("{}: the job file was opened for reading", what)).with("file", path_);
}

Status JobFile::require_file() const {
  if (!database_->is_gone()) return Status();
  return Status(ErrorCode::kMetaWrite, "the job file, or its -wal, was removed or replaced while the job ran").with("file", path_);
}

Result<std::optional<Checkpoint>> JobFile::load() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT source_kind, position, commit_time_us, snapshot_state, rows FROM checkpoint"));
  TAILRACE_TRY(bool found, s.step());
  if (!found) return std::optional<Checkpoint>();
  Checkpoint checkpoint;
  checkpoint.position = {std::string(s.column_text(0)), std::string(s.column_text(1))};
  checkpoint.commit_time_us = s.column_int(2);
  checkpoint.snapshot_state = s.column_text(3);
  checkpoint.rows = static_cast<uint64_t>(s.column_int(4));
  return std::optional<Checkpoint>(std::move(checkpoint));
}

Status JobFile::save(const Checkpoint& checkpoint) {
  TAILRACE_OK(require_owner("save a checkpoint"));
  std::lock_guard lock(mutex_);
  TAILRACE_OK(require_file());
  TAILRACE_TRY(auto s, database_->prepare("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?, ?, ?)"));
  s.bind_text(1, checkpoint.position.source_kind);
  s.bind_text(2, checkpoint.position.text);
  s.bind_int(3, checkpoint.commit_time_us);
  s.bind_text(4, checkpoint.snapshot_state);
  s.bind_int(5, static_cast<int64_t>(checkpoint.rows));
  s.bind_int(6, now_us());
  return s.run();
}

Status JobFile::append(const std::vector<Entry>& entries) {
  TAILRACE_OK(require_owner("keep a schema"));
  if (entries.empty()) return Status();
  std::lock_guard lock(mutex_);
  TAILRACE_OK(require_file());
  // A sink may keep a position beyond it at once, so it must outlive a power cut.
  TAILRACE_OK(database_->execute("PRAGMA synchronous=FULL"));
  Status kept = append_locked(entries);
  Status restored = database_->execute("PRAGMA synchronous=NORMAL");
  return kept.ok() ? restored : kept;
}

Status JobFile::append_locked(const std::vector<Entry>& entries) {
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  {
    TAILRACE_TRY(auto s, database_->prepare("INSERT INTO schema_history(source_kind, position, database, \"table\", schema, ddl, "
                                            "saved_us, origin, read_low, read_high) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    for (const Entry& entry : entries) {
      std::string json = entry.schema ? schema_to_json(*entry.schema) : std::string();
      s.bind_text(1, entry.position.source_kind);
      s.bind_text(2, entry.position.text);
      s.bind_text(3, entry.database);
      s.bind_text(4, entry.table);
      if (entry.schema) s.bind_text(5, json);
      else s.bind_null(5);
      s.bind_text(6, entry.ddl);
      s.bind_int(7, now_us());
      s.bind_text(8, kOrigins[static_cast<size_t>(entry.origin)]);
      s.bind_text(9, entry.read_low);
      s.bind_text(10, entry.read_high);
      TAILRACE_OK(s.run());
      s.reset();
    }
  }
  return transaction.commit();
}

Result<std::vector<SchemaStore::Entry>> JobFile::load_all() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT source_kind, position, database, \"table\", schema, ddl, origin, read_low, read_high "
                                          "FROM schema_history ORDER BY seq"));
  std::vector<Entry> entries;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return entries;
    Entry entry;
    entry.position = {std::string(s.column_text(0)), std::string(s.column_text(1))};
    entry.database = s.column_text(2);
    entry.table = s.column_text(3);
    if (!s.is_null(4)) entry.schema_json = s.column_text(4);
    entry.ddl = s.column_text(5);
    for (size_t i = 0; i < std::size(kOrigins); ++i) {
      if (s.column_text(6) == kOrigins[i]) entry.origin = static_cast<SchemaOrigin>(i);
    }
    entry.read_low = s.column_text(7);
    entry.read_high = s.column_text(8);
    entries.push_back(std::move(entry));
  }
}

Result<int64_t> JobFile::add(const DeadLetter& letter) {
  TAILRACE_OK(require_owner("keep a dead letter"));
  std::lock_guard lock(mutex_);
  auto known = [&]() -> Result<std::optional<int64_t>> {
    TAILRACE_TRY(auto s, database_->prepare("SELECT id FROM dead_letter WHERE code = ? AND position = ? AND database = ? "
                                            "AND \"table\" = ? AND key = ? ORDER BY id LIMIT 1"));
    s.bind_text(1, letter.code);
    s.bind_text(2, letter.position.text);
    s.bind_text(3, letter.database);
    s.bind_text(4, letter.table);
    s.bind_text(5, letter.key);
    TAILRACE_TRY(bool found, s.step());
    return found ? std::optional<int64_t>(s.column_int(0)) : std::nullopt;
  };
  TAILRACE_TRY(std::optional<int64_t> id, known());
  if (id) return *id;
  // A copied row that the stream has brought already: the letter of the stream is it, if it has the same row.
  if (letter.position.text.empty()) {
    TAILRACE_TRY(auto s, database_->prepare("SELECT id FROM dead_letter WHERE code = ? AND database = ? AND \"table\" = ? AND key = ? AND "
                                            "CASE WHEN json_valid(payload) THEN payload ->> '$.after' END = "
                                            "CASE WHEN json_valid(?5) THEN ?5 ->> '$.after' END ORDER BY id LIMIT 1"));
    s.bind_text(1, letter.code);
    s.bind_text(2, letter.database);
    s.bind_text(3, letter.table);
    s.bind_text(4, letter.key);
    s.bind_text(5, letter.payload);
    TAILRACE_TRY(bool found, s.step());
    if (found) return s.column_int(0);
  }
  TAILRACE_OK(add_locked(letter));
  TAILRACE_TRY(id, known());
  if (!id) return Status(ErrorCode::kInternal, "a dead letter vanished");
  return *id;
}

Status JobFile::add_locked(const DeadLetter& letter) {
  TAILRACE_TRY(auto s, database_->prepare("INSERT INTO dead_letter(at_us, code, source_kind, position, "
                                          "database, \"table\", key, payload, message) "
                                          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  s.bind_int(1, now_us());
  s.bind_text(2, letter.code);
  s.bind_text(3, letter.position.source_kind);
  s.bind_text(4, letter.position.text);
  s.bind_text(5, letter.database);
  s.bind_text(6, letter.table);
  s.bind_text(7, letter.key);
  s.bind_text(8, letter.payload);
  s.bind_text(9, letter.message);
  return s.run();
}

Result<std::vector<Quarantine::Name>> JobFile::quarantined() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT database, \"table\" FROM quarantine"));
  std::vector<Name> names;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return names;
    names.emplace_back(s.column_text(0), s.column_text(1));
  }
}

Status JobFile::set_aside(const DeadLetter& first) {
  TAILRACE_OK(require_owner("set a table aside"));
  std::lock_guard lock(mutex_);
  // What comes behind it is delivered without this table: it must outlive a power cut.
  TAILRACE_OK(database_->execute("PRAGMA synchronous=FULL"));
  Status kept = [&]() -> Status {
    TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
    {
      TAILRACE_TRY(auto s, database_->prepare("INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?)"));
      s.bind_text(1, first.database);
      s.bind_text(2, first.table);
      s.bind_text(3, first.code);
      s.bind_int(4, now_us());
      TAILRACE_OK(s.run());
      TAILRACE_TRY(auto event, database_->prepare("INSERT INTO event_log(at_us, level, code, text) VALUES (?, 'warn', ?, ?)"));
      std::string text = "quarantined " + first.database + "." + first.table + ": " + first.message;
      event.bind_int(1, now_us());
      event.bind_text(2, first.code);
      event.bind_text(3, text);
      TAILRACE_OK(event.run());
    }
    TAILRACE_OK(add_locked(first));
    return transaction.commit();
  }();
  Status restored = database_->execute("PRAGMA synchronous=NORMAL");
  return kept.ok() ? restored : kept;
}

}  // namespace tailrace
