#include "rule/node_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/options.h"

namespace tailrace {

using Type = RuleNode::Type;

Status load_error(std::string detail) { return Status(ErrorCode::kRuleLoad, std::move(detail)); }

std::string_view type_name(Type type) noexcept {
  switch (type) {
    case Type::kNil: return "nil";
    case Type::kBool: return "a boolean";
    case Type::kNumber: return "a number";
    case Type::kText: return "a string";
    case Type::kTable: return "a table";
    case Type::kFunction: return "a function";
    case Type::kNative: return "a native function";
    case Type::kHandle: return "a value of the rule library";
    case Type::kNull: return "null";
    case Type::kSecret: return "secret";
  }
  return "?";
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  std::string near = nearest_name(word, candidates);
  return near.empty() ? "" : fmt::format(": did you mean `{}`?", near);
}

Status check_keys(const RuleNode& node, const std::string& where, const std::vector<std::string>& known,
                  const std::vector<std::string>& later) {
  for (const auto& [key, value] : node.fields) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (std::find(later.begin(), later.end(), key) != later.end()) {
      return load_error(fmt::format("{}: `{}` is not supported by this version", where, key));
    }
    std::vector<std::string> all = known;
    all.insert(all.end(), later.begin(), later.end());
    std::string near = did_you_mean(key, all);
    return load_error(near.empty() ? fmt::format("{}: unknown key `{}`; known are {}", where, key, fmt::join(known, ", "))
                                   : fmt::format("{}: unknown key `{}`{}", where, key, near));
  }
  return Status();
}

Result<std::vector<std::string>> text_list(const RuleNode& node, const std::string& where) {
  std::vector<std::string> out;
  if (node.type != Type::kTable) return load_error(where + " must be a list of names");
  for (const auto& [key, value] : node.fields) {
    if (key != std::to_string(out.size() + 1) || value.type != Type::kText) return load_error(where + " must be a list of names");
    if (std::find(out.begin(), out.end(), value.text) != out.end()) {
      return load_error(fmt::format("{} names `{}` twice", where, value.text));
    }
    out.push_back(value.text);
  }
  if (out.empty()) return load_error(where + " is empty");
  return out;
}

Result<std::string> scalar_text(const RuleNode& node, const std::string& where) {
  if (node.type == Type::kText) return node.text;
  if (node.type == Type::kBool) return std::string(node.boolean ? "1" : "0");
  if (node.type == Type::kNumber) {
    char digits[64];
    auto end = std::to_chars(digits, digits + sizeof digits, node.number).ptr;
    if (node.number == static_cast<double>(static_cast<int64_t>(node.number))) {
      end = std::to_chars(digits, digits + sizeof digits, static_cast<int64_t>(node.number)).ptr;
    }
    return std::string(digits, end);
  }
  return load_error(fmt::format("{} is {}, expected a string, a number or a boolean", where, type_name(node.type)));
}

}  // namespace tailrace
