#include "rule/schema_diff.h"

#include <fmt/format.h>

#include <algorithm>

namespace tailrace {
namespace {

std::string quoted(std::string_view name) {
  std::string out = "`";
  for (char c : name) out.append(c == '`' ? 2 : 1, c);
  return out + "`";
}

// As both sql_mode settings of backslashes read it.
std::string literal(const Column& column) {
  std::string_view text = column.default_text;
  bool is_number = column.kind == Kind::kInt || column.kind == Kind::kUint || column.kind == Kind::kBit || column.kind == Kind::kYear ||
                   column.kind == Kind::kDecimal || column.kind == Kind::kDouble;
  if (is_number) return std::string(text);
  bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '\\'; });
  if (!is_plain || column.kind == Kind::kBytes) {
    std::string hex = "X'";
    for (char c : text) hex += fmt::format("{:02X}", static_cast<unsigned char>(c));
    return hex + "'";
  }
  std::string out = "'";
  for (char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

std::string definition(const Column& column) {
  std::string out = fmt::format("{} {}{}", quoted(column.name), column.type_text, column.nullable ? "" : " NOT NULL");
  // TIMESTAMP is NOT NULL by itself at some servers.
  if (column.nullable && column.type_name == "timestamp") out += " NULL";
  if (column.default_kind == Column::Default::kText) out += " DEFAULT " + literal(column);
  return out;
}

bool same_column(const Column& a, const Column& b) {
  bool both_text = a.default_kind == Column::Default::kText && b.default_kind == Column::Default::kText;
  bool same_default = both_text ? a.default_text == b.default_text
                                : (a.default_kind == Column::Default::kText) == (b.default_kind == Column::Default::kText);
  return a.type_text == b.type_text && a.nullable == b.nullable && same_default;
}

// The name that tells which column at the source an output column is made of; "" when the rules made it.
std::string origin_name(const OutputTable& output, size_t column) {
  int at = output.origins.empty() ? static_cast<int>(column) : output.origins[column];
  if (at < 0 || !output.source || static_cast<size_t>(at) >= output.source->columns.size()) return "";
  return output.source->columns[static_cast<size_t>(at)].name;
}

// Which column of `after` each column of `before` became, -1 = none.
std::vector<int> matched(const OutputTable& before, const OutputTable& after) {
  const TableSchema& from = *before.schema;
  const TableSchema& to = *after.schema;
  std::vector<int> out(from.columns.size(), -1);
  std::vector<bool> taken(to.columns.size(), false);
  auto take = [&](size_t i, size_t k) {
    out[i] = static_cast<int>(k);
    taken[k] = true;
  };
  for (size_t i = 0; i < from.columns.size(); ++i) {
    std::string origin = origin_name(before, i);
    for (size_t k = 0; !origin.empty() && k < to.columns.size(); ++k) {
      if (taken[k] || origin_name(after, k) != origin) continue;
      take(i, k);
      break;
    }
  }
  for (size_t i = 0; i < from.columns.size(); ++i) {
    int at = out[i] < 0 ? to.find_column(from.columns[i].name) : -1;
    if (at >= 0 && !taken[static_cast<size_t>(at)]) take(i, static_cast<size_t>(at));
  }
  return out;
}

// RENAME COLUMN at the source: the names differ, place and type do not.
void match_renamed(const TableSchema& from, const TableSchema& to, std::vector<int>& match) {
  if (from.columns.size() != to.columns.size()) return;
  for (size_t i = 0; i < match.size(); ++i) {
    bool is_taken = std::find(match.begin(), match.end(), static_cast<int>(i)) != match.end();
    if (match[i] < 0 && !is_taken && from.columns[i].type_text == to.columns[i].type_text) match[i] = static_cast<int>(i);
  }
}

std::vector<std::string> key_names(const TableSchema& table, const std::vector<int>* match, const TableSchema* to) {
  std::vector<std::string> names;
  for (uint16_t at : table.primary_key) {
    bool is_renamed = match && (*match)[at] >= 0;
    names.push_back(is_renamed ? to->columns[static_cast<size_t>((*match)[at])].name : table.columns[at].name);
  }
  return names;
}

std::string key_columns(const TableSchema& table) {
  std::string out;
  for (uint16_t at : table.primary_key) out += (out.empty() ? "" : ", ") + quoted(table.columns[at].name);
  return out;
}

}  // namespace

std::string quoted_name(const TableSchema& table) { return quoted(table.database) + "." + quoted(table.table); }

std::string create_table_ddl(const TableSchema& table) {
  std::string out = fmt::format("CREATE TABLE {} (", quoted_name(table));
  for (size_t i = 0; i < table.columns.size(); ++i) out += (i ? ", " : "") + definition(table.columns[i]);
  if (!table.primary_key.empty()) out += fmt::format(", PRIMARY KEY ({})", key_columns(table));
  return out + ")";
}

std::vector<SchemaStep> schema_steps(const OutputTable* before, const OutputTable* after, uint32_t source_kinds) {
  std::vector<SchemaStep> steps;
  if (!before && !after) return steps;
  if (!before) return {{DdlKind::kCreateTable, create_table_ddl(*after->schema)}};
  const TableSchema& from = *before->schema;
  if (!after) return {{DdlKind::kDropTable, "DROP TABLE " + quoted_name(from)}};
  const TableSchema& to = *after->schema;
  std::vector<int> match = matched(*before, *after);
  if (source_kinds & ddl_bit(DdlKind::kRenameColumn)) match_renamed(from, to, match);

  if (from.database != to.database || from.table != to.table) {
    steps.push_back({DdlKind::kRenameTable, fmt::format("RENAME TABLE {} TO {}", quoted_name(from), quoted_name(to))});
  }
  auto clause = [&](DdlKind kind, std::string text) { steps.push_back({kind, std::move(text), true}); };
  bool key_differs = key_names(from, &match, &to) != key_names(to, nullptr, nullptr);
  if (key_differs && !from.primary_key.empty()) clause(DdlKind::kDropIndex, "DROP PRIMARY KEY");
  for (size_t i = 0; i < match.size(); ++i) {
    if (match[i] < 0) clause(DdlKind::kDropColumn, "DROP COLUMN " + quoted(from.columns[i].name));
  }
  for (size_t i = 0; i < match.size(); ++i) {
    if (match[i] < 0) continue;
    const Column& old = from.columns[i];
    const Column& now = to.columns[static_cast<size_t>(match[i])];
    bool is_renamed = old.name != now.name;
    if (!is_renamed && same_column(old, now)) continue;
    if (is_renamed && same_column(old, now)) {
      clause(DdlKind::kRenameColumn, fmt::format("RENAME COLUMN {} TO {}", quoted(old.name), quoted(now.name)));
    } else if (is_renamed) {
      clause(DdlKind::kRenameColumn, fmt::format("CHANGE COLUMN {} {}", quoted(old.name), definition(now)));
    } else {
      clause(DdlKind::kModifyColumn, "MODIFY COLUMN " + definition(now));
    }
  }
  for (size_t k = 0; k < to.columns.size(); ++k) {
    if (std::find(match.begin(), match.end(), static_cast<int>(k)) != match.end()) continue;
    std::string place;
    if (k + 1 != to.columns.size()) place = k == 0 ? " FIRST" : " AFTER " + quoted(to.columns[k - 1].name);
    clause(DdlKind::kAddColumn, "ADD COLUMN " + definition(to.columns[k]) + place);
  }
  if (key_differs && !to.primary_key.empty()) clause(DdlKind::kAddIndex, fmt::format("ADD PRIMARY KEY ({})", key_columns(to)));
  return steps;
}

std::string schema_ddl(const OutputTable* before, const OutputTable* after, uint32_t source_kinds, uint32_t without) {
  std::string statements, clauses;
  for (const SchemaStep& step : schema_steps(before, after, source_kinds)) {
    if (without & ddl_bit(step.kind)) continue;
    std::string& out = step.is_clause ? clauses : statements;
    out += (out.empty() ? "" : step.is_clause ? ", " : ";\n") + step.text;
  }
  if (clauses.empty()) return statements;
  return statements + (statements.empty() ? "" : ";\n") + "ALTER TABLE " + quoted_name(*after->schema) + " " + clauses;
}

}  // namespace tailrace
