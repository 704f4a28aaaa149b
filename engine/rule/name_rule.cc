#include "rule/name_rule.h"

#include <fmt/format.h>

#include <algorithm>

#include "rule/node_reader.h"

namespace tailrace {
namespace {

bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_small(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char small(char c) { return is_capital(c) ? static_cast<char>(c - 'A' + 'a') : c; }
// Characters outside of ASCII are parts of words.
bool is_word(char c) { return is_capital(c) || is_small(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80; }

}  // namespace

std::string snake_case(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    if (!is_word(c)) {
      if (!out.empty() && out.back() != '_') out.push_back('_');
      continue;
    }
    char before = i ? name[i - 1] : '\0';
    char behind = i + 1 < name.size() ? name[i + 1] : '\0';
    bool begins = is_capital(c) && (is_small(before) || is_digit(before) || (is_capital(before) && is_small(behind)));
    if (begins && !out.empty() && out.back() != '_') out.push_back('_');
    out.push_back(small(c));
  }
  while (out.size() > 1 && out.back() == '_') out.pop_back();
  return out;
}

bool is_name_rule(const RuleNode& node) { return node.type == RuleNode::Type::kHandle && node.text == "name"; }

Result<NameRule> parse_name_rule(const RuleNode& node, const std::string& where) {
  constexpr std::pair<std::string_view, NameRule::Action> kActions[] = {{"lower", NameRule::Action::kLower},
                                                                        {"snake", NameRule::Action::kSnake},
                                                                        {"prefix", NameRule::Action::kPrefix},
                                                                        {"sub", NameRule::Action::kSub}};
  NameRule out;
  const RuleNode* action = node.find("action");
  for (const auto& [name, value] : kActions) {
    if (action && action->text == name) out.action = value;
  }
  if (const RuleNode* text = node.find("text")) out.text = text->text;
  if (const RuleNode* by = node.find("by")) out.by = by->text;
  if (const RuleNode* except = node.find("except")) {
    TAILRACE_TRY(out.except, text_list(*except, where + ".except"));
  }
  return out;
}

Result<std::string> new_name(const NameRule& rule, const std::string& name, const PatternReplace& replace) {
  std::string out = name;
  switch (rule.action) {
    case NameRule::Action::kLower: std::transform(out.begin(), out.end(), out.begin(), small); break;
    case NameRule::Action::kSnake: out = snake_case(name); break;
    case NameRule::Action::kPrefix: out = rule.text + name; break;
    case NameRule::Action::kSub: {
      TAILRACE_TRY(out, replace(name, rule.text, rule.by));
      break;
    }
  }
  if (out.empty()) return Status(ErrorCode::kRuleLoad, fmt::format("nothing is left of the name `{}`", name));
  return out;
}

}  // namespace tailrace
