#include "mysql/json_binary.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "base/byte_cursor.h"
#include "event/value_text.h"
#include "mysql/charset.h"
#include "mysql/decimal.h"

namespace tailrace {
namespace {

enum JsonType : uint8_t {
  kSmallObject = 0, kLargeObject = 1, kSmallArray = 2, kLargeArray = 3, kLiteral = 4, kInt16 = 5, kUint16 = 6,
  kInt32 = 7, kUint32 = 8, kInt64 = 9, kUint64 = 10, kDouble = 11, kString = 12, kOpaque = 15
};

constexpr int kMaxDepth = 101;  // the server's limit is 100

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
      case '"': case '\\': out.push_back(c); break;
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

class JsonPrinter {
 public:
  JsonPrinter(std::string_view document, std::string& out) : out_(out), budget_(document.size() * 2 + 16) {}

  bool value(uint8_t type, std::string_view bytes, int depth) {
    ByteCursor in(bytes);
    switch (type) {
      case kSmallObject: return container(bytes, depth, true, 2);
      case kLargeObject: return container(bytes, depth, true, 4);
      case kSmallArray: return container(bytes, depth, false, 2);
      case kLargeArray: return container(bytes, depth, false, 4);
      case kLiteral: return literal(in.u8()) && !in.failed();
      case kInt16: return number(static_cast<int16_t>(in.u16()), in);
      case kUint16: return number(in.u16(), in);
      case kInt32: return number(static_cast<int32_t>(in.u32()), in);
      case kUint32: return number(in.u32(), in);
      case kInt64: return number(static_cast<int64_t>(in.u64()), in);
      case kUint64: return number(in.u64(), in);
      case kDouble: {
        uint64_t bits = in.u64();
        double d;
        std::memcpy(&d, &bits, sizeof d);
        if (!in.failed()) append_json_double(d, out_);
        return !in.failed();
      }
      case kString: return string(variable(in));
      case kOpaque: {
        uint8_t field_type = in.u8();
        std::string_view data = variable(in);
        return !in.failed() && spend(data.size()) && opaque(field_type, data);
      }
      default: return false;
    }
  }

 private:
  // Values do not overlap in a real document, so its size bounds the work.
  bool spend(size_t bytes) {
    if (bytes > budget_) return false;
    budget_ -= bytes;
    return true;
  }
  template <class T>
  bool number(T n, const ByteCursor& in) {
    if (in.failed()) return false;
    char text[24];
    out_.append(text, std::to_chars(text, text + sizeof text, n).ptr);
    return true;
  }
  bool literal(uint8_t code) {
    if (code > 2) return false;
    out_.append(code == 0 ? "null" : code == 1 ? "true" : "false");
    return true;
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
  bool string(std::string_view text) {
    if (text.data() == nullptr || !spend(text.size()) || !is_utf8(text)) return false;
    append_quoted(text, out_);
    return true;
  }

  bool container(std::string_view bytes, int depth, bool is_object, size_t width) {
    if (depth > kMaxDepth) return false;
    ByteCursor in(bytes);
    uint64_t count = in.le(width);
    uint64_t size = in.le(width);
    size_t key_entry = is_object ? width + 2 : 0;
    size_t value_entry = width + 1;
    if (in.failed() || size > bytes.size() || count * (key_entry + value_entry) > in.remaining() ||
        !spend(count * value_entry)) {
      return false;
    }
    bytes = bytes.substr(0, size);
    ByteCursor keys(bytes.substr(2 * width > bytes.size() ? bytes.size() : 2 * width));
    ByteCursor values = keys;
    values.skip(count * key_entry);
    out_.push_back(is_object ? '{' : '[');
    for (uint64_t i = 0; i < count; ++i) {
      if (i) out_.append(", ");
      if (is_object) {
        uint64_t offset = keys.le(width);
        uint16_t length = keys.u16();
        if (keys.failed() || offset > bytes.size() || length > bytes.size() - offset ||
            !string(bytes.substr(offset, length))) {
          return false;
        }
        out_.append(": ");
      }
      uint8_t type = values.u8();
      std::string_view inline_bytes = values.bytes(width);
      if (values.failed()) return false;
      bool is_inline = type == kLiteral || type == kInt16 || type == kUint16 ||
                       (width == 4 && (type == kInt32 || type == kUint32));
      if (is_inline) {
        if (!value(type, inline_bytes, depth + 1)) return false;
        continue;
      }
      uint64_t offset = ByteCursor(inline_bytes).le(width);
      if (offset >= bytes.size() || offset < 2 * width || !value(type, bytes.substr(offset), depth + 1)) return false;
    }
    out_.push_back(is_object ? '}' : ']');
    return true;
  }

  bool opaque(uint8_t field_type, std::string_view data) {
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
      temporal(field_type == kDate, field_type == kTime, packed);
      return true;
    }
    append_quoted(fmt::format("base64:type{}:{}", field_type, base64(data)), out_);
    return true;
  }
  void temporal(bool is_date, bool is_time, int64_t packed) {
    bool negative = packed < 0;
    uint64_t u = negative ? 0 - static_cast<uint64_t>(packed) : static_cast<uint64_t>(packed);
    TimeParts t = datetime_time(u);
    if (is_time) {
      fmt::format_to(std::back_inserter(out_), "\"{}{:02}:{:02}:{:02}.{:06}\"", negative ? "-" : "", u >> 36 & 0x3FF,
                     t.minute, t.second, t.microsecond);
      return;
    }
    DateParts d = datetime_date(u);
    fmt::format_to(std::back_inserter(out_), "\"{:04}-{:02}-{:02}", d.year, d.month, d.day);
    if (!is_date) {
      fmt::format_to(std::back_inserter(out_), " {:02}:{:02}:{:02}.{:06}", t.hour, t.minute, t.second, t.microsecond);
    }
    out_.push_back('"');
  }

  std::string& out_;
  size_t budget_;
};

}  // namespace

void append_json_double(double value, std::string& out) {
  // Shortest digits; plain notation while the point stands within 15 places, as the server's formatter does.
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
  } else if (point > 15 || point < -14) {
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
  if (document.empty()) {
    out.append("null");
    return Status();
  }
  JsonPrinter printer(document, out);
  if (printer.value(static_cast<uint8_t>(document[0]), document.substr(1), 1)) return Status();
  return Status(ErrorCode::kSourceCorrupt, "a JSON value that is not a document in the server's binary form");
}

}  // namespace tailrace
