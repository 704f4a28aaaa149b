#include "mysql/json_binary.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/byte_cursor.h"
#include "event/value_text.h"
#include "mysql/charset.h"
#include "mysql/decimal.h"

namespace tailrace {
namespace {

void append_quoted(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (char c : text) {
    auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out.push_back(c);
      continue;
    }
    out.push_back('\\');
    switch (c) {
      case '"':
      case '\\': out.push_back(c); break;
      case '\b': out.push_back('b'); break;
      case '\t': out.push_back('t'); break;
      case '\n': out.push_back('n'); break;
      case '\f': out.push_back('f'); break;
      case '\r': out.push_back('r'); break;
      default:
        out.append("u00");
        out.push_back(kHex[byte >> 4]);
        out.push_back(kHex[byte & 15]);
    }
  }
  out.push_back('"');
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  size_t line = 0;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    if (line == 76) {  // the server breaks lines here, too
      out.push_back('\n');
      line = 0;
    }
    uint32_t group = 0;
    size_t n = bytes.size() - i < 3 ? bytes.size() - i : 3;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) out.push_back(k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=');
    line += 4;
  }
  return out;
}

// Length in 7-bit groups, low first, then that many bytes; data() is null when they are not there.
std::string_view variable(ByteCursor& in) {
  uint64_t length = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    uint8_t byte = in.u8();
    length |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (!(byte & 0x80)) return in.bytes(length);
  }
  in.fail();
  return {};
}

template <class T>
bool number(T n, const ByteCursor& in, std::string& out) {
  if (in.failed()) return false;
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, n).ptr);
  return true;
}

bool literal(uint8_t code, std::string& out) {
  if (code > 2) return false;
  out.append(code == 0 ? "null" : code == 1 ? "true" : "false");
  return true;
}

uint64_t load(const char* at, size_t width) {
  uint64_t n = 0;
  std::memcpy(&n, at, width);
  return n;
}

}  // namespace

JsonValue json_root(std::string_view document) noexcept {
  static constexpr std::string_view kNull("\0", 1);
  if (document.empty()) return {JsonType::kLiteral, kNull};
  return {static_cast<JsonType>(document[0]), document.substr(1)};
}

bool JsonContainer::open(const JsonValue& value) {
  is_object_ = value.is_object();
  if (!is_object_ && !value.is_array()) return false;
  width_ = value.type == JsonType::kSmallObject || value.type == JsonType::kSmallArray ? 2 : 4;
  key_entry_ = is_object_ ? width_ + 2 : 0;
  if (value.bytes.size() < 2 * width_) return false;
  count_ = load(value.bytes.data(), width_);
  uint64_t size = load(value.bytes.data() + width_, width_);
  if (size > value.bytes.size() || size < 2 * width_ || count_ * entry_bytes() > size - 2 * width_) return false;
  bytes_ = value.bytes.substr(0, size);
  return true;
}

bool JsonContainer::key(uint64_t i, std::string_view& out) const {
  const char* at = bytes_.data() + 2 * width_ + i * key_entry_;
  uint64_t offset = load(at, width_);
  uint64_t length = load(at + width_, 2);
  if (offset > bytes_.size() || length > bytes_.size() - offset) return false;
  out = bytes_.substr(offset, length);
  return true;
}

bool JsonContainer::value(uint64_t i, JsonValue& out) const {
  const char* at = bytes_.data() + 2 * width_ + count_ * key_entry_ + i * (width_ + 1);
  auto type = static_cast<JsonType>(*at++);
  bool is_inline = type == JsonType::kLiteral || type == JsonType::kInt16 || type == JsonType::kUint16 ||
                   (width_ == 4 && (type == JsonType::kInt32 || type == JsonType::kUint32));
  if (is_inline) {
    out = {type, {at, width_}};
    return true;
  }
  uint64_t offset = load(at, width_);
  if (offset >= bytes_.size() || offset < 2 * width_) return false;
  out = {type, bytes_.substr(offset)};
  return true;
}

bool JsonPrinter::value(const JsonValue& value, int depth) {
  ByteCursor in(value.bytes);
  switch (value.type) {
    case JsonType::kSmallObject:
    case JsonType::kLargeObject:
    case JsonType::kSmallArray:
    case JsonType::kLargeArray: return container(value, depth);
    case JsonType::kLiteral: return literal(in.u8(), out_) && !in.failed();
    case JsonType::kInt16: return number(static_cast<int16_t>(in.u16()), in, out_);
    case JsonType::kUint16: return number(in.u16(), in, out_);
    case JsonType::kInt32: return number(static_cast<int32_t>(in.u32()), in, out_);
    case JsonType::kUint32: return number(in.u32(), in, out_);
    case JsonType::kInt64: return number(static_cast<int64_t>(in.u64()), in, out_);
    case JsonType::kUint64: return number(in.u64(), in, out_);
    case JsonType::kDouble: {
      uint64_t bits = in.u64();
      double d;
      std::memcpy(&d, &bits, sizeof d);
      if (in.failed() || !std::isfinite(d)) return false;
      append_json_double(d, out_);
      return true;
    }
    case JsonType::kString: return string(variable(in));
    case JsonType::kOpaque: {
      uint8_t field_type = in.u8();
      std::string_view data = variable(in);
      return !in.failed() && spend(data.size()) && opaque(field_type, data);
    }
  }
  return false;
}

