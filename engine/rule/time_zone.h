// Time zones by name, of the system's tzdata: offsets, and which point in time a wall clock means. Thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

// What a wall clock means that a zone shows twice, or not at all, when its offset changes. Named as in ECMAScript's Temporal:
// kCompatible takes the earlier of two and goes forward over a gap; kEarlier and kLater take the point by the offset behind
// or before the gap; kReject fails.
enum class ZoneChoice : uint8_t { kCompatible, kEarlier, kLater, kReject };
// False: no such word.
bool parse_zone_choice(std::string_view word, ZoneChoice& out) noexcept;

// "UTC", "Z" or "+08:00", in seconds. False: none of these.
bool parse_offset(std::string_view text, int64_t& seconds) noexcept;

// Seconds since 1970 UTC for seconds of the wall clock since 1970-01-01 00:00:00 there, and the other way. `zone` is an offset
// or a name such as "Asia/Shanghai". Failures are sentences for the user, RULE-0102.
Result<int64_t> zone_to_utc(std::string_view zone, int64_t wall_seconds, ZoneChoice choice);
Result<int64_t> utc_to_zone(std::string_view zone, int64_t utc_seconds);

}  // namespace tailrace
