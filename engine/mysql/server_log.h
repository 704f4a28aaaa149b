// What a server tells of its binary log: the files it still has, and whether a position is a place in its history.
// Queries on a Connection, in the thread that has it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "mysql/connection.h"
#include "mysql/gtid.h"

namespace tailrace {

struct ServerLogFile {
  std::string name;
  uint64_t size = 0;
};
// Oldest first; never empty.
Result<std::vector<ServerLogFile>> list_log_files(Connection& connection);

// Makes `at` a position of this server from which its log can be read on, or says by name why there is none:
//   SRC-0007  the log no longer holds it (purged, or begun anew); the earliest place left is in the context
//   SRC-0015  it is of another server and has no GTID set, or it is one that somebody wrote and the log does not have
//   SRC-0023  it is of another server, and this one lacks transactions of it, which may still come (transient)
//   SRC-0024  it is of another server, and this one's history went another way: a failover lost transactions
// File and offset of another server are taken out: only GTIDs mean the same on both. So it is with the earlier place that
// prepared XA transactions are read from again.
Status fit_position(Connection& connection, LogPosition& at);

// The same failure with the earliest place that the server still has, when it can be asked.
Status with_earliest(Status failure, Connection& connection);

}  // namespace tailrace
