#include "app/described_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/options.h"
#include "event/value_text.h"
#include "format/type_names.h"
#include "mysql/type_info.h"

namespace tailrace {
namespace {

constexpr uint16_t kUtf8mb4 = 45;
constexpr unsigned kMaxFraction = 6;

Status bad(std::string detail) { return Status(ErrorCode::kFormatChange, std::move(detail)); }

std::string upper_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

// "TIMESTAMP(6) WITH TIME ZONE" is TIMESTAMP WITH TIME ZONE: lengths out, single blanks.
std::string without_lengths(std::string_view type) {
  std::string out;
  int depth = 0;
  for (char c : upper_case(type)) {
    if (c == '(') ++depth;
    if (depth == 0 && (c != ' ' || (!out.empty() && out.back() != ' '))) out += c;
    if (c == ')') --depth;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Result<Column> oracle_column(std::string name, std::string type, bool is_key) {
  std::string bare = without_lengths(type);
  std::vector<std::string> names;
  for (const OracleType& row : oracle_types()) {
    names.emplace_back(row.name);
    if (row.name != bare) continue;
    Column column;
    column.name = std::move(name);
    column.type_text = std::move(type);
    column.type_name = bare;
    column.kind = row.kind;
    column.nullable = !is_key;
    return column;
  }
  std::string near = nearest_name(bare, names);
  return bad(fmt::format("column '{}': no Oracle type '{}'{}", name, type, near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

std::optional<std::string> unhex(std::string_view hex) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string bytes;
  if (hex.substr(0, 2) == "0x") hex.remove_prefix(2);
  if (hex.size() % 2) return std::nullopt;
  for (size_t i = 0; i < hex.size(); i += 2) {
    int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

template <class T>
bool whole(std::string_view text, T& out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Takes "12" and what must follow it off the text.
bool take(std::string_view& text, unsigned& number, std::string_view ends) {
  size_t n = 0;
  number = 0;
  while (n < text.size() && n < 9 && text[n] >= '0' && text[n] <= '9') number = number * 10 + static_cast<unsigned>(text[n++] - '0');
  if (n == 0) return false;
  text.remove_prefix(n);
  if (ends.empty()) return true;
  if (text.empty() || ends.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".5" and its number of digits; digits beyond microseconds must be zeros.
bool take_fraction(std::string_view text, unsigned& microseconds, uint8_t& scale) {
  microseconds = 0;
  scale = 0;
  if (text.empty()) return true;
  if (text[0] != '.' || text.size() < 2) return false;
  text.remove_prefix(1);
  for (size_t i = 0; i < std::max<size_t>(text.size(), kMaxFraction); ++i) {
    char c = i < text.size() ? text[i] : '0';
    if (c < '0' || c > '9' || (i >= kMaxFraction && c != '0')) return false;
    if (i < kMaxFraction) microseconds = microseconds * 10 + static_cast<unsigned>(c - '0');
  }
  scale = static_cast<uint8_t>(std::min<size_t>(text.size(), kMaxFraction));
  return true;
}

bool parse_date(std::string_view& text, DateParts& d) {
  return take(text, d.year, "-") && take(text, d.month, "-") && take(text, d.day, "") && d.year <= 9999 && d.month <= 12 && d.day <= 31;
}

struct Moment {
  DateParts date{};
  TimeParts time{};
  uint8_t scale = 0;
};
std::optional<Moment> parse_moment(std::string_view text) {
  Moment m;
  if (!parse_date(text, m.date)) return std::nullopt;
  if (text.empty()) return m;
  if (text[0] != ' ' && text[0] != 'T') return std::nullopt;
  text.remove_prefix(1);
  if (!take(text, m.time.hour, ":") || !take(text, m.time.minute, ":") || !take(text, m.time.second, "")) return std::nullopt;
  if (m.time.hour > 23 || m.time.minute > 59 || m.time.second > 59 || !take_fraction(text, m.time.microsecond, m.scale))
    return std::nullopt;
  return m;
}

bool parse_time(std::string_view text, Value& value) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  unsigned hour, minute, second, microseconds;
  if (!take(text, hour, ":") || !take(text, minute, ":") || !take(text, second, "") || hour > 838 || minute > 59 || second > 59)
    return false;
  if (!take_fraction(text, microseconds, value.scale)) return false;
  int64_t us = ((static_cast<int64_t>(hour) * 60 + minute) * 60 + second) * 1'000'000 + microseconds;
  value.i = negative ? -us : us;
  return true;
}

// Plain digits: an exponent is written out, a point has digits on both sides. False: it is no number.
bool plain_decimal(std::string_view text, std::string& out) {
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  int exponent = 0;
  if (size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    if (!whole(text.substr(e + 1), exponent) || std::abs(exponent) > 200) return false;
    text = text.substr(0, e);
  }
  size_t dot = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, dot));
  size_t whole_digits = digits.size();
  if (dot < text.size()) digits += text.substr(dot + 1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  long point = static_cast<long>(whole_digits) + exponent;
  if (point <= 0) {
    digits.insert(0, static_cast<size_t>(1 - point), '0');
    point = 1;
  }
  if (point > static_cast<long>(digits.size())) digits.append(static_cast<size_t>(point) - digits.size(), '0');
  std::string integer = digits.substr(0, static_cast<size_t>(point)), fraction = digits.substr(static_cast<size_t>(point));
  integer.erase(0, std::min(integer.find_first_not_of('0'), integer.size() - 1));
  bool zero = digits.find_first_not_of('0') == std::string::npos;
  out = (negative && !zero ? "-" : "") + integer + (fraction.empty() ? "" : "." + fraction);
  return true;
}

// Oracle's DATE and TIMESTAMP types: zeros at the end of the fraction are cut, a zone stays.
std::string trimmed_fraction(const std::string& text) {
  size_t dot = text.find('.');
  if (dot == std::string::npos) return text;
  size_t end = dot + 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  size_t keep = end;
  while (keep > dot + 1 && text[keep - 1] == '0') --keep;
  if (keep == dot + 1) keep = dot;
  return text.substr(0, keep) + text.substr(end);
}

bool is_oracle_time(const Column& column) {
  auto types = oracle_types();
  return std::any_of(types.begin(), types.end(), [&](const OracleType& row) { return row.is_time && row.name == column.type_name; });
}

std::optional<Value> value_of_text(const Column& column, const std::string& text, Arena& arena) {
  auto stored = [&](const std::string& bytes) {
    return Value::of_text(column.kind, arena.copy(bytes), static_cast<uint32_t>(bytes.size()), column.scale);
  };
  auto of_kind = [&](Kind kind) {
    Value value = Value::of_int(0);
    value.kind = kind;
    return value;
  };
  switch (column.kind) {
    case Kind::kInt: {
      int64_t number;
      if (text == "true" || text == "false") return Value::of_int(text == "true");
      if (!whole(text, number)) return std::nullopt;
      return Value::of_int(number);
    }
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit: {
      uint64_t number;
      if (!whole(text, number)) return std::nullopt;
      return column.kind == Kind::kUint ? Value::of_uint(number) : Value::of_bits(column.kind, number);
    }
    case Kind::kDouble: {
      std::string_view digits = text;
      if (!digits.empty() && digits[0] == '+') digits.remove_prefix(1);
      bool is_float = column.type_name == "float" || column.type_name == "BINARY_FLOAT";
      double d = 0;
      float f = 0;
      auto [end, error] = is_float ? std::from_chars(digits.data(), digits.data() + digits.size(), f)
                                   : std::from_chars(digits.data(), digits.data() + digits.size(), d);
      if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
      if (!std::isfinite(f) || !std::isfinite(d)) return std::nullopt;
      return is_float ? Value::of_float(f) : Value::of_double(d);
    }
    case Kind::kDecimal: {
      std::string digits;
      if (!plain_decimal(text, digits)) return std::nullopt;
      return stored(digits);
    }
    case Kind::kText: return stored(is_oracle_time(column) ? trimmed_fraction(text) : text);
    case Kind::kBytes:
    case Kind::kGeometry:
    case Kind::kJson: return stored(text);
    case Kind::kDate: {
      auto moment = parse_moment(text);
      if (!moment) return std::nullopt;
      return Value::of_bits(Kind::kDate, pack_date(moment->date.year, moment->date.month, moment->date.day));
    }
    case Kind::kDateTime: {
      auto moment = parse_moment(text);
      if (!moment) return std::nullopt;
      return Value::of_bits(Kind::kDateTime, pack_datetime(moment->date, moment->time), moment->scale);
    }
    case Kind::kTimestamp: {
      auto moment = parse_moment(text);
      if (!moment) return std::nullopt;
      Value value = of_kind(Kind::kTimestamp);
      value.scale = moment->scale;
      if (!is_real_date(moment->date)) return value;
      const TimeParts& t = moment->time;
      value.i = (days_from_civil(moment->date) * 86'400 + t.hour * 3600 + t.minute * 60 + t.second) * 1'000'000 + t.microsecond;
      return value;
    }
    case Kind::kTime: {
      Value value = of_kind(Kind::kTime);
      if (!parse_time(text, value)) return std::nullopt;
      return value;
    }
    case Kind::kEnum: {
      if (text.empty() && std::find(column.labels.begin(), column.labels.end(), "") == column.labels.end()) {
        return Value::of_bits(Kind::kEnum, 0);
      }
      auto it = std::find(column.labels.begin(), column.labels.end(), text);
      if (it == column.labels.end()) return std::nullopt;
      return Value::of_bits(Kind::kEnum, static_cast<uint64_t>(it - column.labels.begin()) + 1);
    }
    case Kind::kSet: {
      uint64_t bits = 0;
      std::string_view rest = text;
      while (!rest.empty()) {
        size_t comma = std::min(rest.find(','), rest.size());
        auto it = std::find(column.labels.begin(), column.labels.end(), rest.substr(0, comma));
        if (it == column.labels.end() || it - column.labels.begin() > 63) return std::nullopt;
        bits |= uint64_t{1} << (it - column.labels.begin());
        rest.remove_prefix(std::min(comma + 1, rest.size()));
      }
      return Value::of_bits(Kind::kSet, bits);
    }
    case Kind::kAbsent:
    case Kind::kNull: break;
  }
  return std::nullopt;
}

}  // namespace

Result<Column> column_of(const DescribedColumn& given, bool oracle_mode) {
  if (oracle_mode) return oracle_column(given.name, given.type, given.is_key);
  std::string type = given.type + (given.is_unsigned ? " unsigned" : "");
  bool nullable = given.nullable.value_or(!given.is_key);
  auto column = column_from_type(given.name, type, nullable, kUtf8mb4);
  if (column.ok()) return column;
  std::string bare = upper_case(type);
  if (bare != "ENUM" && bare != "SET") return bad(fmt::format("column '{}': {}", given.name, column.status().detail()));
  Column text;  // without its labels: what a label says is all there is
  text.name = given.name;
  text.type_text = type;
  text.type_name = bare == "ENUM" ? "enum" : "set";
  text.nullable = nullable;
  return text;
}

std::optional<Value> value_of(const Column& column, DescribedForm form, const std::string& text, Arena& arena) {
  if (form == DescribedForm::kNull) return Value::null();
  if (form == DescribedForm::kText) return value_of_text(column, text, arena);
  auto bytes = unhex(text);
  if (!bytes) return std::nullopt;
  if (column.kind == Kind::kBit) {
    if (bytes->size() > 8) return std::nullopt;
    uint64_t bits = 0;
    for (unsigned char byte : *bytes) bits = bits << 8 | byte;
    return Value::of_bits(Kind::kBit, bits);
  }
  if (!has_text_payload(column.kind) || column.kind == Kind::kDecimal) return std::nullopt;
  return Value::of_text(column.kind, arena.copy(*bytes), static_cast<uint32_t>(bytes->size()));
}

}  // namespace tailrace
