#include "rulekit/capture_mask.h"

#include <fmt/format.h>

#include "event/pattern.h"
#include "event/value_text.h"
#include "rule/digest.h"
#include "rule/value_write.h"

namespace tailrace {
namespace {

// Digits stay digits and letters letters; what else a text has shows its form, not its content. Characters beyond
// ASCII become 'x'.
std::string same_shape(std::string_view text) {
  std::string digest = sha256_hex(text);
  std::string out;
  size_t at = 0;
  auto next = [&]() -> unsigned {
    if (at == digest.size()) {
      digest = sha256_hex(digest);
      at = 0;
    }
    char c = digest[at++];
    return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0');
  };
  bool leading = true;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c >= '0' && c <= '9') out.push_back(static_cast<char>(leading ? '1' + next() % 9 : '0' + next() % 10));
    else if (c >= 'a' && c <= 'z') out.push_back(static_cast<char>('a' + (next() * 16 + next()) % 26));
    else if (c >= 'A' && c <= 'Z') out.push_back(static_cast<char>('A' + (next() * 16 + next()) % 26));
    else if (byte < 0x80) out.push_back(c);
    else if ((byte & 0xC0) != 0x80) out.push_back('x');
    leading = leading && (c < '0' || c > '9');
  }
  return out;
}

}  // namespace

Result<CaptureMask> parse_capture_mask(std::string_view text) {
  CaptureMask mask;
  size_t equals = text.find('=');
  mask.pattern = text.substr(0, equals);
  std::string_view action = equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (action == "drop") mask.action = MaskAction::kDrop;
  else if (action == "null") mask.action = MaskAction::kNull;
  else if (action == "fake") mask.action = MaskAction::kFake;
  else return Status(ErrorCode::kConfigBadValue, fmt::format("mask `{}`: COLUMN=drop, COLUMN=null or COLUMN=fake expected", text));
  if (mask.pattern.empty()) return Status(ErrorCode::kConfigBadValue, fmt::format("mask `{}` names no column", text));
  return mask;
}

bool mask_matches(std::string_view pattern, const TableSchema& table, const Column& column) {
  if (pattern.find('.') == std::string_view::npos) return glob_match(pattern, column.name);
  return glob_match(pattern, table.qualified_name() + "." + column.name);
}

bool can_fake(const Column& column) {
  switch (column.kind) {
    case Kind::kText:
    case Kind::kBytes:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDecimal: return column.type_name != "uuid" && column.type_name != "inet4" && column.type_name != "inet6";
    default: return false;
  }
}

Value fake_value(const Value& value, const Column& column, Arena& arena) {
  if (value.is_null() || value.is_absent()) return value;
  Value out = Value::absent();
  if (column.kind == Kind::kText || column.kind == Kind::kBytes) {
    std::string made = column.kind == Kind::kText ? same_shape(value.text()) : sha256_hex(value.text());
    if (column.kind == Kind::kBytes) {
      while (made.size() < value.size) made += sha256_hex(made);
      made.resize(value.size);
    }
    return Value::of_text(value.kind, arena.copy(made), static_cast<uint32_t>(made.size()));
  }
  std::string made = same_shape(to_text(value, column));
  if (write_decimal(out, column, made, arena) == WriteFault::kNone) return out;
  // Too large for the column: a digit less always fits.
  size_t first = made.find_first_of("123456789");
  if (first != std::string::npos) made.erase(first, 1);
  if (made.empty() || made == "-" || made[0] == '.') made = "0";
  return write_decimal(out, column, made, arena) == WriteFault::kNone ? out : Value::null();
}

}  // namespace tailrace
