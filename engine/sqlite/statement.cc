#include <sqlite3.h>

#include "sqlite/database.h"

namespace tailrace::sqlite {

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    if (handle_) sqlite3_finalize(handle_);
    database_ = std::exchange(other.database_, nullptr);
    handle_ = std::exchange(other.handle_, nullptr);
    bind_error_ = std::exchange(other.bind_error_, 0);
  }
  return *this;
}

Statement::~Statement() {
  if (handle_) sqlite3_finalize(handle_);
}

void Statement::bind_int(int at, int64_t value) noexcept { note(sqlite3_bind_int64(handle_, at, value)); }
void Statement::bind_double(int at, double value) noexcept { note(sqlite3_bind_double(handle_, at, value)); }
void Statement::bind_null(int at) noexcept { note(sqlite3_bind_null(handle_, at)); }

void Statement::bind_text(int at, std::string_view value) noexcept {
  // A null pointer would bind NULL, and an empty view may have one.
  note(sqlite3_bind_text64(handle_, at, value.data() ? value.data() : "", value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind_text_copy(int at, std::string_view value) noexcept {
  note(sqlite3_bind_text64(handle_, at, value.data() ? value.data() : "", value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind_blob(int at, std::string_view value) noexcept {
  note(sqlite3_bind_blob64(handle_, at, value.data() ? value.data() : "", value.size(), SQLITE_STATIC));
}

int Statement::parameter_count() const noexcept { return sqlite3_bind_parameter_count(handle_); }

Result<bool> Statement::step() {
  if (bind_error_ != 0) {
    int result = std::exchange(bind_error_, 0);
    reset();
    return database_->failure_of(result, "bind");
  }
  int result = sqlite3_step(handle_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) {
    sqlite3_reset(handle_);
    return false;
  }
  const char* sql = sqlite3_sql(handle_);
  Status failure = database_->failure_of(result, std::string_view(sql ? sql : "").substr(0, 120));
  sqlite3_reset(handle_);
  return failure;
}

Status Statement::run() {
  for (;;) {
    TAILRACE_TRY(bool more, step());
    if (!more) return Status();
  }
}

void Statement::reset() noexcept { sqlite3_reset(handle_); }

int Statement::column_count() const noexcept { return sqlite3_column_count(handle_); }
std::string_view Statement::column_name(int at) const noexcept {
  const char* name = sqlite3_column_name(handle_, at);
  return name ? name : "";
}
StorageClass Statement::column_class(int at) const noexcept {
  switch (sqlite3_column_type(handle_, at)) {
    case SQLITE_INTEGER: return StorageClass::kInteger;
    case SQLITE_FLOAT: return StorageClass::kReal;
    case SQLITE_TEXT: return StorageClass::kText;
    case SQLITE_BLOB: return StorageClass::kBlob;
    default: return StorageClass::kNull;
  }
}
bool Statement::is_null(int at) const noexcept { return sqlite3_column_type(handle_, at) == SQLITE_NULL; }
int64_t Statement::column_int(int at) const noexcept { return sqlite3_column_int64(handle_, at); }
double Statement::column_double(int at) const noexcept { return sqlite3_column_double(handle_, at); }
std::string_view Statement::column_text(int at) const noexcept {
  // The blob accessor must come before the size; for text it returns the UTF-8 bytes.
  const void* data = sqlite3_column_type(handle_, at) == SQLITE_BLOB ? sqlite3_column_blob(handle_, at) : sqlite3_column_text(handle_, at);
  if (!data) return {};
  return {static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(handle_, at))};
}
bool Statement::is_read_only() const noexcept { return sqlite3_stmt_readonly(handle_) != 0; }

}  // namespace tailrace::sqlite
