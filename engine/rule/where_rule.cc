#include "rule/where_rule.h"

#include <fmt/format.h>

#include "base/options.h"

namespace tailrace {

Result<std::shared_ptr<const WhereRule>> parse_where_rule(const RuleNode& node, const std::string& place, const std::string& entry,
                                                          const WhereOptions& options, const RuleText& file) {
  auto out = std::make_shared<WhereRule>();
  auto fail = [&](const std::string& detail) { return Status(ErrorCode::kRuleLoad, fmt::format("{}: {}", place, detail)); };
  const RuleNode* text = &node;
  if (node.type == RuleNode::Type::kTable || node.type == RuleNode::Type::kHandle) {
    text = node.find("1");
    for (const auto& [key, value] : node.fields) {
      if (key == "1") continue;
      if (key != "dialect") {
        std::vector<std::string> known{"dialect"};
        std::string near = nearest_name(key, known);
        return fail(fmt::format("unknown key `{}`{}", key, near.empty() ? "; known is dialect" : ": did you mean `dialect`?"));
      }
      if (value.text == "mysql") out->source.dialect = WhereDialect::kMysql;
      else if (value.text == "oms") out->source.dialect = WhereDialect::kOms;
      else return fail("dialect is \"mysql\" or \"oms\"");
    }
  }
  if (!text || text->type != RuleNode::Type::kText) return fail("SQL is a text, [[…]], or { [[…]], dialect = \"oms\" }");
  out->source.text = text->text;
  out->source.name = place;
  locate_where(out->source, file.name, file.text, entry);
  if (out->source.line > 0) out->source.name = is_sql(node) ? "sql" : "where";
  TAILRACE_TRY(out->tree, parse_where(out->source, options));
  return std::shared_ptr<const WhereRule>(std::move(out));
}

bool is_sql(const RuleNode& node) { return node.type == RuleNode::Type::kHandle && node.text == "sql"; }

}  // namespace tailrace
