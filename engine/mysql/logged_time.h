// Times of logged rows, in all the forms that servers have written, to Values. Inline: part of the decoder's inner loop.
// REQUIRES: as many bytes at `at` as the column's plan says. False: the bytes are no value of the type.
#pragma once
#include <cstdint>
#include <cstring>

#include "event/value_text.h"
#include "mysql/row_plan.h"

namespace tailrace {

template <class T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline uint32_t load24(const uint8_t* at) { return static_cast<uint32_t>(at[0] | at[1] << 8 | at[2] << 16); }

inline uint64_t load_be(const uint8_t* at, size_t n) {
  uint64_t value = 0;
  for (size_t i = 0; i < n; ++i) value = value << 8 | at[i];
  return value;
}

inline uint64_t load_le(const uint8_t* at, size_t n) {
  uint64_t value = 0;
  std::memcpy(&value, at, n);
  return value;
}

inline constexpr uint32_t kFractionUnit[4] = {0, 10000, 100, 1};

// Microseconds of the big-endian fraction of `scale` digits behind a time; false when it is a second or more.
inline bool read_fraction(const uint8_t* at, unsigned scale, uint32_t& microseconds) {
  unsigned bytes = (scale + 1) / 2;
  microseconds = static_cast<uint32_t>(load_be(at, bytes)) * kFractionUnit[bytes];
  return microseconds < 1000000;
}

inline bool good_date(unsigned month, unsigned day) { return month <= 12 && day <= 31; }
inline bool good_clock(unsigned hour, unsigned minute, unsigned second) { return hour <= 23 && minute <= 59 && second <= 59; }

inline bool read_time2(const ColumnPlan& column, const uint8_t* at, Value& to) {
  // Offset-binary number of 24 + 8 * fraction bytes bits: sign by subtraction of the middle.
  unsigned fraction_bytes = (column.scale + 1U) / 2;
  auto packed = static_cast<int64_t>(load_be(at, 3 + fraction_bytes)) - (int64_t{1} << (23 + 8 * fraction_bytes));
  bool negative = packed < 0;
  auto magnitude = static_cast<uint64_t>(negative ? -packed : packed);
  uint64_t hms = magnitude >> (8 * fraction_bytes);
  uint64_t fraction = (magnitude & ((uint64_t{1} << (8 * fraction_bytes)) - 1)) * kFractionUnit[fraction_bytes];
  uint64_t hour = hms >> 12 & 0x3FF;
  uint64_t minute = hms >> 6 & 63;
  uint64_t second = hms & 63;
  if (hour > 838 || minute > 59 || second > 59 || fraction > 999999 || hms >> 22 != 0) return false;
  auto total = static_cast<int64_t>(((hour * 60 + minute) * 60 + second) * 1000000 + fraction);
  to = Value::of_bits(Kind::kTime, 0, column.scale);
  to.i = negative ? -total : total;
  return true;
}

inline bool read_datetime2(const ColumnPlan& column, const uint8_t* at, Value& to) {
  uint64_t raw = load_be(at, 5);
  uint32_t fraction = 0;
  if (!(raw >> 39) || !read_fraction(at + 5, column.scale, fraction)) return false;
  raw &= (uint64_t{1} << 39) - 1;
  uint64_t month = (raw >> 22) % 13;
  auto hms = static_cast<unsigned>(raw & 0x1FFFF);
  if (!good_date(static_cast<unsigned>(month), static_cast<unsigned>(raw >> 17 & 31)) || (raw >> 22) / 13 > 9999 ||
      !good_clock(hms >> 12, hms >> 6 & 63, hms & 63)) {
    return false;
  }
  to = Value::of_bits(Kind::kDateTime, raw << 24 | fraction, column.scale);
  return true;
}

inline bool read_timestamp2(const ColumnPlan& column, const uint8_t* at, Value& to) {
  uint32_t fraction = 0;
  if (!read_fraction(at + 4, column.scale, fraction)) return false;
  to = Value::of_bits(Kind::kTimestamp, load_be(at, 4) * 1000000 + fraction, column.scale);
  return true;
}

// Forms before MySQL 5.6: decimal digits in a little-endian integer.
inline bool read_old_time(const uint8_t* at, Value& to) {
  auto raw = static_cast<int32_t>(load24(at) << 8) >> 8;
  bool negative = raw < 0;
  int64_t value = negative ? -static_cast<int64_t>(raw) : raw;
  int64_t minute = value / 100 % 100;
  int64_t second = value % 100;
  if (value / 10000 > 838 || minute > 59 || second > 59) return false;
  int64_t total = ((value / 10000 * 60 + minute) * 60 + second) * 1000000;
  to = Value::of_bits(Kind::kTime, 0);
  to.i = negative ? -total : total;
  return true;
}

inline bool read_old_datetime(const uint8_t* at, Value& to) {
  uint64_t raw = load<uint64_t>(at);
  uint64_t date = raw / 1000000;
  auto clock = static_cast<unsigned>(raw % 1000000);
  DateParts d{static_cast<unsigned>(date / 10000), static_cast<unsigned>(date / 100 % 100), static_cast<unsigned>(date % 100)};
  TimeParts t{clock / 10000, clock / 100 % 100, clock % 100, 0};
  if (date / 10000 > 9999 || !good_date(d.month, d.day) || !good_clock(t.hour, t.minute, t.second)) return false;
  to = Value::of_bits(Kind::kDateTime, pack_datetime(d, t));
  return true;
}

inline bool read_date(const uint8_t* at, Value& to) {
  uint32_t raw = load24(at);
  if (!good_date(raw >> 5 & 15, raw & 31) || raw >> 9 > 9999) return false;
  to = Value::of_bits(Kind::kDate, pack_date(raw >> 9, raw >> 5 & 15, raw & 31));
  return true;
}

}  // namespace tailrace
