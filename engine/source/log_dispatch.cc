// BinlogAssembler, second part: what each kind of event does.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/byte_cursor.h"
#include "event/ddl_kind.h"
#include "mysql/ddl_kinds.h"
#include "source/log_assembler.h"

namespace tailrace {
namespace {

constexpr size_t kStatementKept = 4096;  // its verb and its table stand at the beginning

std::string beginning(std::string_view sql) {
  constexpr size_t kShown = 120;
  return sql.size() <= kShown ? std::string(sql) : std::string(sql.substr(0, kShown)) + "…";
}

SchemaRef nameless_schema(const TableName& name) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = name.database;
  schema->table = name.table;
  return schema;
}

}  // namespace

Status BinlogAssembler::dispatch(const EventHeader& header, std::string_view body) {
  if (is_rows_event(header.type) || is_compressed_rows_event(header.type)) return on_rows(header, body);
  switch (static_cast<EventType>(header.type)) {
    case EventType::kTableMap:
      if (!open_) begin({}, header, false);
      return on_table_map(body);
    case EventType::kQuery:
    case EventType::kMariaQueryCompressed: return on_query(header, body);
    case EventType::kXid: return end(header);
    case EventType::kMariaGtid: return on_maria_gtid(header, body);
    case EventType::kGtid:
    case EventType::kAnonymousGtid:
    case EventType::kGtidTagged: return on_gtid(header, body);
    case EventType::kRotate: return on_rotate(header, body);
    case EventType::kPreviousGtids:
    case EventType::kMariaGtidList: return on_gtid_state(header, body);
    case EventType::kTransactionPayload: return on_payload(body);
    case EventType::kXaPrepare: return on_xa_prepare(header, body);
    case EventType::kMariaAnnotateRows: statement_.assign(body.substr(0, kStatementKept)); return Status();
    // Nothing that changes rows.
    case EventType::kStop:
    case EventType::kRowsQuery:
    case EventType::kIgnorable:
    case EventType::kMariaBinlogCheckpoint:
    case EventType::kTransactionContext:
    case EventType::kViewChange:
    case EventType::kHeartbeat:
    case EventType::kHeartbeatV2:
    // Belong to a statement in the log, which is then refused itself.
    case EventType::kIntvar:
    case EventType::kRand:
    case EventType::kUserVar: return Status();
    case EventType::kLoad:
    case EventType::kNewLoad:
    case EventType::kCreateFile:
    case EventType::kAppendBlock:
    case EventType::kExecLoad:
    case EventType::kDeleteFile:
    case EventType::kBeginLoadQuery:
    case EventType::kExecuteLoadQuery: return Status(ErrorCode::kSourceNotRow, "LOAD DATA was logged as a statement");
    case EventType::kIncident:
      return Status(ErrorCode::kSourceUnsupported, "the server reports that events are missing here (incident event)");
    case EventType::kMariaStartEncryption:
      if (!located_) return Status();  // tells of the server's file; what it sends is decrypted
      return Status(ErrorCode::kSourceUnsupported, "the binary log is encrypted");
    case EventType::kPreGaWriteRows:
    case EventType::kPreGaUpdateRows:
    case EventType::kPreGaDeleteRows: return Status(ErrorCode::kSourceUnsupported, "rows in the form of MySQL 5.1 before its release");
    default: return Status(ErrorCode::kSourceUnknownEvent, fmt::format("event type {}", header.type));
  }
}

bool BinlogAssembler::wanted(std::string_view database, std::string_view table) const {
  if (filter_) return filter_->matches(database, table);
  return database != "mysql" && database != "sys" && database != "performance_schema" && database != "information_schema";
}

BinlogRawBatch::Item& BinlogAssembler::add_item(std::string_view bytes, uint64_t offset) {
  transaction();
  has_rows_ = true;
  if (batch_->items.empty()) batch_->file = file_;
  BinlogRawBatch::Item& item = batch_->items.emplace_back();
  item.txn = static_cast<uint32_t>(batch_->txns.size() - 1);
  item.body = {batch_->buffer->copy(bytes), bytes.size()};
  item.offset = offset;
  item.weight = bytes.size() + sizeof item;
  batch_bytes_ += item.weight;
  return item;
}

// Rows of a wide table may take far more memory than log: batches of them close earlier.
void BinlogAssembler::weigh(BinlogRawBatch::Item& item) {
  constexpr size_t kWide = 16;  // columns; below, the factor is no more than about 150
  constexpr size_t kUsualFactor = 32;
  if (item.plan->schema->columns.size() < kWide || is_compressed_rows_event(item.type)) return;
  auto event = parse_rows_event(item.type, item.body, *format_);
  if (!event.ok()) return;  // told when it is decoded
  size_t decoded = RowsDecoder().decoded_bytes(*item.plan, *event);
  size_t usual = kUsualFactor * item.weight;
  if (decoded <= usual) return;
  batch_bytes_ += decoded - usual;
  item.weight += decoded - usual;
}

