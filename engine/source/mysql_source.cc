#include "source/mysql_source.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>

#include "base/log.h"
#include "mysql/schema_reader.h"
#include "mysql/snapshot_reader.h"

namespace tailrace {
namespace {

constexpr std::string_view kKind = "mysql";
constexpr size_t kMaxItems = 2048;
constexpr std::chrono::milliseconds kLongestWait{1000};

}  // namespace

// The SchemaFetch calls back into this object, which does not move.
MysqlSource::MysqlSource(ConnectOptions options, const SourceContext& context)
    : options_(std::move(options)),
      context_(context),
      schemas_(context.schemas, std::string(kKind),
               [this](const std::string& database, const std::string& table) { return fetch_schema(database, table); }),
      assembler_(context, schemas_, std::string(kKind)) {}

bool MysqlSource::chosen(std::string_view database, std::string_view table) const {
  return !context_.tables || context_.tables->matches(database, table);
}

Result<SchemaRef> MysqlSource::fetch_schema(const std::string& database, const std::string& table) {
  for (int attempt = 0;; ++attempt) {
    if (!control_) {
      TAILRACE_TRY(control_, Connection::open(options_));
    }
    auto schema = read_schema(*control_, database, table);
    if (schema.ok() || schema.status().code() == ErrorCode::kSchemaMissing) return schema.ok() ? schema : SchemaRef();
    control_.reset();  // its session may have timed out while nothing was asked
    if (attempt > 0 || schema.status().retry() != Retry::kTransient) return schema;
  }
}

Status MysqlSource::check_server(Connection& connection) const {
  const ServerInfo& server = connection.server();
  auto refuse = [&](ErrorCode code, std::string detail) {
    return Status(code, std::move(detail)).with("server", options_.address());
  };
  if (!server.log_bin) return refuse(ErrorCode::kSourceBinlogOff, "log_bin is OFF");
  TAILRACE_TRY(bool has_log, keeps_log(connection));
  if (!has_log) {
    return refuse(ErrorCode::kSourceBinlogOff, "log_bin says ON, but the server knows no statement that shows its log; it can be "
                                               "copied with job.phases = [\"snapshot\"]");
  }
  if (!server.binlog_format.empty() && server.binlog_format != "ROW") {
    return refuse(ErrorCode::kSourceNotRow, "binlog_format is " + server.binlog_format);
  }
  return Status();
}

Status MysqlSource::open(const std::optional<Position>& from) {
  {
    std::lock_guard lock(wire_mutex_);
    wire_.reset();
    interrupted_ = false;
  }
  failure_ = Status();
  control_.reset();
  TAILRACE_TRY(control_, Connection::open(options_));
  if (!context_.stream) {
    TAILRACE_TRY(has_log_, keeps_log(*control_));
    if (!has_log_) return open_without_log(from);
  }
  TAILRACE_OK(check_server(*control_));
  is_mariadb_ = control_->server().is_mariadb;
  if (from) {
    start_ = *from;
  } else {
    TAILRACE_TRY(start_, tailrace::current_position(*control_));
  }
  TAILRACE_TRY(LogPosition at, parse_log_position(start_));
  TAILRACE_OK(schemas_.load());
  if (!schemas_.knows_any()) {
    TAILRACE_TRY(auto schemas, read_schemas(*control_, [this](std::string_view d, std::string_view t) { return chosen(d, t); }));
    TAILRACE_OK(schemas_.preload(schemas, at));
  }
  TAILRACE_OK(assembler_.start(at));
  return start_stream(at.restart_place());
}

// There is one position only, and everything is at it: each chunk is what the tables held when it was read.
Status MysqlSource::open_without_log(const std::optional<Position>& from) {
  start_ = from.value_or(Position{std::string(kKind), "gtid="});
  return {};
}

Status MysqlSource::start_stream(const LogPosition& at) {
  TAILRACE_TRY(auto wire, BinlogWire::open(options_));
  BinlogWire* stream = wire.get();
  {
    std::lock_guard lock(wire_mutex_);
    if (interrupted_) return Status(ErrorCode::kSourceLost, "interrupted").with("server", options_.address());
    wire_ = std::move(wire);
  }
  bool has_set = at.has_gtid && !at.gtid.empty();
  if (has_set && is_maria_gtid_text(at.gtid) != is_mariadb_) {
    if (at.file.empty()) {
      return Status(ErrorCode::kSourcePosition, fmt::format("gtid={} is not of this server's form", at.gtid));
    }
    has_set = false;
  }
  if (has_set && is_mariadb_) return stream->start_mariadb_gtid(at.gtid);
  if (has_set && (stream->server().gtid_mode == "ON" || at.file.empty())) {
    TAILRACE_TRY(MysqlGtidSet set, MysqlGtidSet::parse(at.gtid));
    return stream->start_mysql_gtid(set.encode());
  }
  if (!at.file.empty()) return stream->start(at.file, at.offset);
  // An empty set: everything the server still has.
  return is_mariadb_ ? stream->start_mariadb_gtid("") : stream->start_mysql_gtid(MysqlGtidSet().encode());
}

Result<ReadState> MysqlSource::hand_out(std::unique_ptr<RawBatch>& out) {
  TAILRACE_TRY(auto batch, assembler_.cut());
  out = std::move(batch);
  return out ? ReadState::kMore : ReadState::kIdle;
}

// The server tells only by its text that the position asked for is not one of its log.
Status MysqlSource::explain(Status failure) const {
  if (failure.code() == ErrorCode::kSourcePurged) return std::move(failure).with("position", start_.text);
  if (failure.code() != ErrorCode::kSourceQuery) return failure;
  for (std::string_view sign : {"impossible position", "position > file size", "not in the master's binlog", "in the middle of event", "bogus data",
                                "more GTIDs than the"}) {
    if (failure.detail().find(sign) == std::string::npos) continue;
    return Status(ErrorCode::kSourcePosition, failure.detail()).with("position", start_.text).with("server", options_.address());
  }
  return failure;
}

Result<ReadState> MysqlSource::fail(Status failure, std::unique_ptr<RawBatch>& out) {
  failure = explain(std::move(failure));
  assembler_.drop_open();
  if (!assembler_.has_output()) return failure;
  failure_ = std::move(failure);
  return hand_out(out);
}

Result<ReadState> MysqlSource::read(std::unique_ptr<RawBatch>& out, size_t max_bytes, std::stop_token stop) {
  out.reset();
  if (!failure_.ok()) return failure_;
  if (!has_log_) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock wait(mutex);
    wake.wait_for(wait, stop, std::chrono::milliseconds(20), [] { return false; });
    return ReadState::kIdle;
  }
  BinlogWire* wire = wire_.get();
  if (!wire) return Status(ErrorCode::kInternal, "the source is not open");
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  size_t taken = 0, events = 0;
  while (true) {
    if (assembler_.pending_bytes() >= max_bytes ||
        (assembler_.can_cut() && assembler_.has_rows() && (taken >= kMaxItems || assembler_.file_changed()))) {
      TAILRACE_TRY(ReadState state, hand_out(out));
      if (out) return state;
      continue;
    }
    if (assembler_.stepping()) {
      Status status = assembler_.step();
      if (!status.ok()) return fail(std::move(status), out);
      ++taken;
      continue;
    }
    if (stop.stop_requested()) return ReadState::kIdle;
    if (!assembler_.in_transaction() && assembler_.has_output() && !wire->data_waiting()) return hand_out(out);
    // The clock is asked before a wait, and now and then: a question costs as much as taking an event.
    if (!wire->buffered() || ++events % 64 == 0) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return assembler_.can_cut() ? hand_out(out) : ReadState::kIdle;
      auto ready = wire->wait(left);
      if (!ready.ok() && stop.stop_requested()) return ReadState::kIdle;
      if (!ready.ok()) return fail(std::move(ready).status(), out);
      if (!*ready) continue;
    }
    auto event = wire->next();
    if (!event.ok() && stop.stop_requested()) return ReadState::kIdle;
    if (!event.ok()) return fail(std::move(event).status(), out);
    if (!*event) {
      return fail(Status(ErrorCode::kSourceLost, "the server ended the stream").with("server", options_.address()), out);
    }
    Status status = assembler_.take({reinterpret_cast<const char*>((*event)->data()), (*event)->size()});
    if (!status.ok()) return fail(std::move(status), out);
    ++taken;
  }
}

