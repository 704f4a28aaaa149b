#include "rule/value_write.h"

#include <fmt/format.h>

#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>

#include "event/time_parse.h"
#include "event/value_text.h"

namespace tailrace {
namespace {

WriteFault set(Value& cell, Value value) {
  cell = value;
  return WriteFault::kNone;
}

// Copies to the arena. Only here can memory run out.
WriteFault set_bytes(Value& cell, Kind kind, std::string_view text, Arena& arena, uint8_t scale = 0) {
  try {
    return set(cell, Value::of_text(kind, arena.copy(text), static_cast<uint32_t>(text.size()), scale));
  } catch (const std::bad_alloc&) {
    return WriteFault::kMemory;
  }
}

bool is_integer_kind(Kind kind) { return kind == Kind::kInt || kind == Kind::kUint || kind == Kind::kYear || kind == Kind::kBit; }

// Counts characters; npos when the text is not UTF-8.
size_t utf8_length(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      ++i;
      continue;
    }
    size_t n = c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (n == 0 || i + n > text.size()) return std::string_view::npos;
    for (size_t k = 1; k < n; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return std::string_view::npos;
    }
    auto second = static_cast<unsigned char>(text[i + 1]);
    if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) || (c == 0xF4 && second > 0x8F)) {
      return std::string_view::npos;
    }
    i += n;
  }
  return count;
}

size_t byte_limit(const Column& column) {
  const std::string& name = column.type_name;
  if (name == "tinytext" || name == "tinyblob") return 255;
  if (name == "text" || name == "blob") return 65535;
  return kMaxCellBytes;
}

WriteFault write_character_text(Value& cell, const Column& column, std::string_view text, Arena& arena) {
  size_t characters = utf8_length(text);
  if (characters == std::string_view::npos) return WriteFault::kUtf8;
  bool sized = column.type_name == "char" || column.type_name == "varchar";
  if (sized ? column.length > 0 && characters > column.length : text.size() > byte_limit(column)) {
    return WriteFault::kLength;
  }
  return set_bytes(cell, Kind::kText, text, arena);
}

WriteFault write_bytes(Value& cell, const Column& column, std::string_view text, Arena& arena) {
  bool fixed = column.type_name == "binary";
  bool sized = fixed || column.type_name == "varbinary";
  if (sized ? column.length > 0 && text.size() > column.length : text.size() > byte_limit(column)) {
    return WriteFault::kLength;
  }
  if (!fixed || text.size() == column.length) return set_bytes(cell, Kind::kBytes, text, arena);
  try {
    char* padded = static_cast<char*>(arena.allocate(column.length, 1));  // BINARY(n) has all its bytes
    if (!text.empty()) std::memcpy(padded, text.data(), text.size());
    std::memset(padded + text.size(), 0, column.length - text.size());
    return set(cell, Value::of_text(Kind::kBytes, padded, column.length));
  } catch (const std::bad_alloc&) {
    return WriteFault::kMemory;
  }
}

WriteFault write_label(Value& cell, const Column& column, std::string_view text) {
  for (size_t i = 0; i < column.labels.size(); ++i) {
    if (column.labels[i] == text) return set(cell, Value::of_bits(Kind::kEnum, i + 1));
  }
  return text.empty() ? set(cell, Value::of_bits(Kind::kEnum, 0)) : WriteFault::kLabel;
}

WriteFault write_label_set(Value& cell, const Column& column, std::string_view text) {
  uint64_t bits = 0;
  while (!text.empty()) {
    size_t end = text.find(',');
    std::string_view label = text.substr(0, end);
    size_t i = 0;
    while (i < column.labels.size() && column.labels[i] != label) ++i;
    if (i >= column.labels.size() || i >= 64) return WriteFault::kLabel;
    bits |= uint64_t{1} << i;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    if (text.empty()) return WriteFault::kLabel;
  }
  return set(cell, Value::of_bits(Kind::kSet, bits));
}

bool is_plain_decimal(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  size_t dot = text.find('.');
  std::string_view whole = text.substr(0, dot);
  std::string_view fraction = dot == std::string_view::npos ? std::string_view("0") : text.substr(dot + 1);
  auto digits = [](std::string_view part) { return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos; };
  return digits(whole) && digits(fraction);
}

WriteFault write_integer_text(Value& cell, const Column& column, std::string_view text, Arena& arena) {
  int64_t number = 0;
  auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) {
    return write_integer(cell, column, number, false, arena);
  }
  uint64_t big = 0;
  result = std::from_chars(text.data(), text.data() + text.size(), big);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) {
    return write_integer(cell, column, static_cast<int64_t>(big), true, arena);
  }
  return is_plain_decimal(text) ? WriteFault::kRange : WriteFault::kForm;
}

