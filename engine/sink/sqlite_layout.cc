#include "sink/sqlite_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sqlite/database.h"

namespace tailrace::sqlite_layout {
namespace {

int integer_width(std::string_view type) noexcept {
  constexpr std::array<std::string_view, 5> kTypes{"tinyint", "smallint", "mediumint", "int", "bigint"};
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (type == kTypes[i]) return static_cast<int>(i);
  }
  return type == "integer" ? 3 : -1;
}

// Character types by how much they hold at least; a step up keeps every value. -1: not one of them.
int text_rank(std::string_view type) noexcept {
  constexpr std::array<std::string_view, 6> kTypes{"char", "varchar", "tinytext", "text", "mediumtext", "longtext"};
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (type == kTypes[i]) return static_cast<int>(i);
  }
  return -1;
}

int blob_rank(std::string_view type) noexcept {
  constexpr std::array<std::string_view, 4> kTypes{"tinyblob", "blob", "mediumblob", "longblob"};
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (type == kTypes[i]) return static_cast<int>(i);
  }
  return -1;
}

bool keeps_labels(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  // As a subsequence: a SET prints its labels in definition order.
  size_t found = 0;
  for (const std::string& label : after) {
    if (found < before.size() && before[found] == label) ++found;
  }
  return found == before.size();
}

bool widens(const Column& before, const Column& after) {
  if (before.type_text == after.type_text) return true;
  switch (before.kind) {
    case Kind::kInt:
    case Kind::kUint: {
      // tinyint(1) and int(11) differ in display width only.
      int from = integer_width(before.type_name), to = integer_width(after.type_name);
      return from >= 0 && to >= from;
    }
    case Kind::kDecimal: return after.length >= before.length && after.scale == before.scale;
    case Kind::kText: {
      int from = text_rank(before.type_name), to = text_rank(after.type_name);
      if (from < 0 || to < from) return false;
      if (from <= 1 && to <= 1) return after.length >= before.length;
      if (from <= 1) return to >= 3 && before.length <= 16383;  // any VARCHAR of that length fits into TEXT
      return true;
    }
    case Kind::kBytes: {
      if (before.type_name == "varbinary" && after.type_name == "varbinary") return after.length >= before.length;
      int from = blob_rank(before.type_name), to = blob_rank(after.type_name);
      return from >= 0 && to >= from;
    }
    case Kind::kBit: return after.length >= before.length;
    case Kind::kEnum:
    case Kind::kSet: return keeps_labels(before.labels, after.labels);
    default: return before.type_name == after.type_name && before.scale == after.scale;
  }
}

}  // namespace

std::string_view storage_type(const Column& column) noexcept {
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kYear: return "INTEGER";
    case Kind::kUint: return column.type_name == "bigint" ? "ANY" : "INTEGER";
    case Kind::kBit: return column.length >= 64 ? "ANY" : "INTEGER";
    case Kind::kDouble: return "REAL";
    case Kind::kBytes:
    case Kind::kGeometry: return "BLOB";
    default: return "TEXT";
  }
}

std::string column_definition(const Column& column, bool in_key) {
  // A key column never holds NULL here: SQLite would take two NULL keys for two different rows.
  return fmt::format("{} {}{}", sqlite::quote_name(column.name), storage_type(column), column.nullable && !in_key ? "" : " NOT NULL");
}

std::string create_table_sql(std::string_view table, const TableSchema& schema) {
  std::string sql = fmt::format("CREATE TABLE {} (", sqlite::quote_name(table));
  const auto& key = schema.primary_key;
  if (key.empty()) sql += "\"_tailrace_pos\" TEXT NOT NULL PRIMARY KEY, ";
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    if (i) sql += ", ";
    sql += column_definition(schema.columns[i], std::find(key.begin(), key.end(), i) != key.end());
  }
  if (!key.empty()) {
    sql += ", PRIMARY KEY (";
    for (size_t i = 0; i < key.size(); ++i) {
      if (i) sql += ", ";
      sql += sqlite::quote_name(schema.columns[key[i]].name);
    }
    sql += ")";
  }
  return sql + ") STRICT";
}

std::string visible_change(const Column& before, const Column& after) {
  auto change = [&](std::string_view what) {
    return fmt::format("column {}: {} ({} -> {})", before.name, what, before.type_text, after.type_text);
  };
  if (before.kind != after.kind || storage_type(before) != storage_type(after)) return change("another type");
  if (before.is_unsigned != after.is_unsigned) return change("another signedness");
  if (before.nullable != after.nullable) return change(after.nullable ? "NOT NULL removed" : "NOT NULL added");
  if (before.generated != after.generated) return change("generated or not");
  if (!widens(before, after)) return change("values may have changed");
  return "";
}

}  // namespace tailrace::sqlite_layout
