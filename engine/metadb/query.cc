// Free queries over the job file, reading only.
#include <fmt/format.h>

#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

constexpr sqlite::ErrorFamily kQueryFamily{ErrorCode::kMetaOpen, ErrorCode::kMetaQuery, ErrorCode::kMetaQuery};

void bind_cell(sqlite::Statement& s, int at, const Cell& cell) {
  if (auto* i = std::get_if<int64_t>(&cell)) return s.bind_int(at, *i);
  if (auto* d = std::get_if<double>(&cell)) return s.bind_double(at, *d);
  if (auto* t = std::get_if<std::string>(&cell)) return s.bind_text(at, *t);
  if (auto* b = std::get_if<Blob>(&cell)) return s.bind_blob(at, b->bytes);
  s.bind_null(at);
}

Cell cell_of(sqlite::Statement& s, int at) {
  switch (s.column_class(at)) {
    case sqlite::StorageClass::kInteger: return s.column_int(at);
    case sqlite::StorageClass::kReal: return s.column_double(at);
    case sqlite::StorageClass::kText: return std::string(s.column_text(at));
    case sqlite::StorageClass::kBlob: return Blob{std::string(s.column_text(at))};
    case sqlite::StorageClass::kNull: break;
  }
  return std::monostate();
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n;") == std::string_view::npos; }

}  // namespace

Result<QueryTable> JobFile::query(std::string_view sql, std::span<const Cell> parameters, size_t max_rows) {
  std::lock_guard lock(query_mutex_);
  if (!reader_) {
    sqlite::OpenOptions options;
    options.mode = sqlite::OpenMode::kReadOnly;
    options.cache_kib = 2048;
    TAILRACE_TRY(reader_, sqlite::Database::open(path_, options, kQueryFamily));
    reader_->allow_reading_only();
  }
  std::string_view tail;
  TAILRACE_TRY(auto s, reader_->prepare(sql, false, &tail));
  if (s.column_count() == 0 || !s.is_read_only()) {
    return Status(ErrorCode::kMetaQuery, "the text holds no reading statement");
  }
  if (!is_blank(tail)) return Status(ErrorCode::kMetaQuery, "one statement at a time");
  if (static_cast<size_t>(s.parameter_count()) != parameters.size()) {
    return Status(ErrorCode::kMetaQuery, fmt::format("{} parameters are wanted, {} were given", s.parameter_count(), parameters.size()));
  }
  for (size_t i = 0; i < parameters.size(); ++i) bind_cell(s, static_cast<int>(i) + 1, parameters[i]);
  QueryTable table;
  int columns = s.column_count();
  for (int i = 0; i < columns; ++i) table.columns.emplace_back(s.column_name(i));
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return table;
    if (table.rows.size() == max_rows) {
      table.truncated = true;
      return table;
    }
    auto& row = table.rows.emplace_back();
    row.reserve(static_cast<size_t>(columns));
    for (int i = 0; i < columns; ++i) row.push_back(cell_of(s, i));
  }
}

}  // namespace tailrace