Status MysqlSource::decode(const RawBatch& in, EventBatch& out) const {
  return decode_binlog_batch(static_cast<const BinlogRawBatch&>(in), out, options_.invalid_text);
}

bool MysqlSource::covers(const Position& at, const Transaction& transaction) const {
  auto place = parse_log_position(at);
  if (!place.ok()) return false;
  bool has_set = place->has_gtid && !place->gtid.empty();
  if (has_set && !is_maria_gtid_text(place->gtid)) {
    auto gtid = parse_mysql_gtid_text(transaction.id);
    auto set = MysqlGtidSet::parse(place->gtid);
    if (gtid.ok() && set.ok()) return set->contains(*gtid);
  }
  if (!place->file.empty() && !transaction.file.empty()) {
    int order = compare_log_files(place->file, transaction.file);
    return order > 0 || (order == 0 && place->offset >= transaction.end_offset);
  }
  auto gtid = parse_maria_gtid_text(transaction.id);
  auto list = MariaGtidList::parse(place->gtid);
  return has_set && gtid.ok() && list.ok() && list->contains(*gtid);
}

bool MysqlSource::reached(const Position& at, const Position& target) const {
  if (!has_log_) return true;
  auto a = parse_log_position(at);
  auto b = parse_log_position(target);
  return a.ok() && b.ok() && log_position_reached(*a, *b);
}

Result<Position> MysqlSource::current_position() {
  if (!has_log_) return start_;
  TAILRACE_TRY(Connection connection, Connection::open(options_));
  return tailrace::current_position(connection);
}

Result<std::unique_ptr<SnapshotReader>> MysqlSource::snapshot_reader() {
  return make_snapshot_reader(options_, [this](std::string_view d, std::string_view t) { return chosen(d, t); },
                              context_.stream);
}

void MysqlSource::interrupt() noexcept {
  std::lock_guard lock(wire_mutex_);
  interrupted_ = true;
  if (wire_) wire_->interrupt();
}

namespace {

Result<std::unique_ptr<Source>> create_mysql(const Options& options, const Url& url, const SourceContext& context) {
  TAILRACE_TRY(ConnectOptions connect, connect_options(url, options));
  return std::unique_ptr<Source>(std::make_unique<MysqlSource>(std::move(connect), context));
}

}  // namespace

extern const SourceInfo tailrace_source_mysql;
const SourceInfo tailrace_source_mysql{"mysql", "change stream of a MySQL or MariaDB server", mysql_option_specs(), &create_mysql};
extern const SourceInfo tailrace_source_mariadb;
const SourceInfo tailrace_source_mariadb{"mariadb", "the same as mysql", mysql_option_specs(), &create_mysql};

}  // namespace tailrace
