// RuleNode: the table a rule file returns, as plain data. A rule host builds it; functions stay with the host and
// are named by number.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace {

struct RuleNode {
  enum class Type : uint8_t { kNil, kBool, kNumber, kText, kTable, kFunction, kNative, kHandle, kNull, kSecret };
  Type type = Type::kNil;
  bool boolean = false;
  double number = 0;
  std::string text;    // kText; kNative: name of the function, "mask.email"; kHandle: what it is, "line"
  int function = -1;   // kFunction: the host's number of it; kNative: the host's number of the handle
  // kTable: sorted by key, items of the list part first with keys "1", "2" …; kNative, kHandle: its arguments.
  std::vector<std::pair<std::string, RuleNode>> fields;

  const RuleNode* find(std::string_view key) const {
    for (const auto& field : fields) {
      if (field.first == key) return &field.second;
    }
    return nullptr;
  }
};

}  // namespace tailrace
