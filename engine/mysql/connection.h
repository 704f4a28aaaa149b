// Connection: one session with a MySQL or MariaDB server, over TCP or a Unix socket. Move-only, one thread at a
// time. Every session speaks utf8mb4, UTC, and a permissive sql_mode, so that whatever is stored can be read.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "event/position.h"
#include "mysql/charset.h"

struct st_mysql;

namespace tailrace {

enum class TlsMode : uint8_t { kOff, kPreferred, kRequired, kVerify };

struct ConnectOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 3306;
  std::string user, password;
  std::string unix_socket;  // "" = TCP
  TlsMode tls = TlsMode::kVerify;
  std::string tls_ca;  // PEM file; "" = the system's certificates
  int64_t connect_timeout_us = 10'000'000;
  int64_t read_timeout_us = 0;       // 0 = wait for ever (long statements); the binlog stream sets its own
  int64_t heartbeat_us = 1'000'000;  // asked of the server by the binlog stream
  InvalidText invalid_text = InvalidText::kStop;
  uint32_t server_id = 0;  // of the binlog stream; 0 = a random one in the high range

  std::string address() const;  // host:port or the socket path, for messages
};

// For every source that reads text of these servers.
inline constexpr OptionSpec kInvalidTextOption{
    "invalid_text", "enum:stop|replace", "stop",
    "bytes in a text column that are no text of its character set: end the job, or put U+FFFD for them"};
InvalidText invalid_text_of(const Options& options);

// Options every MySQL plug-in shares: tls, tls_ca, connect_timeout, keepalive, server_id, socket,
// invalid_text.
std::span<const OptionSpec> mysql_option_specs();
// `options` must hold the names of mysql_option_specs(). Without a given `tls` it is verify, on loopback preferred.
Result<ConnectOptions> connect_options(const Url& url, const Options& options);
// One for each of the hosts of `mysql://user@a:3306,b:3306`, in their order. A socket stands alone.
Result<std::vector<ConnectOptions>> host_options(const Url& url, const Options& options);
bool is_loopback(std::string_view host) noexcept;

struct ServerInfo {
  bool is_mariadb = false;
  std::string version;      // "10.11.14-MariaDB-log"
  std::string server_uuid;  // MySQL; "" on MariaDB
  std::string identity;     // tells this server's log from another's: server_uuid, or server_id and server_uid
  uint32_t server_id = 0;
  std::string gtid_mode;  // MySQL: ON, OFF, …; "" on MariaDB, which always has GTIDs
  bool log_bin = false;
  std::string binlog_format, binlog_row_image, binlog_row_metadata;  // upper case; "" = the server has no such variable
  std::string binlog_checksum;                                       // "CRC32", "NONE"
  int lower_case_table_names = 0;
};

struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
  const std::optional<std::string>* find(size_t row, std::string_view column) const noexcept;  // null: no such column
};

// Makes a Status out of a client error: the code by `number`, with address, number and text. Knows no secrets.
Status mysql_status(unsigned number, std::string_view text, const std::string& address);
ErrorCode code_of(unsigned number) noexcept;

class Connection {
 public:
  static Result<Connection> open(const ConnectOptions& options);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  // Buffered whole: for small results.
  Result<QueryResult> query(std::string_view sql);
  Status execute(std::string_view sql);                                  // a statement whose result does not matter
  Result<std::optional<std::string>> query_value(std::string_view sql);  // first column of the first row; nullopt: no row or NULL

  const ServerInfo& server() const noexcept { return server_; }
  const ConnectOptions& options() const noexcept { return options_; }
  bool is_encrypted() const noexcept;
  // Number of the server's last error on this session; 0 = none.
  unsigned last_error() const noexcept;
  // The last failure of the client library, as a Status.
  Status failure() const;
  // The client library's handle, for the other files of this module. Never null in a live object.
  st_mysql* handle() noexcept { return handle_; }

 private:
  explicit Connection(ConnectOptions options) : options_(std::move(options)) {}
  Status prepare_session();
  Status read_server_info();
  void close() noexcept;

  st_mysql* handle_ = nullptr;
  ConnectOptions options_;
  ServerInfo server_;
};

// Does the server keep a binary log? Not every server whose log_bin says so does.
Result<bool> keeps_log(Connection& connection);
// Newest position of the server's log: file, offset and GTID set. Fails with kSourceBinlogOff when there is no log.
Result<Position> current_position(Connection& connection);

// `a.b` quoted for SQL.
std::string quote_name(std::string_view name);
std::string quote_text(std::string_view text);

}  // namespace tailrace
