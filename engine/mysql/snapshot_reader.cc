#include "mysql/snapshot_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "mysql/foreign_keys.h"
#include "mysql/gtid.h"
#include "mysql/row_stream.h"
#include "mysql/snapshot_key.h"
#include "mysql/value_from_result.h"

namespace tailrace {
namespace {

constexpr unsigned kTableChanged = 1412, kNoSuchTable = 1146, kBadField = 1054, kLockTimeout = 1205;

// How the position of a view of the data is learnt.
enum class View : uint8_t {
  kSnapshotStatus,  // MariaDB: the transaction itself knows its place in the log
  kGtidBounds,      // MySQL with GTIDs, keyed tables: bounds below and above
  kBriefLock,       // a read lock on the one table while the transaction begins
  kNoLog,           // there is no position
  kLock             // a read lock for as long as the read takes: engines without transactions
};

bool is_transactional(std::string_view engine) {
  return engine == "InnoDB" || engine == "ROCKSDB" || engine == "RocksDB" || engine == "TokuDB";
}

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class MysqlSnapshotReader final : public SnapshotReader {
 public:
  MysqlSnapshotReader(ConnectOptions options, TableChoice choice, bool needs_log)
      : options_(std::move(options)), choice_(std::move(choice)), needs_log_(needs_log) {}

  Result<std::vector<SnapshotTable>> tables() override {
    auto result = list_tables();
    if (!result.ok()) disconnect();
    return result;
  }

  Result<std::vector<std::string>> unlogged_changes(const std::vector<SnapshotTable>& tables) override {
    TAILRACE_OK(connect());
    std::vector<SchemaRef> schemas;
    for (const SnapshotTable& table : tables) schemas.push_back(table.schema);
    auto keys = silent_keys(*connection_, schemas);
    if (!keys.ok()) disconnect();
    if (!keys.ok()) return std::move(keys).status();
    std::vector<std::string> out;
    for (const SilentKey& key : *keys) {
      out.push_back(
          fmt::format("foreign key {} of {}: what {} of {} changes in it is not in the server's log, and the copy will not have it",
                      key.constraint, key.table, key.actions, key.parent));
    }
    return out;
  }

  Result<SnapshotChunk> read_chunk(const SchemaRef& table, const std::string& from_key, size_t max_rows, size_t max_bytes) override {
    auto result = chunk(*table, table, from_key, std::max<size_t>(max_rows, 1), max_bytes);
    if (!result.ok()) return fail(std::move(result).status(), *table);
    return result;
  }

  Result<Position> read_whole(const SchemaRef& table, size_t max_bytes, const std::function<Status(SnapshotChunk)>& sink) override {
    auto result = whole(*table, table, max_bytes, sink);
    if (!result.ok()) return fail(std::move(result).status(), *table);
    return result;
  }

 private:
  struct Known {
    std::string engine;
    uint64_t row_bytes = 0;  // average
  };
  struct Bounds {
    Position low, high;
    bool exact = false;
  };

  Status connect() {
    if (connection_) return {};
    TAILRACE_TRY(Connection opened, Connection::open(options_));
    connection_.emplace(std::move(opened));
    // Text travels in the columns' own character sets: the server's conversion would put '?' for what it has no
    // character for, which nobody could tell from a question mark.
    TAILRACE_OK(connection_->execute("SET SESSION character_set_results=NULL"));
    TAILRACE_TRY(has_log_, keeps_log(*connection_));
    if (has_log_ || !needs_log_) return {};
    return Status(ErrorCode::kSourceBinlogOff, "the server keeps no binary log").with("server", options_.address());
  }
  // Ends whatever was under way at the server: transaction, locks, half a result.
  void disconnect() {
    connection_.reset();
    locker_.reset();
  }

  // The table's own words for errors that mean it is not the one we were told of.
  Status fail(Status status, const TableSchema& table) {
    unsigned number = connection_ ? connection_->last_error() : 0;
    disconnect();
    if (status.code() == ErrorCode::kSourceQuery && (number == kTableChanged || number == kBadField)) {
      status = Status(ErrorCode::kSchemaMismatch, "the table was altered during the snapshot").caused_by(std::move(status));
    } else if (status.code() == ErrorCode::kSourceQuery && number == kNoSuchTable) {
      status = Status(ErrorCode::kSchemaMissing, "the table was dropped during the snapshot").caused_by(std::move(status));
    }
    return std::move(status).with("table", table.qualified_name());
  }

  Result<std::vector<SnapshotTable>> list_tables() {
    TAILRACE_OK(connect());
    TAILRACE_TRY(std::vector<TableStatus> found, read_tables(*connection_, choice_));
    std::vector<SnapshotTable> out;
    for (TableStatus& status : found) {
      TAILRACE_OK(check_select(*connection_, status.schema->database, status.schema->table));
      known_[status.schema->qualified_name()] = {status.engine, status.average_row_length};
      out.push_back({std::move(status.schema), status.estimated_rows});
    }
    return out;
  }

  Result<Known*> know(const TableSchema& table) {
    auto it = known_.find(table.qualified_name());
    if (it != known_.end()) return &it->second;
    TAILRACE_TRY(std::vector<TableStatus> found, read_tables(*connection_, [&](std::string_view database, std::string_view name) {
                   return database == table.database && name == table.table;
                 }));
    if (found.empty()) return Status(ErrorCode::kSchemaMissing, "the server has no such table");
    return &(known_[table.qualified_name()] = {found[0].engine, found[0].average_row_length});
  }

  View view_for(const Known& known, bool keyed) const {
    if (!has_log_) return View::kNoLog;
    if (!is_transactional(known.engine)) return View::kLock;
    if (connection_->server().is_mariadb) return View::kSnapshotStatus;
    return keyed && connection_->server().gtid_mode == "ON" ? View::kGtidBounds : View::kBriefLock;
  }

  Status lock(const TableSchema& table, View view) {
    if (!locker_) {
      TAILRACE_TRY(Connection opened, Connection::open(options_));
      locker_.emplace(std::move(opened));
      // While it waits for a long writer, the lock keeps later writers waiting too: give up early, let them by, retry.
      TAILRACE_OK(locker_->execute("SET SESSION lock_wait_timeout=5"));
    }
    Status status;
    for (int attempt = 0; attempt < 24; ++attempt) {
      status = locker_->execute(fmt::format("LOCK TABLES {} READ", sql_name(table)));
      if (status.ok() || locker_->last_error() != kLockTimeout) break;
    }
    if (status.ok() || status.code() != ErrorCode::kSourcePrivilege) return status;
    std::string_view why = view == View::kLock ? "its storage engine has no transactions"
                                               : "it has no key to follow, or the server has gtid_mode other than ON";
    return Status(ErrorCode::kSourcePrivilege,
                  fmt::format("the table is copied under a read lock, because {}: GRANT SELECT, LOCK TABLES ON {}.* TO {} ({})", why,
                              quote_name(table.database), options_.user, status.detail()))
        .with("table", table.qualified_name())
        .with("server", options_.address());
  }

  static std::string sql_name(const TableSchema& table) { return quote_name(table.database) + "." + quote_name(table.table); }

  // Opens a view of the table, holds its definition fast, and learns the position (the upper bound comes later).
  Result<Bounds> begin(const TableSchema& table, View view) {
    Bounds bounds;
    if (view == View::kGtidBounds) {
      // A transaction that is in gtid_executed is committed in the engine: what we see from now on includes it.
      TAILRACE_TRY(auto gtid, connection_->query_value("SELECT @@GLOBAL.gtid_executed"));
      std::string text = gtid.value_or("");
      std::erase_if(text, [](unsigned char c) { return c == '\n' || c == '\r' || c == ' '; });
      bounds.low = Position{"mysql", "gtid=" + text};
    }
    if (view == View::kBriefLock || view == View::kLock) TAILRACE_OK(lock(table, view));
    TAILRACE_OK(connection_->execute("START TRANSACTION WITH CONSISTENT SNAPSHOT"));
    if (view == View::kSnapshotStatus) {
      TAILRACE_TRY(bounds.low, snapshot_position());
    } else if (view == View::kNoLog) {
      bounds.low = Position{"mysql", "gtid="};
    } else if (view != View::kGtidBounds) {
      TAILRACE_TRY(bounds.low, current_position(*locker_));
    }
    bounds.exact = view != View::kGtidBounds;
    bounds.high = bounds.low;
    // Touching the table takes its metadata lock: nobody can alter it before the transaction ends.
    TAILRACE_OK(connection_->execute(fmt::format("SELECT 1 FROM {} LIMIT 0", sql_name(table))));
    TAILRACE_OK(compare_layout(table));
    if (view == View::kBriefLock) TAILRACE_OK(locker_->execute("UNLOCK TABLES"));
    return bounds;
  }

  Status compare_layout(const TableSchema& table) {
    TAILRACE_TRY(SchemaRef now, read_schema(*connection_, table.database, table.table));
    if (same_layout(*now, table)) return {};
    return Status(ErrorCode::kSchemaMismatch, "the table was altered since its schema was read");
  }

  Status end(const TableSchema& table, View view, Bounds& bounds) {
    // A server without a log need not hold the table's definition for a transaction either.
    if (view == View::kNoLog) TAILRACE_OK(compare_layout(table));
    if (view == View::kGtidBounds) {
      // What we saw was in the log by now. gtid_executed may lag behind what is visible, the offset cannot.
      TAILRACE_TRY(Position now, current_position(*connection_));
      bounds.high = Position{"mysql", now.text.substr(now.text.find("file="))};
    }
    TAILRACE_OK(connection_->execute("COMMIT"));
    if (view == View::kLock) TAILRACE_OK(locker_->execute("UNLOCK TABLES"));
    return {};
  }

  Result<Position> snapshot_position() {
    TAILRACE_TRY(QueryResult status, connection_->query("SHOW STATUS LIKE 'binlog_snapshot_%'"));
    std::string file, offset;
    for (const auto& row : status.rows) {
      if (row.size() < 2 || !row[0] || !row[1]) continue;
      if (*row[0] == "Binlog_snapshot_file") file = *row[1];
      if (*row[0] == "Binlog_snapshot_position") offset = *row[1];
    }
    if (file.empty()) {
      return Status(ErrorCode::kSourceBinlogOff, "the server tells no log position for a snapshot").with("server", options_.address());
    }
    return Position{"mysql", fmt::format("file={};offset={};server={}", file, offset, connection_->server().identity)};
  }

  // A copy of a whole table is remembered until the stream has passed it, which may be on another server.
  Status add_gtid(Bounds& bounds) {
    TAILRACE_TRY(LogPosition at, parse_log_position(bounds.low));
    TAILRACE_TRY(auto set, connection_->query_value(fmt::format("SELECT BINLOG_GTID_POS({}, {})", quote_text(at.file), at.offset)));
    if (!set) return {};
    at.has_gtid = true;
    at.gtid = *set;
    bounds.low.text = bounds.high.text = at.text();
    return {};
  }

  // Raw bytes of key columns with a character set are asked for behind the columns themselves.
  std::string select_list(const TableSchema& table, std::vector<int>& raw_at) const {
    const bool is_mariadb = connection_->server().is_mariadb;
    std::string out;
    for (const Column& column : table.columns) out += (out.empty() ? "" : ", ") + select_expression(column, is_mariadb);
    int next = static_cast<int>(table.columns.size());
    raw_at.clear();
    for (uint16_t index : table.primary_key) {
      const Column& column = table.columns[index];
      raw_at.push_back(SnapshotKey::needs_raw(column) ? next++ : -1);
      if (raw_at.back() >= 0) out += ", CAST(" + quote_name(column.name) + " AS BINARY)";
    }
    return out;
  }

  static SnapshotChunk new_chunk(const Bounds& bounds) {
    SnapshotChunk out;
    out.low = bounds.low;
    out.high = bounds.high;
    out.exact = bounds.exact;
    out.rows.is_snapshot = true;
    Transaction transaction;
    transaction.id = "snapshot";
    transaction.commit_time_us = now_us();
    transaction.begins_here = transaction.ends_here = true;
    out.rows.txns.push_back(std::move(transaction));
    return out;
  }

  // Adds the stream's current row; returns its size in memory.
  Result<size_t> add_row(const RowStream& stream, const SchemaRef& table, EventBatch& batch) const {
    size_t columns = table->columns.size();
    size_t size = columns * sizeof(Value) + sizeof(ChangeEvent);
    Row row = batch.new_row(columns);
    for (size_t i = 0; i < columns; ++i) {
      TAILRACE_TRY(row[i], value_from_result(table->columns[i], stream.wire_type(i), stream.cell(i), batch.arena, stream.charset(i),
                                             options_.invalid_text));
      size += row[i].size;
    }
    ChangeEvent event;
    event.op = Op::kRead;
    event.ordinal = batch.events.size();
    event.table = batch.keep(table);
    event.after = row;
    batch.events.push_back(event);
    return size;
  }

  Result<const CollationNames*> collations() {
    if (collations_.empty()) {
      TAILRACE_TRY(collations_, read_collations(*connection_));
    }
    return &std::as_const(collations_);
  }

  Result<SnapshotChunk> chunk(const TableSchema& table, const SchemaRef& ref, const std::string& from_key, size_t max_rows,
                              size_t max_bytes) {
    if (table.primary_key.empty()) return Status(ErrorCode::kInternal, "a table without key was to be read by chunks");
    TAILRACE_OK(connect());
    TAILRACE_TRY(Known * known, know(table));
    std::vector<int> raw_at;
    std::string sql = fmt::format("SELECT {} FROM {}", select_list(table, raw_at), sql_name(table));
    if (!from_key.empty()) {
      TAILRACE_TRY(SnapshotKey key, SnapshotKey::parse(table, from_key));
      TAILRACE_TRY(const CollationNames* names, collations());
      TAILRACE_TRY(std::string condition, key.condition(table, *names));
      sql += " WHERE " + condition;
    }
    std::string order;
    for (uint16_t index : table.primary_key) order += (order.empty() ? "" : ", ") + quote_name(table.columns[index].name);
    // Rows asked for and not taken travel for nothing: with wide rows ask for fewer.
    size_t limit = max_rows;
    if (known->row_bytes) limit = std::min<size_t>(limit, std::max<size_t>(16, max_bytes / known->row_bytes * 5 / 4));
    sql += fmt::format(" ORDER BY {} LIMIT {}", order, limit);

    const View view = view_for(*known, true);
    TAILRACE_TRY(Bounds bounds, begin(table, view));
    SnapshotChunk out = new_chunk(bounds);
    size_t bytes = 0;
    {
      TAILRACE_TRY(RowStream stream, RowStream::open(*connection_, sql));
      std::vector<std::string> raw(raw_at.size());
      while (out.rows.events.size() < limit && (bytes < max_bytes || out.rows.events.empty())) {
        TAILRACE_TRY(bool more, stream.next());
        if (!more) break;
        TAILRACE_TRY(size_t size, add_row(stream, ref, out.rows));
        bytes += size;
        for (size_t i = 0; i < raw_at.size(); ++i) {
          if (raw_at[i] >= 0) raw[i] = bytes_of_cell(stream.cell(static_cast<size_t>(raw_at[i])));
        }
      }
      size_t rows = out.rows.events.size();
      if (rows == limit || bytes >= max_bytes) {
        out.next_key = SnapshotKey::of_row(table, out.rows.events.back().after, raw).json(table);
      }
      if (rows) known->row_bytes = std::max<uint64_t>(1, bytes / rows);
    }
    TAILRACE_OK(end(table, view, bounds));
    out.low = bounds.low;
    out.high = bounds.high;
    return out;
  }

  Result<Position> whole(const TableSchema& table, const SchemaRef& ref, size_t max_bytes,
                         const std::function<Status(SnapshotChunk)>& sink) {
    TAILRACE_OK(connect());
    TAILRACE_TRY(Known * known, know(table));
    const View view = view_for(*known, false);
    TAILRACE_TRY(Bounds bounds, begin(table, view));
    if (view == View::kSnapshotStatus) TAILRACE_OK(add_gtid(bounds));
    {
      std::vector<int> raw_at;
      TAILRACE_TRY(RowStream stream,
                   RowStream::open(*connection_, fmt::format("SELECT {} FROM {}", select_list(table, raw_at), sql_name(table))));
      SnapshotChunk batch = new_chunk(bounds);
      size_t bytes = 0;
      while (true) {
        TAILRACE_TRY(bool more, stream.next());
        if (!more) break;
        TAILRACE_TRY(size_t size, add_row(stream, ref, batch.rows));
        bytes += size;
        if (bytes < max_bytes) continue;
        Status taken = sink(std::exchange(batch, new_chunk(bounds)));
        if (!taken.ok()) {
          stream.abandon();
          return taken;
        }
        bytes = 0;
      }
      if (!batch.rows.events.empty()) TAILRACE_OK(sink(std::move(batch)));
    }
    TAILRACE_OK(end(table, view, bounds));
    return bounds.low;
  }

  const ConnectOptions options_;
  const TableChoice choice_;
  const bool needs_log_;
  bool has_log_ = true;
  std::optional<Connection> connection_, locker_;
  std::map<std::string, Known> known_;  // by qualified name
  CollationNames collations_;
};

}  // namespace

std::unique_ptr<SnapshotReader> make_snapshot_reader(ConnectOptions options, TableChoice choice, bool needs_log) {
  return std::make_unique<MysqlSnapshotReader>(std::move(options), std::move(choice), needs_log);
}

}  // namespace tailrace
