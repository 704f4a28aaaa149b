#include "rule/column_rule.h"

#include <fmt/format.h>

#include "rule/node_reader.h"
#include "rule/sql_type.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

Result<ColumnRule> parse_new_column(ColumnRule out, const RuleNode& node, const std::string& where) {
  TAILRACE_OK(check_keys(node, where, {"1", "value", "null", "as", "name"}));
  if (const RuleNode* as = node.find("as")) {
    if (as->type != Type::kText || as->text != "number") return load_error(where + ": `as` is \"number\"");
    out.as_number = true;
  }
  if (const RuleNode* name = node.find("name")) {
    if (name->type != Type::kText || name->text.empty()) return load_error(where + ": `name` is the column's name at the target");
    out.new_name = name->text;
  }
  const RuleNode* type = node.find("1");
  if (!type && out.as_number) {
    TAILRACE_OK(check_keys(node, where, {"as", "name"}));
    out.action = ColumnRule::Action::kRead;
    return out;
  }
  if (!type || type->type != Type::kText) return load_error(where + ": a new column is { \"sql type\", value = … }");
  auto column = parse_sql_type(type->text);
  if (!column.ok()) return load_error(where + ": " + column.status().detail());
  out.action = ColumnRule::Action::kNew;
  out.type = std::move(column).value();
  out.type.name = out.name;
  if (const RuleNode* value = node.find("value")) {
    out.has_value = true;
    out.meta = meta_of(*value);
    if (is_sql(*value)) {
      // May be NULL as the type says; parse_column_sql reads it.
    } else if (out.meta) {
      out.type.nullable = out.type.nullable && meta_column(*out.meta).nullable;
    } else {
      TAILRACE_TRY(std::string text, scalar_text(*value, where + ": `value`"));
      TAILRACE_TRY(out.value, TextTemplate::parse(text, where, true));
      out.type.nullable = false;
    }
  }
  if (const RuleNode* null = node.find("null")) {
    if (null->type != Type::kBool) return load_error(where + ": `null` is true or false");
    out.type.nullable = null->boolean;
    out.null_is_given = true;
  }
  return out;
}

}  // namespace

std::optional<MetaField> meta_of(const RuleNode& node) {
  if (node.type != Type::kHandle || node.text != "meta") return std::nullopt;
  const RuleNode* name = node.find("name");
  return name ? find_meta(name->text) : std::nullopt;
}

Result<ColumnRule> parse_column(const std::string& name, const RuleNode& node, const std::string& where,
                                const std::map<std::string, std::string>& secrets) {
  ColumnRule out;
  out.name = name;
  switch (node.type) {
    case Type::kBool:
      if (node.boolean) return load_error(where + ": true says nothing; leave the column out to keep it");
      out.action = ColumnRule::Action::kDrop;
      return out;
    case Type::kText:
      if (node.text.empty()) return load_error(where + ": the new name is empty");
      out.action = ColumnRule::Action::kRename;
      out.new_name = node.text;
      return out;
    case Type::kNative: {
      out.action = ColumnRule::Action::kNative;
      auto native = make_native(node, secrets);
      if (!native.ok()) return load_error(where + ": " + native.status().detail());
      out.native = std::move(native).value();
      return out;
    }
    case Type::kHandle:
      if (is_sql(node)) {
        out.action = ColumnRule::Action::kSql;
        return out;
      }
      out.meta = meta_of(node);
      if (out.meta) {
        out.action = ColumnRule::Action::kNew;
        out.type = meta_column(*out.meta);
        out.type.name = name;
        out.has_value = true;
        return out;
      }
      break;
    case Type::kTable: return parse_new_column(std::move(out), node, where);
    default: break;
  }
  return load_error(fmt::format(
      "{} is {}; expected false, a new name, a native function, meta.…, sql[[…]], {{ type, value = … }} or {{ as = \"number\" }}", where,
      type_name(node.type)));
}

Status parse_column_sql(ColumnRule& column, const RuleNode& node, const std::string& place, const std::string& entry,
                        const WhereOptions& options, const RuleText& file) {
  const RuleNode* sql = column.action == ColumnRule::Action::kSql ? &node : node.find("value");
  if (!sql || !is_sql(*sql)) return Status();
  TAILRACE_TRY(column.sql, parse_where_rule(*sql, place, entry, options, file));
  return Status();
}

}  // namespace tailrace
