// What ordered rules remember, as the job file keeps it: every checkpoint has a mark, and the changes up to it. A sink may
// make a checkpoint durable as soon as it has it, so keep() comes first. Implementations are thread-safe.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/position.h"

namespace tailrace {

struct RuleStateChange {
  enum class Kind : uint8_t { kPut, kRemove, kClear };  // kClear: a whole state; of the state "", everything
  Kind kind = Kind::kPut;
  std::string state, key, value;
  int64_t at_us = 0;  // source time of the write
};

class RuleStateStore {
 public:
  virtual ~RuleStateStore() = default;
  virtual Status keep(const Checkpoint& at, const std::vector<RuleStateChange>& changes) = 0;
  // The job will not begin before this checkpoint any more.
  virtual Status settle(const Checkpoint& durable) = 0;
  struct Found {
    bool is_known = false;                 // false: no mark of this checkpoint; entries are then the newest ones
    std::vector<RuleStateChange> entries;  // all that was remembered, oldest write first
  };
  // Forgets what lies behind the checkpoint, if that is known.
  virtual Result<Found> go_back(const Checkpoint& at) = 0;
  virtual Status forget_all() = 0;
};

}  // namespace tailrace
