// NameRule: new names for many columns at once, `name.snake {…}` in an entry's `columns`. Immutable.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "rule/rule_node.h"

namespace tailrace {

struct NameRule {
  enum class Action : uint8_t { kLower, kSnake, kPrefix, kSub };
  Action action = Action::kLower;
  std::string text;                 // kPrefix; kSub: a Lua pattern
  std::string by;                   // kSub: what stands in place of each match
  std::vector<std::string> except;  // columns that keep their names
};

// Replaces what a Lua pattern finds; the rule host's.
using PatternReplace = std::function<Result<std::string>(const std::string& text, const std::string& pattern, const std::string& by)>;

// Is it a handle made by the library `name`?
bool is_name_rule(const RuleNode& node);
Result<NameRule> parse_name_rule(const RuleNode& node, const std::string& where);
// `replace` may be empty when the rule is no kSub. RULE-0101 when the new name is empty.
Result<std::string> new_name(const NameRule& rule, const std::string& name, const PatternReplace& replace);

// "createdAt", "HTTPServer", "user ID-2" as created_at, http_server, user_id_2: words in small letters, joined by `_`. A
// word begins at a capital behind a small letter or digit, at the last of several capitals when a small letter follows,
// and behind anything of ASCII that is neither letter nor digit.
std::string snake_case(std::string_view name);

}  // namespace tailrace
