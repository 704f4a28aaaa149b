// DdlDesk: statements that the rules do not let through, and what people decided about them. The job file implements it.
// Thread-safe.
#pragma once
#include <cstdint>
#include <string>

#include "base/status.h"

namespace tailrace {

// Transaction and ordinal find a statement again, however often the job comes to it.
struct StoppedDdl {
  std::string txn;  // GTID, else "file:offset"
  uint64_t ordinal = 0;
  std::string database, table;
  std::string sql, kinds;  // "drop_column, add_index"
  std::string reason;
};

enum class DdlState : uint8_t { kHeld, kReleased, kSkipped, kStopped };

class DdlDesk {
 public:
  virtual ~DdlDesk() = default;
  // What was decided about it; a statement seen for the first time is held from now on. Durable on return.
  virtual Result<DdlState> hold(const StoppedDdl& statement) = 0;
  // Notes that it was skipped, or stopped the job. Once per statement.
  virtual Status note(const StoppedDdl& statement, DdlState state) = 0;
};

}  // namespace tailrace
