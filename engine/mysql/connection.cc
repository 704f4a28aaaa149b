#include "mysql/connection.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "mysql/greeting.h"

namespace tailrace {
namespace {

// Not in every version of the library's error lists.
constexpr unsigned kAccountLocked = 3118, kMustChangePassword = 1862, kNoPasswordUser = 1698, kPrivilege = 1227, kConnectionKilled = 1927,
                   kClientTimeout = 4031, kQueryInterrupted = 1317, kTooManyUserConnections = 1203, kSyntaxError = 1064;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

// Why a connection could not be made, as opposed to why a session ended.
ErrorCode code_of_refusal(unsigned number, std::string_view text) noexcept {
  if (number == CR_SERVER_LOST || number == CR_SERVER_GONE_ERROR) return ErrorCode::kSourceConnect;
  if (number != CR_SSL_CONNECTION_ERROR) return code_of(number);
  for (std::string_view broken : {"unexpected eof", "reset by peer", "roken pipe", "timed out"}) {
    if (text.find(broken) != std::string_view::npos) return ErrorCode::kSourceConnect;
  }
  return ErrorCode::kSourceTls;
}

bool is_on(const std::string& value) { return upper(value) == "ON" || value == "1"; }

constexpr OptionSpec kOptions[] = {
    {"tls", "enum:off|preferred|required|verify", "", "TLS mode; verify unless the host is loopback, where it is preferred"},
    {"tls_ca", "path", "", "PEM file with the certificate authority of the server; default: those of the system"},
    {"connect_timeout", "duration", "10s", "longest wait for a connection"},
    {"keepalive", "duration", "1s", "how often a quiet server has to give a sign of life; three missed in a row are a lost source"},
    {"server_id", "int", "0", "identity among the server's replicas; 0 = a random one"},
    {"socket", "path", "", "Unix socket of the server, in place of host and port"},
    kInvalidTextOption,
};

unsigned seconds(int64_t microseconds) { return microseconds <= 0 ? 0 : static_cast<unsigned>((microseconds + 999'999) / 1'000'000); }

}  // namespace

std::string ConnectOptions::address() const {
  if (!unix_socket.empty()) return unix_socket;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

InvalidText invalid_text_of(const Options& options) {
  return options.text("invalid_text") == "replace" ? InvalidText::kReplace : InvalidText::kStop;
}

std::span<const OptionSpec> mysql_option_specs() { return kOptions; }

bool is_loopback(std::string_view host) noexcept {
  if (host == "localhost" || host == "::1" || host == "[::1]") return true;
  if (host.substr(0, 4) != "127.") return false;
  return std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

Result<ConnectOptions> connect_options(const Url& url, const Options& options) {
  ConnectOptions out;
  if (!url.host.empty()) out.host = url.host;
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  if (url.port) out.port = url.port;
  out.user = url.user;
  out.password = url.password;
  out.unix_socket = options.text("socket");
  const std::string& tls = options.text("tls");
  if (tls.empty()) {
    out.tls = is_loopback(out.host) || !out.unix_socket.empty() ? TlsMode::kPreferred : TlsMode::kVerify;
  } else {
    out.tls = tls == "off"         ? TlsMode::kOff
              : tls == "preferred" ? TlsMode::kPreferred
              : tls == "required"  ? TlsMode::kRequired
                                   : TlsMode::kVerify;
  }
  out.tls_ca = options.text("tls_ca");
  if (!out.tls_ca.empty() && ::access(out.tls_ca.c_str(), R_OK) != 0) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("tls_ca: {} cannot be read: {}", out.tls_ca, std::strerror(errno)));
  }
  if (!out.tls_ca.empty() && out.tls != TlsMode::kVerify) {
    return Status(ErrorCode::kConfigBadValue, "tls_ca: the server's certificate is looked at with tls = \"verify\" only");
  }
  out.invalid_text = invalid_text_of(options);
  out.connect_timeout_us = options.integer("connect_timeout");
  out.heartbeat_us = options.integer("keepalive");
  if (out.heartbeat_us < 10'000) {
    return Status(ErrorCode::kConfigBadValue, "keepalive: at least 10ms expected");
  }
  int64_t server_id = options.integer("server_id");
  if (server_id < 0 || server_id > UINT32_MAX) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("server_id: {} does not fit in 32 bits", server_id));
  }
  out.server_id = static_cast<uint32_t>(server_id);
  return out;
}

Result<std::vector<ConnectOptions>> host_options(const Url& url, const Options& options) {
  std::vector<ConnectOptions> out;
  auto bad = [&](std::string_view why) { return Status(ErrorCode::kConfigUrl, fmt::format("{}: {}", url.host, why)); };
  std::string_view rest = url.host;
  while (true) {
    size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    if (one.empty() && url.host.find(',') != std::string::npos) return bad("a host between two commas is missing");
    Url single = url;
    if (url.host.find(',') != std::string::npos) {
      size_t colon = one.rfind(':');
      size_t bracket = one.rfind(']');
      single.host = std::string(one);
      if (colon != std::string_view::npos && (bracket == std::string_view::npos ? one.find(':') == colon : colon > bracket)) {
        std::string_view digits = one.substr(colon + 1);
        auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), single.port);
        if (error != std::errc() || digits.empty() || end != digits.data() + digits.size() || !single.port) {
          return bad("a port is not a number up to 65535");
        }
        single.host = std::string(one.substr(0, colon));
      }
    }
    TAILRACE_TRY(ConnectOptions made, connect_options(single, options));
    out.push_back(std::move(made));
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  if (out.size() > 1 && !out.front().unix_socket.empty()) {
    return Status(ErrorCode::kConfigBadValue, "socket: one host expected beside it");
  }
  return out;
}

const std::optional<std::string>* QueryResult::find(size_t row, std::string_view column) const noexcept {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == column && row < rows.size()) return &rows[row][i];
  }
  return nullptr;
}

