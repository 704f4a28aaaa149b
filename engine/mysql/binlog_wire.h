// BinlogWire: the server's binary log as a stream of packets, one event each, on a Connection of its own.
// One thread reads; `interrupt` may come from any thread.
#pragma once
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "mysql/connection.h"

namespace tailrace {

class BinlogWire {
 public:
  using Event = std::span<const uint8_t>;

  // Connects with a read timeout of three heartbeats (at least 3 s).
  static Result<std::unique_ptr<BinlogWire>> open(const ConnectOptions& options);
  ~BinlogWire();
  BinlogWire(const BinlogWire&) = delete;
  BinlogWire& operator=(const BinlogWire&) = delete;

  // MariaDB: send the statement (ANNOTATE_ROWS) before its row events, too. Before one of the starts.
  void ask_for_statements() noexcept { statements_ = true; }
  // One of these once, before `next`. An offset below 4 means the start of the file.
  Status start(std::string_view file, uint64_t offset);
  Status start_mariadb_gtid(std::string_view gtid_list);  // "0-1-42,7-2-5"; "" = from the oldest log
  Status start_mysql_gtid(std::string_view encoded_set);  // MysqlGtidSet::encode()

  // The next event, header first, without the packet's status byte. Waits; silence is kSourceDeaf. nullopt: the
  // server ended the stream. The bytes are valid until the next call. Artificial events before the first
  // FORMAT_DESCRIPTION carry a checksum when `checksum_announced`.
  Result<std::optional<Event>> next();
  // Would `next` return without waiting for the network?
  // Bytes are here already: `next` will not wait.
  bool buffered() const;
  bool data_waiting() const;
  // Waits at most this long for data. True: `next` has something to read. False: nothing yet. Fails with kSourceDeaf
  // once nothing at all has come for the read timeout, over all calls.
  Result<bool> wait(std::chrono::milliseconds longest);

  bool checksum_announced() const noexcept { return checksum_announced_; }
  const ServerInfo& server() const noexcept { return connection_.server(); }
  uint32_t server_id() const noexcept { return server_id_; }
  Connection& connection() noexcept { return connection_; }
  // Makes a waiting `next` fail at once; the wire is dead afterwards.
  void interrupt() noexcept;
  bool interrupted() const noexcept;

 private:
  BinlogWire(Connection connection, std::chrono::microseconds deaf_after, uint32_t server_id);
  Status announce();
  Status dump_gtid(uint16_t flags, std::string_view file, uint64_t offset, std::string_view encoded_set);
  Status dump(uint8_t command, const std::string& payload);
  Status packet_failure();
  Status silence() const;

  Connection connection_;
  const std::chrono::microseconds deaf_after_;
  const uint32_t server_id_;
  bool checksum_announced_ = false;
  bool statements_ = false;
  bool started_ = false;
  std::chrono::steady_clock::time_point last_heard_;
  mutable std::mutex socket_mutex_;  // guards socket_ and interrupted_
  int socket_ = -1;
  bool interrupted_ = false;
};

}  // namespace tailrace
