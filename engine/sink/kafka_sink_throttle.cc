#include "sink/kafka_sink_throttle.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace tailrace {

Status KafkaThrottle::pass(size_t bytes, const std::stop_token& stop, const std::function<bool()>& is_abandoned) {
  if (messages_per_s_ == 0 && bytes_per_s_ == 0) return {};
  constexpr auto kBurst = std::chrono::milliseconds(100);
  double seconds = messages_per_s_ ? 1.0 / static_cast<double>(messages_per_s_) : 0;
  if (bytes_per_s_) seconds = std::max(seconds, static_cast<double>(bytes) / static_cast<double>(bytes_per_s_));
  Clock::time_point now = Clock::now();
  Status status;
  if (free_at_ > now + kBurst) {
    status = wait(stop, is_abandoned);
    now = Clock::now();
  }
  free_at_ = std::max(free_at_, now) + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  return status;
}

Status KafkaThrottle::wait(const std::stop_token& stop, const std::function<bool()>& is_abandoned) const {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (Clock::now() < free_at_) {
    if (stop.stop_requested() || is_abandoned()) return Status(ErrorCode::kJobAborted, "while the sink was held back by its throttle");
    never.wait_until(lock, stop, std::min(free_at_, Clock::now() + std::chrono::milliseconds(50)), [] { return false; });
  }
  return {};
}

}  // namespace tailrace
