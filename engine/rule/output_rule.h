// OutputRule: one key of `outputs`, a table that `map` and `row` give rows to besides the event's own.
#pragma once
#include <string>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "rule/message_rule.h"
#include "rule/rule_node.h"

namespace tailrace {

struct OutputRule {
  std::string name;  // "dw.address"
  std::string database, table;
  std::vector<Column> columns;
  std::vector<uint16_t> key;  // empty for append
  bool append = false;        // rows are only added, by ev:append
  MessageRule message;
};

Result<OutputRule> parse_output(const std::string& name, const RuleNode& node);

}  // namespace tailrace