ErrorCode code_of(unsigned number) noexcept {
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case kNoPasswordUser:
    case ER_HOST_NOT_PRIVILEGED:
    case kAccountLocked:
    case kMustChangePassword:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case CR_AUTH_PLUGIN_ERR: return ErrorCode::kSourceAuth;
    case kPrivilege:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR: return ErrorCode::kSourcePrivilege;
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_IPSOCK_ERROR:
    case ER_CON_COUNT_ERROR:
    case kTooManyUserConnections: return ErrorCode::kSourceConnect;
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case ER_SERVER_SHUTDOWN:
    case kConnectionKilled:
    case kClientTimeout:
    case kQueryInterrupted:
    case CR_SSL_CONNECTION_ERROR:  // in the middle of a session that is how a TLS connection breaks off
      return ErrorCode::kSourceLost;
    default: return ErrorCode::kSourceQuery;
  }
}

Status mysql_status(unsigned number, std::string_view text, const std::string& address) {
  return Status(code_of(number), fmt::format("{} (error {})", text.empty() ? "no message" : text, number)).with("server", address);
}

Connection::Connection(Connection&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), options_(std::move(other.options_)), server_(std::move(other.server_)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    close();
    handle_ = std::exchange(other.handle_, nullptr);
    options_ = std::move(other.options_);
    server_ = std::move(other.server_);
  }
  return *this;
}

Connection::~Connection() { close(); }

void Connection::close() noexcept {
  if (handle_) mysql_close(handle_);
  handle_ = nullptr;
}

Result<Connection> Connection::open(const ConnectOptions& options) {
  static std::once_flag once;  // the library's own global state; not thread-safe to set up
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });

  Connection connection(options);
  MYSQL* mysql = connection.handle_ = mysql_init(nullptr);
  if (!mysql) return Status(ErrorCode::kOutOfMemory, "no memory for a session");

  unsigned connect_timeout = seconds(options.connect_timeout_us);
  unsigned read_timeout = seconds(options.read_timeout_us);
  unsigned long max_packet = 1UL << 30;
  unsigned local_infile = 0;
  my_bool yes = 1, no = 0;
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout);
  if (read_timeout) mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_timeout);
  mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet);
  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &local_infile);  // a false server must not ask for our files
  mysql_options(mysql, MYSQL_OPT_RECONNECT, &no);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (options.tls != TlsMode::kOff) {
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
    bool verify = options.tls == TlsMode::kVerify;
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &yes : &no);
    if (verify && !options.tls_ca.empty()) mysql_options(mysql, MYSQL_OPT_SSL_CA, options.tls_ca.c_str());
  }
  bool socket = !options.unix_socket.empty();
  if (options.tls == TlsMode::kRequired && !socket) {
    TAILRACE_TRY(bool offered, server_offers_tls(options.host, options.port, options.connect_timeout_us));
    if (!offered) {
      return Status(ErrorCode::kSourceTls, "the server offers no TLS, and tls is required").with("server", options.address());
    }
  }
  unsigned protocol = socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
  if (!mysql_real_connect(mysql, socket ? nullptr : options.host.c_str(), options.user.c_str(), options.password.c_str(), nullptr,
                          options.port, socket ? options.unix_socket.c_str() : nullptr, 0)) {
    unsigned number = mysql_errno(mysql);
    std::string text = mysql_error(mysql);
    Status status(code_of_refusal(number, text), fmt::format("{} (error {})", text, number));
    status = std::move(status).with("server", options.address());
    return std::move(status).with("user", options.user);
  }
  if (options.tls >= TlsMode::kRequired && !socket && !connection.is_encrypted()) {
    return Status(ErrorCode::kSourceTls, "the session is not encrypted, and tls is required").with("server", options.address());
  }
  TAILRACE_OK(connection.prepare_session());
  TAILRACE_OK(connection.read_server_info());
  return connection;
}

