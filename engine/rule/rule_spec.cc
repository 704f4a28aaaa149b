#include "rule/rule_spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "base/options.h"
#include "event/pattern.h"
#include "rule/sql_type.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

Status fail(std::string detail) { return Status(ErrorCode::kRuleLoad, std::move(detail)); }

std::string type_name(Type type) {
  switch (type) {
    case Type::kNil: return "nil";
    case Type::kBool: return "a boolean";
    case Type::kNumber: return "a number";
    case Type::kText: return "a string";
    case Type::kTable: return "a table";
    case Type::kFunction: return "a function";
    case Type::kNative: return "a native function";
    case Type::kNull: return "null";
    case Type::kSecret: return "secret";
  }
  return "?";
}

// Fails on a key of `node` that is not known, or known to the language but not to this version.
Status check_keys(const RuleNode& node, const std::string& where, std::vector<std::string> known,
                  const std::vector<std::string>& later) {
  for (const auto& [key, value] : node.fields) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (std::find(later.begin(), later.end(), key) != later.end()) {
      return fail(fmt::format("{}: `{}` is not supported by this version", where, key));
    }
    std::vector<std::string> all = known;
    all.insert(all.end(), later.begin(), later.end());
    std::string near = nearest_name(key, all);
    return fail(near.empty() ? fmt::format("{}: unknown key `{}`; known are {}", where, key, fmt::join(known, ", "))
                             : fmt::format("{}: unknown key `{}`: did you mean `{}`?", where, key, near));
  }
  return Status();
}

// The strings of a list {"a", "b"}.
Result<std::vector<std::string>> text_list(const RuleNode& node, const std::string& where) {
  std::vector<std::string> out;
  if (node.type != Type::kTable) return fail(where + " must be a list of names");
  for (const auto& [key, value] : node.fields) {
    if (key != std::to_string(out.size() + 1) || value.type != Type::kText) return fail(where + " must be a list of names");
    if (std::find(out.begin(), out.end(), value.text) != out.end()) {
      return fail(fmt::format("{} names `{}` twice", where, value.text));
    }
    out.push_back(value.text);
  }
  if (out.empty()) return fail(where + " is empty");
  return out;
}

Status check_template(const std::string& text, const std::string& where) {
  for (size_t at = 0; (at = text.find_first_of("{}", at)) != std::string::npos;) {
    size_t end = text[at] == '{' ? text.find('}', at) : std::string::npos;
    if (end == std::string::npos) return fail(fmt::format("{}: unmatched brace in \"{}\"", where, text));
    std::string name = text.substr(at + 1, end - at - 1);
    if (name != "db" && name != "table") {
      return fail(fmt::format("{}: {{{}}} is not supported by this version; {{db}} and {{table}} are", where, name));
    }
    at = end + 1;
  }
  return Status();
}

Status parse_patterns(TableRule& rule) {
  std::string_view rest = rule.key;
  while (!rest.empty()) {
    size_t end = rest.find_first_of(" \t\n");
    std::string word(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (word.empty()) continue;
    bool excludes = word.front() == '!';
    if (excludes) word.erase(0, 1);
    size_t dot = word.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == word.size()) {
      return fail(fmt::format("tables[\"{}\"]: `{}` is not of the form database.table", rule.key, word));
    }
    (excludes ? rule.exclude : rule.include).push_back(word);
  }
  if (rule.include.empty()) return fail(fmt::format("tables[\"{}\"] names no table", rule.key));
  return Status();
}

Result<std::string> value_text(const RuleNode& node, const std::string& where) {
  if (node.type == Type::kText) return node.text;
  if (node.type == Type::kBool) return std::string(node.boolean ? "1" : "0");
  if (node.type == Type::kNumber) {
    char digits[64];
    auto end = std::to_chars(digits, digits + sizeof digits, node.number).ptr;
    if (node.number == static_cast<double>(static_cast<int64_t>(node.number))) {
      end = std::to_chars(digits, digits + sizeof digits, static_cast<int64_t>(node.number)).ptr;
    }
    return std::string(digits, end);
  }
  return fail(fmt::format("{}: `value` is {}, expected a string, a number or a boolean", where, type_name(node.type)));
}

Result<ColumnRule> parse_new_column(ColumnRule out, const RuleNode& node, const std::string& where) {
  TAILRACE_OK(check_keys(node, where, {"1", "value", "null"}, {"as", "name"}));
  const RuleNode* type = node.find("1");
  if (!type || type->type != Type::kText) return fail(where + ": a new column is { \"sql type\", value = … }");
  auto column = parse_sql_type(type->text);
  if (!column.ok()) return fail(where + ": " + column.status().detail());
  out.action = ColumnRule::Action::kNew;
  out.type = std::move(column).value();
  out.type.name = out.name;
  const RuleNode* value = node.find("value");
  if (value) {
    TAILRACE_TRY(out.value, value_text(*value, where));
    TAILRACE_OK(check_template(out.value, where));
    out.has_value = true;
    out.type.nullable = false;
  }
  if (const RuleNode* null = node.find("null")) {
    if (null->type != Type::kBool) return fail(where + ": `null` is true or false");
    out.type.nullable = null->boolean;
  }
  return out;
}

