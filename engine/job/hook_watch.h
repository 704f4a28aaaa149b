// HookWatch: how long a call of the rules has lasted, seen from outside at intervals. One thread.
#pragma once
#include <chrono>
#include <optional>

#include "rule/rule_stage.h"

namespace tailrace {

class HookWatch {
 public:
  // `place`: where the rules are now. For how long they have been at this very call.
  std::chrono::milliseconds look(const std::optional<HookPlace>& place, std::chrono::steady_clock::time_point now) {
    if (place != last_) {
      last_ = place;
      since_ = now;
    }
    if (!place) return std::chrono::milliseconds(0);
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
  }

 private:
  std::optional<HookPlace> last_;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace tailrace
