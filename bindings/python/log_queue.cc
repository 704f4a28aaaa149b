#include "python/log_queue.h"

namespace tailrace::python {

void LogQueue::push(LogLevel level, std::string_view message) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    if (lines_.size() == kLimit) {
      lines_.pop_front();
      ++lost_;
    }
    lines_.emplace_back(level, message);
  }
  arrived_.notify_one();
}

std::vector<std::pair<LogLevel, std::string>> LogQueue::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, timeout, [&] { return closed_ || !lines_.empty(); });
  std::vector<std::pair<LogLevel, std::string>> out;
  if (lost_ > 0) out.emplace_back(LogLevel::kWarn, std::to_string(lost_) + " log lines were dropped");
  lost_ = 0;
  out.insert(out.end(), std::make_move_iterator(lines_.begin()), std::make_move_iterator(lines_.end()));
  lines_.clear();
  return out;
}

void LogQueue::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

bool LogQueue::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace tailrace::python
