// HeartbeatTable: writes the time into a table of the source every few seconds, from a thread and a connection of its
// own, so that the stream of an idle server shows how far behind the sink is.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/status.h"
#include "mysql/connection.h"

namespace tailrace {

struct HeartbeatOptions {
  std::string table;  // "database.table"; "" = no heartbeats
  int64_t interval_us = 5'000'000;
};
// CFG-0003 when `table` is not database.table, or the interval is below 100 ms.
Result<HeartbeatOptions> heartbeat_options(const std::string& table, int64_t interval_us);

class HeartbeatTable {
 public:
  // Makes the table if it is not there, and writes the first heartbeat. SRC-0004 names the grant that is missing.
  static Result<std::unique_ptr<HeartbeatTable>> start(const ConnectOptions& options, const HeartbeatOptions& heartbeat);
  ~HeartbeatTable() = default;  // stops the thread; a write under way ends first, within its timeout

 private:
  HeartbeatTable(Connection connection, const HeartbeatOptions& heartbeat);
  static Result<Connection> connect(const ConnectOptions& options);
  Status beat();
  Status prepare();
  void loop(std::stop_token stop);

  const ConnectOptions options_;
  const HeartbeatOptions heartbeat_;
  const std::string name_;  // quoted
  std::optional<Connection> connection_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace tailrace