Status Connection::prepare_session() {
  TAILRACE_OK(execute("SET NAMES utf8mb4"));
  TAILRACE_OK(execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
  // wait_timeout: a snapshot reader may rest while the sink is slow. net_write_timeout: so may a result half read.
  return execute(
      "SET SESSION sql_mode='', time_zone='+00:00', wait_timeout=86400, net_write_timeout=600, "
      "net_read_timeout=600, lock_wait_timeout=60");
}

Status Connection::read_server_info() {
  TAILRACE_TRY(QueryResult found,
               query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version','server_uuid','server_uid','server_id','gtid_mode',"
                     "'gtid_binlog_pos','log_bin','binlog_format','binlog_row_image','binlog_row_metadata',"
                     "'binlog_checksum','lower_case_table_names','max_statement_time','max_execution_time',"
                     "'show_gipk_in_create_table_and_information_schema')"));
  std::string server_uid;
  bool has_statement_time = false, has_execution_time = false, has_gipk = false;
  for (auto& row : found.rows) {
    if (row.size() < 2 || !row[0]) continue;
    const std::string& name = *row[0];
    std::string value = row[1].value_or("");
    if (name == "version") server_.version = value;
    if (name == "server_uuid") server_.server_uuid = value;
    if (name == "server_uid") server_uid = value;
    if (name == "server_id") server_.server_id = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
    if (name == "gtid_mode") server_.gtid_mode = upper(value);
    if (name == "gtid_binlog_pos") server_.is_mariadb = true;  // only MariaDB has it, whatever the version text says
    if (name == "log_bin") server_.log_bin = is_on(value);
    if (name == "binlog_format") server_.binlog_format = upper(value);
    if (name == "binlog_row_image") server_.binlog_row_image = upper(value);
    if (name == "binlog_row_metadata") server_.binlog_row_metadata = upper(value);
    if (name == "binlog_checksum") server_.binlog_checksum = upper(value);
    if (name == "lower_case_table_names") server_.lower_case_table_names = std::atoi(value.c_str());
    has_statement_time |= name == "max_statement_time";
    has_execution_time |= name == "max_execution_time";
    has_gipk |= name == "show_gipk_in_create_table_and_information_schema";
  }
  if (server_.is_mariadb) server_.server_uuid.clear();  // MariaDB 12 has one, but replication there knows no uuid
  server_.identity = server_.server_uuid;
  if (server_.identity.empty()) {
    // Many servers are left with server_id 1; the uid, a hash of the machine and the port, tells them apart.
    std::erase_if(server_uid, [](unsigned char c) { return !std::isalnum(c); });
    server_.identity = fmt::format("{}{}{}", server_.server_id, server_uid.empty() ? "" : "-", server_uid.substr(0, 10));
  }
  if (has_statement_time) TAILRACE_OK(execute("SET SESSION max_statement_time=0"));
  if (has_execution_time) TAILRACE_OK(execute("SET SESSION max_execution_time=0"));
  if (has_gipk) TAILRACE_OK(execute("SET SESSION show_gipk_in_create_table_and_information_schema=ON"));
  return {};
}

