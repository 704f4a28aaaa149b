// KafkaPacer: when the messages that wait in the client for company are sent. A full batch goes by itself, and the client's
// own linger is long: librdkafka 2.0 polls without a pause while a message older than its linger waits for the request in
// flight (a partition has one at a time), which costs a core. So the polling thread ends the wait, by flushing:
//   at once       when nothing was on its way; every 2 ms while little is: half of the time, since a flush makes it poll like that
//   after linger  in which nothing was confirmed: what is on its way waits for company, not for the broker
//   every 50 ms   in any case: a quiet partition among busy ones
// handed, reported and take_wake may be called by any thread, next by the polling thread alone.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tailrace {

class KafkaPacer {
 public:
  using Clock = std::chrono::steady_clock;
  struct Step {
    bool flush;
    std::chrono::milliseconds longest;  // to flush, or to wait for reports
  };

  KafkaPacer(std::chrono::microseconds linger, size_t little_bytes) : linger_(linger), little_(static_cast<int64_t>(little_bytes)) {}

  // A message with this many bytes of key and value was taken by the client; it will be reported once.
  void handed(size_t bytes) noexcept { handed_.fetch_add(static_cast<int64_t>(bytes) + 1, std::memory_order_relaxed); }
  void reported(size_t bytes) noexcept { reported_.fetch_add(static_cast<int64_t>(bytes) + 1, std::memory_order_relaxed); }
  // True when the polling thread waits for the first message and must be woken: once per wait.
  bool take_wake() noexcept;
  Step next(Clock::time_point now) noexcept;

 private:
  int64_t on_the_way() const noexcept;

  const std::chrono::microseconds linger_;
  const int64_t little_;
  alignas(64) std::atomic<int64_t> handed_{0};
  alignas(64) std::atomic<int64_t> reported_{0};
  std::atomic<bool> sleeps_{false};
  // Of the polling thread.
  int64_t seen_reported_ = 0;
  Clock::time_point moved_at_{}, flushed_at_{};
};

}  // namespace tailrace