Status BinlogAssembler::on_table_map(std::string_view body) {
  ByteCursor in(body);
  uint64_t id = in.le(table_id_size(*format_, EventType::kTableMap));
  if (maps_.size() > 10000 && !statement_open_) maps_.clear();
  statement_open_ = true;
  Mapped& mapped = maps_[id];
  // Asking about a guess at each event would cost more than all the rest.
  auto settles = [&] {
    int order = mapped.settles.file.empty() ? 1 : compare_log_files(file_, mapped.settles.file);
    return order > 0 || (order == 0 && event_offset_ >= mapped.settles.offset);
  };
  if (mapped.generation == generation_ && mapped.bytes == body && !(mapped.provisional && settles())) return Status();
  mapped.provisional = false;
  mapped.generation = 0;
  in.skip(2);
  std::string_view database = in.bytes(in.u8());
  in.skip(1);
  std::string_view table = in.bytes(in.u8());
  if (in.failed()) return Status(ErrorCode::kSourceCorrupt, "malformed TABLE_MAP event");
  mapped.plan.reset();
  mapped.set_aside.clear();
  mapped.held_by = 0;
  if (wanted(database, table)) {
    Quarantine::Name name(database, table);
    if (!set_aside_.count(name)) {
      TAILRACE_TRY(TableMap map, parse_table_map(body, *format_));
      auto resolved = schemas_.resolve(map, transaction_place());
      if (resolved.ok()) {
        mapped.plan = std::move(resolved->plan);
        mapped.provisional = resolved->provisional;
        mapped.settles = std::move(resolved->settles);
      } else {
        TAILRACE_OK(set_aside(std::move(resolved).status(), name));
      }
    }
    if (set_aside_.count(name)) mapped.set_aside = name.first + "." + name.second;
  }
  mapped.bytes.assign(body);
  mapped.generation = generation_;
  return Status();
}

// Of MariaDB's updates whose image after lacks columns: the statement tells what became of those.
Lacking BinlogAssembler::lacking_in(uint8_t type, std::string_view body, const std::string& table) const {
  auto event = parse_rows_event(type, body, *format_);
  if (!event.ok() || event->op != Op::kUpdate) return Lacking::kUnchanged;
  uint64_t present = 0;
  for (char byte : event->present_after) present += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(byte)));
  return present == event->columns ? Lacking::kUnchanged : what_lacks(statement_, table);
}

Status BinlogAssembler::set_aside(Status failure, const Quarantine::Name& name) {
  ErrorCode code = failure.code();
  bool of_one_table = code == ErrorCode::kSchemaMismatch || code == ErrorCode::kSchemaMissing || code == ErrorCode::kSchemaType;
  if (!quarantine_ || !of_one_table) return failure;
  DeadLetter first;
  first.code = error_info(code).text;
  first.position = Position{source_kind_, transaction_place().text()};
  first.database = name.first;
  first.table = name.second;
  first.payload = fmt::format(R"({{"event":"TABLE_MAP","place":"{}:{}"}})", file_, event_offset_);
  first.message = failure.to_string();
  TAILRACE_OK(quarantine_->set_aside(first));
  set_aside_.insert(name);
  return Status();
}

Status BinlogAssembler::on_rows(const EventHeader& header, std::string_view body) {
  ByteCursor in(body);
  uint64_t id = in.le(table_id_size(*format_, static_cast<EventType>(header.type)));
  uint16_t flags = in.u16();
  if (in.failed()) return Status(ErrorCode::kSourceCorrupt, "malformed rows event");
  if (!open_) begin({}, header, false);
  if (id != kDummyTableId) {
    auto mapped = maps_.find(id);
    if (mapped == maps_.end() || mapped->second.generation == 0) {
      return Status(ErrorCode::kSourceCorrupt, fmt::format("rows of table id {} without a TABLE_MAP event", id));
    }
    if (!mapped->second.set_aside.empty()) ++batch_->set_aside[mapped->second.set_aside];
    if (const RowPlanRef& plan = mapped->second.plan) {
      BinlogRawBatch::Item& item = add_item(body, event_offset_);
      item.type = header.type;
      item.plan = plan.get();
      if (format_->is_mariadb) item.lacking = lacking_in(header.type, body, plan->schema->table);
      if (item.lacking == Lacking::kUnknown && !statements_given_) {
        lacks_statement_ = true;
        return Status(ErrorCode::kSourceImage, "an update lacks columns, and the log was read without its statements");
      }
      weigh(item);
      if (mapped->second.held_by != batch_number_) {
        batch_->plans.push_back(plan);
        mapped->second.held_by = batch_number_;
      }
    }
  }
  if (flags & kRowsStatementEnd) {
    statement_open_ = false;
    statement_.clear();
    if (!explicit_end_) return end(header);
  }
  return Status();
}

