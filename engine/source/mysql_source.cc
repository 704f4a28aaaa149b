#include "source/mysql_source.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>

#include "base/log.h"
#include "event/start_point.h"
#include "mysql/schema_reader.h"
#include "mysql/server_log.h"
#include "mysql/snapshot_reader.h"
#include "source/server_start.h"

namespace tailrace {
namespace {

constexpr std::string_view kKind = "mysql";
constexpr size_t kMaxItems = 2048;
constexpr std::chrono::milliseconds kLongestWait{1000};

}  // namespace

MysqlSource::MysqlSource(std::vector<ConnectOptions> hosts, HeartbeatOptions heartbeat, const SourceContext& context)
    : hosts_(std::move(hosts)),
      heartbeat_options_(std::move(heartbeat)),
      context_(context),
      schemas_(context.schemas, std::string(kKind), &catalogue_,
               [this](std::string_view database, std::string_view table) { return chosen(database, table); }),
      assembler_(context, schemas_, std::string(kKind)) {
  schemas_.set_all_seen(context.copies);
}

bool MysqlSource::chosen(std::string_view database, std::string_view table) const {
  return !context_.tables || context_.tables->matches(database, table);
}

template <class Ask>
auto MysqlSource::ask(Ask&& question) -> decltype(question(std::declval<Connection&>())) {
  for (int attempt = 0;; ++attempt) {
    if (!control_) {
      TAILRACE_TRY(control_, Connection::open(host()));
    }
    auto answer = question(*control_);
    if (answer.ok() || attempt > 0 || answer.status().retry() != Retry::kTransient) return answer;
    control_.reset();  // its session may have timed out while nothing was asked
  }
}

Result<SchemaRef> MysqlSource::LiveCatalogue::table(const std::string& database, const std::string& table) {
  return source_.ask([&](Connection& connection) -> Result<SchemaRef> {
    auto schema = read_schema(connection, database, table);
    if (schema.ok() || schema.status().code() != ErrorCode::kSchemaMissing) return schema;
    // The catalogue shows nothing of tables that the account has no right on; a query tells them from those that are not there.
    if (source_.context_.copies) TAILRACE_OK(check_select(connection, database, table));
    return SchemaRef();
  });
}
Result<std::vector<SchemaRef>> MysqlSource::LiveCatalogue::tables() {
  return source_.ask([&](Connection& connection) {
    return read_schemas(connection, [this](std::string_view d, std::string_view t) { return source_.chosen(d, t); });
  });
}
Result<std::map<std::string, uint16_t>> MysqlSource::LiveCatalogue::databases() {
  return source_.ask([](Connection& connection) { return read_databases(connection); });
}
Result<LogPosition> MysqlSource::LiveCatalogue::position() {
  return source_.ask([](Connection& connection) -> Result<LogPosition> {
    TAILRACE_TRY(Position position, tailrace::current_position(connection));
    return parse_log_position(position);
  });
}
int MysqlSource::LiveCatalogue::lower_case_table_names() {
  return source_.control_ ? source_.control_->server().lower_case_table_names : 0;
}

Status MysqlSource::check_server(Connection& connection) const {
  const ServerInfo& server = connection.server();
  auto refuse = [&](ErrorCode code, std::string detail) { return Status(code, std::move(detail)).with("server", host().address()); };
  if (!server.log_bin) return refuse(ErrorCode::kSourceBinlogOff, "log_bin is OFF");
  TAILRACE_TRY(bool has_log, keeps_log(connection));
  if (!has_log) {
    return refuse(ErrorCode::kSourceBinlogOff,
                  "log_bin says ON, but the server knows no statement that shows its log; it can be "
                  "copied with job.phases = [\"snapshot\"]");
  }
  if (!server.binlog_format.empty() && server.binlog_format != "ROW") {
    return refuse(ErrorCode::kSourceNotRow, "binlog_format is " + server.binlog_format);
  }
  return Status();
}

Status MysqlSource::with_host(const std::function<Status(Connection)>& use) {
  Status final, transient;
  const size_t begin = host_;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    size_t number = (begin + i) % hosts_.size();
    auto connection = Connection::open(hosts_[number]);
    Status status = connection.status();
    if (status.ok()) {
      host_ = number;
      status = use(std::move(connection).value());
      if (status.ok()) return status;
    }
    {
      std::lock_guard lock(wire_mutex_);
      if (interrupted_) return status;
    }
    if (hosts_.size() > 1) log(LogLevel::kWarn, fmt::format("{}: {}", hosts_[number].address(), status.to_string()));
    // Waiting for the others would hide that a failover has lost what was delivered.
    if (status.code() == ErrorCode::kSourceDiverged) return status;
    Status& kept = status.retry() == Retry::kTransient ? transient : final;
    if (kept.ok()) kept = std::move(status);
  }
  host_ = begin;
  // A host that may come back is worth another try, whatever is wrong with the others.
  if (transient.ok()) return final;
  return final.ok() ? transient : std::move(transient).caused_by(std::move(final));
}

