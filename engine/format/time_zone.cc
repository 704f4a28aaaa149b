#include "format/time_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tailrace {
namespace {

constexpr std::string_view kFolder = "/usr/share/zoneinfo/";
constexpr size_t kHeaderBytes = 44;

Status bad_zone(std::string_view text, std::string_view why) {
  return Status(ErrorCode::kConfigBadValue,
                fmt::format("time zone '{}': {}; give an offset such as +08:00, UTC, or a name such as Asia/Shanghai", text, why));
}

uint64_t big_endian(std::string_view bytes) noexcept {
  uint64_t value = 0;
  for (char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// Seconds of "+08:00", "-0530", "+8"; false when it is no offset.
bool parse_offset(std::string_view text, int32_t& out) noexcept {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  bool negative = text[0] == '-';
  text.remove_prefix(1);
  size_t colon = text.find(':');
  std::string_view hours = colon != std::string_view::npos ? text.substr(0, colon) : text.substr(0, text.size() > 2 ? text.size() - 2 : 2);
  std::string_view minutes = colon != std::string_view::npos ? text.substr(colon + 1) : text.size() > 2 ? text.substr(hours.size()) : "00";
  auto number = [](std::string_view digits, int32_t& value) {
    if (digits.empty() || digits.size() > 2) return false;
    value = 0;
    for (char c : digits) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + (c - '0');
    }
    return true;
  };
  int32_t h, m;
  if (!number(hours, h) || !number(minutes, m) || h > 18 || m > 59) return false;
  out = (h * 3600 + m * 60) * (negative ? -1 : 1);
  return true;
}

}  // namespace

Result<TimeZone> TimeZone::parse(std::string_view text) {
  TimeZone zone;
  if (text == "Z" || text == "UTC" || text == "GMT") return zone;
  if ((text.substr(0, 3) == "UTC" || text.substr(0, 3) == "GMT") && parse_offset(text.substr(3), zone.offsets_[0])) return zone;
  if (parse_offset(text, zone.offsets_[0])) return zone;
  return named(text);
}

// The zone table as RFC 8536 lays it out: a block of 32-bit times that is skipped, then one of 64-bit times.
Result<TimeZone> TimeZone::named(std::string_view name) {
  bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/';
  });
  if (name.empty() || !is_name || name.front() == '/') return bad_zone(name, "no such zone");
  std::string path = std::string(kFolder).append(name);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return bad_zone(name, "this machine has no such zone");
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::string_view rest = bytes;
  if (rest.substr(0, 4) != "TZif") return bad_zone(name, "this machine has no such zone");
  struct Counts {
    size_t is_ut, is_std, leap, times, types, chars;
  };
  auto counts = [&]() -> Counts {
    auto at = [&](size_t i) { return static_cast<size_t>(big_endian(rest.substr(20 + 4 * i, 4))); };
    return {at(0), at(1), at(2), at(3), at(4), at(5)};
  };
  auto broken = [&] { return bad_zone(name, "its table cannot be read"); };
  if (rest.size() < kHeaderBytes || rest[4] < '2') return broken();
  Counts old = counts();
  size_t skipped = kHeaderBytes + old.times * 5 + old.types * 6 + old.chars + old.leap * 8 + old.is_std + old.is_ut;
  if (rest.size() < skipped + kHeaderBytes) return broken();
  rest.remove_prefix(skipped);
  Counts now = counts();
  if (now.types == 0 || rest.size() < kHeaderBytes + now.times * 9 + now.types * 6) return broken();
  rest.remove_prefix(kHeaderBytes);
  std::string_view types = rest.substr(now.times * 9, now.types * 6);
  auto offset_of = [&](size_t type) { return static_cast<int32_t>(static_cast<uint32_t>(big_endian(types.substr(type * 6, 4)))); };
  TimeZone zone;
  zone.offsets_[0] = offset_of(0);
  for (size_t i = 0; i < now.times; ++i) {
    size_t type = static_cast<unsigned char>(rest[now.times * 8 + i]);
    if (type >= now.types) return broken();
    zone.since_.push_back(static_cast<int64_t>(big_endian(rest.substr(i * 8, 8))));
    zone.offsets_.push_back(offset_of(type));
  }
  return zone;
}

int64_t TimeZone::offset_s(int64_t utc_s) const noexcept {
  if (since_.empty()) return offsets_[0];
  auto after = std::upper_bound(since_.begin(), since_.end(), utc_s);
  return offsets_[static_cast<size_t>(after - since_.begin())];
}

}  // namespace tailrace