Status BinlogAssembler::on_payload(std::string_view body) {
  if (payload_) return Status(ErrorCode::kSourceCorrupt, "a compressed transaction inside another");
  payload_bytes_.assign(body);
  TAILRACE_TRY(payload_, PayloadReader::open(payload_bytes_));
  return Status();
}

Status BinlogAssembler::step() {
  if (replaying_) {
    Status status = replay();
    return status.ok() ? Status() : std::move(status).with("gtid", id_);
  }
  auto event = payload_->next();
  EventHeader outer;
  outer.type = static_cast<uint8_t>(EventType::kTransactionPayload);
  if (!event.ok()) return place(std::move(event).status(), outer);
  if (event->empty()) {
    payload_.reset();
    payload_bytes_ = std::string();
    return Status();
  }
  EventHeader header = parse_event_header(event->data());
  auto type = static_cast<EventType>(header.type);
  if (type == EventType::kFormatDescription || type == EventType::kRotate || type == EventType::kGtid ||
      type == EventType::kAnonymousGtid || type == EventType::kGtidTagged || type == EventType::kMariaGtid) {
    return place(Status(ErrorCode::kSourceCorrupt, "an event that cannot be inside a compressed transaction"), header);
  }
  Status status = dispatch(header, event->substr(kEventHeaderSize));
  return status.ok() ? Status() : place(std::move(status), header);
}

Status BinlogAssembler::on_query(const EventHeader& header, std::string_view body) {
  TAILRACE_TRY(QueryEvent query, parse_query(body, *format_));
  std::string unpacked;
  if (static_cast<EventType>(header.type) == EventType::kMariaQueryCompressed) {
    if (!unpack_event_part(query.sql, unpacked)) {
      return Status(ErrorCode::kSourceCorrupt, "a compressed statement cannot be unpacked");
    }
    query.sql = unpacked;
  }
  return on_statement(header, query, read_statement(query.sql, query.database, query.ansi_quotes));
}

Status BinlogAssembler::on_statement(const EventHeader& header, const QueryEvent& query, const Statement& statement) {
  auto refuse = [&](ErrorCode code, std::string_view why) {
    return Status(code, fmt::format("{}: {}", why, beginning(query.sql))).with("database", std::string(query.database));
  };
  switch (statement.kind) {
    case StatementKind::kBegin:
    case StatementKind::kXaStart:
      if (open_ && explicit_end_ && maria_gtid_.sequence == 0) {
        TAILRACE_OK(abandoned(header));
        open_ = false;
      }
      if (!open_) begin({}, header, true);
      explicit_end_ = true;
      return Status();
    case StatementKind::kXaEnd: return Status();
    case StatementKind::kSavepoint:
    case StatementKind::kRollbackTo: return open_ ? on_savepoint(statement.name, statement.kind == StatementKind::kRollbackTo) : Status();
    case StatementKind::kRollback:
      if (open_) TAILRACE_OK(forget_after(0));
      break;
    case StatementKind::kXaCommit: return on_xa_commit(header, statement.name);
    case StatementKind::kXaRollback:
      prepared_.erase(statement.name);
      if (open_) TAILRACE_OK(forget_after(0));
      break;
    case StatementKind::kRows: return refuse(ErrorCode::kSourceNotRow, "a statement that changes rows was logged as it is");
    case StatementKind::kUnknown: return refuse(ErrorCode::kSourceUnsupported, "a statement this engine does not understand");
    case StatementKind::kTables:
      if (!open_) begin({}, header, false);
      TAILRACE_OK(on_tables(query, statement));
      return explicit_end_ ? Status() : end(header);
    case StatementKind::kDropDatabase:
    case StatementKind::kDatabase:
      if (!open_) begin({}, header, false);
      TAILRACE_OK(on_database(query));
      return explicit_end_ ? Status() : end(header);
    case StatementKind::kNothing:
    case StatementKind::kOther:
    case StatementKind::kXaPrepare:
      if (open_ && explicit_end_) return Status();
      break;
    case StatementKind::kCommit: break;
  }
  if (!open_) begin({}, header, false);
  return end(header);
}

