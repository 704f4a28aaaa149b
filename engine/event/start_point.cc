#include "event/start_point.h"

#include <fmt/format.h>

#include <charconv>

#include "event/value_text.h"

namespace tailrace {
namespace {

constexpr std::string_view kForms =
    "now, earliest, 2026-11-25T08:00:00Z (or with an offset such as +02:00), gtid=…, file=…;offset=…, or binlog.000042:1234";

Status refuse(std::string_view text, std::string_view why) {
  return Status(ErrorCode::kConfigBadValue, fmt::format("source.start: '{}' {}; accepted are {}", text, why, kForms));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads exactly `digits` digits.
bool take_number(std::string_view& text, size_t digits, int& out) {
  if (text.size() < digits) return false;
  for (size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return false;
  }
  std::from_chars(text.data(), text.data() + digits, out);
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool looks_like_time(std::string_view text) {
  return text.size() >= 10 && is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]) && is_digit(text[3]) && text[4] == '-' &&
         is_digit(text[5]) && is_digit(text[6]) && text[7] == '-';
}

Result<int64_t> parse_time(std::string_view text) {
  std::string_view rest = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  bool good = take_number(rest, 4, year) && take(rest, '-') && take_number(rest, 2, month) && take(rest, '-') && take_number(rest, 2, day);
  if (good && rest.empty()) return refuse(text, "has neither a time of day nor a zone");
  good = good && (take(rest, 'T') || take(rest, 't') || take(rest, ' ')) && take_number(rest, 2, hour) && take(rest, ':') &&
         take_number(rest, 2, minute);
  if (good && take(rest, ':')) good = take_number(rest, 2, second);
  int64_t fraction = 0;
  if (good && (take(rest, '.') || take(rest, ','))) {
    size_t digits = 0;
    for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1), ++digits) {
      if (digits < 6) fraction = fraction * 10 + (rest.front() - '0');
    }
    good = digits >= 1 && digits <= 6;
    for (; digits < 6; ++digits) fraction *= 10;
  }
  const DateParts date{static_cast<unsigned>(year), static_cast<unsigned>(month), static_cast<unsigned>(day)};
  good = good && is_real_date(date) && hour <= 23 && minute <= 59 && second <= 59;
  if (!good) return refuse(text, "is not a time");
  if (rest.empty()) return refuse(text, "has no time zone: append Z for UTC, or an offset such as +02:00");
  int64_t offset_minutes = 0;
  if (!take(rest, 'Z') && !take(rest, 'z')) {
    int sign = take(rest, '+') ? 1 : take(rest, '-') ? -1 : 0;
    int hours = 0, minutes = 0;
    good = sign != 0 && take_number(rest, 2, hours);
    if (good && !rest.empty()) {
      take(rest, ':');
      good = take_number(rest, 2, minutes);
    }
    if (!good || hours > 23 || minutes > 59) return refuse(text, "has a time zone that is neither Z nor an offset such as +02:00");
    offset_minutes = sign * (hours * 60 + minutes);
  }
  if (!rest.empty()) return refuse(text, "is not a time");
  int64_t seconds = days_from_civil(date) * 86400 + hour * 3600 + minute * 60 + second - offset_minutes * 60;
  return seconds * 1'000'000 + fraction;
}

// The parts of a position, by name only; the source reads their values.
Status check_parts(std::string_view text) {
  bool has_place = false;
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t end = rest.find(';');
    std::string_view part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    std::string_view name = part.substr(0, part.find('='));
    if (part.empty()) continue;
    std::string_view plain = name.substr(0, 3) == "xa_" ? name.substr(3) : name;  // a status shows such parts, too
    if (part.size() == name.size() || (plain != "gtid" && plain != "file" && plain != "offset" && name != "server")) {
      return refuse(text, fmt::format("has the part '{}'", part));
    }
    has_place |= name == "gtid" || (name == "file" && part.size() > 5);
  }
  return has_place ? Status() : refuse(text, "names neither a GTID set nor a file");
}

}  // namespace

Result<StartPoint> parse_start_point(std::string_view text) {
  StartPoint out;
  if (text.empty() || text == "now") return out;
  if (text == "earliest") {
    out.kind = StartPoint::Kind::kEarliest;
    return out;
  }
  if (looks_like_time(text)) {
    out.kind = StartPoint::Kind::kTime;
    TAILRACE_TRY(out.time_us, parse_time(text));
    return out;
  }
  out.kind = StartPoint::Kind::kPosition;
  if (text.find('=') != std::string_view::npos) {
    TAILRACE_OK(check_parts(text));
    out.position = std::string(text);
    return out;
  }
  size_t colon = text.rfind(':');
  uint64_t offset = 0;
  bool good = colon != std::string_view::npos && colon > 0 && text.find(':') == colon &&
              text.substr(0, colon).find_first_of("/ \t,;") == std::string_view::npos &&
              text.substr(0, colon).find('.') != std::string_view::npos;
  if (good) {
    auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), offset);
    good = colon + 1 < text.size() && error == std::errc() && end == text.data() + text.size();
  }
  if (!good) return refuse(text, "is not understood");
  out.position = fmt::format("file={};offset={}", text.substr(0, colon), offset);
  return out;
}

std::string utc_text(int64_t time_us) {
  int64_t seconds = time_us / 1'000'000, fraction = time_us % 1'000'000;
  if (fraction < 0) {
    fraction += 1'000'000;
    --seconds;
  }
  int64_t days = seconds / 86400, clock = seconds % 86400;
  if (clock < 0) {
    clock += 86400;
    --days;
  }
  DateParts date = civil_from_days(days);
  std::string out =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month, date.day, clock / 3600, clock / 60 % 60, clock % 60);
  if (fraction) fmt::format_to(std::back_inserter(out), ".{:06}", fraction);
  return out + "Z";
}

}  // namespace tailrace
