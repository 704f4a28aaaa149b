// ColumnRule: one key of an entry's `columns`, as checked data.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "event/schema.h"
#include "rule/meta_field.h"
#include "rule/native_function.h"
#include "rule/rule_node.h"
#include "rule/text_template.h"
#include "rule/where_rule.h"

namespace tailrace {

struct ColumnRule {
  enum class Action : uint8_t { kDrop, kRename, kNative, kSql, kNew, kRead };
  Action action = Action::kDrop;
  std::string name;               // at the source; of the new column for kNew
  std::string new_name;           // kRename; kNew, kRead of a column that exists: "" = keeps its name
  NativeFunction native;          // kNative
  Column type;                    // kNew; of a column that exists: it is converted
  bool as_number = false;         // kNew, kRead: functions read the 64-bit integer as a plain number
  bool null_is_given = false;     // kNew: the rule says whether it may be NULL
  bool has_value = false;         // kNew: `value` was given; else `map` fills it
  TextTemplate value;             // kNew
  std::optional<MetaField> meta;  // kNew: in place of the template
  // kSql: the column has the expression's type; kNew: in place of the template.
  std::shared_ptr<const WhereRule> sql;
};

Result<ColumnRule> parse_column(const std::string& name, const RuleNode& node, const std::string& where,
                                const std::map<std::string, std::string>& secrets);
// Gives the column its `sql[[…]]`, if there is one in its node. `place`, `entry`, `file`: see parse_where_rule.
Status parse_column_sql(ColumnRule& column, const RuleNode& node, const std::string& place, const std::string& entry,
                        const WhereOptions& options, const RuleText& file);
// The field that a handle `meta.x` names; nothing when the node is something else.
std::optional<MetaField> meta_of(const RuleNode& node);

}  // namespace tailrace
