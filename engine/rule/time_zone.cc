#include "rule/time_zone.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/options.h"

namespace tailrace {
namespace {

// Abseil keeps the zones it has read behind a lock; two of them per thread are kept here, a `shift` has no more.
struct KnownZone {
  std::string name;
  absl::TimeZone zone;
};

std::string zone_folder() {
  const char* folder = std::getenv("TZDIR");
  return folder ? folder : "/usr/share/zoneinfo";
}

// Names of the system's list; empty when it has none.
std::vector<std::string> zone_names() {
  std::vector<std::string> names;
  std::ifstream in(zone_folder() + "/zone1970.tab");
  for (std::string line; std::getline(in, line);) {
    size_t first = line.find('\t'), second = first == std::string::npos ? first : line.find('\t', first + 1);
    if (line.starts_with('#') || second == std::string::npos) continue;
    names.push_back(line.substr(second + 1, line.find('\t', second + 1) - second - 1));
  }
  return names;
}

// Names are looked up as files below the folder of zones, and a few words mean something else to the library.
bool is_zone_name(std::string_view name) {
  constexpr std::string_view kKnown = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
  return name.size() <= 64 && std::isalpha(static_cast<unsigned char>(name[0])) &&
         name.find_first_not_of(kKnown) == std::string_view::npos && name != "localtime" && !name.starts_with("Fixed/");
}

Result<absl::TimeZone> find_zone(std::string_view name) {
  thread_local KnownZone known[2];
  if (name.empty())
    return Status(ErrorCode::kRuleRuntime, "a time zone is missing; write \"UTC\", \"+08:00\" or a name as \"Asia/Shanghai\"");
  if (known[0].name == name) return known[0].zone;
  if (known[1].name == name) {
    std::swap(known[0], known[1]);
    return known[0].zone;
  }
  absl::TimeZone zone;
  if (!is_zone_name(name) || !absl::LoadTimeZone(std::string(name), &zone)) {
    absl::TimeZone any;
    if (!absl::LoadTimeZone("Etc/UTC", &any)) {
      return Status(ErrorCode::kRuleRuntime,
                    fmt::format("`{}`: there are no time zones in {}; install tzdata", name.substr(0, 40), zone_folder()));
    }
    std::string near = nearest_name(std::string(name.substr(0, 64)), zone_names());
    return Status(ErrorCode::kRuleRuntime, fmt::format("no time zone `{}`{}; write \"UTC\", \"+08:00\" or a name as \"Asia/Shanghai\"",
                                                       name.substr(0, 40), near.empty() ? "" : fmt::format(": did you mean `{}`?", near)));
  }
  known[1] = {std::string(name), zone};
  std::swap(known[0], known[1]);
  return zone;
}

int64_t wall_of(const absl::CivilSecond& civil) { return civil - absl::CivilSecond(1970, 1, 1); }

}  // namespace

bool parse_zone_choice(std::string_view word, ZoneChoice& out) noexcept {
  constexpr std::pair<std::string_view, ZoneChoice> kWords[] = {{"compatible", ZoneChoice::kCompatible},
                                                                {"earlier", ZoneChoice::kEarlier},
                                                                {"later", ZoneChoice::kLater},
                                                                {"reject", ZoneChoice::kReject}};
  for (const auto& [name, choice] : kWords) {
    if (name != word) continue;
    out = choice;
    return true;
  }
  return false;
}

bool parse_offset(std::string_view text, int64_t& seconds) noexcept {
  seconds = 0;
  if (text == "UTC" || text == "Z") return true;
  int64_t hours = 0, minutes = 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
  auto h = std::from_chars(text.data() + 1, text.data() + 3, hours);
  auto m = std::from_chars(text.data() + 4, text.data() + 6, minutes);
  if (h.ptr != text.data() + 3 || m.ptr != text.data() + 6 || hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return false;
  seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
  return true;
}

Result<int64_t> zone_to_utc(std::string_view name, int64_t wall_seconds, ZoneChoice choice) {
  int64_t offset = 0;
  if (parse_offset(name, offset)) return wall_seconds - offset;
  TAILRACE_TRY(absl::TimeZone zone, find_zone(name));
  absl::CivilSecond wall = absl::CivilSecond(1970, 1, 1) + wall_seconds;
  absl::TimeZone::TimeInfo info = zone.At(wall);
  // `pre` and `post`: by the offset before and after the change.
  int64_t pre = absl::ToUnixSeconds(info.pre), post = absl::ToUnixSeconds(info.post);
  if (info.kind == absl::TimeZone::TimeInfo::UNIQUE) return pre;
  bool is_twice = info.kind == absl::TimeZone::TimeInfo::REPEATED;
  switch (choice) {
    case ZoneChoice::kCompatible: return pre;
    case ZoneChoice::kEarlier: return std::min(pre, post);
    case ZoneChoice::kLater: return std::max(pre, post);
    case ZoneChoice::kReject: break;
  }
  return Status(ErrorCode::kRuleRuntime, fmt::format("the clocks of {} {} this time", name, is_twice ? "show twice" : "never show"));
}

Result<int64_t> utc_to_zone(std::string_view name, int64_t utc_seconds) {
  int64_t offset = 0;
  if (parse_offset(name, offset)) return utc_seconds + offset;
  TAILRACE_TRY(absl::TimeZone zone, find_zone(name));
  return wall_of(absl::ToCivilSecond(absl::FromUnixSeconds(utc_seconds), zone));
}

}  // namespace tailrace
