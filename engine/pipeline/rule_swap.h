// RuleSwap: the wish for another version of the rules, on its way from whoever asks to the delivery thread and back. One
// at a time; it outlives runs, so a job that retries still carries it out. Thread-safe.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/position.h"
#include "rule/rule_stage.h"

namespace tailrace {

struct RuleSwapRequest {
  std::unique_ptr<RuleStage> stage;
  bool apply_ddl = false;  // the output schema may change
  Position at;             // not yet come to; text "" = the next boundary
  // Keeps that the version holds from `at` on; durable on return. Gives the number of the entry.
  std::function<Result<int64_t>(const Position& at, const std::string& changes)> keep;
  std::function<Status(int64_t entry)> take_back;
};

struct RuleSwapAnswer {
  std::string before, after;         // versions; "" = no rules
  Position at;                       // the first transaction behind it has the new version; text "" = where the next run begins
  std::vector<std::string> changes;  // of the targets: statements, or what else is different
};

class RuleSwap {
 public:
  Status ask(RuleSwapRequest request) {
    std::lock_guard lock(mutex_);
    if (is_open_) return Status(ErrorCode::kJobState, "another change of the rules is under way");
    request_ = std::move(request);
    answer_.reset();
    is_open_ = true;
    waiting_ = true;
    return {};
  }
  // Delivery thread.
  bool waiting() const noexcept { return waiting_.load(std::memory_order_acquire); }
  std::optional<RuleSwapRequest> take() {
    std::lock_guard lock(mutex_);
    waiting_ = false;
    return std::exchange(request_, std::nullopt);
  }
  void answer(Result<RuleSwapAnswer> answer) {
    {
      std::lock_guard lock(mutex_);
      answer_ = std::move(answer);
    }
    changed_.notify_all();
  }
  // The answer, once it is there.
  std::optional<Result<RuleSwapAnswer>> wait(std::chrono::milliseconds slice) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, slice, [&] { return answer_.has_value(); });
    if (!answer_) return std::nullopt;
    is_open_ = false;
    return std::exchange(answer_, std::nullopt);
  }
  // True: nobody had begun it, and nobody will.
  bool cancel() {
    std::lock_guard lock(mutex_);
    if (!request_) return false;
    close_locked();
    return true;
  }
  // Forgets it. REQUIRES: no delivery thread runs.
  void close() {
    std::lock_guard lock(mutex_);
    close_locked();
  }

 private:
  void close_locked() {
    request_.reset();
    answer_.reset();
    waiting_ = false;
    is_open_ = false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> waiting_{false};
  bool is_open_ = false;  // asked, and the answer not yet fetched
  std::optional<RuleSwapRequest> request_;
  std::optional<Result<RuleSwapAnswer>> answer_;
};

}  // namespace tailrace
