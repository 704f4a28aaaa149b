#include "rule/library_call.h"

#include <fmt/format.h>

#include <charconv>

#include "event/time_parse.h"
#include "event/value_text.h"
#include "rule/digest.h"
#include "rule/json_path.h"
#include "rule/time_zone.h"

namespace tailrace {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr int64_t kMicros = 1000000;
constexpr int64_t kDay = 86400 * kMicros;
constexpr int64_t kFirstMicros = -62167219200 * kMicros, kLastMicros = 253402300800 * kMicros - 1;  // years 0 to 9999

LibraryResult error(std::string& out, std::string text) {
  out = std::move(text);
  return LibraryResult::kError;
}

LibraryResult json_error(std::string& out) { return error(out, "the text is no JSON document"); }

LibraryResult json_get(std::string_view document, std::string_view path_text, std::string& out) {
  auto path = parse_json_path(path_text);
  if (!path.ok()) return error(out, path.status().detail());
  std::string_view value;
  JsonFound found = find_json(document, *path, value);
  if (found == JsonFound::kNoJson) return json_error(out);
  if (found == JsonFound::kNo || value == "null") return LibraryResult::kNil;
  if (value == "true") return LibraryResult::kTrue;
  if (value == "false") return LibraryResult::kFalse;
  if (!append_unquoted(value, out)) return json_error(out);
  return value[0] == '-' || (value[0] >= '0' && value[0] <= '9') ? LibraryResult::kNumber : LibraryResult::kText;
}

LibraryResult json_change(bool is_set, std::string_view document, std::string_view path_text, std::string_view value, std::string& out) {
  auto path = parse_json_path(path_text);
  if (!path.ok()) return error(out, path.status().detail());
  if (!is_set && path->empty()) return error(out, "the whole document cannot be removed from itself");
  JsonFound found = is_set ? set_json(document, *path, value, out) : remove_json(document, *path, out);
  if (found == JsonFound::kNoJson) return json_error(out);
  if (found == JsonFound::kNo) out.assign(document);  // as a server: nothing to do
  return LibraryResult::kText;
}

std::string no_moment(std::string_view text) { return fmt::format("'{}' is no date or time of the calendar", text.substr(0, 40)); }

// Fraction digits of a time's text.
unsigned scale_of(std::string_view text) {
  size_t dot = text.find('.');
  return dot == std::string_view::npos ? 0 : static_cast<unsigned>(text.size() - dot - 1);
}

void append_moment(int64_t micros, unsigned scale, std::string& out) {
  int64_t days = micros >= 0 ? micros / kDay : (micros - kDay + 1) / kDay;
  int64_t rest = micros - days * kDay;
  auto second = static_cast<unsigned>(rest / kMicros);
  DateParts date = civil_from_days(days);
  static const Column kNoColumn;
  append_text(Value::of_bits(Kind::kDateTime,
                             pack_datetime(date, {second / 3600, second / 60 % 60, second % 60, static_cast<unsigned>(rest % kMicros)}),
                             static_cast<uint8_t>(scale)),
              kNoColumn, out);
}

LibraryResult truncate(std::string_view text, std::string_view unit, std::string& out) {
  int64_t micros = 0;
  if (!epoch_us_of(text, micros)) return error(out, no_moment(text));
  constexpr std::pair<std::string_view, size_t> kUnits[] = {{"year", 4},  {"month", 7},   {"day", 10},
                                                            {"hour", 13}, {"minute", 16}, {"second", 19}};
  constexpr std::string_view kFloor = "0000-01-01 00:00:00.000000";
  for (const auto& [name, keeps] : kUnits) {
    if (name != unit) continue;
    out.assign(text);
    if (keeps < text.size()) out.replace(keeps, text.size() - keeps, kFloor.substr(keeps, text.size() - keeps));
    return LibraryResult::kText;
  }
  return error(out, fmt::format("`{}` is none of year, month, day, hour, minute, second", unit.substr(0, 20)));
}

// `to_and_choice`: "UTC", or "UTC|later".
LibraryResult shift(std::string_view text, std::string_view from, std::string_view to_and_choice, std::string& out) {
  int64_t micros = 0;
  if (!epoch_us_of(text, micros)) return error(out, no_moment(text));
  size_t bar = to_and_choice.find('|');
  ZoneChoice choice = ZoneChoice::kCompatible;
  if (bar != std::string_view::npos && !parse_zone_choice(to_and_choice.substr(bar + 1), choice)) {
    return error(out, fmt::format("`{}` is none of compatible, earlier, later, reject", to_and_choice.substr(bar + 1, 20)));
  }
  int64_t fraction = micros % kMicros;
  if (fraction < 0) fraction += kMicros;
  auto utc = zone_to_utc(from, (micros - fraction) / kMicros, choice);
  if (!utc.ok()) return error(out, fmt::format("'{}': {}", text, utc.status().detail()));
  auto wall = utc_to_zone(to_and_choice.substr(0, bar), *utc);
  if (!wall.ok()) return error(out, wall.status().detail());
  micros = *wall * kMicros + fraction;
  if (micros < kFirstMicros || micros > kLastMicros) return error(out, "the result is not in the years 0 to 9999");
  append_moment(micros, scale_of(text), out);
  return LibraryResult::kText;
}

}  // namespace