Result<ColumnRule> parse_column(const std::string& name, const RuleNode& node, const std::string& where,
                                const std::map<std::string, std::string>& secrets) {
  ColumnRule out;
  out.name = name;
  switch (node.type) {
    case Type::kBool:
      if (node.boolean) return fail(where + ": true says nothing; leave the column out to keep it");
      out.action = ColumnRule::Action::kDrop;
      return out;
    case Type::kText:
      if (node.text.empty()) return fail(where + ": the new name is empty");
      out.action = ColumnRule::Action::kRename;
      out.new_name = node.text;
      return out;
    case Type::kNative: {
      out.action = ColumnRule::Action::kNative;
      auto native = make_native(node, secrets);
      if (!native.ok()) return fail(where + ": " + native.status().detail());
      out.native = std::move(native).value();
      return out;
    }
    case Type::kTable:
      return parse_new_column(std::move(out), node, where);
    default:
      return fail(fmt::format("{} is {}; expected false, a new name, a native function or {{ type, value = … }}", where,
                              type_name(node.type)));
  }
}

Status parse_ops(TableRule& rule, const RuleNode& node, const std::string& where) {
  static constexpr Op kOps[] = {Op::kInsert, Op::kUpdate, Op::kDelete, Op::kRead, Op::kTruncate};
  TAILRACE_TRY(std::vector<std::string> names, text_list(node, where));
  rule.ops = 0;
  for (const std::string& name : names) {
    bool found = false;
    for (Op op : kOps) {
      if (op_name(op) != name) continue;
      rule.ops |= 1u << static_cast<unsigned>(op);
      found = true;
    }
    if (!found) return fail(fmt::format("{}: `{}` is none of insert, update, delete, read, truncate", where, name));
  }
  return Status();
}

Status parse_entry(TableRule& rule, const RuleNode& node, const std::string& where,
                   const std::map<std::string, std::string>& secrets) {
  TAILRACE_OK(check_keys(node, where, {"ops", "to", "key", "columns", "map", "row"},
                         {"where", "topic", "partition_by", "headers", "deletes", "serialize", "append"}));
  rule.action = TableRule::Action::kEntry;
  if (const RuleNode* ops = node.find("ops")) TAILRACE_OK(parse_ops(rule, *ops, where + ".ops"));
  if (const RuleNode* to = node.find("to")) {
    if (to->type != Type::kText) return fail(where + ".to must be a string like \"database.table\"");
    TAILRACE_OK(check_template(to->text, where + ".to"));
    size_t dot = to->text.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == to->text.size()) {
      return fail(fmt::format("{}.to: \"{}\" is not of the form database.table", where, to->text));
    }
    rule.to = to->text;
  }
  if (const RuleNode* key = node.find("key")) {
    TAILRACE_TRY(rule.key_columns, text_list(*key, where + ".key"));
  }
  if (const RuleNode* columns = node.find("columns")) {
    if (columns->type != Type::kTable) return fail(where + ".columns must be a table");
    for (const auto& [name, value] : columns->fields) {
      TAILRACE_TRY(ColumnRule column, parse_column(name, value, fmt::format("{}.columns.{}", where, name), secrets));
      rule.columns.push_back(std::move(column));
    }
  }
  for (auto [name, slot] : {std::pair{"map", &rule.map}, std::pair{"row", &rule.row}}) {
    const RuleNode* function = node.find(name);
    if (!function) continue;
    if (function->type != Type::kFunction) {
      return fail(fmt::format("{}.{} must be a function, not {}", where, name, type_name(function->type)));
    }
    *slot = function->function;
  }
  for (const ColumnRule& column : rule.columns) {
    if (column.action == ColumnRule::Action::kNew && !column.has_value && rule.map < 0 && !column.type.nullable) {
      return fail(fmt::format("{}.columns.{}: NOT NULL, but it has no `value` and there is no `map` to fill it", where,
                              column.name));
    }
  }
  return Status();
}

