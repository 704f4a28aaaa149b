#include "rule/rule_spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

Status parse_entry(TableRule& rule, const RuleNode& node, const std::string& where, const std::map<std::string, std::string>& secrets) {
  TAILRACE_OK(check_keys(
      node, where, {"ops", "where", "to", "key", "columns", "map", "row", "deletes", "topic", "partition_by", "headers", "serialize"}));
  rule.action = TableRule::Action::kEntry;
  if (const RuleNode* ops = node.find("ops")) TAILRACE_OK(parse_ops(rule, *ops, where + ".ops"));
  if (const RuleNode* to = node.find("to")) TAILRACE_OK(parse_to(rule, *to, where + ".to"));
  if (const RuleNode* key = node.find("key")) {
    TAILRACE_TRY(rule.key_columns, text_list(*key, where + ".key"));
  }
  if (const RuleNode* deletes = node.find("deletes")) TAILRACE_OK(parse_deletes(rule.deletes, *deletes, where + ".deletes"));
  TAILRACE_OK(parse_message(rule.message, node, where));
  if (const RuleNode* columns = node.find("columns")) {
    if (is_name_rule(*columns)) {
      TAILRACE_TRY(NameRule names, parse_name_rule(*columns, where + ".columns"));
      rule.names.push_back(std::move(names));
    } else if (columns->type != Type::kTable) {
      return load_error(fmt::format("{}.columns is {}; expected a table or name.snake {{}} and its like", where, type_name(columns->type)));
    }
    static const std::vector<RuleNode::Field> kNone;
    for (const auto& [name, value] : columns->type == Type::kTable ? columns->fields : kNone) {
      std::string place = fmt::format("{}.columns.{}", where, name);
      if (is_name_rule(value)) {
        TAILRACE_TRY(NameRule names, parse_name_rule(value, place));
        rule.names.push_back(std::move(names));
        continue;
      }
      TAILRACE_TRY(ColumnRule column, parse_column(name, value, place, secrets));
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
  return Status();
}

Status parse_options(RuleSpec& spec, const RuleNode* node, std::map<std::string, std::string> given,
                     const std::set<std::string>& in_clear) {
  std::vector<std::string> names;
  if (node && node->type != Type::kTable) return load_error("options must be a table");
  static const std::vector<RuleNode::Field> kNone;
  for (const auto& [name, value] : node ? node->fields : kNone) {
    if (value.type != Type::kSecret || !in_clear.contains(name)) continue;
    return load_error(fmt::format("option `{0}` is a secret, and the job file would hold its value: give a reference in its place, "
                                  "{0} = \"${{env:NAME}}\" or {0} = \"${{file:/path}}\"",
                                  name))
        .with("option", name);
  }
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
      case Type::kText: spec.options[name] = text ? *text : value.text; break;
      default:
        return load_error(fmt::format("option `{}` is {}; defaults are strings, numbers, booleans or secret", name, type_name(value.type)));
    }
  }
  if (!given.empty()) {
    const std::string& name = given.begin()->first;
    return load_error(fmt::format("the job gives option `{}`, which the rule file does not declare{}", name, did_you_mean(name, names)));
  }
  return Status();
}

// What stands behind a key of `tables`, but a function.
Status parse_value(TableRule& rule, const RuleNode& value, const RuleSpec& spec, const RuleText& file) {
  std::string where = fmt::format("tables[\"{}\"]", rule.key);
  if (value.type == Type::kBool) {
    rule.action = value.boolean ? TableRule::Action::kKeep : TableRule::Action::kDrop;
    return Status();
  }
  if (value.type != Type::kTable) {
    return load_error(fmt::format("{} is {}; expected false, true, a table or a function", where, type_name(value.type)));
  }
  TAILRACE_OK(parse_entry(rule, value, where, spec.secrets));
  if (const RuleNode* filter = value.find("where")) {
    TAILRACE_TRY(rule.where, parse_where_rule(*filter, where + ".where", rule.key, spec.options, file));
  }
  for (ColumnRule& column : rule.columns) {
    const RuleNode& given = *value.find("columns")->find(column.name);
    TAILRACE_OK(parse_column_sql(column, given, fmt::format("{}.columns.{}", where, column.name), rule.key, spec.options, file));
  }
  return Status();
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return glob_match(p, name); });
}

}  // namespace

