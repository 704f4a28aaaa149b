#include "source/heartbeat_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/log.h"

namespace tailrace {
namespace {

constexpr unsigned kNoSuchTable = 1146, kNoSuchDatabase = 1049, kReadOnly = 1290, kReadOnlyTransaction = 1792;
constexpr int64_t kShortest = 100'000;
constexpr int64_t kAnswerTimeout = 3'000'000;  // neither a lock nor a dead network may hold up the end of the job

std::string database_of(const HeartbeatOptions& heartbeat) { return heartbeat.table.substr(0, heartbeat.table.find('.')); }

std::string quoted(const HeartbeatOptions& heartbeat) {
  size_t dot = heartbeat.table.find('.');
  return quote_name(heartbeat.table.substr(0, dot)) + "." + quote_name(heartbeat.table.substr(dot + 1));
}

}  // namespace

Result<HeartbeatOptions> heartbeat_options(const std::string& table, int64_t interval_us) {
  HeartbeatOptions out{table, interval_us};
  if (table.empty()) return out;
  size_t dot = table.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == table.size() || table.find('.', dot + 1) != std::string::npos) {
    return Status(
        ErrorCode::kConfigBadValue,
        fmt::format("source.heartbeat: '{}' is not a table such as drc.heartbeat (signs of life of the server: keepalive)", table));
  }
  if (interval_us < kShortest) return Status(ErrorCode::kConfigBadValue, "source.heartbeat_interval: at least 100ms expected");
  return out;
}

HeartbeatTable::HeartbeatTable(Connection connection, const HeartbeatOptions& heartbeat)
    : options_(connection.options()), heartbeat_(heartbeat), name_(quoted(heartbeat)), connection_(std::move(connection)) {}

Result<std::unique_ptr<HeartbeatTable>> HeartbeatTable::start(const ConnectOptions& options, const HeartbeatOptions& heartbeat) {
  TAILRACE_TRY(Connection connection, connect(options));
  std::unique_ptr<HeartbeatTable> made(new HeartbeatTable(std::move(connection), heartbeat));
  TAILRACE_OK(made->prepare());
  made->thread_ = std::jthread([table = made.get()](std::stop_token stop) { table->loop(stop); });
  return made;
}

Result<Connection> HeartbeatTable::connect(const ConnectOptions& options) {
  ConnectOptions own = options;
  own.read_timeout_us = kAnswerTimeout;
  own.connect_timeout_us = std::min(own.connect_timeout_us, kAnswerTimeout);
  TAILRACE_TRY(Connection connection, Connection::open(own));
  TAILRACE_OK(connection.execute("SET SESSION lock_wait_timeout=1, innodb_lock_wait_timeout=1"));
  return connection;
}

Status HeartbeatTable::beat() {
  return connection_->execute(
      fmt::format("INSERT INTO {} (id, ts) VALUES (1, UNIX_TIMESTAMP()) ON DUPLICATE KEY UPDATE ts = UNIX_TIMESTAMP()", name_));
}

Status HeartbeatTable::prepare() {
  Status status = beat();
  unsigned number = connection_->last_error();
  if (!status.ok() && (number == kNoSuchTable || number == kNoSuchDatabase)) {
    status = connection_->execute("CREATE DATABASE IF NOT EXISTS " + quote_name(database_of(heartbeat_)));
    // Whoever may not make the database may yet make a table in it.
    bool no_database = !status.ok() && number == kNoSuchDatabase;
    if (!no_database) {
      status = connection_->execute(
          fmt::format("CREATE TABLE IF NOT EXISTS {} (id SMALLINT NOT NULL PRIMARY KEY, ts INT UNSIGNED NOT NULL)", name_));
    }
    if (status.ok()) status = beat();
  }
  if (status.ok()) return status;
  number = connection_->last_error();
  if (number == kReadOnly || number == kReadOnlyTransaction) {
    return Status(ErrorCode::kSourceQuery,
                  fmt::format("source.heartbeat: {} cannot be written, the server is read-only: {}", heartbeat_.table, status.detail()))
        .with("server", options_.address());
  }
  if (status.code() != ErrorCode::kSourcePrivilege && status.code() != ErrorCode::kSourceAuth) return status;
  return Status(ErrorCode::kSourcePrivilege, fmt::format("source.heartbeat: GRANT CREATE, SELECT, INSERT, UPDATE ON {}.* TO {} ({})",
                                                         quote_name(database_of(heartbeat_)), options_.user, status.detail()))
      .with("server", options_.address());
}

void HeartbeatTable::loop(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  bool told = false;
  while (true) {
    {
      std::unique_lock lock(mutex);
      wake.wait_for(lock, stop, std::chrono::microseconds(heartbeat_.interval_us), [] { return false; });
    }
    if (stop.stop_requested()) return;
    Status status;
    if (!connection_) {
      auto opened = connect(options_);
      if (opened.ok()) connection_.emplace(std::move(opened).value());
      status = opened.status();
    }
    if (status.ok()) status = beat();
    if (status.ok()) {
      told = false;
      continue;
    }
    connection_.reset();
    if (!told) log(LogLevel::kWarn, fmt::format("no heartbeat could be written to {}: {}", heartbeat_.table, status.to_string()));
    told = true;
  }
}

}  // namespace tailrace
