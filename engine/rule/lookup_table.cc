#include "rule/lookup_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/options.h"
#include "event/value_text.h"
#include "rule/csv_reader.h"
#include "rule/node_reader.h"
#include "rule/sql_type.h"
#include "rule/value_write.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

constexpr size_t kRowBytes = 64;  // of the index

Status too_large(const LookupSpec& spec, const std::string& file) {
  return load_error(fmt::format("lookups.{}: {} takes more than max_bytes = {} bytes", spec.name, file, spec.max_bytes));
}

// A field as CSV; NULL is a field of nothing, without quotes.
void append_field(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) out.append(c == '"' ? 2 : 1, c);
  out += '"';
}

std::string_view type_of(sqlite::StorageClass storage) {
  switch (storage) {
    case sqlite::StorageClass::kInteger: return "bigint";
    case sqlite::StorageClass::kReal: return "double";
    case sqlite::StorageClass::kText: return "longtext";
    default: return "";
  }
}

Result<std::string> read_csv(const LookupSpec& spec, const std::string& path) {
  std::error_code error;
  auto size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in) {
    return load_error(fmt::format("lookups.{}: {} cannot be read: {}", spec.name, path, error ? error.message() : std::strerror(errno)));
  }
  if (size > spec.max_bytes) return too_large(spec, path);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return load_error(fmt::format("lookups.{}: {} cannot be read", spec.name, path));
  return std::move(text).str();
}

Result<std::string> read_sqlite(const LookupSpec& spec, const std::string& path) {
  auto wrong = [&](const Status& status) { return load_error(fmt::format("lookups.{}: {}: {}", spec.name, path, status.detail())); };
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) return load_error(fmt::format("lookups.{}: there is no file {}", spec.name, path));
  sqlite::OpenOptions options;
  options.mode = sqlite::OpenMode::kReadOnly;
  auto database = sqlite::Database::open(path, options, {ErrorCode::kRuleLoad, ErrorCode::kRuleLoad, ErrorCode::kRuleLoad});
  if (!database.ok()) return wrong(database.status());
  (*database)->allow_reading_only();
  std::string_view tail;
  auto prepared = (*database)->prepare(spec.sql, false, &tail);
  if (!prepared.ok()) return wrong(prepared.status());
  sqlite::Statement& select = *prepared;
  if (!select || select.column_count() == 0 || tail.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return load_error(fmt::format("lookups.{}.sql: one SELECT is expected", spec.name));
  }
  std::vector<std::string_view> types(static_cast<size_t>(select.column_count()));
  std::vector<std::string> rows;
  uint64_t bytes = 0;
  for (size_t number = 1;; ++number) {
    auto more = select.step();
    if (!more.ok()) return wrong(more.status());
    if (!*more) break;
    std::string& row = rows.emplace_back();
    for (size_t i = 0; i < types.size(); ++i) {
      int at = static_cast<int>(i);
      if (i) row += ',';
      if (select.is_null(at)) continue;
      std::string_view type = type_of(select.column_class(at));
      std::string column(select.column_name(at));
      if (type.empty()) {
        return load_error(
            fmt::format("lookups.{}: {}: row {} holds a BLOB in `{}`: SELECT hex({}) or text", spec.name, path, number, column, column));
      }
      if (types[i].empty()) types[i] = type;
      if (types[i] != type && !spec.types.contains(column)) {
        return load_error(
            fmt::format("lookups.{0}: {1}: row {2} holds {3} in `{4}`, the rows before {5}; give lookups.{0}.columns.{4} a type", spec.name,
                        path, number, type, column, types[i]));
      }
      if (select.column_class(at) == sqlite::StorageClass::kReal) {
        std::string text;
        append_double(select.column_double(at), false, text);
        append_field(row, text);
      } else {
        append_field(row, select.column_text(at));
      }
    }
    if (row.empty()) return load_error(fmt::format("lookups.{}: {}: row {} has no key, it is NULL", spec.name, path, number));
    row += '\n';
    bytes += row.size() + sizeof row;
    if (bytes > spec.max_bytes) return too_large(spec, path);
  }
  // In what order the rows came is not said; the version is a hash of this text.
  std::sort(rows.begin(), rows.end());
  std::string out;
  for (size_t i = 0; i < types.size(); ++i) {
    std::string head = fmt::format("{} {}", select.column_name(static_cast<int>(i)), types[i].empty() ? "longtext" : types[i]);
    if (i) out += ',';
    append_field(out, head);
  }
  out += '\n';
  for (const std::string& row : rows) out += row;
  return out;
}

bool can_be_key(const Column& column) {
  return column.kind == Kind::kText || column.kind == Kind::kBytes || column.kind == Kind::kInt || column.kind == Kind::kUint;
}

}  // namespace

Result<std::string> LookupTable::path_of(const LookupSpec& spec, const std::string& folder, bool trusted) {
  if (trusted) return std::filesystem::path(spec.path).is_absolute() ? spec.path : folder + spec.path;
  if (spec.is_sqlite) return load_error(fmt::format("lookups.{}: rules.trusted = false takes CSV files only", spec.name));
  std::filesystem::path path(spec.path);
  std::error_code none;
  bool leaves = path.is_absolute() || std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
  // A link may lead anywhere.
  leaves = leaves || std::filesystem::is_symlink(folder + spec.path, none);
  if (leaves) {
    return load_error(
        fmt::format("lookups.{}: rules.trusted = false reads files in the folder of the rule file only, not {}", spec.name, spec.path));
  }
  return folder + spec.path;
}

