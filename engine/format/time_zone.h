// TimeZone: how far a zone is from UTC at a moment. Immutable; any thread.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tailrace {

class TimeZone {
 public:
  TimeZone() = default;  // UTC
  // "+08:00", "-05:30", "Z", "UTC", or a name of the machine's zone table: "Asia/Shanghai". CFG-0003 otherwise.
  static Result<TimeZone> parse(std::string_view text);
  // Seconds to add to UTC. Beyond the table of a named zone its last offset holds.
  int64_t offset_s(int64_t utc_s) const noexcept;

 private:
  static Result<TimeZone> named(std::string_view name);
  std::vector<int64_t> since_;  // UTC, rising; offsets_[i + 1] holds from since_[i] on
  std::vector<int32_t> offsets_{0};
};

}  // namespace tailrace
