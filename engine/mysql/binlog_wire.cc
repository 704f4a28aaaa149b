#include "mysql/binlog_wire.h"

// clang-format off: ma_pvio.h needs what comes before it
#include <mysql.h>
using uchar = unsigned char;
#define HAVE_TLS 1
#include <ma_pvio.h>
// clang-format on
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "mysql/gtid.h"

// Everything that knows the client library's packet API is in this file, in the block "flavour". It is written for
// MariaDB Connector/C; another library replaces that block.

namespace tailrace {
namespace {

constexpr uint16_t kSendAnnotateRows = 2;  // MariaDB's
constexpr uint8_t kComBinlogDump = 0x12, kComBinlogDumpGtid = 0x1e;
constexpr unsigned kMasterFatalReading = 1236;

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint32_t random_server_id() {
  // The upper half of the range: servers are numbered by people, from below.
  std::random_device device;
  return 0x80000000u | (device() & 0x7FFFFFFEu);
}

std::string random_uuid() {
  std::random_device device;
  uint32_t a = device(), b = device(), c = device(), d = device();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", a, b >> 16, b & 0xFFF, 0x8000 | (c >> 18), c & 0xFFFF, d);
}

bool says_purged(std::string_view text) {
  for (std::string_view part : {"purged", "Could not find first log file", "could not find next log", "Could not open log file"}) {
    if (text.find(part) != std::string_view::npos) return true;
  }
  return false;
}

// ---- flavour: MariaDB Connector/C ----

bool send_command(MYSQL* mysql, uint8_t command, const std::string& payload) {
  return mysql->methods->db_command(mysql, static_cast<enum_server_command>(command), payload.data(), payload.size(), 1, nullptr) == 0;
}

// False: failed, see mysql_errno. The bytes start with the packet's status byte.
bool read_packet(MYSQL* mysql, std::span<const uint8_t>& out) {
  unsigned long length = mysql_net_read_packet(mysql);
  if (length == packet_error) return false;
  out = {mysql->net.read_pos, length};
  return true;
}

// Bytes the library has taken from the socket and not yet given out.
bool has_buffered(MYSQL* mysql) {
  const MARIADB_PVIO* pvio = mysql->net.pvio;
  if (!pvio) return false;
  if (pvio->cache && pvio->cache_pos < pvio->cache + pvio->cache_size) return true;
  return pvio->ctls && pvio->ctls->ssl && SSL_pending(static_cast<const SSL*>(pvio->ctls->ssl)) > 0;
}

// ---- end of flavour ----

}  // namespace

BinlogWire::BinlogWire(Connection connection, std::chrono::microseconds deaf_after, uint32_t server_id)
    : connection_(std::move(connection)),
      deaf_after_(deaf_after),
      server_id_(server_id),
      last_heard_(std::chrono::steady_clock::now()),
      socket_(static_cast<int>(mysql_get_socket(connection_.handle()))) {}

BinlogWire::~BinlogWire() {
  std::lock_guard lock(socket_mutex_);
  // A dump cannot be ended politely, and closing would first say goodbye to a server that does not listen.
  if (socket_ >= 0 && started_) ::shutdown(socket_, SHUT_RDWR);
  socket_ = -1;
}

Result<std::unique_ptr<BinlogWire>> BinlogWire::open(const ConnectOptions& options) {
  ConnectOptions own = options;
  auto deaf_after = std::chrono::microseconds(std::max<int64_t>(3 * options.heartbeat_us, 3'000'000));
  // The library counts whole seconds; ours must strike first, to be told from a lost connection.
  own.read_timeout_us = deaf_after.count() + 2'000'000;
  TAILRACE_TRY(Connection connection, Connection::open(own));
  uint32_t id = options.server_id ? options.server_id : random_server_id();
  return std::unique_ptr<BinlogWire>(new BinlogWire(std::move(connection), deaf_after, id));
}

Status BinlogWire::announce() {
  if (started_) return Status(ErrorCode::kInternal, "a binary log stream was started twice");
  const ServerInfo& info = connection_.server();
  if (!info.log_bin) {
    return Status(ErrorCode::kSourceBinlogOff, "log_bin is OFF").with("server", connection_.options().address());
  }
  uint64_t heartbeat_ns = static_cast<uint64_t>(connection_.options().heartbeat_us) * 1000;
  std::string checksum = info.binlog_checksum.empty() ? "NONE" : info.binlog_checksum;
  checksum_announced_ = checksum != "NONE";
  // Old and new spelling side by side: a server reads the one it knows, the other is a mere user variable.
  TAILRACE_OK(
      connection_.execute(fmt::format("SET @master_heartbeat_period={0}, @source_heartbeat_period={0}, @master_binlog_checksum='{1}', "
                                      "@source_binlog_checksum='{1}'",
                                      heartbeat_ns, checksum)));
  if (info.is_mariadb) {
    return connection_.execute("SET @mariadb_slave_capability=4, @slave_gtid_strict_mode=0, @slave_gtid_ignore_duplicates=0");
  }
  return connection_.execute(fmt::format("SET @slave_uuid='{0}', @replica_uuid='{0}'", random_uuid()));
}

Status BinlogWire::dump(uint8_t command, const std::string& payload) {
  if (!send_command(connection_.handle(), command, payload)) return connection_.failure();
  started_ = true;
  last_heard_ = std::chrono::steady_clock::now();
  return {};
}

Status BinlogWire::start(std::string_view file, uint64_t offset) {
  TAILRACE_OK(announce());
  // This command has room for 64 bits, and with a file name asks for no set. The server takes it with GTIDs on only.
  if (!connection_.server().is_mariadb && connection_.server().gtid_mode == "ON") {
    return dump_gtid(0, file, std::max<uint64_t>(offset, 4), MysqlGtidSet().encode());
  }
  if (offset > UINT32_MAX) {
    return Status(ErrorCode::kSourceUnsupported,
                  fmt::format("offset {} of {}: a stream can only be asked for below 4 GiB of a file; start by GTID", offset, file));
  }
  std::string payload;
  put(payload, std::max<uint64_t>(offset, 4), 4);
  put(payload, statements_ && connection_.server().is_mariadb ? kSendAnnotateRows : 0, 2);
  put(payload, server_id_, 4);
  payload.append(file);
  return dump(kComBinlogDump, payload);
}

Status BinlogWire::start_mariadb_gtid(std::string_view gtid_list) {
  TAILRACE_OK(announce());
  TAILRACE_OK(connection_.execute(fmt::format("SET @slave_connect_state={}", quote_text(gtid_list))));
  std::string payload;
  put(payload, 4, 4);
  put(payload, statements_ ? kSendAnnotateRows : 0, 2);
  put(payload, server_id_, 4);
  return dump(kComBinlogDump, payload);
}

Status BinlogWire::start_mysql_gtid(std::string_view encoded_set) {
  TAILRACE_OK(announce());
  constexpr uint16_t kThroughGtid = 0x04;
  return dump_gtid(kThroughGtid, "", 4, encoded_set);
}

Status BinlogWire::dump_gtid(uint16_t flags, std::string_view file, uint64_t offset, std::string_view encoded_set) {
  std::string payload;
  put(payload, flags, 2);
  put(payload, server_id_, 4);
  put(payload, file.size(), 4);
  payload.append(file);
  put(payload, offset, 8);
  put(payload, encoded_set.size(), 4);
  payload.append(encoded_set);
  return dump(kComBinlogDumpGtid, payload);
}

bool BinlogWire::buffered() const { return has_buffered(const_cast<BinlogWire*>(this)->connection_.handle()); }

bool BinlogWire::data_waiting() const {
  // The handle is not changed; the library's own functions just take it without const.
  auto* mysql = const_cast<BinlogWire*>(this)->connection_.handle();
  if (has_buffered(mysql)) return true;
  pollfd poll_for{static_cast<int>(mysql_get_socket(mysql)), POLLIN, 0};
  return ::poll(&poll_for, 1, 0) > 0;
}

Status BinlogWire::silence() const {
  return Status(ErrorCode::kSourceDeaf, fmt::format("nothing for {} ms, heartbeat every {} ms", deaf_after_.count() / 1000,
                                                    connection_.options().heartbeat_us / 1000))
      .with("server", connection_.options().address());
}

Result<bool> BinlogWire::wait(std::chrono::milliseconds longest) {
  MYSQL* mysql = connection_.handle();
  if (has_buffered(mysql)) return true;
  using std::chrono::milliseconds;
  auto now = std::chrono::steady_clock::now();
  auto until = std::min(now + longest, last_heard_ + std::chrono::duration_cast<std::chrono::nanoseconds>(deaf_after_));
  while (true) {
    auto left = std::chrono::ceil<milliseconds>(until - now).count();
    pollfd poll_for{static_cast<int>(mysql_get_socket(mysql)), POLLIN, 0};
    int ready = ::poll(&poll_for, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) {
      return Status(ErrorCode::kSourceLost, std::strerror(errno)).with("server", connection_.options().address());
    }
    now = std::chrono::steady_clock::now();
    if (now - last_heard_ >= deaf_after_) return silence();
    if (now >= until) return false;
  }
}

Result<std::optional<BinlogWire::Event>> BinlogWire::next() {
  if (!started_) return Status(ErrorCode::kInternal, "a binary log stream was read before its start");
  const bool buffered_before = has_buffered(connection_.handle());
  bool ready = buffered_before;
  while (!ready) {
    TAILRACE_TRY(ready, wait(std::chrono::ceil<std::chrono::milliseconds>(deaf_after_)));
  }
  std::span<const uint8_t> packet;
  if (!read_packet(connection_.handle(), packet)) return packet_failure();
  if (!buffered_before) last_heard_ = std::chrono::steady_clock::now();
  if (packet.empty()) return Status(ErrorCode::kSourceCorrupt, "an empty packet in the binary log stream");
  if (packet[0] == 0xFE && packet.size() < 9) return std::optional<Event>();
  if (packet[0] != 0) {
    return Status(ErrorCode::kSourceCorrupt, fmt::format("a packet of the binary log stream starts with byte {:#x}", packet[0]));
  }
  return std::optional<Event>(packet.subspan(1));
}

Status BinlogWire::packet_failure() {
  MYSQL* mysql = connection_.handle();
  unsigned number = mysql_errno(mysql);
  std::string text = mysql_error(mysql);
  const std::string address = connection_.options().address();
  if (interrupted()) return Status(ErrorCode::kSourceLost, "the stream was interrupted").with("server", address);
  if (number == kMasterFatalReading && says_purged(text)) {
    return Status(ErrorCode::kSourcePurged, fmt::format("{} (error {})", text, number)).with("server", address);
  }
  return mysql_status(number, text, address);
}

void BinlogWire::interrupt() noexcept {
  std::lock_guard lock(socket_mutex_);
  interrupted_ = true;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

bool BinlogWire::interrupted() const noexcept {
  std::lock_guard lock(socket_mutex_);
  return interrupted_;
}

}  // namespace tailrace
