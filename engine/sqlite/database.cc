#include "sqlite/database.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tailrace::sqlite {
namespace {

bool is_disk_full(sqlite3* handle, int result) {
  int primary = result & 0xFF;
  if (primary == SQLITE_FULL) return true;
  if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN) return false;
  int reason = handle ? sqlite3_system_errno(handle) : 0;
  return reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
}

int authorize_reading(void*, int action, const char* first, const char*, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION: return SQLITE_OK;
    case SQLITE_PRAGMA:
      // What shells ask to describe a table; everything else could change the connection.
      for (const char* name : {"table_info", "table_xinfo", "table_list", "index_list", "index_info"}) {
        if (first && std::strcmp(first, name) == 0) return SQLITE_OK;
      }
      return SQLITE_DENY;
    default: return SQLITE_DENY;
  }
}

std::string quote(std::string_view text, char mark) {
  std::string out(1, mark);
  for (char c : text) {
    if (c == mark) out += mark;
    out += c;
  }
  out += mark;
  return out;
}

}  // namespace

std::string quote_name(std::string_view name) { return quote(name, '"'); }
std::string quote_text(std::string_view text) { return quote(text, '\''); }
std::string_view library_version() noexcept { return sqlite3_libversion(); }

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const OpenOptions& options, ErrorFamily family) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (options.mode == OpenMode::kReadOnly) flags |= SQLITE_OPEN_READONLY;
  if (options.mode == OpenMode::kReadWrite) flags |= SQLITE_OPEN_READWRITE;
  if (options.mode == OpenMode::kCreate) flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  int result = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Database> database(new Database(handle, path, family));
  auto opening = [&](int code, std::string_view what) {
    bool full = is_disk_full(handle, code);
    std::string reason = handle ? sqlite3_errmsg(handle) : "out of memory";
    if (int error = handle ? sqlite3_system_errno(handle) : 0; error != 0 && (code & 0xFF) == SQLITE_CANTOPEN) {
      reason = fmt::format("{} ({})", reason, std::strerror(error));
    }
    return Status(full ? family.full : family.open, fmt::format("{}: {}", what, reason)).with("file", path);
  };
  if (result != SQLITE_OK) return opening(result, "open");
  sqlite3_busy_timeout(handle, options.busy_timeout_ms);
  std::string pragmas;
  if (options.mode != OpenMode::kReadOnly) pragmas += "PRAGMA journal_mode=WAL;";
  pragmas += fmt::format(
      "PRAGMA synchronous={};PRAGMA cache_size=-{};PRAGMA wal_autocheckpoint={};PRAGMA "
      "journal_size_limit=67108864;"
      "PRAGMA temp_store=FILE;PRAGMA foreign_keys=OFF;PRAGMA trusted_schema=OFF;",
      options.synchronous == Synchronous::kFull ? "FULL" : "NORMAL", options.cache_kib, options.wal_autocheckpoint);
  if (options.max_page_count > 0) pragmas += fmt::format("PRAGMA max_page_count={};", options.max_page_count);
  result = sqlite3_exec(handle, pragmas.c_str(), nullptr, nullptr, nullptr);
  if (result == SQLITE_OK) result = sqlite3_exec(handle, "SELECT 1 FROM sqlite_schema", nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return opening(result, "open");
  database->has_log_ = ::access(sqlite3_filename_wal(sqlite3_db_filename(handle, "main")), F_OK) == 0;
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Status Database::failure_of(int result, std::string_view what) const {
  ErrorCode code = is_disk_full(handle_, result) ? family_.full : family_.write;
  std::string reason = sqlite3_errmsg(handle_);
  if ((sqlite3_errcode(handle_) & 0xFF) != (result & 0xFF)) reason = sqlite3_errstr(result);
  return Status(code, fmt::format("{}: {}", what, reason)).with("file", path_);
}

Status Database::failure(std::string_view what) const { return failure_of(sqlite3_extended_errcode(handle_), what); }

bool Database::is_busy_error() const noexcept {
  int primary = sqlite3_errcode(handle_) & 0xFF;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
}

bool Database::is_constraint_error() const noexcept { return (sqlite3_errcode(handle_) & 0xFF) == SQLITE_CONSTRAINT; }

Status Database::execute(const std::string& sql) {
  int result = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? Status() : failure_of(result, sql.substr(0, 120));
}

Result<Statement> Database::prepare(std::string_view sql, bool persistent, std::string_view* tail) {
  Statement statement;
  statement.database_ = this;
  const char* rest = nullptr;
  int result = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), persistent ? SQLITE_PREPARE_PERSISTENT : 0,
                                  &statement.handle_, &rest);
  if (result != SQLITE_OK) return failure_of(result, sql.substr(0, 120));
  if (tail) *tail = sql.substr(static_cast<size_t>(rest - sql.data()));
  return statement;
}

Result<std::optional<int64_t>> Database::query_int(std::string_view sql) {
  TAILRACE_TRY(Statement statement, prepare(sql));
  TAILRACE_TRY(bool found, statement.step());
  if (!found || statement.is_null(0)) return std::optional<int64_t>();
  return std::optional<int64_t>(statement.column_int(0));
}

int64_t Database::changes() const noexcept { return sqlite3_changes64(handle_); }
bool Database::in_transaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }
bool Database::is_gone() const noexcept {
  int moved = 0;
  if (sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved) return true;
  const char* file = sqlite3_db_filename(handle_, "main");
  if (!file || *file == 0) return false;
  // SQLite does not watch its log, which stays as long as a connection is open.
  return ::access(file, F_OK) != 0 || (has_log_ && ::access(sqlite3_filename_wal(file), F_OK) != 0);
}
void Database::interrupt() noexcept { sqlite3_interrupt(handle_); }
void Database::set_busy_timeout(int milliseconds) noexcept { sqlite3_busy_timeout(handle_, milliseconds); }

void Database::allow_reading_only() noexcept {
  sqlite3_exec(handle_, "PRAGMA query_only=ON", nullptr, nullptr, nullptr);
  sqlite3_set_authorizer(handle_, &authorize_reading, nullptr);
}

Result<Transaction> Transaction::begin(Database& database) {
  TAILRACE_OK(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // A failed statement may have rolled back by itself; then there is nothing left to do.
  if (database_ && database_->in_transaction()) (void)database_->execute("ROLLBACK");
}

Status Transaction::commit() {
  TAILRACE_OK(database_->execute("COMMIT"));
  database_ = nullptr;
  return Status();
}

}  // namespace tailrace::sqlite
