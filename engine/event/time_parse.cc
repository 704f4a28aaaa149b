#include "event/time_parse.h"

#include "event/value_text.h"

namespace tailrace {
namespace {

bool take_digits(std::string_view& text, size_t count, unsigned& out) {
  if (text.size() < count) return false;
  out = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_date(std::string_view& text, DateParts& out) {
  static constexpr unsigned kDays[] = {31, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (!take_digits(text, 4, out.year) || !take(text, '-') || !take_digits(text, 2, out.month) || !take(text, '-') ||
      !take_digits(text, 2, out.day)) {
    return false;
  }
  if (out.month > 12 || out.day > kDays[out.month]) return false;
  bool is_partial = out.month == 0 || out.day == 0;
  return is_partial || is_real_date(out);
}

// ".123" or nothing, up to the end.
bool take_fraction(std::string_view text, unsigned scale, unsigned& micros) {
  micros = 0;
  if (text.empty()) return true;
  if (!take(text, '.') || text.empty()) return false;
  unsigned digit = 0;
  unsigned place = 100000;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    if (digit >= scale && c != '0') return false;
    micros += static_cast<unsigned>(c - '0') * place;
    place /= 10;
    ++digit;
  }
  return true;
}

bool take_clock(std::string_view& text, TimeParts& out) {
  return take_digits(text, 2, out.hour) && take(text, ':') && take_digits(text, 2, out.minute) && take(text, ':') &&
         take_digits(text, 2, out.second) && out.hour < 24 && out.minute < 60 && out.second < 60;
}

bool take_datetime(std::string_view text, unsigned scale, DateParts& date, TimeParts& time) {
  return take_date(text, date) && take(text, ' ') && take_clock(text, time) && take_fraction(text, scale, time.microsecond);
}

}  // namespace

bool parse_date_text(std::string_view text, uint64_t& out) noexcept {
  DateParts date{};
  if (!take_date(text, date) || !text.empty()) return false;
  out = pack_date(date.year, date.month, date.day);
  return true;
}

bool parse_time_text(std::string_view text, unsigned scale, int64_t& out) noexcept {
  bool negative = take(text, '-');
  TimeParts time{};
  size_t hour_digits = text.size() > 3 && text[3] == ':' ? 3 : 2;
  if (!take_digits(text, hour_digits, time.hour) || !take(text, ':') || !take_digits(text, 2, time.minute) || !take(text, ':') ||
      !take_digits(text, 2, time.second) || !take_fraction(text, scale, time.microsecond)) {
    return false;
  }
  if (time.hour > 838 || time.minute > 59 || time.second > 59) return false;
  // MySQL ends at 838:59:59, MariaDB at 838:59:59.999999: what either holds is taken.
  int64_t micros = ((time.hour * int64_t{60} + time.minute) * 60 + time.second) * 1000000 + time.microsecond;
  out = negative ? -micros : micros;
  return true;
}

bool parse_datetime_text(std::string_view text, unsigned scale, uint64_t& out) noexcept {
  DateParts date{};
  TimeParts time{};
  if (!take_datetime(text, scale, date, time)) return false;
  out = pack_datetime(date, time);
  return true;
}

bool parse_timestamp_text(std::string_view text, unsigned scale, int64_t& out) noexcept {
  DateParts date{};
  TimeParts time{};
  if (!take_datetime(text, scale, date, time)) return false;
  if (date.year == 0 && date.month == 0 && date.day == 0) {
    out = 0;
    return time.hour == 0 && time.minute == 0 && time.second == 0 && time.microsecond == 0;
  }
  if (!is_real_date(date)) return false;
  int64_t seconds = days_from_civil(date) * 86400 + time.hour * 3600 + time.minute * 60 + time.second;
  if (seconds < 0 || seconds > 0xFFFFFFFFll) return false;
  out = seconds * 1000000 + time.microsecond;
  return out != 0;  // the epoch itself is how the zero timestamp is kept
}

}  // namespace tailrace
