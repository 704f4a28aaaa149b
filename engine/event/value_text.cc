#include "event/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "event/change_event.h"

namespace tailrace {
namespace {

void append_padded(std::string& out, unsigned value, int width) {
  char digits[10];
  int n = 0;
  do {
    digits[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value);
  for (int i = n; i < width; ++i) out.push_back('0');
  while (n) out.push_back(digits[--n]);
}

void append_fraction(std::string& out, unsigned microsecond, unsigned scale) {
  if (scale == 0) return;
  char digits[6];
  for (int i = 5; i >= 0; --i) {
    digits[i] = static_cast<char>('0' + microsecond % 10);
    microsecond /= 10;
  }
  out.push_back('.');
  out.append(digits, scale > 6 ? 6 : scale);
}

void append_date(std::string& out, DateParts d) {
  append_padded(out, d.year, 4);
  out.push_back('-');
  append_padded(out, d.month, 2);
  out.push_back('-');
  append_padded(out, d.day, 2);
}

void append_clock(std::string& out, unsigned hour, unsigned minute, unsigned second) {
  append_padded(out, hour, 2);
  out.push_back(':');
  append_padded(out, minute, 2);
  out.push_back(':');
  append_padded(out, second, 2);
}

template <class T>
void append_number(std::string& out, T value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

void append_set(std::string& out, uint64_t bits, const Column& column) {
  bool first = true;
  for (size_t i = 0; i < column.labels.size() && i < 64; ++i) {
    if (!(bits >> i & 1)) continue;
    if (!first) out.push_back(',');
    out.append(column.labels[i]);
    first = false;
  }
}

}  // namespace

void append_double(double value, bool is_float32, std::string& out) {
  char buffer[64];
  // Shortest digits that read back; plain notation in the range people read, exponent outside it.
  double magnitude = std::fabs(value);
  bool plain = magnitude == 0 || (magnitude >= 1e-5 && magnitude < 1e16);
  auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  auto end = std::to_chars(buffer, buffer + sizeof buffer, is_float32 ? float_as_printed(static_cast<float>(value)) : value, format).ptr;
  out.append(buffer, end);
}

double float_as_printed(float value) {
  char text[32];
  char* end = std::to_chars(text, text + sizeof text, value).ptr;
  double printed = 0;
  std::from_chars(text, end, printed);
  // From digits to FLOAT by way of a double is two roundings, which can end at the neighbour.
  return static_cast<float>(printed) == value ? printed : static_cast<double>(value);
}

void append_text(const Value& value, const Column& column, std::string& out) {
  switch (value.kind) {
    case Kind::kAbsent:
    case Kind::kNull: return;
    case Kind::kInt: append_number(out, value.i); return;
    case Kind::kUint:
    case Kind::kBit: append_number(out, value.u); return;
    case Kind::kDouble: append_double(value.d, value.flags & kFloat32, out); return;
    case Kind::kDecimal:
    case Kind::kText:
    case Kind::kBytes:
    case Kind::kJson:
    case Kind::kGeometry: out.append(value.text()); return;
    case Kind::kDate: append_date(out, unpack_date(value.u)); return;
    case Kind::kTime: {
      uint64_t magnitude = value.i < 0 ? 0 - static_cast<uint64_t>(value.i) : static_cast<uint64_t>(value.i);
      if (value.i < 0) out.push_back('-');
      uint64_t seconds = magnitude / 1000000;
      append_clock(out, static_cast<unsigned>(seconds / 3600), static_cast<unsigned>(seconds / 60 % 60),
                   static_cast<unsigned>(seconds % 60));
      append_fraction(out, static_cast<unsigned>(magnitude % 1000000), value.scale);
      return;
    }
    case Kind::kDateTime: {
      append_date(out, datetime_date(value.u));
      TimeParts t = datetime_time(value.u);
      out.push_back(' ');
      append_clock(out, t.hour, t.minute, t.second);
      append_fraction(out, t.microsecond, value.scale);
      return;
    }
    case Kind::kTimestamp: {
      if (value.i == 0) {
        out.append("0000-00-00 00:00:00");
        append_fraction(out, 0, value.scale);
        return;
      }
      int64_t seconds = value.i / 1000000;
      int64_t micros = value.i % 1000000;
      if (micros < 0) {
        micros += 1000000;
        --seconds;
      }
      int64_t days = seconds / 86400;
      int64_t rest = seconds % 86400;
      if (rest < 0) {
        rest += 86400;
        --days;
      }
      append_date(out, civil_from_days(days));
      out.push_back(' ');
      append_clock(out, static_cast<unsigned>(rest / 3600), static_cast<unsigned>(rest / 60 % 60), static_cast<unsigned>(rest % 60));
      append_fraction(out, static_cast<unsigned>(micros), value.scale);
      return;
    }
    case Kind::kYear: append_padded(out, static_cast<unsigned>(value.u), 4); return;
    case Kind::kEnum:
      if (value.u >= 1 && value.u <= column.labels.size()) out.append(column.labels[value.u - 1]);
      return;
    case Kind::kSet: append_set(out, value.u, column); return;
  }
}

std::string describe_key(const TableSchema& schema, const ChangeEvent& event) {
  auto lacks = [&](Row row) {
    return row.empty() || std::any_of(schema.primary_key.begin(), schema.primary_key.end(),
                                      [&](uint16_t at) { return at < row.size() && row[at].is_absent(); });
  };
  return describe_key(schema, lacks(event.after) && !event.before.empty() ? event.before : event.after);
}

std::string describe_key(const TableSchema& schema, Row row) {
  std::string out;
  for (uint16_t index : schema.primary_key) {
    if (index >= row.size() || row[index].is_absent()) continue;
    if (!out.empty()) out.push_back(' ');
    const Column& column = schema.columns[index];
    const Value& value = row[index];
    out.append(column.name).push_back('=');
    if (value.is_null()) {
      out.append("NULL");
    } else if (value.kind == Kind::kBytes || value.kind == Kind::kGeometry) {
      out.append("x'");
      for (unsigned char byte : value.text()) fmt::format_to(std::back_inserter(out), "{:02x}", byte);
      out.append("'");
    } else {
      append_text(value, column, out);
    }
  }
  return out;
}

int64_t days_from_civil(DateParts date) noexcept {
  // Howard Hinnant's algorithm, for years >= 0.
  int64_t y = date.year;
  unsigned m = date.month;
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  auto yoe = static_cast<unsigned>(y - era * 400);
  unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + date.day - 1;
  unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<int64_t>(doe) - 719468;
}

DateParts civil_from_days(int64_t days) noexcept {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  auto doe = static_cast<unsigned>(days - era * 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t y = static_cast<int64_t>(yoe) + era * 400;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned mp = (5 * doy + 2) / 153;
  unsigned day = doy - (153 * mp + 2) / 5 + 1;
  unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<unsigned>(y + (month <= 2)), month, day};
}

bool is_real_date(DateParts date) noexcept {
  static constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.month < 1 || date.month > 12 || date.day < 1) return false;
  bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  unsigned last = kDays[date.month - 1] + (date.month == 2 && leap);
  return date.day <= last;
}

std::string_view op_name(Op op) noexcept {
  switch (op) {
    case Op::kInsert: return "insert";
    case Op::kUpdate: return "update";
    case Op::kDelete: return "delete";
    case Op::kRead: return "read";
    case Op::kTruncate: return "truncate";
    case Op::kSchemaChange: return "ddl";
    case Op::kHeartbeat: return "heartbeat";
  }
  return "?";
}

}  // namespace tailrace