Result<RuleSpec> parse_rule_spec(const RuleNode& root, const std::map<std::string, std::string>& job_options, const RuleText& file,
                                 const std::set<std::string>& in_clear) {
  if (root.type != Type::kTable) return load_error(fmt::format("the file returns {}, expected a table", type_name(root.type)));
  TAILRACE_OK(check_keys(root, "rule file",
                         {"api", "options", "tables", "default", "outputs", "on_error", "txn", "start", "ddl", "mode", "state", "tick",
                          "tick_every", "lookups"},
                         {"txn_end", "metrics"}));
  const RuleNode* api = root.find("api");
  if (!api || api->type != Type::kNumber) return load_error("`api = 1` is missing");
  if (api->number != 1) return load_error(fmt::format("api = {} is not supported; this version knows 1", api->number));

  RuleSpec spec;
  TAILRACE_OK(parse_options(spec, root.find("options"), job_options, in_clear));
  if (const RuleNode* ddl = root.find("ddl")) {
    TAILRACE_TRY(spec.ddl, parse_ddl_spec(*ddl));
  }
  TAILRACE_TRY(spec.memory, parse_memory_spec(root));
  if (const RuleNode* lookups = root.find("lookups")) {
    TAILRACE_TRY(spec.lookups, parse_lookups(*lookups));
  }
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
      if (value.type == Type::kFunction) {
        rule.action = TableRule::Action::kFunction;
        rule.entry = value.function;
      } else {
        TAILRACE_OK(parse_value(rule, value, spec, file));
      }
      spec.tables.push_back(std::move(rule));
    }
  }
  return spec;
}

std::string option_lines(const RuleSpec& spec) {
  std::string out;
  for (const auto& [name, value] : spec.options) {
    out += name + "=";
    if (const bool* flag = std::get_if<bool>(&value)) out += *flag ? "true" : "false";
    if (const double* number = std::get_if<double>(&value)) out += fmt::format("{}", *number);
    if (const std::string* text = std::get_if<std::string>(&value)) out += *text;
    out += "\n";
  }
  return out;
}

Status check_formats(const RuleSpec& spec, const std::vector<std::string>& formats) {
  for (const TableRule& rule : spec.tables) TAILRACE_OK(check_format(rule.message, fmt::format("tables[\"{}\"]", rule.key), formats));
  for (const OutputRule& rule : spec.outputs) TAILRACE_OK(check_format(rule.message, fmt::format("outputs[\"{}\"]", rule.name), formats));
  return Status();
}

Result<TableRule> parse_made_entry(const TableRule& rule, const RuleNode& node, const RuleSpec& spec, const RuleText& file) {
  TableRule out;
  out.key = rule.key;
  out.include = rule.include;
  out.exclude = rule.exclude;
  TAILRACE_OK(parse_value(out, node, spec, file));
  return out;
}

Result<const TableRule*> match_table(const RuleSpec& spec, std::string_view database, std::string_view table) {
  std::string name = fmt::format("{}.{}", database, table);
  const TableRule* exact = nullptr;
  const TableRule* pattern = nullptr;
  const TableRule* other = nullptr;
  bool other_is_exact = false;
  for (const TableRule& rule : spec.tables) {
    bool is_exact = std::any_of(rule.include.begin(), rule.include.end(), [&](const auto& p) { return !is_glob(p) && p == name; });
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
    return Status(ErrorCode::kRuleAmbiguous, fmt::format("{} matches tables[\"{}\"] and tables[\"{}\"]", name, found->key, other->key))
        .with("table", name);
  }
  return found;
}

}  // namespace tailrace
