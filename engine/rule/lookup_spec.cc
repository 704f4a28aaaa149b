#include "rule/lookup_spec.h"

#include <fmt/format.h>

#include "base/options.h"
#include "rule/node_reader.h"
#include "rule/sql_type.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

Result<std::string> text_of(const RuleNode& node, const std::string& where, std::string_view what) {
  if (node.type != Type::kText || node.text.empty())
    return load_error(fmt::format("{} is {}; expected {}", where, type_name(node.type), what));
  return node.text;
}

Result<LookupSpec> parse_lookup(const std::string& name, const RuleNode& node) {
  std::string where = "lookups." + name;
  if (node.type != Type::kTable) {
    return load_error(fmt::format("{} is {}; expected {{ csv = \"file.csv\", key = \"column\" }}", where, type_name(node.type)));
  }
  if (node.find("refresh")) {
    return load_error(where + ".refresh: a lookup is read when the rules are loaded; swap to the same file to read it anew");
  }
  TAILRACE_OK(check_keys(node, where, {"csv", "sqlite", "sql", "key", "columns", "max_bytes"}));
  LookupSpec out;
  out.name = name;
  const RuleNode* csv = node.find("csv");
  const RuleNode* sqlite = node.find("sqlite");
  if (!csv == !sqlite) return load_error(where + ": give either `csv = \"file.csv\"` or `sqlite = \"file.db\"` with `sql`");
  out.is_sqlite = sqlite != nullptr;
  TAILRACE_TRY(out.path, text_of(csv ? *csv : *sqlite, where + (csv ? ".csv" : ".sqlite"), "the name of a file"));
  const RuleNode* sql = node.find("sql");
  if (sql && csv) return load_error(where + ".sql is for `sqlite`");
  if (sqlite) {
    if (!sql) return load_error(where + ": `sql = \"SELECT …\"` is missing");
    TAILRACE_TRY(out.sql, text_of(*sql, where + ".sql", "a SELECT"));
  }
  const RuleNode* key = node.find("key");
  if (!key) return load_error(where + ": `key = \"column\"` is missing");
  TAILRACE_TRY(out.key, text_of(*key, where + ".key", "the name of one column"));
  if (const RuleNode* columns = node.find("columns")) {
    if (columns->type != Type::kTable) return load_error(where + ".columns must be a table { name = \"sql type\" }");
    for (const auto& [column, given] : columns->fields) {
      std::string place = fmt::format("{}.columns.{}", where, column);
      TAILRACE_TRY(std::string text, text_of(given, place, "a SQL type such as \"bigint\""));
      auto type = parse_sql_type(text);
      if (!type.ok()) return load_error(fmt::format("{}: {}", place, type.status().detail()));
      type->name = column;
      out.types[column] = std::move(type).value();
    }
  }
  if (const RuleNode* bytes = node.find("max_bytes")) {
    auto parsed = parse_bytes(bytes->text);
    if (bytes->type != Type::kText || !parsed.ok() || *parsed <= 0) return load_error(where + ".max_bytes is a size such as \"64MiB\"");
    out.max_bytes = static_cast<uint64_t>(*parsed);
  }
  return out;
}

}  // namespace

Result<std::vector<LookupSpec>> parse_lookups(const RuleNode& node) {
  if (node.type != Type::kTable) return load_error(fmt::format("lookups is {}; expected a table", type_name(node.type)));
  std::vector<LookupSpec> out;
  for (const auto& [name, value] : node.fields) {
    TAILRACE_TRY(LookupSpec lookup, parse_lookup(name, value));
    out.push_back(std::move(lookup));
  }
  return out;
}

}  // namespace tailrace
