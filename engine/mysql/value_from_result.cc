#include "mysql/value_from_result.h"

#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "event/value_text.h"
#include "mysql/connection.h"

namespace tailrace {
namespace {

constexpr size_t kScratchKept = 1 << 20;
constexpr uint8_t kWireVector = 242;  // younger than the client library

uint64_t le(const uint8_t* at, size_t bytes) noexcept {
  uint64_t value = 0;
  std::memcpy(&value, at, bytes);
  return value;
}

// Bytes of a number on the wire; 0 = not a number of fixed size.
size_t number_size(uint8_t wire_type) noexcept {
  switch (wire_type) {
    case MYSQL_TYPE_TINY: return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR: return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT: return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE: return 8;
    default: return 0;
  }
}

bool is_integer(uint8_t wire_type) noexcept {
  return number_size(wire_type) != 0 && wire_type != MYSQL_TYPE_FLOAT && wire_type != MYSQL_TYPE_DOUBLE;
}

bool is_string(uint8_t wire_type) noexcept {
  switch (wire_type) {
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_JSON:
    case MYSQL_TYPE_NEWDECIMAL:
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_GEOMETRY:
    case kWireVector: return true;
    default: return false;
  }
}

bool is_date(uint8_t wire_type) noexcept {
  return wire_type == MYSQL_TYPE_DATE || wire_type == MYSQL_TYPE_NEWDATE || wire_type == MYSQL_TYPE_DATETIME ||
         wire_type == MYSQL_TYPE_TIMESTAMP;
}

// The length prefix of a string; `at` moves behind it.
uint64_t length_of(const uint8_t*& at) noexcept {
  uint8_t first = *at++;
  size_t bytes = first == 0xFC ? 2 : first == 0xFD ? 3 : first == 0xFE ? 8 : 0;
  if (bytes == 0) return first;
  uint64_t length = le(at, bytes);
  at += bytes;
  return length;
}

uint64_t integer(uint8_t wire_type, const uint8_t* cell, bool is_unsigned) noexcept {
  size_t bytes = number_size(wire_type);
  uint64_t value = le(cell, bytes);
  if (is_unsigned || bytes == 8) return value;
  int shift = static_cast<int>(64 - 8 * bytes);
  return static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
}

struct Moment {
  DateParts date{};
  TimeParts time{};
};

Moment moment_of(const uint8_t* cell) noexcept {
  Moment m;
  uint8_t length = *cell++;
  if (length >= 4) m.date = {static_cast<unsigned>(le(cell, 2)), cell[2], cell[3]};
  if (length >= 7) m.time = {cell[4], cell[5], cell[6], 0};
  if (length >= 11) m.time.microsecond = static_cast<unsigned>(le(cell + 7, 4));
  return m;
}

int64_t duration_of(const uint8_t* cell) noexcept {
  uint8_t length = *cell++;
  if (length < 8) return 0;
  uint64_t hours = le(cell + 1, 4) * 24 + cell[5];
  auto micros = static_cast<int64_t>(((hours * 60 + cell[6]) * 60 + cell[7]) * 1'000'000);
  if (length >= 12) micros += static_cast<int64_t>(le(cell + 8, 4));
  return cell[0] ? -micros : micros;
}

int64_t timestamp_of(const Moment& m) noexcept {
  if (m.date.year == 0) return 0;
  int64_t seconds = days_from_civil(m.date) * 86400 + m.time.hour * 3600 + m.time.minute * 60 + m.time.second;
  return seconds * 1'000'000 + m.time.microsecond;
}

// Without leading zeros (ZEROFILL prints them) but one before the point, and without a sign on zero.
Value decimal_of(std::string_view text, Arena& arena) {
  bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  size_t point = text.find('.');
  size_t whole = point == std::string_view::npos ? text.size() : point;
  while (whole > 1 && text.front() == '0') {
    text.remove_prefix(1);
    --whole;
  }
  negative = negative && text.find_first_of("123456789") != std::string_view::npos;
  size_t lead = (negative ? 1u : 0u) + (whole == 0 ? 1u : 0u);
  size_t size = lead + text.size();
  char* to = static_cast<char*>(arena.allocate(size, 1));
  char* at = to;
  if (negative) *at++ = '-';
  if (whole == 0) *at++ = '0';
  std::memcpy(at, text.data(), text.size());
  size_t scale = point == std::string_view::npos ? 0 : text.size() - whole - 1;
  return Value::of_text(Kind::kDecimal, to, static_cast<uint32_t>(size), static_cast<uint8_t>(scale));
}

uint64_t big_endian(std::string_view bytes) noexcept {
  uint64_t value = 0;
  for (unsigned char byte : bytes) value = value << 8 | byte;
  return value;
}

// The catalogues of the servers are in utf8mb3: a label's character beyond U+FFFF reads '?' there, as a real '?' does.
bool has_doubtful_label(const Column& column) noexcept {
  const Charset* charset = charset_of_collation(column.charset);
  bool reaches_beyond = charset->max_bytes == 4;
  return reaches_beyond && std::any_of(column.labels.begin(), column.labels.end(),
                                       [](const std::string& label) { return label.find('?') != std::string::npos; });
}

// "3,F09F9880": the number and the label in UTF-8, as select_expression asks for columns with doubtful labels.
Result<Value> checked_label(const Column& column, std::string_view cell) {
  uint64_t number = 0;
  const char* end = cell.data() + cell.size();
  auto [at, error] = std::from_chars(cell.data(), end, number);
  std::string_view hex(at, static_cast<size_t>(end - at));
  Value value = Value::of_bits(column.kind, number);
  std::string known = ",";
  for (unsigned char byte : to_text(value, column)) known += fmt::format("{:02X}", byte);
  if (error == std::errc() && hex == known) return value;
  return Status(ErrorCode::kSchemaType, fmt::format("label of number {} in '{}' has characters beyond U+FFFF, which the server's "
                                                    "catalogue does not show",
                                                    number, column.type_text))
      .with("column", column.name);
}

Result<Value> text_of(const Column& column, std::string_view bytes, const Charset* charset, InvalidText invalid_text, Arena& arena) {
  static const Charset* const kUtf8 = find_charset("utf8mb4");
  // Addresses and the like come as plain ASCII, whatever character set they are said to have.
  if (!charset || charset->codec == TextCodec::kBinary || column.charset == 0) charset = kUtf8;
  if (charset->codec == TextCodec::kUnknown) {
    return Status(ErrorCode::kSchemaType, fmt::format("'{}' has a character set that is not handled", column.type_text))
        .with("column", column.name);
  }
  thread_local std::string scratch;
  std::string_view text;
  if (!to_utf8(*charset, invalid_text, bytes, scratch, text)) {
    return Status(ErrorCode::kSourceText, describe_invalid_text(*charset, bytes)).with("column", column.name);
  }
  Value value = Value::of_text(Kind::kText, arena.copy(text), static_cast<uint32_t>(text.size()));
  if (scratch.capacity() > kScratchKept) std::string().swap(scratch);
  return value;
}

Status misfit(const Column& column, uint8_t wire_type) {
  return Status(ErrorCode::kSchemaMismatch,
                fmt::format("'{}' was expected, the server sends a value of type {}", column.type_text, wire_type))
      .with("column", column.name);
}

}  // namespace

std::string select_expression(const Column& column, bool is_mariadb) {
  std::string name = quote_name(column.name);
  if (column.kind == Kind::kEnum || column.kind == Kind::kSet) {
    std::string number = "CAST(" + name + " AS UNSIGNED)";
    if (!has_doubtful_label(column)) return number;
    return "CONCAT(" + number + ", ',', HEX(CONVERT(" + name + " USING utf8mb4)))";
  }
  // The client library does not know MySQL's own type for vectors and would lose its place in the row.
  if (column.type_name == "vector" && !is_mariadb) return "CAST(" + name + " AS BINARY)";
  return name;
}

std::string_view bytes_of_cell(const uint8_t* cell) noexcept {
  uint64_t length = length_of(cell);
  return {reinterpret_cast<const char*>(cell), length};
}

size_t size_of_cell(uint8_t wire_type, const uint8_t* cell) noexcept {
  if (!cell) return 0;
  if (size_t bytes = number_size(wire_type)) return bytes;
  const uint8_t* at = cell;
  uint64_t length = length_of(at);
  return static_cast<size_t>(at - cell) + length;
}

Result<Value> value_from_result(const Column& column, uint8_t wire_type, const uint8_t* cell, Arena& arena, const Charset* charset,
                                InvalidText invalid_text) {
  if (!cell) return Value::null();
  switch (column.kind) {
    case Kind::kInt:
      if (!is_integer(wire_type)) break;
      return Value::of_int(static_cast<int64_t>(integer(wire_type, cell, false)));
    case Kind::kUint:
      if (!is_integer(wire_type)) break;
      return Value::of_uint(integer(wire_type, cell, true));
    case Kind::kEnum:
    case Kind::kSet:
      if (is_string(wire_type) && has_doubtful_label(column)) return checked_label(column, bytes_of_cell(cell));
      [[fallthrough]];
    case Kind::kYear:
      if (!is_integer(wire_type)) break;
      return Value::of_bits(column.kind, integer(wire_type, cell, true));
    case Kind::kDouble:
      if (wire_type == MYSQL_TYPE_FLOAT) return Value::of_float(std::bit_cast<float>(static_cast<uint32_t>(le(cell, 4))));
      if (wire_type == MYSQL_TYPE_DOUBLE) return Value::of_double(std::bit_cast<double>(le(cell, 8)));
      break;
    case Kind::kDecimal:
      if (!is_string(wire_type)) break;
      return decimal_of(bytes_of_cell(cell), arena);
    case Kind::kBit:
      if (!is_string(wire_type)) break;
      return Value::of_bits(Kind::kBit, big_endian(bytes_of_cell(cell)));
    case Kind::kText:
      if (!is_string(wire_type)) break;
      return text_of(column, bytes_of_cell(cell), charset, invalid_text, arena);
    case Kind::kBytes:
    case Kind::kJson:
    case Kind::kGeometry: {
      if (!is_string(wire_type)) break;
      std::string_view bytes = bytes_of_cell(cell);
      return Value::of_text(column.kind, arena.copy(bytes), static_cast<uint32_t>(bytes.size()));
    }
    case Kind::kDate: {
      if (!is_date(wire_type)) break;
      DateParts d = moment_of(cell).date;
      return Value::of_bits(Kind::kDate, pack_date(d.year, d.month, d.day));
    }
    case Kind::kTime: {
      if (wire_type != MYSQL_TYPE_TIME) break;
      Value value = Value::of_bits(Kind::kTime, 0, column.scale);
      value.i = duration_of(cell);
      return value;
    }
    case Kind::kDateTime: {
      if (!is_date(wire_type)) break;
      Moment m = moment_of(cell);
      return Value::of_bits(Kind::kDateTime, pack_datetime(m.date, m.time), column.scale);
    }
    case Kind::kTimestamp: {
      if (!is_date(wire_type)) break;
      Value value = Value::of_bits(Kind::kTimestamp, 0, column.scale);
      value.i = timestamp_of(moment_of(cell));
      return value;
    }
    case Kind::kAbsent:
    case Kind::kNull: break;
  }
  return misfit(column, wire_type);
}

}  // namespace tailrace
