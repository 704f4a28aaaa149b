// LogQueue: log lines of the engine on their way to Python's logging. Bounded: when Python is slow the oldest lines
// go, and their number is told. push: any engine thread; next: one Python thread, without the GIL.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"

namespace tailrace::python {

class LogQueue {
 public:
  void push(LogLevel level, std::string_view message);
  // Waits for lines; empty after close().
  std::vector<std::pair<LogLevel, std::string>> next(std::chrono::milliseconds timeout);
  void close();
  bool closed() const;

 private:
  static constexpr size_t kLimit = 1000;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::pair<LogLevel, std::string>> lines_;
  size_t lost_ = 0;
  bool closed_ = false;
};

}  // namespace tailrace::python