bool same_text(const Value& cell, const Column& column, std::string_view text) {
  if (cell.is_null() || cell.is_absent() || cell.kind != column.kind) return false;
  if (has_text_payload(cell.kind)) return cell.text() == text;
  if (cell.kind == Kind::kDouble) return false;
  thread_local std::string current;
  current.clear();
  append_text(cell, column, current);
  return current == text;
}

WriteFault write_changed_text(Value& cell, const Column& column, std::string_view text, Arena& arena) {
  uint64_t bits = 0;
  int64_t micros = 0;
  switch (column.kind) {
    case Kind::kText: return write_character_text(cell, column, text, arena);
    case Kind::kBytes: return write_bytes(cell, column, text, arena);
    case Kind::kGeometry: return set_bytes(cell, Kind::kGeometry, text, arena);
    case Kind::kJson:
      if (!nlohmann::json::accept(text)) return WriteFault::kJson;
      return set_bytes(cell, Kind::kJson, text, arena);
    case Kind::kDecimal: return write_decimal(cell, column, text, arena);
    case Kind::kEnum: return write_label(cell, column, text);
    case Kind::kSet: return write_label_set(cell, column, text);
    case Kind::kDate:
      if (!parse_date_text(text, bits)) return WriteFault::kForm;
      return set(cell, Value::of_bits(Kind::kDate, bits));
    case Kind::kDateTime:
      if (!parse_datetime_text(text, column.scale, bits)) return WriteFault::kForm;
      return set(cell, Value::of_bits(Kind::kDateTime, bits, column.scale));
    case Kind::kTime: {
      if (!parse_time_text(text, column.scale, micros)) return WriteFault::kForm;
      Value value = Value::of_bits(Kind::kTime, 0, column.scale);
      value.i = micros;
      return set(cell, value);
    }
    case Kind::kTimestamp: {
      if (!parse_timestamp_text(text, column.scale, micros)) return WriteFault::kForm;
      Value value = Value::of_bits(Kind::kTimestamp, 0, column.scale);
      value.i = micros;
      return set(cell, value);
    }
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kBit:
      // Only where a Lua number would not be exact.
      if (column.type_name == "bigint" || (column.kind == Kind::kBit && column.length > 32)) {
        return write_integer_text(cell, column, text, arena);
      }
      return WriteFault::kType;
    default: return WriteFault::kType;
  }
}

}  // namespace

void integer_range(const Column& column, int64_t& low, uint64_t& high) noexcept {
  unsigned bits = 64;
  if (column.type_name == "tinyint") bits = 8;
  else if (column.type_name == "smallint") bits = 16;
  else if (column.type_name == "mediumint") bits = 24;
  else if (column.type_name == "int" || column.type_name == "integer") bits = 32;
  if (column.kind == Kind::kBit) {
    low = 0;
    high = column.length == 0 || column.length >= 64 ? ~uint64_t{0} : (uint64_t{1} << column.length) - 1;
  } else if (column.kind == Kind::kYear) {
    low = 0;
    high = 2155;
  } else if (column.kind == Kind::kUint) {
    low = 0;
    high = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  } else {
    high = (uint64_t{1} << (bits - 1)) - 1;
    low = -static_cast<int64_t>(high) - 1;
  }
}

WriteFault write_null(Value& cell, const Column& column) noexcept {
  if (!column.nullable) return WriteFault::kNull;
  return set(cell, Value::null());
}

WriteFault write_bool(Value& cell, const Column& column, bool value) noexcept {
  if (column.type_name != "tinyint" || !column.type_text.starts_with("tinyint(1)")) return WriteFault::kType;
  if (column.kind == Kind::kUint) return set(cell, Value::of_uint(value));
  return set(cell, Value::of_int(value));
}

WriteFault write_number(Value& cell, const Column& column, double value, Arena& arena) noexcept {
  if (column.kind == Kind::kDouble) {
    if (!std::isfinite(value)) return WriteFault::kNan;
    if (column.type_name != "float") return set(cell, Value::of_double(value));
    if (std::fabs(value) > static_cast<double>(FLT_MAX)) return WriteFault::kRange;
    return set(cell, Value::of_float(static_cast<float>(value)));
  }
  if (!is_integer_kind(column.kind) && column.kind != Kind::kDecimal) return WriteFault::kType;
  if (!std::isfinite(value)) return WriteFault::kNan;
  if (value != std::trunc(value)) return WriteFault::kFraction;
  if (std::fabs(value) > 9007199254740992.0) return WriteFault::kRange;
  return write_integer(cell, column, static_cast<int64_t>(value), false, arena);
}

