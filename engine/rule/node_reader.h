// Reading the table of a rule file: the checks and words that all its readers share. Failures are RULE-0101 with `where`
// (`tables["shop.*"].columns.x`) in front.
#pragma once
#include <string>
#include <vector>

#include "base/status.h"
#include "rule/rule_node.h"

namespace tailrace {

Status load_error(std::string detail);
std::string_view type_name(RuleNode::Type type) noexcept;  // "a string"
// ": did you mean `x`?", or "" when no candidate is near.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);
// Fails on a key of `node` that is not known, or known to the language but not to this version.
Status check_keys(const RuleNode& node, const std::string& where, const std::vector<std::string>& known,
                  const std::vector<std::string>& later = {});
// The strings of a list {"a", "b"}; not empty, none twice.
Result<std::vector<std::string>> text_list(const RuleNode& node, const std::string& where);
// The text of a string, number or boolean (1, 0).
Result<std::string> scalar_text(const RuleNode& node, const std::string& where);

}  // namespace tailrace