bool JsonPrinter::spend(size_t bytes) {
  if (bytes > budget_) return false;
  budget_ -= bytes;
  return true;
}

bool JsonPrinter::string(std::string_view text) {
  if (text.data() == nullptr || !spend(text.size()) || !is_utf8(text)) return false;
  append_quoted(text, out_);
  return true;
}

bool JsonPrinter::container(const JsonValue& value, int depth) {
  JsonContainer in;
  if (depth > kJsonMaxDepth || !in.open(value) || !spend(in.size() * in.entry_bytes())) return false;
  out_.push_back(in.is_object() ? '{' : '[');
  std::string_view key;
  JsonValue child;
  for (uint64_t i = 0; i < in.size(); ++i) {
    if (i) out_.append(", ");
    if (in.is_object()) {
      if (!in.key(i, key) || !string(key)) return false;
      out_.append(": ");
    }
    if (!in.value(i, child) || !this->value(child, depth + 1)) return false;
  }
  out_.push_back(in.is_object() ? '}' : ']');
  return true;
}

bool JsonPrinter::opaque(uint8_t field_type, std::string_view data) {
  constexpr uint8_t kTimestamp = 7, kDate = 10, kTime = 11, kDateTime = 12, kNewDecimal = 246;
  ByteCursor in(data);
  if (field_type == kNewDecimal) {
    unsigned precision = in.u8();
    unsigned scale = in.u8();
    // The precision is that of the server's groups of nine digits: 72 for a number of 65.
    if (precision < 1 || precision > kDecimalGroupDigits || scale > precision || in.remaining() != decimal_size(precision, scale)) {
      return false;
    }
    char text[kDecimalTextMax];
    size_t n = decimal_to_text(in.data(), precision, scale, text);
    out_.append(text, n);
    return n != 0;
  }
  if (field_type == kDate || field_type == kDateTime || field_type == kTimestamp || field_type == kTime) {
    auto packed = static_cast<int64_t>(in.u64());
    if (in.failed()) return false;
    return temporal(field_type == kDate, field_type == kTime, packed);
  }
  append_quoted(fmt::format("base64:type{}:{}", field_type, base64(data)), out_);
  return true;
}

bool JsonPrinter::temporal(bool is_date, bool is_time, int64_t packed) {
  bool negative = packed < 0;
  uint64_t u = negative ? 0 - static_cast<uint64_t>(packed) : static_cast<uint64_t>(packed);
  TimeParts t = datetime_time(u);
  if (t.minute > 59 || t.second > 59 || t.microsecond > 999999) return false;
  if (is_time) {
    if (u >> 36 > 838) return false;
    fmt::format_to(std::back_inserter(out_), "\"{}{:02}:{:02}:{:02}.{:06}\"", negative ? "-" : "", u >> 36 & 0x3FF, t.minute, t.second,
                   t.microsecond);
    return true;
  }
  DateParts d = datetime_date(u);
  if (negative || d.year > 9999 || t.hour > 23) return false;
  fmt::format_to(std::back_inserter(out_), "\"{:04}-{:02}-{:02}", d.year, d.month, d.day);
  if (!is_date) {
    fmt::format_to(std::back_inserter(out_), " {:02}:{:02}:{:02}.{:06}", t.hour, t.minute, t.second, t.microsecond);
  }
  out_.push_back('"');
  return true;
}

void append_json_double(double value, std::string& out) {
  // Shortest digits; plain notation while the point stands within 15 places or among the digits, as the server's formatter
  // does.
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
  std::string_view text(digits, static_cast<size_t>(end - digits));
  if (text.front() == '-') {
    out.push_back('-');
    text.remove_prefix(1);
  }
  size_t e = text.find('e');
  if (e == std::string_view::npos) {  // not finite: cannot be in JSON
    out.append("null");
    return;
  }
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  std::string number(1, text[0]);
  if (e > 2) number.append(text.substr(2, e - 2));
  int point = exponent + 1;  // the decimal point stands behind this many digits
  auto count = static_cast<int>(number.size());
  if (number == "0") {
    out.append("0.0");
  } else if ((point > 15 && point >= count) || point < -14) {
    out.push_back(number[0]);
    if (count > 1) out.append(".").append(number, 1);
    fmt::format_to(std::back_inserter(out), "e{}", exponent);
  } else if (point <= 0) {
    out.append("0.").append(static_cast<size_t>(-point), '0').append(number);
  } else if (point >= count) {
    out.append(number).append(static_cast<size_t>(point - count), '0').append(".0");
  } else {
    out.append(number, 0, static_cast<size_t>(point)).append(".").append(number, static_cast<size_t>(point));
  }
}

Status append_json_binary(std::string_view document, std::string& out) {
  JsonPrinter printer(document.size(), out);
  if (printer.value(json_root(document), 1)) return Status();
  return Status(ErrorCode::kSourceCorrupt, "a JSON value that is not a document in the server's binary form");
}

}  // namespace tailrace
