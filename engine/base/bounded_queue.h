// Mutex + condition variable queue between two stages, bounded in bytes; an empty queue takes one item of any
// size. `close` lets the consumer drain and then see the end; `poison` hands it a failure at once.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>

#include "base/status.h"

namespace tailrace {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t limit_bytes) : limit_(limit_bytes) {}

  // False when stopped, closed or poisoned; the item is then dropped.
  bool push(T item, size_t bytes, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return closed_ || items_.empty() || used_ + bytes <= limit_; });
    if (stop.stop_requested() || closed_) return false;
    used_ += bytes;
    items_.push_back({std::move(item), bytes});
    lock.unlock();
    changed_.notify_all();
    return true;
  }
  // An item; nullopt when the wait ended by stop, by `timeout`, or by the end (see `finished`).
  template <class Rep, class Period>
  std::optional<T> pop(std::chrono::duration<Rep, Period> timeout, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, timeout, [&] { return closed_ || !items_.empty(); });
    if (items_.empty() || !failure_.ok()) return std::nullopt;
    auto entry = std::move(items_.front());
    items_.pop_front();
    used_ -= entry.second;
    lock.unlock();
    changed_.notify_all();
    return std::move(entry.first);
  }
  // Nothing more comes. The consumer takes what is left and then finds `reason` in `failure`.
  void close(Status reason = {}) {
    {
      std::lock_guard lock(mutex_);
      if (!closed_) reason_ = std::move(reason);
      closed_ = true;
    }
    changed_.notify_all();
  }
  void poison(Status failure) {
    {
      std::lock_guard lock(mutex_);
      if (!closed_) failure_ = std::move(failure);
      closed_ = true;
    }
    changed_.notify_all();
  }
  // True when nothing more will come out; `failure` tells why.
  bool finished() const {
    std::lock_guard lock(mutex_);
    return closed_ && (items_.empty() || !failure_.ok());
  }
  Status failure() const {
    std::lock_guard lock(mutex_);
    return failure_.ok() ? reason_ : failure_;
  }
  bool empty() const {
    std::lock_guard lock(mutex_);
    return items_.empty();
  }

 private:
  const size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::pair<T, size_t>> items_;
  size_t used_ = 0;
  bool closed_ = false;
  Status failure_, reason_;
};

}  // namespace tailrace
