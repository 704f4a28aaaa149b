#include "rule/ddl_spec.h"

#include <fmt/format.h>

#include "base/options.h"

namespace tailrace {
namespace {

using Type = RuleNode::Type;

Status bad(const std::string& text) { return Status(ErrorCode::kRuleLoad, "ddl: " + text); }

std::string suggested(const std::string& word, const std::vector<std::string>& names) {
  std::string near = nearest_name(word, names);
  return near.empty() ? "" : fmt::format(": did you mean `{}`?", near);
}

Result<uint32_t> kind_bit(const RuleNode& node) {
  if (node.type != Type::kText) return bad("deny lists kinds of statements as text: deny = { \"drop_column\" }");
  for (size_t i = 0; i < kDdlKindNames.size(); ++i) {
    if (kDdlKindNames[i] == node.text) return 1u << i;
  }
  std::vector<std::string> names(kDdlKindNames.begin(), kDdlKindNames.end());
  return bad(fmt::format("unknown kind `{}`{} Known: {}", node.text, suggested(node.text, names), fmt::join(names, ", ")));
}

}  // namespace

std::string ddl_kind_names(uint32_t kinds) {
  std::string out;
  for (size_t i = 0; i < kDdlKindNames.size(); ++i) {
    if (kinds >> i & 1) out.append(out.empty() ? "" : ", ").append(kDdlKindNames[i]);
  }
  return out;
}

Result<DdlSpec> parse_ddl_spec(const RuleNode& node) {
  DdlSpec spec;
  if (node.type == Type::kFunction) {
    spec.hook = node.function;
    return spec;
  }
  if (node.type != Type::kTable) return bad("a function, or { deny = { … }, on_denied = \"hold\" }");
  for (const auto& [key, value] : node.fields) {
    if (key == "deny") {
      if (value.type != Type::kTable) return bad("deny lists kinds of statements: deny = { \"drop_column\" }");
      for (const auto& [index, item] : value.fields) {
        TAILRACE_TRY(uint32_t bit, kind_bit(item));
        spec.deny |= bit;
      }
    } else if (key == "on_denied") {
      if (value.text == "hold") spec.on_denied = DdlSpec::OnDenied::kHold;
      else if (value.text == "skip") spec.on_denied = DdlSpec::OnDenied::kSkip;
      else if (value.text == "stop") spec.on_denied = DdlSpec::OnDenied::kStop;
      else return bad("on_denied is \"hold\", \"skip\" or \"stop\"");
    } else {
      return bad(fmt::format("unknown key `{}`{}", key, suggested(key, {"deny", "on_denied"})));
    }
  }
  if (spec.deny == 0) return bad("deny names no kind of statement");
  return spec;
}

}  // namespace tailrace