Status parse_options(RuleSpec& spec, const RuleNode* node, std::map<std::string, std::string> given) {
  std::vector<std::string> names;
  if (node && node->type != Type::kTable) return fail("options must be a table");
  static const std::vector<std::pair<std::string, RuleNode>> kNone;
  for (const auto& [name, value] : node ? node->fields : kNone) {
    names.push_back(name);
    auto found = given.find(name);
    std::optional<std::string> text;
    if (found != given.end()) {
      text = found->second;
      given.erase(found);
    }
    switch (value.type) {
      case Type::kSecret:
        if (!text) return fail(fmt::format("option `{}` is a secret and must be given by the job", name));
        spec.secrets[name] = *text;
        break;
      case Type::kBool:
        if (text && *text != "true" && *text != "false") return fail(fmt::format("option `{}` is true or false", name));
        spec.options[name] = text ? *text == "true" : value.boolean;
        break;
      case Type::kNumber: {
        double number = value.number;
        if (text) {
          auto result = std::from_chars(text->data(), text->data() + text->size(), number);
          if (result.ec != std::errc() || result.ptr != text->data() + text->size()) {
            return fail(fmt::format("option `{}` is a number, \"{}\" is none", name, *text));
          }
        }
        spec.options[name] = number;
        break;
      }
      case Type::kText:
        spec.options[name] = text ? *text : value.text;
        break;
      default:
        return fail(fmt::format("option `{}` is {}; defaults are strings, numbers, booleans or secret", name,
                                type_name(value.type)));
    }
  }
  if (!given.empty()) {
    const std::string& name = given.begin()->first;
    std::string near = nearest_name(name, names);
    return fail(fmt::format("the job gives option `{}`, which the rule file does not declare{}", name,
                            near.empty() ? "" : fmt::format(": did you mean `{}`?", near)));
  }
  return Status();
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return glob_match(p, name); });
}

}  // namespace

Result<RuleSpec> parse_rule_spec(const RuleNode& root, const std::map<std::string, std::string>& job_options) {
  if (root.type != Type::kTable) return fail(fmt::format("the file returns {}, expected a table", type_name(root.type)));
  TAILRACE_OK(check_keys(root, "rule file", {"api", "options", "tables", "default", "ddl"},
                         {"mode", "state", "lookups", "outputs", "txn", "txn_end", "on_error", "start", "tick",
                          "tick_every", "metrics"}));
  const RuleNode* api = root.find("api");
  if (!api || api->type != Type::kNumber) return fail("`api = 1` is missing");
  if (api->number != 1) return fail(fmt::format("api = {} is not supported; this version knows 1", api->number));

  RuleSpec spec;
  TAILRACE_OK(parse_options(spec, root.find("options"), job_options));
  if (const RuleNode* ddl = root.find("ddl")) {
    TAILRACE_TRY(spec.ddl, parse_ddl_spec(*ddl));
  }
  if (const RuleNode* fallback = root.find("default")) {
    if (fallback->text == "keep") spec.fallback = RuleSpec::Default::kKeep;
    else if (fallback->text == "drop") spec.fallback = RuleSpec::Default::kDrop;
    else if (fallback->text == "stop") spec.fallback = RuleSpec::Default::kStop;
    else return fail("default is \"keep\", \"drop\" or \"stop\"");
  }
  if (const RuleNode* tables = root.find("tables")) {
    if (tables->type != Type::kTable) return fail("tables must be a table");
    for (const auto& [key, value] : tables->fields) {
      TableRule rule;
      rule.key = key;
      TAILRACE_OK(parse_patterns(rule));
      std::string where = fmt::format("tables[\"{}\"]", key);
      if (value.type == Type::kBool) {
        rule.action = value.boolean ? TableRule::Action::kKeep : TableRule::Action::kDrop;
      } else if (value.type == Type::kFunction) {
        return fail(where + ": a function as entry is not supported by this version");
      } else if (value.type == Type::kTable) {
        TAILRACE_OK(parse_entry(rule, value, where, spec.secrets));
      } else {
        return fail(fmt::format("{} is {}; expected false, true or a table", where, type_name(value.type)));
      }
      spec.tables.push_back(std::move(rule));
    }
  }
  return spec;
}

Result<const TableRule*> match_table(const RuleSpec& spec, std::string_view database, std::string_view table) {
  std::string name = fmt::format("{}.{}", database, table);
  const TableRule* exact = nullptr;
  const TableRule* pattern = nullptr;
  const TableRule* other = nullptr;
  bool other_is_exact = false;
  for (const TableRule& rule : spec.tables) {
    bool is_exact = std::any_of(rule.include.begin(), rule.include.end(),
                                [&](const auto& p) { return !is_glob(p) && p == name; });
    if (!is_exact && !matches_any(rule.include, name)) continue;
    if (matches_any(rule.exclude, name)) continue;
    if (rule.action == TableRule::Action::kDrop) return &rule;
    const TableRule*& slot = is_exact ? exact : pattern;
    if (slot && (!other || (is_exact && !other_is_exact))) {
      other = &rule;
      other_is_exact = is_exact;
    }
    if (!slot) slot = &rule;
  }
  const TableRule* found = exact ? exact : pattern;
  bool ambiguous = other && (exact ? other_is_exact : true);
  // A later false beats even two patterns; the loop has seen all by now.
  if (ambiguous) {
    return Status(ErrorCode::kRuleAmbiguous,
                  fmt::format("{} matches tables[\"{}\"] and tables[\"{}\"]", name, found->key, other->key))
        .with("table", name);
  }
  return found;
}

std::string fill_template(std::string_view text, std::string_view database, std::string_view table) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("{db}")) {
      out.append(database);
      text.remove_prefix(4);
    } else if (text.starts_with("{table}")) {
      out.append(table);
      text.remove_prefix(7);
    } else {
      out.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace tailrace
