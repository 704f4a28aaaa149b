#include "rule/rule_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "event/pattern.h"
#include "rule/node_reader.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

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
      return load_error(fmt::format("tables[\"{}\"]: `{}` is not of the form database.table", rule.key, word));
    }
    (excludes ? rule.exclude : rule.include).push_back(word);
  }
  if (rule.include.empty()) return load_error(fmt::format("tables[\"{}\"] names no table", rule.key));
  return Status();
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
    if (!found) return load_error(fmt::format("{}: `{}` is none of insert, update, delete, read, truncate", where, name));
  }
  return Status();
}

Status parse_to(TableRule& rule, const RuleNode& node, const std::string& where) {
  // The dot between the two names is the first one outside of braces.
  size_t dot = std::string::npos;
  int depth = 0;
  for (size_t i = 0; node.type == Type::kText && i < node.text.size() && dot == std::string::npos; ++i) {
    depth += (node.text[i] == '{') - (node.text[i] == '}');
    if (node.text[i] == '.' && depth == 0) dot = i;
  }
  if (node.type != Type::kText) return load_error(where + " must be a string like \"database.table\"");
  TAILRACE_OK(TextTemplate::parse(node.text, where, false).status());
  if (dot == std::string::npos || dot == 0 || dot + 1 == node.text.size()) {
    return load_error(fmt::format("{}: \"{}\" is not of the form database.table", where, node.text));
  }
  TAILRACE_TRY(rule.to_database, TextTemplate::parse(node.text.substr(0, dot), where, false));
  TAILRACE_TRY(rule.to_table, TextTemplate::parse(node.text.substr(dot + 1), where, false));
  return Status();
}

Status parse_deletes(DeleteRule& out, const RuleNode& node, const std::string& where) {
  if (node.type == Type::kText && node.text == "apply") return Status();
  if (node.type == Type::kText && node.text == "drop") {
    out.action = DeleteRule::Action::kDrop;
    return Status();
  }
  if (node.type != Type::kTable) return load_error(where + " is \"apply\", \"drop\" or { set = { column = value } }");
  TAILRACE_OK(check_keys(node, where, {"set"}));
  const RuleNode* set = node.find("set");
  if (!set || set->type != Type::kTable || set->fields.empty()) return load_error(where + ".set must be a table { column = value }");
  out.action = DeleteRule::Action::kSet;
  for (const auto& [column, value] : set->fields) {
    DeleteRule::Set one{column, value.type == Type::kNull, meta_of(value), ""};
    if (!one.is_null && !one.meta) {
      TAILRACE_TRY(one.text, scalar_text(value, fmt::format("{}.set.{}", where, column)));
    }
    out.set.push_back(std::move(one));
  }
  return Status();
}

Status parse_entry(TableRule& rule, const RuleNode& node, const std::string& where,
                   const std::map<std::string, std::string>& secrets) {
  TAILRACE_OK(check_keys(node, where,
                         {"ops", "where", "to", "key", "columns", "map", "row", "deletes", "topic", "partition_by", "headers", "serialize"}));
  rule.action = TableRule::Action::kEntry;
  if (const RuleNode* ops = node.find("ops")) TAILRACE_OK(parse_ops(rule, *ops, where + ".ops"));
  if (const RuleNode* to = node.find("to")) TAILRACE_OK(parse_to(rule, *to, where + ".to"));
  if (const RuleNode* key = node.find("key")) {
    TAILRACE_TRY(rule.key_columns, text_list(*key, where + ".key"));
  }
  if (const RuleNode* deletes = node.find("deletes")) TAILRACE_OK(parse_deletes(rule.deletes, *deletes, where + ".deletes"));
  TAILRACE_OK(parse_message(rule.message, node, where));
  if (const RuleNode* columns = node.find("columns")) {
    if (columns->type != Type::kTable) return load_error(where + ".columns must be a table");
    for (const auto& [name, value] : columns->fields) {
      TAILRACE_TRY(ColumnRule column, parse_column(name, value, fmt::format("{}.columns.{}", where, name), secrets));
      rule.columns.push_back(std::move(column));
    }
  }
  for (auto [name, slot] : {std::pair{"map", &rule.map}, std::pair{"row", &rule.row}}) {
    const RuleNode* function = node.find(name);
    if (!function) continue;
    if (function->type != Type::kFunction) {
      return load_error(fmt::format("{}.{} must be a function, not {}", where, name, type_name(function->type)));
    }
    *slot = function->function;
  }
  for (const ColumnRule& column : rule.columns) {
    if (column.action == ColumnRule::Action::kNew && !column.has_value && rule.map < 0 && !column.type.nullable) {
      return load_error(fmt::format("{}.columns.{}: NOT NULL, but it has no `value` and there is no `map` to fill it", where,
                                    column.name));
    }
  }
  return Status();
}

