#include "source/log_recorder.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "mysql/compression.h"
#include "mysql/gtid.h"
#include "mysql/schema_reader.h"
#include "mysql/server_log.h"
#include "source/server_start.h"

namespace tailrace {
namespace {

constexpr std::string_view kMagic{
    "\xFE"
    "bin",
    4};
constexpr int kSchemaTries = 10;

// Is this statement one within a transaction, rather than its end or a statement of its own?
bool stays_open(std::string_view sql) {
  for (std::string_view word : {"BEGIN", "XA START", "XA END", "SAVEPOINT", "ROLLBACK TO"}) {
    if (sql.size() < word.size()) continue;
    bool same = true;
    for (size_t i = 0; i < word.size(); ++i) same = same && (sql[i] & ~0x20) == (word[i] & ~0x20);
    if (same) return true;
  }
  return false;
}

Status cannot_write(const std::string& path) {
  return Status(ErrorCode::kSourceFile, "it cannot be written: " + std::string(std::strerror(errno))).with("file", path);
}

// What SHOW CREATE TABLE says of the chosen tables.
Result<std::map<std::string, std::string>> read_creates(Connection& connection, const TableFilter& tables) {
  TAILRACE_TRY(auto schemas, read_schemas(connection, [&](std::string_view d, std::string_view t) { return tables.matches(d, t); }));
  std::map<std::string, std::string> out;
  for (const SchemaRef& schema : schemas) {
    std::string name = quote_name(schema->database) + "." + quote_name(schema->table);
    TAILRACE_TRY(QueryResult shown, connection.query("SHOW CREATE TABLE " + name));
    if (shown.rows.empty() || shown.rows[0].size() < 2 || !shown.rows[0][1]) {
      return Status(ErrorCode::kSchemaMissing, "SHOW CREATE TABLE says nothing").with("table", schema->qualified_name());
    }
    out[name] = fmt::format("USE {};\n{};\n", quote_name(schema->database), *shown.rows[0][1]);
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<LogRecorder>> LogRecorder::open(const ConnectOptions& host, const StartPoint& start, const TableFilter& tables,
                                                       const std::string& folder) {
  std::unique_ptr<LogRecorder> made(new LogRecorder(folder));
  TAILRACE_OK(made->begin(host, start, tables));
  return made;
}

Status LogRecorder::begin(const ConnectOptions& host, const StartPoint& start, const TableFilter& tables) {
  TAILRACE_TRY(Connection connection, Connection::open(host));
  if (!connection.server().log_bin) return Status(ErrorCode::kSourceBinlogOff, "log_bin is OFF").with("server", host.address());
  names_columns_ = connection.server().binlog_row_metadata == "FULL";
  auto open_wire = [&]() -> Result<BinlogWire*> {
    wire_.reset();
    TAILRACE_TRY(wire_, BinlogWire::open(host));
    return wire_.get();
  };
  LogPosition at;
  if (start.kind == StartPoint::Kind::kNow && !names_columns_) {
    // The tables as they are at the very place where the log is read from: nothing may change between two looks at them.
    std::map<std::string, std::string> before, after;
    TAILRACE_TRY(before, read_creates(connection, tables));
    for (int i = 0;; ++i) {
      TAILRACE_TRY(at, find_start(connection, start, open_wire));
      TAILRACE_TRY(after, read_creates(connection, tables));
      if (before == after) break;
      if (i == kSchemaTries)
        return Status(ErrorCode::kSchemaChange, "tables change faster than they can be read; try again").with("server", host.address());
      before = std::move(after);
    }
    std::string path = folder_ + "/schema.sql";
    std::ofstream out(path, std::ios::binary);
    for (const auto& [name, text] : after) out << text;
    out.close();
    if (!out) return cannot_write(path);
    has_schema_ = true;
  } else {
    TAILRACE_TRY(at, find_start(connection, start, open_wire));
    if (start.kind == StartPoint::Kind::kPosition) {
      TAILRACE_OK(fit_position(connection, at));
      if (!at.has_gtid) TAILRACE_OK(check_place(connection, at, open_wire));
    }
  }
  TAILRACE_OK(open_wire().status());
  wire_->ask_for_statements();
  name_ = at.file;
  if (at.file.empty()) {
    if (connection.server().is_mariadb) return wire_->start_mariadb_gtid(at.gtid);
    TAILRACE_TRY(MysqlGtidSet set, MysqlGtidSet::parse(at.gtid));
    return wire_->start_mysql_gtid(set.encode());
  }
  return wire_->start(at.file, at.offset);
}

Result<bool> LogRecorder::step(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  const uint64_t before = bytes_;
  while (bytes_ == before || wire_->buffered()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    TAILRACE_TRY(bool ready, wire_->wait(left));
    if (!ready) break;
    TAILRACE_TRY(auto event, wire_->next());
    if (!event)
      return Status(ErrorCode::kSourceLost, "the server ended the stream").with("server", wire_->connection().options().address());
    TAILRACE_OK(take({reinterpret_cast<const char*>(event->data()), event->size()}));
  }
  return bytes_ != before;
}

Status LogRecorder::take(std::string_view event) {
  if (event.size() < kEventHeaderSize) return Status(ErrorCode::kSourceCorrupt, fmt::format("an event of {} bytes", event.size()));
  EventHeader header = parse_event_header(event.data());
  auto type = static_cast<EventType>(header.type);
  std::string_view body = event.substr(kEventHeaderSize);
  if (type == EventType::kHeartbeat || type == EventType::kHeartbeatV2) return {};
  bool is_made_up = (header.flags & kEventArtificial) != 0 || header.timestamp == 0;
  if (type == EventType::kFormatDescription) {
    TAILRACE_TRY(format_, parse_format_description(body));
    if (size_ > 0) return {};  // told again in the midst of a file
    TAILRACE_OK(write(event));
    whole_ = size_;
    return {};
  }
  if (type == EventType::kRotate && is_made_up) {
    if (has_good_checksum(event)) body.remove_suffix(4);
    TAILRACE_TRY(RotateEvent rotate, parse_rotate(body, format_.value_or(FormatDescription())));
    return rotate.file == name_ && size_ > 0 ? Status() : next_file(std::string(rotate.file));
  }
  if (is_made_up) return {};
  TAILRACE_OK(write(event));
  return follow(header, event);
}

// Where transactions begin and end.
Status LogRecorder::follow(const EventHeader& header, std::string_view event) {
  std::string_view body = event.substr(kEventHeaderSize);
  if (format_ && format_->has_checksum) body.remove_suffix(std::min<size_t>(4, body.size()));
  bool ends = false;
  switch (static_cast<EventType>(header.type)) {
    case EventType::kGtid:
    case EventType::kGtidTagged:
    case EventType::kAnonymousGtid:
    case EventType::kMariaGtid: is_open_ = true; return {};
    case EventType::kXid:
    case EventType::kXaPrepare:
    case EventType::kTransactionPayload: ends = true; break;
    case EventType::kQuery: {
      TAILRACE_TRY(QueryEvent query, parse_query(body, *format_));
      ends = !stays_open(query.sql);
      is_open_ = is_open_ || !ends;
      break;
    }
    case EventType::kMariaQueryCompressed: ends = true; break;  // BEGIN and COMMIT are too short for it
    default: ends = !is_open_; break;
  }
  if (!ends) return {};
  if (is_open_ || header.type == static_cast<uint8_t>(EventType::kQuery)) ++transactions_;
  is_open_ = false;
  whole_ = size_;
  return {};
}

Status LogRecorder::next_file(std::string name) {
  TAILRACE_OK(cut_open());
  name_ = std::move(name);
  size_ = whole_ = 0;
  return {};
}

Status LogRecorder::write(std::string_view event) {
  std::string path = folder_ + "/" + name_;
  if (size_ == 0) {
    out_.open(path, std::ios::binary | std::ios::trunc);
    out_ << kMagic;
    size_ = kMagic.size();
    files_.push_back(name_);
  }
  out_.write(event.data(), static_cast<std::streamsize>(event.size()));
  if (!out_) return cannot_write(path);
  size_ += event.size();
  bytes_ += event.size();
  return {};
}

Status LogRecorder::cut_open() {
  if (!out_.is_open()) return {};
  std::string path = folder_ + "/" + files_.back();
  out_.close();
  if (!out_) return cannot_write(path);
  std::error_code failed;
  if (whole_ < size_) std::filesystem::resize_file(path, whole_, failed);
  if (failed) return Status(ErrorCode::kSourceFile, failed.message()).with("file", path);
  is_open_ = false;
  return {};
}

Status LogRecorder::close() {
  wire_.reset();
  return cut_open();
}

}  // namespace tailrace