WriteFault write_integer(Value& cell, const Column& column, int64_t value, bool is_unsigned, Arena& arena) noexcept {
  bool is_big = is_unsigned && value < 0;
  if (column.kind == Kind::kDecimal) {
    char digits[24];
    auto result = is_big ? std::to_chars(digits, digits + sizeof digits, static_cast<uint64_t>(value))
                         : std::to_chars(digits, digits + sizeof digits, value);
    return write_decimal(cell, column, {digits, static_cast<size_t>(result.ptr - digits)}, arena);
  }
  if (!is_integer_kind(column.kind)) return WriteFault::kType;
  int64_t low = 0;
  uint64_t high = 0;
  integer_range(column, low, high);
  if (is_big ? static_cast<uint64_t>(value) > high : value < low || (value > 0 && static_cast<uint64_t>(value) > high)) {
    return WriteFault::kRange;
  }
  if (column.kind == Kind::kInt) return set(cell, Value::of_int(value));
  if (column.kind == Kind::kUint) return set(cell, Value::of_uint(static_cast<uint64_t>(value)));
  if (column.kind == Kind::kYear && value != 0 && value < 1901) return WriteFault::kRange;
  return set(cell, Value::of_bits(column.kind, static_cast<uint64_t>(value)));
}

WriteFault write_decimal(Value& cell, const Column& column, std::string_view digits, Arena& arena) noexcept {
  if (column.kind != Kind::kDecimal) {
    if (!is_integer_kind(column.kind)) return WriteFault::kType;
    if (!is_plain_decimal(digits)) return WriteFault::kForm;
    size_t dot = digits.find('.');
    if (dot != std::string_view::npos && digits.find_first_not_of('0', dot + 1) != std::string_view::npos) {
      return WriteFault::kFraction;
    }
    return write_integer_text(cell, column, digits.substr(0, dot), arena);
  }
  if (!is_plain_decimal(digits)) return WriteFault::kForm;
  bool negative = digits.front() == '-';
  if (negative) digits.remove_prefix(1);
  size_t dot = digits.find('.');
  std::string_view whole = digits.substr(0, dot);
  std::string_view fraction = dot == std::string_view::npos ? std::string_view() : digits.substr(dot + 1);
  while (whole.size() > 1 && whole.front() == '0') whole.remove_prefix(1);
  while (fraction.size() > column.scale && fraction.back() == '0') fraction.remove_suffix(1);
  if (fraction.size() > column.scale) return WriteFault::kFraction;
  size_t whole_digits = whole == "0" ? 0 : whole.size();
  if (whole_digits + column.scale > (column.length ? column.length : 65)) return WriteFault::kRange;
  bool is_zero = whole_digits == 0 && fraction.find_first_not_of('0') == std::string_view::npos;
  char text[100];
  size_t n = 0;
  if (negative && !is_zero) text[n++] = '-';
  std::memcpy(text + n, whole.data(), whole.size());
  n += whole.size();
  if (column.scale > 0) {
    text[n++] = '.';
    if (!fraction.empty()) std::memcpy(text + n, fraction.data(), fraction.size());
    n += fraction.size();
    for (size_t i = fraction.size(); i < column.scale; ++i) text[n++] = '0';
  }
  return set_bytes(cell, Kind::kDecimal, {text, n}, arena, column.scale);
}

WriteFault write_text(Value& cell, const Column& column, std::string_view text, Arena& arena) noexcept {
  if (text.size() > kMaxCellBytes) return WriteFault::kLength;
  try {
    if (same_text(cell, column, text)) return WriteFault::kNone;
    return write_changed_text(cell, column, text, arena);
  } catch (const std::exception&) {
    return WriteFault::kMemory;
  }
}

WriteFault write_any_text(Value& cell, const Column& column, std::string_view text, Arena& arena) noexcept {
  if (column.kind == Kind::kDouble) {
    double number = 0;
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return WriteFault::kForm;
    return write_number(cell, column, number, arena);
  }
  return is_integer_kind(column.kind) ? write_decimal(cell, column, text, arena) : write_text(cell, column, text, arena);
}

std::string describe_fault(WriteFault fault, const Column& column) {
  switch (fault) {
    case WriteFault::kNone: return "no fault";
    case WriteFault::kType: return fmt::format("a value of this type cannot be written to {}", column.type_text);
    case WriteFault::kRange: return fmt::format("the number is out of the range of {}", column.type_text);
    case WriteFault::kFraction: return fmt::format("the number has digits after the point that {} cannot keep; round it", column.type_text);
    case WriteFault::kLength: return fmt::format("the text is too long for {}", column.type_text);
    case WriteFault::kUtf8: return "the text is not valid UTF-8";
    case WriteFault::kForm: return fmt::format("the text has not the canonical form of {}", column.type_text);
    case WriteFault::kLabel: return fmt::format("the text is no label of {}", column.type_text);
    case WriteFault::kNull: return "nil cannot be written, the column is NOT NULL";
    case WriteFault::kNan: return "NaN and infinity cannot be written";
    case WriteFault::kJson: return "the text is not valid JSON";
    case WriteFault::kMemory: return "out of memory";
  }
  return "?";
}

}  // namespace tailrace