Status parse_options(RuleSpec& spec, const RuleNode* node, std::map<std::string, std::string> given) {
  std::vector<std::string> names;
  if (node && node->type != Type::kTable) return load_error("options must be a table");
  static const std::vector<RuleNode::Field> kNone;
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
        if (!text) return load_error(fmt::format("option `{}` is a secret and must be given by the job", name));
        spec.secrets[name] = *text;
        break;
      case Type::kBool:
        if (text && *text != "true" && *text != "false") return load_error(fmt::format("option `{}` is true or false", name));
        spec.options[name] = text ? *text == "true" : value.boolean;
        break;
      case Type::kNumber: {
        double number = value.number;
        if (text) {
          auto result = std::from_chars(text->data(), text->data() + text->size(), number);
          if (result.ec != std::errc() || result.ptr != text->data() + text->size()) {
            return load_error(fmt::format("option `{}` is a number, \"{}\" is none", name, *text));
          }
        }
        spec.options[name] = number;
        break;
      }
      case Type::kText:
        spec.options[name] = text ? *text : value.text;
        break;
      default:
        return load_error(fmt::format("option `{}` is {}; defaults are strings, numbers, booleans or secret", name,
                                type_name(value.type)));
    }
  }
  if (!given.empty()) {
    const std::string& name = given.begin()->first;
    return load_error(fmt::format("the job gives option `{}`, which the rule file does not declare{}", name, did_you_mean(name, names)));
  }
  return Status();
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return glob_match(p, name); });
}

}  // namespace

Result<RuleSpec> parse_rule_spec(const RuleNode& root, const std::map<std::string, std::string>& job_options,
                                 const RuleText& file) {
  if (root.type != Type::kTable) return load_error(fmt::format("the file returns {}, expected a table", type_name(root.type)));
  TAILRACE_OK(check_keys(root, "rule file", {"api", "options", "tables", "default", "outputs", "on_error", "txn", "start", "ddl", "mode", "state", "tick",
                                             "tick_every"},
                         {"lookups", "txn_end", "metrics"}));
  const RuleNode* api = root.find("api");
  if (!api || api->type != Type::kNumber) return load_error("`api = 1` is missing");
  if (api->number != 1) return load_error(fmt::format("api = {} is not supported; this version knows 1", api->number));

  RuleSpec spec;
  TAILRACE_OK(parse_options(spec, root.find("options"), job_options));
  if (const RuleNode* ddl = root.find("ddl")) {
    TAILRACE_TRY(spec.ddl, parse_ddl_spec(*ddl));
  }
  TAILRACE_TRY(spec.memory, parse_memory_spec(root));
  if (const RuleNode* fallback = root.find("default")) {
    if (fallback->text == "keep") spec.fallback = RuleSpec::Default::kKeep;
    else if (fallback->text == "drop") spec.fallback = RuleSpec::Default::kDrop;
    else if (fallback->text == "stop") spec.fallback = RuleSpec::Default::kStop;
    else return load_error("default is \"keep\", \"drop\" or \"stop\"");
  }
  for (auto [name, slot] : {std::pair{"on_error", &spec.on_error}, std::pair{"txn", &spec.txn}, std::pair{"start", &spec.start}}) {
    const RuleNode* function = root.find(name);
    if (!function) continue;
    if (function->type != Type::kFunction) return load_error(fmt::format("{} must be a function, not {}", name, type_name(function->type)));
    *slot = function->function;
  }
  if (const RuleNode* outputs = root.find("outputs")) {
    if (outputs->type != Type::kTable) return load_error("outputs must be a table");
    for (const auto& [name, value] : outputs->fields) {
      TAILRACE_TRY(OutputRule output, parse_output(name, value));
      spec.outputs.push_back(std::move(output));
    }
  }
  if (const RuleNode* tables = root.find("tables")) {
    if (tables->type != Type::kTable) return load_error("tables must be a table");
    for (const auto& [key, value] : tables->fields) {
      TableRule rule;
      rule.key = key;
      TAILRACE_OK(parse_patterns(rule));
      std::string where = fmt::format("tables[\"{}\"]", key);
      if (value.type == Type::kBool) {
        rule.action = value.boolean ? TableRule::Action::kKeep : TableRule::Action::kDrop;
      } else if (value.type == Type::kFunction) {
        return load_error(where + ": a function as entry is not supported by this version");
      } else if (value.type == Type::kTable) {
        TAILRACE_OK(parse_entry(rule, value, where, spec.secrets));
        if (const RuleNode* filter = value.find("where")) {
          TAILRACE_TRY(rule.where, parse_where_rule(*filter, where + ".where", key, spec.options, file));
        }
        for (ColumnRule& column : rule.columns) {
          const RuleNode& given = *value.find("columns")->find(column.name);
          TAILRACE_OK(parse_column_sql(column, given, fmt::format("{}.columns.{}", where, column.name), key, spec.options, file));
        }
      } else {
        return load_error(fmt::format("{} is {}; expected false, true or a table", where, type_name(value.type)));
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

}  // namespace tailrace