// Every table that went with it is dropped.
Status BinlogAssembler::on_database(const QueryEvent& query) {
  ++generation_;
  LoggedDdl ddl = logged_ddl(query, *format_);
  TAILRACE_TRY(auto gone, schemas_.apply_database(ddl, transaction_place(), after_event()));
  for (const SchemaRef& table : gone) {
    if (!wanted(table->database, table->table)) continue;
    BinlogRawBatch::Item& item = add_item(query.sql, event_offset_);
    item.table = table;
    item.ddl_kinds = ddl_bit(DdlKind::kDropDatabase) | ddl_bit(DdlKind::kDropTable);
  }
  return Status();
}

// A table that comes from outside brings rows that were never read. One that takes the place of a table renamed away by the same
// statement has its rows: so do tools that change tables online.
Status BinlogAssembler::check_renames(const QueryEvent& query, const Statement& statement) const {
  for (size_t i = 1; i < statement.tables.size(); ++i) {
    const TableName &from = statement.tables[i - 1], &to = statement.tables[i];
    if (from.change != TableChange::kRenameFrom || to.change != TableChange::kRenameTo) continue;
    if (wanted(from.database, from.table) || !wanted(to.database, to.table)) continue;
    bool exchanged = std::any_of(statement.tables.begin(), statement.tables.end(), [&](const TableName& other) {
      return other.change == TableChange::kRenameFrom && other.database == to.database && other.table == to.table;
    });
    if (exchanged) continue;
    return Status(ErrorCode::kSourceUnsupported,
                  fmt::format("{0}.{1} became {2}.{3}, and the rows it brings are not in the log: name {0}.{1} in `tables` of a new job, "
                              "or leave {2}.{3} out: {4}",
                              from.database, from.table, to.database, to.table, beginning(query.sql)))
        .with("table", to.database + "." + to.table);
  }
  return Status();
}

Status BinlogAssembler::on_tables(const QueryEvent& query, const Statement& statement) {
  ++generation_;
  if (!schemas_.concerns(statement)) return Status();
  for (const TableName& name : statement.tables) {
    if (!statement.moves_rows || !wanted(name.database, name.table)) continue;
    return Status(ErrorCode::kSourceUnsupported,
                  fmt::format("rows go or come with a partition or tablespace, which the log does not show: {}", beginning(query.sql)))
        .with("table", name.database + "." + name.table);
  }
  TAILRACE_OK(check_renames(query, statement));
  LoggedDdl ddl = logged_ddl(query, *format_);
  TAILRACE_TRY(auto changes, schemas_.apply(statement, ddl, transaction_place(), after_event()));
  if (changes.empty()) return Status();
  const DdlStatement parsed = read_ddl(ddl.sql, ddl.database, ddl.reading);
  bool moves = false;
  for (SchemaTracker::Change& change : changes) {
    const TableName& name = change.name;
    if (!wanted(name.database, name.table)) continue;
    // Nothing more is told of a table set aside; under another name it is the same table.
    Quarantine::Name key(name.database, name.table);
    if (name.change == TableChange::kRenameTo && std::exchange(moves, false) && !set_aside_.count(key)) {
      TAILRACE_OK(set_aside(Status(ErrorCode::kSchemaMissing, "this table was renamed while it was quarantined"), key));
    }
    bool aside = set_aside_.count(key) != 0;
    if (name.change == TableChange::kRenameFrom) moves = aside;
    if (aside) continue;
    if (change.before && change.now && tell_) {
      std::string lost = narrowed_columns(*change.before, *change.now);
      if (!lost.empty()) tell_(fmt::format("{}: {}: {}", change.before->qualified_name(), lost, beginning(query.sql)));
    }
    if (statement.replaces && change.before) {
      BinlogRawBatch::Item& replaced = add_item(query.sql, event_offset_);
      replaced.table = change.before;
      replaced.ddl_kinds = ddl_bit(DdlKind::kDropTable);
      change.before = nullptr;
    }
    bool gone = name.change == TableChange::kDrop || name.change == TableChange::kRenameFrom;
    BinlogRawBatch::Item& item = add_item(query.sql, event_offset_);
    item.op = name.change == TableChange::kTruncate ? Op::kTruncate : Op::kSchemaChange;
    item.ddl_kinds = ddl_kinds(parsed, name.database, name.table);
    if (statement.replaces && change.was_absent) item.ddl_kinds &= ~ddl_bit(DdlKind::kDropTable);
    item.table = change.before ? change.before : change.now ? change.now : nameless_schema(name);
    if (!gone && item.op == Op::kSchemaChange) item.new_schema = change.now;
  }
  return Status();
}

}  // namespace tailrace
