#include "sink/kafka_sink_pacer.h"

#include <algorithm>

namespace tailrace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIdle{50};  // a stop is noticed that soon
// A flush ends by itself when all is confirmed. This is long enough for the client's thread to wake.
constexpr milliseconds kPulse{1};
constexpr milliseconds kPause{1};  // between flushes while there is always something on its way
constexpr milliseconds kSeldom{50};

}  // namespace

int64_t KafkaPacer::on_the_way() const noexcept {
  int64_t reported = reported_.load(std::memory_order_relaxed);
  return handed_.load(std::memory_order_relaxed) - reported;  // below zero when a report came before its `handed`
}

bool KafkaPacer::take_wake() noexcept {
  // Before this: handed. In next: sleeps_, then what was handed. One of both sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return sleeps_.load(std::memory_order_relaxed) && sleeps_.exchange(false, std::memory_order_relaxed);
}

KafkaPacer::Step KafkaPacer::next(Clock::time_point now) noexcept {
  int64_t bytes = on_the_way();
  if (bytes <= 0) {
    sleeps_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    bytes = on_the_way();
    if (bytes <= 0) {
      moved_at_ = {};  // so that whatever comes first is sent at once
      return {false, kIdle};
    }
  }
  sleeps_.store(false, std::memory_order_relaxed);
  bool is_first = moved_at_ == Clock::time_point();
  if (!is_first && now - flushed_at_ < kPulse + kPause) return {false, kPause};
  if (bytes <= little_) {
    moved_at_ = flushed_at_ = now;
    return {true, kPulse};
  }
  if (int64_t reported = reported_.load(std::memory_order_relaxed); reported != seen_reported_) {
    seen_reported_ = reported;
    if (!is_first) moved_at_ = now;
  }
  if (is_first || now - moved_at_ >= linger_ || now - flushed_at_ >= kSeldom) {
    moved_at_ = flushed_at_ = now;
    return {true, kPulse};
  }
  auto left = std::min<Clock::duration>(linger_ - (now - moved_at_), kSeldom - (now - flushed_at_));
  return {false, std::max(std::chrono::ceil<milliseconds>(left), milliseconds(1))};
}

}  // namespace tailrace
