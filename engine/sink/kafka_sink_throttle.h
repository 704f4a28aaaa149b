// KafkaThrottle: holds the delivery thread, and with it the reader, to a number of messages and bytes a second. A short
// burst is let through: what was not used of the last tenth of a second.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>

#include "base/status.h"

namespace tailrace {

class KafkaThrottle {
 public:
  // 0 = no limit.
  KafkaThrottle(int64_t messages_per_s, int64_t bytes_per_s) : messages_per_s_(messages_per_s), bytes_per_s_(bytes_per_s) {}

  // Counts a message and waits until its time has come. JOB-0007 on a stop.
  Status pass(size_t bytes, const std::stop_token& stop, const std::function<bool()>& is_abandoned);

 private:
  using Clock = std::chrono::steady_clock;
  Status wait(const std::stop_token& stop, const std::function<bool()>& is_abandoned) const;

  const int64_t messages_per_s_, bytes_per_s_;
  Clock::time_point free_at_{};  // when all that passed so far is paid for
};

}  // namespace tailrace