bool epoch_us_of(std::string_view text, int64_t& out) noexcept {
  uint64_t bits = 0;
  bool is_date = text.size() == 10;
  if (!(is_date ? parse_date_text(text, bits) : parse_datetime_text(text, 6, bits))) return false;
  if (is_date) bits <<= 41;
  DateParts date = datetime_date(bits);
  if (!is_real_date(date)) return false;
  TimeParts clock = datetime_time(bits);
  out = days_from_civil(date) * kDay + (clock.hour * int64_t{3600} + clock.minute * 60 + clock.second) * kMicros + clock.microsecond;
  return true;
}

uint64_t hash_uint(uint64_t n, std::string_view data) {
  std::string hex = sha256_hex(data);
  uint64_t bits = 0;
  std::from_chars(hex.data(), hex.data() + 16, bits, 16);
  return static_cast<uint64_t>(static_cast<Wide>(bits) * n >> 64);
}

LibraryResult call_library(LibraryFunction function, std::string_view a, std::string_view b, std::string_view c, std::string& out) {
  out.clear();
  int64_t micros = 0;
  switch (function) {
    case LibraryFunction::kJsonGet: return json_get(a, b, out);
    case LibraryFunction::kJsonSet: return json_change(true, a, b, c, out);
    case LibraryFunction::kJsonRemove: return json_change(false, a, b, {}, out);
    case LibraryFunction::kEpochUs:
      if (!epoch_us_of(a, micros)) return error(out, no_moment(a));
      out = std::to_string(micros);
      return LibraryResult::kNumber;
    case LibraryFunction::kFromEpochUs: {
      auto read = std::from_chars(a.data(), a.data() + a.size(), micros);
      if (read.ec != std::errc() || read.ptr != a.data() + a.size() || micros < kFirstMicros || micros > kLastMicros) {
        return error(out, "not a number of microseconds in the years 0 to 9999");
      }
      append_moment(micros, 6, out);
      return LibraryResult::kText;
    }
    case LibraryFunction::kTrunc: return truncate(a, b, out);
    case LibraryFunction::kShift: return shift(a, b, c, out);
    case LibraryFunction::kHashUint: {
      uint64_t n = 0;
      auto read = std::from_chars(a.data(), a.data() + a.size(), n);
      if (read.ec != std::errc() || read.ptr != a.data() + a.size() || n == 0 || n > (uint64_t{1} << 53)) {
        return error(out, "the first argument is a whole number from 1 to 2^53");
      }
      out = std::to_string(hash_uint(n, b));
      return LibraryResult::kNumber;
    }
    case LibraryFunction::kJsonQuote: out = quote_json(a); return LibraryResult::kText;
  }
  return error(out, "no such function");
}

}  // namespace tailrace
