#include "rule/output_rule.h"

#include <fmt/format.h>

#include <algorithm>

#include "rule/node_reader.h"
#include "rule/sql_type.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

// "customer_id bigint not null"
Result<Column> parse_declaration(const RuleNode& node, const std::string& where) {
  size_t space = node.type == Type::kText ? node.text.find(' ') : std::string::npos;
  if (space == std::string::npos || space == 0) return load_error(where + " must be a list of \"name sql type\"");
  auto column = parse_sql_type(std::string_view(node.text).substr(space + 1));
  if (!column.ok()) return load_error(fmt::format("{}: \"{}\": {}", where, node.text, column.status().detail()));
  Column out = std::move(column).value();
  out.name = node.text.substr(0, space);
  return out;
}

}  // namespace

Result<OutputRule> parse_output(const std::string& name, const RuleNode& node) {
  std::string where = fmt::format("outputs[\"{}\"]", name);
  if (node.type != Type::kTable) return load_error(fmt::format("{} is {}; expected a table", where, type_name(node.type)));
  TAILRACE_OK(check_keys(node, where, {"key", "columns", "append", "topic", "partition_by", "headers", "serialize"}));
  OutputRule out;
  out.name = name;
  size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == name.size()) {
    return load_error(where + " is not of the form database.table");
  }
  out.database = name.substr(0, dot);
  out.table = name.substr(dot + 1);
  if (const RuleNode* append = node.find("append")) {
    if (append->type != Type::kBool) return load_error(where + ".append is true or false");
    out.append = append->boolean;
  }
  const RuleNode* columns = node.find("columns");
  if (!columns || columns->type != Type::kTable || columns->fields.empty()) {
    return load_error(where + ".columns must be a list of \"name sql type\"");
  }
  std::vector<std::string> names;
  for (const auto& [place, value] : columns->fields) {
    if (place != std::to_string(names.size() + 1)) return load_error(where + ".columns must be a list of \"name sql type\"");
    TAILRACE_TRY(Column column, parse_declaration(value, where + ".columns"));
    if (std::find(names.begin(), names.end(), column.name) != names.end()) {
      return load_error(fmt::format("{}.columns names `{}` twice", where, column.name));
    }
    names.push_back(column.name);
    out.columns.push_back(std::move(column));
  }
  const RuleNode* key = node.find("key");
  if (out.append == (key != nullptr)) {
    return load_error(where +
                      (key ? " has a key and append = true; rows that are only added have none" : " needs a `key`, or append = true"));
  }
  if (key) {
    TAILRACE_TRY(std::vector<std::string> parts, text_list(*key, where + ".key"));
    for (const std::string& part : parts) {
      auto at = std::find(names.begin(), names.end(), part);
      if (at == names.end()) return load_error(fmt::format("{}.key: no column `{}`{}", where, part, did_you_mean(part, names)));
      out.key.push_back(static_cast<uint16_t>(at - names.begin()));
    }
  }
  TAILRACE_OK(parse_message(out.message, node, where));
  return out;
}

}  // namespace tailrace
