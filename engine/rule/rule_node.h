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
  std::string text;   // kText; kNative: name of the function, "mask.email"; kHandle: what it is, "line"
  int function = -1;  // kFunction: the host's number of it; kNative: the host's number of the handle
  // kTable: sorted by key, items of the list part first with keys "1", "2" …; kNative, kHandle: its arguments.
  struct Field;
  std::vector<Field> fields;

  const RuleNode* find(std::string_view key) const;
};

// Not a pair: one of an unfinished type is more than clang 16 takes.
struct RuleNode::Field {
  std::string first;
  RuleNode second;
};

inline const RuleNode* RuleNode::find(std::string_view key) const {
  for (const Field& field : fields) {
    if (field.first == key) return &field.second;
  }
  return nullptr;
}

}  // namespace tailrace