Status MysqlSource::open(const std::optional<Position>& from) {
  {
    std::lock_guard lock(wire_mutex_);
    wire_.reset();
    interrupted_ = false;
  }
  failure_ = Status();
  return with_host([&](Connection connection) { return open_at(std::move(connection), from); });
}

Status MysqlSource::open_at(Connection connection, const std::optional<Position>& from) {
  control_.emplace(std::move(connection));
  if (!context_.stream) {
    TAILRACE_TRY(has_log_, keeps_log(*control_));
    if (!has_log_) return open_without_log(from);
  }
  TAILRACE_OK(check_server(*control_));
  is_mariadb_ = control_->server().is_mariadb;
  identity_ = control_->server().identity;
  const std::string& images = control_->server().binlog_row_image;
  with_statements_ = with_statements_ || (is_mariadb_ && images != "FULL");
  heartbeat_.reset();
  if (!heartbeat_options_.table.empty()) {
    TAILRACE_TRY(heartbeat_, HeartbeatTable::start(host(), heartbeat_options_));
  }
  LogPosition at;
  StartPoint point;
  const bool stored = from && !from->source_kind.empty();
  if (from && !stored) {
    TAILRACE_TRY(point, parse_start_point(from->text));
  }
  if (stored) {
    TAILRACE_TRY(at, parse_log_position(*from));
  } else {
    TAILRACE_TRY(at, find_start(*control_, point, [this] { return open_wire(); }));
  }
  auto open_another = [this] { return open_wire(); };
  const bool written = !stored && point.kind == StartPoint::Kind::kPosition;
  if (written && hosts_.size() > 1 && !at.has_gtid && at.server.empty()) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("source.start: {} is a place in the log of one server, and source.url names {}; "
                                                          "give a GTID set, or one host",
                                                          at.text(), hosts_.size()));
  }
  if (stored || written) TAILRACE_OK(fit_position(*control_, at));
  start_ = Position{std::string(kKind), at.text()};
  // With a set the server finds the place by itself.
  if (written && !at.has_gtid) {
    Status between = check_place(*control_, at, open_another);
    if (!between.ok()) return explain(std::move(between));
  }
  TAILRACE_OK(add_gtid_set(*control_, at, open_another));
  start_ = Position{std::string(kKind), at.text()};
  TAILRACE_OK(schemas_.begin(at.restart_place(), stored));
  TAILRACE_OK(assembler_.start(at));
  return start_stream(at.restart_place());
}

// A session, or an earlier setting of the server, logged partial images although the server's own setting is FULL.
Status MysqlSource::restart_with_statements() {
  with_statements_ = true;
  failure_ = Status();
  LogPosition at = assembler_.log_position();
  log(LogLevel::kInfo,
      fmt::format("{}: the log has partial row images; read again from {} with their statements", host().address(), at.text()));
  TAILRACE_OK(assembler_.start(at));
  return start_stream(at.restart_place());
}

// There is one position only, and everything is at it: each chunk is what the tables held when it was read.
Status MysqlSource::open_without_log(const std::optional<Position>& from) {
  start_ = from.value_or(Position{std::string(kKind), "gtid="});
  return {};
}

Result<BinlogWire*> MysqlSource::open_wire() {
  {
    std::lock_guard lock(wire_mutex_);
    wire_.reset();  // two streams of one server_id would throw each other out
  }
  TAILRACE_TRY(auto wire, BinlogWire::open(host()));
  BinlogWire* stream = wire.get();
  std::lock_guard lock(wire_mutex_);
  if (interrupted_) return Status(ErrorCode::kSourceLost, "interrupted").with("server", host().address());
  wire_ = std::move(wire);
  return stream;
}

