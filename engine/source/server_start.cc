#include "source/server_start.h"

#include <fmt/format.h>

#include <charconv>

#include "mysql/server_log.h"
#include "source/start_scan.h"

namespace tailrace {
namespace {

constexpr int64_t kSecond = 1'000'000;

std::string_view text_of(BinlogWire::Event event) { return {reinterpret_cast<const char*>(event.data()), event.size()}; }

Result<std::string_view> next_event(BinlogWire& wire, Connection& connection) {
  TAILRACE_TRY(auto event, wire.next());
  if (event) return text_of(*event);
  return Status(ErrorCode::kSourceLost, "the server ended the stream").with("server", connection.options().address());
}

// The server has nothing more.
bool is_heartbeat(std::string_view event) {
  auto type = static_cast<EventType>(parse_event_header(event.data()).type);
  return type == EventType::kHeartbeat || type == EventType::kHeartbeatV2;
}

Result<int64_t> first_time(const std::string& file, Connection& connection, const OpenWire& open_wire) {
  TAILRACE_TRY(BinlogWire * wire, open_wire());
  TAILRACE_OK(wire->start(file, 4));
  StartScan scan(INT64_MAX, LogPosition{false, "", file, 4, ""});
  while (!scan.first_time_us()) {
    TAILRACE_TRY(std::string_view event, next_event(*wire, connection));
    TAILRACE_OK(scan.take(event));
  }
  return scan.first_time_us();
}

Result<int64_t> server_clock_us(Connection& connection) {
  TAILRACE_TRY(auto text, connection.query_value("SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"));
  int64_t now = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), now);
  return now;
}

Result<LogPosition> find_time(Connection& connection, int64_t time_us, const OpenWire& open_wire) {
  TAILRACE_TRY(int64_t now_us, server_clock_us(connection));
  if (time_us > now_us) {
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("source.start: {} is in the future; the server's clock says {}", utc_text(time_us), utc_text(now_us)))
        .with("server", connection.options().address());
  }
  TAILRACE_TRY(Position end_text, current_position(connection));
  TAILRACE_TRY(LogPosition end, parse_log_position(end_text));
  TAILRACE_TRY(auto files, list_log_files(connection));
  while (files.size() > 1 && compare_log_files(files.back().name, end.file) > 0) files.pop_back();
  // The last file that begins in a second before the time: what was committed in the second in which a file begins may
  // stand in the one before.
  TAILRACE_TRY(int64_t begins, first_time(files.front().name, connection, open_wire));
  if (time_us < begins) {
    Status gone(ErrorCode::kSourcePurged,
                fmt::format("source.start: {} is before the log begins, at {}", utc_text(time_us), utc_text(begins)));
    return with_earliest(std::move(gone), connection);
  }
  size_t low = 0, high = files.size();  // files[low] begins early enough, files[high] does not
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    TAILRACE_TRY(int64_t at, first_time(files[middle].name, connection, open_wire));
    (at < time_us / kSecond * kSecond ? low : high) = middle;
  }
  TAILRACE_TRY(BinlogWire * wire, open_wire());
  TAILRACE_OK(wire->start(files[low].name, 4));
  StartScan scan(time_us, LogPosition{false, "", files[low].name, 4, end.server});
  while (!scan.found()) {
    LogPosition at = scan.place();
    if (compare_log_files(at.file, end.file) == 0 && at.offset >= end.offset) return end;  // nothing since
    TAILRACE_TRY(std::string_view event, next_event(*wire, connection));
    TAILRACE_OK(scan.take(event));
    if (is_heartbeat(event)) return end;
  }
  return scan.position();
}

}  // namespace

Result<LogPosition> find_start(Connection& connection, const StartPoint& start, const OpenWire& open_wire) {
  LogPosition at;
  switch (start.kind) {
    case StartPoint::Kind::kNow: {
      TAILRACE_TRY(Position now, current_position(connection));
      return parse_log_position(now);
    }
    case StartPoint::Kind::kEarliest: {
      TAILRACE_TRY(auto files, list_log_files(connection));
      at = LogPosition{false, "", files.front().name, 4, connection.server().identity};
      return at;
    }
    case StartPoint::Kind::kTime: return find_time(connection, start.time_us, open_wire);
    case StartPoint::Kind::kPosition: break;
  }
  return parse_log_position(Position{"", start.position});
}

Status check_place(Connection& connection, const LogPosition& at, const OpenWire& open_wire) {
  const ServerInfo& server = connection.server();
  if (at.file.empty() || at.offset <= 4 || (server.is_mariadb && at.offset > UINT32_MAX)) return Status();
  TAILRACE_TRY(BinlogWire * wire, open_wire());
  TAILRACE_OK(wire->start(at.file, at.offset));
  while (true) {
    TAILRACE_TRY(std::string_view event, next_event(*wire, connection));
    if (event.size() < kEventHeaderSize) return Status(ErrorCode::kSourceCorrupt, "an event shorter than its header");
    EventHeader header = parse_event_header(event.data());
    if (is_heartbeat(event)) return Status();
    if (header.flags & kEventArtificial || header.timestamp == 0) continue;
    if (static_cast<EventType>(header.type) == EventType::kFormatDescription) continue;
    return begins_transaction(header.type, server.is_mariadb || server.gtid_mode == "ON") ? Status() : not_between(at, header.type);
  }
}

Status add_gtid_set(Connection& connection, LogPosition& at, const OpenWire& open_wire) {
  const ServerInfo& server = connection.server();
  if (at.has_gtid || at.file.empty() || at.offset <= 4) return Status();
  if (server.is_mariadb) {
    TAILRACE_TRY(auto set, connection.query_value(fmt::format("SELECT BINLOG_GTID_POS({}, {})", quote_text(at.file), at.offset)));
    if (!set) return Status();  // no place between two events: the stream will say so
    at.has_gtid = true;
    at.gtid = *set;
    return Status();
  }
  if (server.gtid_mode != "ON") return Status();
  TAILRACE_TRY(BinlogWire * wire, open_wire());
  TAILRACE_OK(wire->start(at.file, 4));
  StartScan scan(INT64_MAX, LogPosition{false, "", at.file, 4, at.server});
  LogPosition passed = scan.place();
  while (passed.file == at.file && passed.offset < at.offset) {
    TAILRACE_TRY(std::string_view event, next_event(*wire, connection));
    TAILRACE_OK(scan.take(event));
    passed = scan.place();
    if (is_heartbeat(event)) break;
  }
  if (passed.file != at.file || passed.offset != at.offset) return Status();
  auto restart = std::move(at.restart);
  at = scan.position();
  at.restart = std::move(restart);
  return Status();
}

}  // namespace tailrace
