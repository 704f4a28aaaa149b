// Texts of calendar and bit values as the message formats spell them, written to raw memory. All functions write
// fewer than kValueChars bytes at `to` and return the end.
#pragma once
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "event/value_text.h"
#include "format/time_zone.h"

namespace tailrace {

inline constexpr size_t kValueChars = 64;
enum class Fraction : uint8_t { kTrimmed, kFull };  // trailing zeros cut, or exactly `scale` digits

inline char* put_digits(char* to, unsigned value, unsigned width) noexcept {
  for (unsigned i = width; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + width;
}
inline char* put_fraction(char* to, unsigned microseconds, unsigned scale, Fraction form) noexcept {
  unsigned digits = scale;
  if (form == Fraction::kTrimmed) {
    if (microseconds == 0) return to;
    digits = 6;
    for (unsigned rest = microseconds; rest % 10 == 0; rest /= 10) --digits;
  }
  if (digits == 0) return to;
  *to++ = '.';
  put_digits(to, microseconds, 6);
  return to + digits;
}
inline char* put_date(char* to, DateParts d) noexcept {
  to = put_digits(to, d.year, 4);
  *to++ = '-';
  to = put_digits(to, d.month, 2);
  *to++ = '-';
  return put_digits(to, d.day, 2);
}
inline char* put_clock(char* to, TimeParts t, unsigned scale, Fraction form) noexcept {
  to = put_digits(to, t.hour, t.hour > 99 ? 3 : 2);
  *to++ = ':';
  to = put_digits(to, t.minute, 2);
  *to++ = ':';
  to = put_digits(to, t.second, 2);
  return put_fraction(to, t.microsecond, scale, form);
}
constexpr TimeParts clock_of(uint64_t microseconds) noexcept {
  uint64_t seconds = microseconds / 1'000'000;
  return {static_cast<unsigned>(seconds / 3600), static_cast<unsigned>(seconds / 60 % 60), static_cast<unsigned>(seconds % 60),
          static_cast<unsigned>(microseconds % 1'000'000)};
}
inline constexpr int64_t kDayMicroseconds = 86'400'000'000;

// What is no time of day (negative, a day or more) keeps all digits of its column.
inline char* put_time(char* to, int64_t microseconds, unsigned scale, Fraction form = Fraction::kTrimmed) noexcept {
  bool of_day = microseconds >= 0 && microseconds < kDayMicroseconds;
  uint64_t magnitude = static_cast<uint64_t>(microseconds);
  if (microseconds < 0) {
    *to++ = '-';
    magnitude = 0 - magnitude;
  }
  return put_clock(to, clock_of(magnitude), scale, of_day ? form : Fraction::kFull);
}
// Zero and partial dates keep all digits of their column.
inline char* put_datetime(char* to, uint64_t packed, unsigned scale, Fraction form = Fraction::kTrimmed) noexcept {
  DateParts date = datetime_date(packed);
  to = put_date(to, date);
  *to++ = ' ';
  return put_clock(to, datetime_time(packed), scale, is_real_date(date) ? form : Fraction::kFull);
}
// Seconds since 1970 with the fraction; the zero timestamp as MySQL prints it.
inline char* put_epoch(char* to, int64_t microseconds) noexcept {
  if (microseconds == 0) {
    std::memcpy(to, "0000-00-00 00:00:00", 19);
    return to + 19;
  }
  uint64_t magnitude = static_cast<uint64_t>(microseconds);
  if (microseconds < 0) {
    *to++ = '-';
    magnitude = 0 - magnitude;
  }
  to = std::to_chars(to, to + 24, magnitude / 1'000'000).ptr;
  return put_fraction(to, static_cast<unsigned>(magnitude % 1'000'000), 6, Fraction::kTrimmed);
}
// "2020-11-24T16:01:02.5Z"
inline char* put_utc(char* to, int64_t microseconds, unsigned scale = 6, Fraction form = Fraction::kTrimmed) noexcept {
  int64_t day = microseconds / kDayMicroseconds;
  int64_t rest = microseconds % kDayMicroseconds;
  if (rest < 0) {
    rest += kDayMicroseconds;
    --day;
  }
  to = put_date(to, civil_from_days(day));
  *to++ = 'T';
  to = put_clock(to, clock_of(static_cast<uint64_t>(rest)), scale, form);
  *to++ = 'Z';
  return to;
}
// "2020-11-25 00:01:02.5" in the zone; the zero timestamp as MySQL prints it.
inline char* put_local(char* to, int64_t microseconds, const TimeZone& zone, char between = ' ', unsigned scale = 6,
                       Fraction form = Fraction::kTrimmed) noexcept {
  if (microseconds == 0) return put_fraction(put_epoch(to, 0), 0, scale, form);
  int64_t seconds = microseconds / 1'000'000;
  if (microseconds % 1'000'000 < 0) --seconds;
  int64_t local = microseconds + zone.offset_s(seconds) * 1'000'000;
  int64_t day = local / kDayMicroseconds;
  int64_t rest = local % kDayMicroseconds;
  if (rest < 0) {
    rest += kDayMicroseconds;
    --day;
  }
  to = put_date(to, civil_from_days(day));
  *to++ = between;
  return put_clock(to, clock_of(static_cast<uint64_t>(rest)), scale, form);
}
// The bytes of a BIT column, big-endian, in the last bytes of `space`: at its full width, or without leading zero
// bytes (one byte stays).
inline std::string_view bit_bytes(uint64_t bits, unsigned width_bits, bool full_width, std::array<char, 8>& space) noexcept {
  for (unsigned i = 0; i < 8; ++i) space[7 - i] = static_cast<char>(bits >> (8 * i));
  unsigned needed = 1;
  while (needed < 8 && bits >> (8 * needed) != 0) ++needed;
  unsigned width = (width_bits + 7) / 8;
  unsigned n = full_width && width > needed ? (width > 8 ? 8 : width) : needed;
  return {space.data() + 8 - n, n};
}

}  // namespace tailrace
