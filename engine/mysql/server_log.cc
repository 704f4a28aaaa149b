#include "mysql/server_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <thread>

namespace tailrace {
namespace {

// A reader of the log can be a moment ahead of what the server says it has executed.
constexpr int kAskAgain = 5;
constexpr std::chrono::milliseconds kAskPause{200};

Result<std::string> variable(Connection& connection, std::string_view name) {
  TAILRACE_TRY(auto value, connection.query_value(fmt::format("SELECT @@GLOBAL.{}", name)));
  std::string text = value.value_or("");
  std::erase_if(text, [](unsigned char c) { return std::isspace(c); });
  return text;
}

Status history_gone(Connection& connection, const LogPosition& at, std::string why) {
  Status status(ErrorCode::kSourcePurged, std::move(why));
  status = std::move(status).with("position", at.text());
  return with_earliest(std::move(status), connection);
}

enum class Origin : uint8_t { kThisServer, kOtherServer, kWritten };  // kWritten: by somebody, without a server's name

Status lacks(Connection& connection, const LogPosition& at, ErrorCode code, std::string why) {
  Status status(code, std::move(why));
  return std::move(status).with("position", at.text()).with("server", connection.options().address());
}

Status fit_mysql_set(Connection& connection, const LogPosition& at, Origin origin) {
  TAILRACE_TRY(MysqlGtidSet wanted, MysqlGtidSet::parse(at.gtid));
  TAILRACE_TRY(std::string purged_text, variable(connection, "gtid_purged"));
  TAILRACE_TRY(MysqlGtidSet purged, MysqlGtidSet::parse(purged_text));
  MysqlGtidSet lost = wanted.missing(purged);
  for (int i = 0;; ++i) {
    TAILRACE_TRY(std::string executed_text, variable(connection, "gtid_executed"));
    TAILRACE_TRY(MysqlGtidSet executed, MysqlGtidSet::parse(executed_text));
    MysqlGtidSet ahead = executed.missing(wanted);
    if (ahead.empty()) break;
    if (i + 1 < kAskAgain) {
      std::this_thread::sleep_for(kAskPause);
      continue;
    }
    if (origin == Origin::kThisServer) {
      return history_gone(connection, at,
                          fmt::format("the server no longer knows of {}: its log was begun anew, or lost its end", ahead.text()));
    }
    return lacks(connection, at, origin == Origin::kOtherServer ? ErrorCode::kSourceBehind : ErrorCode::kSourcePosition,
                 fmt::format("the server has not executed {}", ahead.text()));
  }
  if (lost.empty()) return Status();
  return history_gone(connection, at, fmt::format("{} was purged from the log and is behind the position", lost.text()));
}

Status fit_maria_set(Connection& connection, const LogPosition& at, Origin origin) {
  TAILRACE_TRY(MariaGtidList wanted, MariaGtidList::parse(at.gtid));
  for (int i = 0;; ++i) {
    TAILRACE_TRY(std::string state_text, variable(connection, "gtid_binlog_state"));
    TAILRACE_TRY(MariaGtidState state, MariaGtidState::parse(state_text));
    TAILRACE_TRY(std::string slave_text, variable(connection, "gtid_slave_pos"));
    TAILRACE_TRY(MariaGtidList replicated, MariaGtidList::parse(slave_text));
    std::string missing;
    bool diverged = false;
    for (const auto& [domain, gtid] : wanted.by_domain()) {
      if (state.contains(gtid)) continue;
      // A server set up from a backup begins behind the GTID it was told, without having logged it.
      const MariaGtid* told = replicated.find(domain);
      if (told && told->server_id == gtid.server_id && told->sequence == gtid.sequence) continue;
      missing += (missing.empty() ? "" : ",") + gtid.text();
      diverged |= state.highest(domain) >= gtid.sequence;
    }
    if (missing.empty()) return Status();
    if (i + 1 < kAskAgain && !diverged) {
      std::this_thread::sleep_for(kAskPause);
      continue;
    }
    if (origin == Origin::kThisServer) {
      return history_gone(connection, at,
                          fmt::format("the server no longer knows of {}: its log was begun anew, or lost its end", missing));
    }
    if (origin == Origin::kWritten) {
      return lacks(connection, at, ErrorCode::kSourcePosition, fmt::format("{} is not in the server's log ({})", missing, state_text));
    }
    if (diverged) {
      return lacks(connection, at, ErrorCode::kSourceDiverged,
                   fmt::format("the server has other transactions in place of {} (its log: {})", missing, state_text));
    }
    return lacks(connection, at, ErrorCode::kSourceBehind, fmt::format("the server has not logged {} (its log: {})", missing, state_text));
  }
}

Status fit_file(Connection& connection, const LogPosition& at, Origin origin) {
  TAILRACE_TRY(auto files, list_log_files(connection));
  auto found = std::find_if(files.begin(), files.end(), [&](const ServerLogFile& file) { return file.name == at.file; });
  if (found == files.end()) {
    bool purged = compare_log_files(at.file, files.front().name) < 0;
    return history_gone(connection, at,
                        purged ? fmt::format("{} was purged", at.file)
                               : fmt::format("there is no {}: the log was begun anew, or is another server's", at.file));
  }
  if (at.offset <= found->size) return Status();
  std::string why = fmt::format("offset {} is past the end of {}, which has {} bytes", at.offset, at.file, found->size);
  if (origin == Origin::kThisServer) return history_gone(connection, at, why + ": the log was begun anew");
  return lacks(connection, at, ErrorCode::kSourcePosition, std::move(why));
}

}  // namespace

Result<std::vector<ServerLogFile>> list_log_files(Connection& connection) {
  TAILRACE_TRY(QueryResult result, connection.query("SHOW BINARY LOGS"));
  std::vector<ServerLogFile> files;
  for (size_t i = 0; i < result.rows.size(); ++i) {
    const auto* name = result.find(i, "Log_name");
    const auto* size = result.find(i, "File_size");
    if (!name || !*name) continue;
    ServerLogFile file{**name, 0};
    if (size && *size) std::from_chars((*size)->data(), (*size)->data() + (*size)->size(), file.size);
    files.push_back(std::move(file));
  }
  if (files.empty()) {
    return Status(ErrorCode::kSourceBinlogOff, "the server shows no binary log").with("server", connection.options().address());
  }
  return files;
}

Status with_earliest(Status failure, Connection& connection) {
  auto files = list_log_files(connection);
  failure = std::move(failure).with("server", connection.options().address());
  return files.ok() ? std::move(failure).with("earliest", files->front().name + ":4") : failure;
}

namespace {

Status fit_place(Connection& connection, LogPosition& at) {
  const ServerInfo& server = connection.server();
  const Origin origin = at.server.empty() ? Origin::kWritten : at.server == server.identity ? Origin::kThisServer : Origin::kOtherServer;
  const bool usable_set = at.has_gtid && (at.gtid.empty() || is_maria_gtid_text(at.gtid) == server.is_mariadb) &&
                          (server.is_mariadb || server.gtid_mode == "ON");
  if (origin == Origin::kOtherServer) {
    if (!usable_set) {
      return lacks(connection, at, ErrorCode::kSourcePosition,
                   !at.has_gtid ? "the position is of another server and has no GTID set: file and offset mean nothing here"
                                : "the position is of another server, and this one does not read on by its GTID set");
    }
    at.file.clear();
    at.offset = 0;
    if (at.restart) {
      auto restart = std::make_shared<LogPosition>(*at.restart);
      restart->file.clear();
      restart->offset = 0;
      at.restart = std::move(restart);
    }
  }
  at.server = server.identity;
  // A set without a member does not speak for a file and offset: the server may have begun to write GTIDs behind them.
  if (usable_set && (!at.gtid.empty() || at.file.empty())) {
    TAILRACE_OK(server.is_mariadb ? fit_maria_set(connection, at, origin) : fit_mysql_set(connection, at, origin));
    // The numbers begin anew with the log, and may by now have passed those of the position.
    if (origin != Origin::kThisServer || at.file.empty()) return Status();
    TAILRACE_TRY(auto files, list_log_files(connection));
    if (compare_log_files(at.file, files.back().name) > 0) {
      return history_gone(connection, at, fmt::format("there is no {}: the log was begun anew", at.file));
    }
    for (const ServerLogFile& file : files) {
      if (file.name != at.file || at.offset <= file.size) continue;
      return history_gone(
          connection, at,
          fmt::format("offset {} is past the end of {}, which has {} bytes: the log was begun anew", at.offset, at.file, file.size));
    }
    return Status();
  }
  if (at.file.empty()) return Status();  // what the server makes of such a set is for it to say
  return fit_file(connection, at, origin);
}

}  // namespace

Status fit_position(Connection& connection, LogPosition& at) {
  if (at.restart) {
    LogPosition earlier = *at.restart;
    TAILRACE_OK(fit_place(connection, earlier));
    at.restart = std::make_shared<const LogPosition>(std::move(earlier));
  }
  return fit_place(connection, at);
}

}  // namespace tailrace