Result<QueryResult> Connection::query(std::string_view sql) {
  if (mysql_real_query(handle_, sql.data(), sql.size())) return failure();
  QueryResult out;
  MYSQL_RES* result = mysql_store_result(handle_);
  if (!result) {
    if (mysql_field_count(handle_)) return failure();
    return out;
  }
  struct Free {
    void operator()(MYSQL_RES* r) const { mysql_free_result(r); }
  };
  std::unique_ptr<MYSQL_RES, Free> guard(result);
  unsigned columns = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  for (unsigned i = 0; i < columns; ++i) out.columns.emplace_back(fields[i].name, fields[i].name_length);
  out.rows.reserve(mysql_num_rows(result));
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    auto& to = out.rows.emplace_back(columns);
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i]) to[i].emplace(row[i], lengths[i]);
    }
  }
  return out;
}

Status Connection::execute(std::string_view sql) { return query(sql).status(); }

Result<std::optional<std::string>> Connection::query_value(std::string_view sql) {
  TAILRACE_TRY(QueryResult result, query(sql));
  if (result.rows.empty() || result.rows[0].empty()) return std::optional<std::string>();
  return std::move(result.rows[0][0]);
}

bool Connection::is_encrypted() const noexcept { return mysql_get_ssl_cipher(handle_) != nullptr; }
unsigned Connection::last_error() const noexcept { return mysql_errno(handle_); }
Status Connection::failure() const { return mysql_status(mysql_errno(handle_), mysql_error(handle_), options_.address()); }

Result<bool> keeps_log(Connection& connection) {
  if (!connection.server().log_bin) return false;
  for (std::string_view sql : {"SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"}) {
    Status status = connection.execute(sql);
    if (status.ok()) return true;
    // Whoever may not ask is told so where it matters; a lost session is no answer.
    if (connection.last_error() != kSyntaxError) return status.retry() == Retry::kTransient ? Result<bool>(status) : true;
  }
  return false;
}

Result<Position> current_position(Connection& connection) {
  if (!connection.server().log_bin) {
    return Status(ErrorCode::kSourceBinlogOff, "log_bin is OFF").with("server", connection.options().address());
  }
  const bool is_mariadb = connection.server().is_mariadb;
  constexpr std::string_view kGtid = "SELECT @@GLOBAL.gtid_binlog_pos";
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::optional<std::string> before, after;
    if (is_mariadb) {
      TAILRACE_TRY(before, connection.query_value(kGtid));
    }
    // MySQL 8.4 dropped the old words, older servers and MariaDB do not know the new ones.
    auto status = connection.query("SHOW BINARY LOG STATUS");
    if (!status.ok() && status.status().code() == ErrorCode::kSourceQuery) status = connection.query("SHOW MASTER STATUS");
    if (!status.ok() && connection.last_error() == kSyntaxError) {
      return Status(ErrorCode::kSourceBinlogOff,
                    "log_bin says ON, but the server knows no statement that shows its log; it can be "
                    "copied with job.phases = [\"snapshot\"]")
          .with("server", connection.options().address());
    }
    if (!status.ok()) return status.status();
    if (status->rows.empty()) {
      return Status(ErrorCode::kSourceBinlogOff, "the server shows no binary log").with("server", connection.options().address());
    }
    auto text = [&](std::string_view column) {
      const std::optional<std::string>* cell = status->find(0, column);
      return cell && *cell ? **cell : std::string();
    };
    std::string gtid = text("Executed_Gtid_Set");
    if (is_mariadb) {
      // GTID and offset belong together only if nothing was logged between the two questions. A server too busy for
      // that works it out from the log, which costs it a scan of the file.
      TAILRACE_TRY(after, connection.query_value(kGtid));
      if (before != after) {
        if (attempt < 4) continue;
        TAILRACE_TRY(after,
                     connection.query_value(fmt::format("SELECT BINLOG_GTID_POS({}, {})", quote_text(text("File")), text("Position"))));
      }
      gtid = after.value_or("");
    }
    std::erase_if(gtid, [](unsigned char c) { return std::isspace(c); });
    return Position{"mysql",
                    fmt::format("gtid={};file={};offset={};server={}", gtid, text("File"), text("Position"), connection.server().identity)};
  }
  return Status(ErrorCode::kInternal, "current_position left its loop");
}

std::string quote_name(std::string_view name) {
  std::string out = "`";
  for (char c : name) {
    if (c == '`') out.push_back('`');
    out.push_back(c);
  }
  out.push_back('`');
  return out;
}

std::string quote_text(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('\'');
  return out;
}

}  // namespace tailrace
