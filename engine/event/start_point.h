// StartPoint: where reading begins, as a person writes it. Pure text; whether the log has such a place is the source's answer.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

struct StartPoint {
  enum class Kind : uint8_t { kNow, kEarliest, kTime, kPosition };
  Kind kind = Kind::kNow;
  int64_t time_us = 0;   // kTime: since 1970, UTC
  std::string position;  // kPosition: "gtid=…;file=…;offset=…", as Position::text
};

// "now", "earliest", "2026-11-25T08:00:00Z" (or an offset such as +02:00; a fraction of up to 6 digits), "gtid=…",
// "file=…;offset=…", "binlog.000042:1234". Anything else is CFG-0003 and lists these.
Result<StartPoint> parse_start_point(std::string_view text);

// "2026-11-25T08:00:00Z", with a fraction where there is one.
std::string utc_text(int64_t time_us);

}  // namespace tailrace
