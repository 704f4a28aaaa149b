// The `where` of an entry, as data of a rule file: checked and parsed, not yet bound to a table. Immutable.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "rule/rule_node.h"
#include "rule/where_parser.h"

namespace tailrace {

// A `where`, or a `sql[[…]]` among the columns.
struct WhereRule {
  WhereSource source;
  std::unique_ptr<const WhereNode> tree;
};

// The rule file's own text, for the lines of errors; may be empty.
struct RuleText {
  std::string_view name, text;
};

// `[[expression]]` or `{ [[expression]], dialect = "oms" }`. `place`: how errors call it; `entry`: the key of `tables`
// it belongs to.
Result<std::shared_ptr<const WhereRule>> parse_where_rule(const RuleNode& node, const std::string& place, const std::string& entry,
                                                          const WhereOptions& options, const RuleText& file);
// Is it a handle made by `sql[[…]]`?
bool is_sql(const RuleNode& node);

}  // namespace tailrace
