// MemoryBudget: one limit in bytes for everything in flight in a process. Only the reader waits on it; later
// stages may overdraw with `charge_now`, since they cannot shrink what already exists. An empty pipeline always
// admits one item, however large. Thread-safe.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <utility>

namespace tailrace {

class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit_bytes) : limit_(limit_bytes) {}
  // Waits until `bytes` fit or nothing is charged; false when stop was requested.
  bool acquire(size_t bytes, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    bool admitted = freed_.wait(lock, stop, [&] { return used_ == 0 || used_ + bytes <= limit_; });
    if (admitted) add(bytes);
    return admitted;
  }
  void charge_now(size_t bytes) {
    std::lock_guard lock(mutex_);
    add(bytes);
  }
  void release(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      used_ -= bytes;
    }
    freed_.notify_all();
  }
  size_t used() const {
    std::lock_guard lock(mutex_);
    return used_;
  }
  size_t peak() const {
    std::lock_guard lock(mutex_);
    return peak_;
  }
  size_t limit() const noexcept { return limit_; }

 private:
  void add(size_t bytes) {
    used_ += bytes;
    if (used_ > peak_) peak_ = used_;
  }
  const size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  size_t used_ = 0;
  size_t peak_ = 0;
};

// Bytes charged to a budget, given back on destruction. Move-only. The budget must outlive it.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  MemoryCharge(MemoryBudget& budget, size_t bytes) : budget_(&budget), bytes_(bytes) {}  // already acquired
  MemoryCharge(MemoryCharge&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    if (this != &other) {
      reset();
      budget_ = std::exchange(other.budget_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~MemoryCharge() { reset(); }
  // Brings the charge to `bytes` without waiting.
  void adjust(size_t bytes) {
    if (!budget_) return;
    if (bytes > bytes_) budget_->charge_now(bytes - bytes_);
    if (bytes < bytes_) budget_->release(bytes_ - bytes);
    bytes_ = bytes;
  }
  void reset() {
    if (budget_ && bytes_) budget_->release(bytes_);
    budget_ = nullptr;
    bytes_ = 0;
  }
  size_t bytes() const noexcept { return bytes_; }

 private:
  MemoryBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tailrace