Status MysqlSource::start_stream(const LogPosition& at) {
  TAILRACE_TRY(BinlogWire * stream, open_wire());
  if (with_statements_) stream->ask_for_statements();
  assembler_.expect_statements(with_statements_ || !is_mariadb_);
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
Status MysqlSource::explain(Status failure) {
  if (failure.code() == ErrorCode::kSourcePurged) {
    failure = std::move(failure).with("position", start_.text);
    auto connection = Connection::open(host());
    return connection.ok() ? with_earliest(std::move(failure), *connection) : failure;
  }
  if (failure.code() != ErrorCode::kSourceQuery) return failure;
  for (std::string_view sign : {"impossible position", "position > file size", "not in the master's binlog", "in the middle of event",
                                "bogus data", "more GTIDs than the"}) {
    if (failure.detail().find(sign) == std::string::npos) continue;
    return Status(ErrorCode::kSourcePosition, failure.detail()).with("position", start_.text).with("server", host().address());
  }
  return failure;
}

Result<ReadState> MysqlSource::fail(Status failure, std::unique_ptr<RawBatch>& out) {
  failure = explain(std::move(failure));
  assembler_.drop_open();
  if (!assembler_.has_output()) {
    if (!assembler_.lacks_statement()) return failure;
    TAILRACE_OK(restart_with_statements());
    return ReadState::kIdle;
  }
  failure_ = std::move(failure);
  return hand_out(out);
}

Result<ReadState> MysqlSource::read(std::unique_ptr<RawBatch>& out, size_t max_bytes, std::stop_token stop) {
  out.reset();
  if (!failure_.ok() && assembler_.lacks_statement()) TAILRACE_OK(restart_with_statements());
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
  constexpr size_t kUsualBatch = 256u << 10;  // of a transaction that would be too large for one
  size_t taken = 0, events = 0;
  while (true) {
    const bool is_full = assembler_.pending_bytes() >= (max_bytes > 0 ? max_bytes : kUsualBatch);
    if (is_full || (assembler_.can_cut() && assembler_.has_rows() && (max_bytes == 0 || taken >= kMaxItems || assembler_.file_changed()))) {
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
      return fail(Status(ErrorCode::kSourceLost, "the server ended the stream").with("server", host().address()), out);
    }
    Status status = assembler_.take({reinterpret_cast<const char*>((*event)->data()), (*event)->size()});
    if (!status.ok()) return fail(std::move(status), out);
    ++taken;
  }
}

Status MysqlSource::decode(const RawBatch& in, EventBatch& out) const {
  return decode_binlog_batch(static_cast<const BinlogRawBatch&>(in), out, host().invalid_text);
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
  const bool this_log = place->server.empty() || place->server == identity_;
  if (this_log && !place->file.empty() && !transaction.file.empty()) {
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
  Position now;
  TAILRACE_OK(with_host([&](Connection connection) -> Status {
    TAILRACE_TRY(now, tailrace::current_position(connection));
    return Status();
  }));
  return now;
}

Result<std::unique_ptr<SnapshotReader>> MysqlSource::snapshot_reader() {
  // The stream will be of the same host: a chunk's positions are places in its log.
  if (hosts_.size() > 1) TAILRACE_OK(with_host([](Connection) { return Status(); }));
  return make_snapshot_reader(
      host(), [this](std::string_view d, std::string_view t) { return chosen(d, t); }, context_.stream);
}

void MysqlSource::interrupt() noexcept {
  std::lock_guard lock(wire_mutex_);
  interrupted_ = true;
  if (wire_) wire_->interrupt();
}

namespace {

const std::vector<OptionSpec>& source_options() {
  static const std::vector<OptionSpec> all = [] {
    auto shared = mysql_option_specs();
    std::vector<OptionSpec> out(shared.begin(), shared.end());
    out.push_back({"heartbeat", "string", "",
                   "table that the engine writes to, such as drc.heartbeat; gives the lag of a source where nothing happens"});
    out.push_back({"heartbeat_interval", "duration", "5s", "how often it is written"});
    return out;
  }();
  return all;
}

Result<std::unique_ptr<Source>> create_mysql(const Options& options, const Url& url, const SourceContext& context) {
  if (url.path.size() > 1) {
    return Status(ErrorCode::kConfigUrl, fmt::format("{}: a URL of a server names no database; say which tables: tables = [\"{}.*\"]",
                                                     url.path, url.path.substr(1)));
  }
  TAILRACE_TRY(auto hosts, host_options(url, options));
  TAILRACE_TRY(HeartbeatOptions heartbeat, heartbeat_options(options.text("heartbeat"), options.integer("heartbeat_interval")));
  return std::unique_ptr<Source>(std::make_unique<MysqlSource>(std::move(hosts), std::move(heartbeat), context));
}

}  // namespace

extern const SourceInfo tailrace_source_mysql;
const SourceInfo tailrace_source_mysql{"mysql", "change stream of a MySQL or MariaDB server", source_options(), &create_mysql};
extern const SourceInfo tailrace_source_mariadb;
const SourceInfo tailrace_source_mariadb{"mariadb", "the same as mysql", source_options(), &create_mysql};

}  // namespace tailrace