Result<std::string> LookupTable::read(const LookupSpec& spec, const std::string& path) {
  return spec.is_sqlite ? read_sqlite(spec, path) : read_csv(spec, path);
}

class LookupTable::Builder {
 public:
  Builder(const LookupSpec& spec, std::string_view text, const std::string& file) : spec_(spec), text_(text), reader_(text, file) {
    table_->name_ = spec.name;
    table_->file_ = file;
  }

  Result<std::shared_ptr<const LookupTable>> build() {
    TAILRACE_OK(read_head());
    uint64_t rows = 0;
    for (;; ++rows) {
      TAILRACE_TRY(bool more, reader_.next(fields_));
      if (!more) break;
      TAILRACE_OK(add_row());
      uint64_t bytes = text_.size() + table_->arena_.bytes() + table_->cells_.size() * sizeof(Value) + rows * kRowBytes;
      if (bytes > spec_.max_bytes) return too_large(spec_, table_->file_);
    }
    return std::shared_ptr<const LookupTable>(std::move(table_));
  }

 private:
  // The names; of a SELECT with a type behind each.
  Status read_head() {
    TAILRACE_TRY(bool has_head, reader_.next(fields_));
    if (!has_head) return load_error(fmt::format("lookups.{}: {} is empty; its first line names the columns", spec_.name, table_->file_));
    std::vector<std::string> names;
    for (CsvField& field : fields_) {
      std::string type = "longtext";
      if (spec_.is_sqlite) {
        size_t space = field.text.rfind(' ');
        type = field.text.substr(space + 1);
        field.text.resize(space);
      }
      if (std::find(names.begin(), names.end(), field.text) != names.end()) {
        return reader_.fail(fmt::format("two columns are named `{}`", field.text));
      }
      names.push_back(field.text);
      auto given = spec_.types.find(field.text);
      Column column;
      if (given != spec_.types.end()) {
        column = given->second;
      } else {
        TAILRACE_TRY(column, parse_sql_type(type));
      }
      column.name = field.text;
      table_->columns_.push_back(std::move(column));
    }
    for (const auto& [name, type] : spec_.types) {
      if (std::find(names.begin(), names.end(), name) == names.end()) return no_column("columns", name, names);
    }
    auto key = std::find(names.begin(), names.end(), spec_.key);
    if (key == names.end()) return no_column("key", spec_.key, names);
    table_->key_ = static_cast<size_t>(key - names.begin());
    const Column& column = table_->columns_[table_->key_];
    if (!can_be_key(column)) {
      return load_error(fmt::format("lookups.{}.key: `{}` is {}; a key is text or an integer", spec_.name, spec_.key, column.type_text));
    }
    return Status();
  }

  Status no_column(std::string_view what, const std::string& name, const std::vector<std::string>& names) const {
    return load_error(
        fmt::format("lookups.{}.{}: {} has no column `{}`{}", spec_.name, what, table_->file_, name, did_you_mean(name, names)));
  }

  Status add_row() {
    std::vector<Column>& columns = table_->columns_;
    if (fields_.size() != columns.size()) {
      return fail(fmt::format("{} fields, the first line has {}", fields_.size(), columns.size()));
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      Value cell = Value::null();
      bool is_null = fields_[i].text.empty() && !fields_[i].is_quoted;
      WriteFault fault = is_null ? write_null(cell, columns[i]) : write_any_text(cell, columns[i], fields_[i].text, table_->arena_);
      if (fault != WriteFault::kNone) return fail(fmt::format("column `{}`: {}", columns[i].name, describe_fault(fault, columns[i])));
      table_->cells_.push_back(cell);
    }
    auto row = static_cast<uint32_t>(lines_.size());
    const Value& value = table_->cells_[row * columns.size() + table_->key_];
    if (value.is_null()) return fail(fmt::format("the key `{}` is NULL (a field of nothing; the empty text is \"\")", spec_.key));
    std::string key = to_text(value, columns[table_->key_]);
    std::string_view kept(table_->arena_.copy(key), key.size());
    auto [at, is_new] = table_->rows_by_key_.emplace(kept, row);
    if (!is_new) {
      if (spec_.is_sqlite) return fail("it is there twice");
      return fail(fmt::format("the key `{}` = {} is in line {} already", spec_.key, key, lines_[at->second]));
    }
    lines_.push_back(reader_.line());
    return Status();
  }

  // About the row that was read last.
  Status fail(const std::string& detail) const {
    if (!spec_.is_sqlite) return reader_.fail(fmt::format("lookups.{}: {}", spec_.name, detail));
    return load_error(
        fmt::format("lookups.{}: {}: row with {} = {}: {}", spec_.name, table_->file_, spec_.key, fields_[table_->key_].text, detail));
  }

  const LookupSpec& spec_;
  std::string_view text_;
  CsvReader reader_;
  std::vector<CsvField> fields_;
  std::vector<uint32_t> lines_;  // of the rows
  std::shared_ptr<LookupTable> table_ = std::make_shared<LookupTable>();
};

Result<std::shared_ptr<const LookupTable>> LookupTable::make(const LookupSpec& spec, std::string_view text, const std::string& file) {
  return Builder(spec, text, file).build();
}

}  // namespace tailrace
