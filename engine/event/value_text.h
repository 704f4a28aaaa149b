// Canonical text of a value: the one spelling shared by rules, sinks, verifier and people.
//   numbers   plain digits; FLOAT and DOUBLE the shortest text that reads back the same ("1.5", "1e+300", "-0")
//   DATE      YYYY-MM-DD        TIME  [-]HH:MM:SS[.f]   DATETIME, TIMESTAMP  YYYY-MM-DD HH:MM:SS[.f] (TIMESTAMP in UTC)
//             with exactly `scale` fraction digits; zero and partial dates as they are
//   YEAR      four digits       BIT   unsigned decimal number
//   ENUM      label, '' for index 0     SET  labels joined by ','
//   text, JSON as they are; bytes and geometry raw
// Source of the forms: what MySQL prints for SELECT with time_zone '+00:00'.
#pragma once
#include <string>

#include "event/change_event.h"
#include "event/schema.h"
#include "event/value.h"

namespace tailrace {

// Appends; NULL and absent append nothing. Thread-safe.
void append_text(const Value& value, const Column& column, std::string& out);
inline std::string to_text(const Value& value, const Column& column) {
  std::string out;
  append_text(value, column, out);
  return out;
}
void append_double(double value, bool is_float32, std::string& out);
// The double with the shortest text that reads back as this FLOAT, read as a FLOAT or as a double: 0.1, not
// 0.10000000149011612.
double float_as_printed(float value);

// "id=7 tenant=3": the key of a row for people and error messages. NULL is written NULL; bytes as x'hex'.
std::string describe_key(const TableSchema& schema, Row row);
// Of the row an event is about: as it is after the change, if that image has the key.
std::string describe_key(const TableSchema& schema, const ChangeEvent& event);

// Calendar parts of the packed payloads of value.h.
struct DateParts {
  unsigned year, month, day;
};
struct TimeParts {
  unsigned hour, minute, second, microsecond;
};
constexpr uint64_t pack_date(unsigned year, unsigned month, unsigned day) noexcept {
  return (static_cast<uint64_t>(year) * 13 + month) << 5 | day;
}
constexpr DateParts unpack_date(uint64_t u) noexcept {
  return {static_cast<unsigned>((u >> 5) / 13), static_cast<unsigned>((u >> 5) % 13), static_cast<unsigned>(u & 31)};
}
constexpr uint64_t pack_datetime(DateParts d, TimeParts t) noexcept {
  return ((pack_date(d.year, d.month, d.day) << 17 | t.hour << 12 | t.minute << 6 | t.second) << 24) | t.microsecond;
}
constexpr DateParts datetime_date(uint64_t u) noexcept { return unpack_date(u >> 41); }
constexpr TimeParts datetime_time(uint64_t u) noexcept {
  uint64_t hms = u >> 24 & 0x1FFFF;
  return {static_cast<unsigned>(hms >> 12), static_cast<unsigned>(hms >> 6 & 63), static_cast<unsigned>(hms & 63),
          static_cast<unsigned>(u & 0xFFFFFF)};
}
// Days since 1970-01-01 of a proleptic Gregorian date. REQUIRES: a real date.
int64_t days_from_civil(DateParts date) noexcept;
DateParts civil_from_days(int64_t days) noexcept;
bool is_real_date(DateParts date) noexcept;  // false for zero and partial dates

}  // namespace tailrace
