// Database, Statement, Transaction: SQLite with owned handles and Status. A Database and its statements
// belong to one thread at a time; the caller locks when several threads share one. Statements must die before
// their Database.
//
// Each Database is opened with the error codes of the caller's family, so a full disk is SINK-0003 in a sink
// and META-0003 in the job file.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tailrace::sqlite {

struct ErrorFamily {
  ErrorCode open, write, full;
};

enum class OpenMode : uint8_t { kReadOnly, kReadWrite, kCreate };
enum class Synchronous : uint8_t { kNormal, kFull };

struct OpenOptions {
  OpenMode mode = OpenMode::kCreate;
  Synchronous synchronous = Synchronous::kFull;
  int busy_timeout_ms = 5000;
  int cache_kib = 8 * 1024;       // page cache; a larger transaction spills to the log
  int wal_autocheckpoint = 1000;  // pages
  int64_t max_page_count = 0;     // 0 = SQLite's own limit
};

enum class StorageClass : uint8_t { kInteger, kReal, kText, kBlob, kNull };

class Database;

// A prepared statement. Text and blobs given to the bind functions are not copied: they must stay valid until
// the next reset or bind of that parameter. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)), handle_(std::exchange(other.handle_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();
  explicit operator bool() const noexcept { return handle_ != nullptr; }

  void bind_int(int at, int64_t value) noexcept;
  void bind_double(int at, double value) noexcept;
  void bind_text(int at, std::string_view value) noexcept;
  void bind_text_copy(int at, std::string_view value) noexcept;
  void bind_blob(int at, std::string_view value) noexcept;
  void bind_null(int at) noexcept;
  int parameter_count() const noexcept;

  // True: a row is ready. False: done, and the statement is reset. A failure resets it too, and also reports
  // a bind that failed before.
  Result<bool> step();
  // Steps to the end, ignoring rows.
  Status run();
  void reset() noexcept;

  int column_count() const noexcept;
  std::string_view column_name(int at) const noexcept;
  StorageClass column_class(int at) const noexcept;
  bool is_null(int at) const noexcept;
  int64_t column_int(int at) const noexcept;
  double column_double(int at) const noexcept;
  std::string_view column_text(int at) const noexcept;  // valid until the next step or reset; also for blobs
  bool is_read_only() const noexcept;

 private:
  friend class Database;
  void note(int result) noexcept {
    if (result != 0 && bind_error_ == 0) bind_error_ = result;
  }
  Database* database_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
  int bind_error_ = 0;
};

class Database {
 public:
  // Opens in WAL mode with the pragmas of `options`. The object never moves, statements point to it.
  static Result<std::unique_ptr<Database>> open(const std::string& path, const OpenOptions& options, ErrorFamily family);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status execute(const std::string& sql);  // one or more statements without parameters
  // `persistent`: will be kept and used many times. `tail`: the text after the first statement.
  Result<Statement> prepare(std::string_view sql, bool persistent = false, std::string_view* tail = nullptr);
  Result<std::optional<int64_t>> query_int(std::string_view sql);
  int64_t changes() const noexcept;  // rows touched by the last INSERT, UPDATE or DELETE
  bool in_transaction() const noexcept;
  // The file or its log was removed, moved or replaced while it is open: what is written goes nowhere.
  bool is_gone() const noexcept;
  // Lets only reading statements be prepared from here on; ATTACH, PRAGMA and writes fail.
  void allow_reading_only() noexcept;
  void set_busy_timeout(int milliseconds) noexcept;
  void interrupt() noexcept;                  // any thread
  bool is_busy_error() const noexcept;        // the last failure was a lock held by somebody else
  bool is_constraint_error() const noexcept;  // the last failure was a constraint
  // The last failure of this connection as a Status of its family.
  Status failure(std::string_view what) const;

 private:
  friend class Statement;
  Database(sqlite3* handle, std::string path, ErrorFamily family) : handle_(handle), path_(std::move(path)), family_(family) {}
  Status failure_of(int result, std::string_view what) const;
  sqlite3* handle_;
  std::string path_;
  ErrorFamily family_;
  bool has_log_ = false;  // there was a write-ahead log when it was opened
};

// BEGIN IMMEDIATE … COMMIT; rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

std::string quote_name(std::string_view name);  // "a""b"
std::string quote_text(std::string_view text);  // 'a''b'
std::string_view library_version() noexcept;

}  // namespace tailrace::sqlite
