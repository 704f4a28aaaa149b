// Position: a place in a source's log. Text that only its source kind can read; everybody else carries it.
// Checkpoint: a position known to be durable at the sink, with all that is needed to go on from it.
#pragma once
#include <cstdint>
#include <string>

namespace tailrace {

struct Position {
  std::string source_kind;  // "mysql" (MySQL and MariaDB share the form), "binlog"
  std::string text;         // "gtid=0-1-42;file=bin.000042;offset=1234"
  bool operator==(const Position&) const = default;
};

struct Checkpoint {
  Position position;
  int64_t commit_time_us = 0;  // of the last transaction before the position, at the source; 0 = not known
  std::string snapshot_state;  // JSON kept by the pipeline's snapshot stage; "" = there is no snapshot to finish
  uint64_t rows = 0;           // events delivered since the job began
};

}  // namespace tailrace
