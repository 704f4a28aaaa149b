// The live picture of a run: one status row, counters per table, snapshot chunks.
#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

using sqlite::Statement;

void bind_optional(Statement& s, int at, const std::optional<double>& value) {
  if (value) s.bind_double(at, *value);
  else s.bind_null(at);
}
template <class T>
void bind_optional_int(Statement& s, int at, const std::optional<T>& value) {
  if (value) s.bind_int(at, static_cast<int64_t>(*value));
  else s.bind_null(at);
}
std::optional<double> optional_double(Statement& s, int at) {
  return s.is_null(at) ? std::nullopt : std::optional<double>(s.column_double(at));
}
template <class T>
std::optional<T> optional_int(Statement& s, int at) {
  return s.is_null(at) ? std::nullopt : std::optional<T>(static_cast<T>(s.column_int(at)));
}

Status write_row(sqlite::Database& database, const StatusRow& row, int64_t now) {
  TAILRACE_TRY(auto s,
               database.prepare(
                   "INSERT OR REPLACE INTO status(one, state, phase, rows_done, rows_total, rows_per_s, bytes, "
                   "dropped, lag_s, "
                   "eta_s, source_kind, position, rules, owner_pid, owner_host, run_started_us, updated_us, "
                   "error_code, "
                   "error_text, error_json, warning, rows_uncounted) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                   "?, ?)"));
  s.bind_text(1, row.state);
  s.bind_text(2, row.phase);
  s.bind_int(3, static_cast<int64_t>(row.rows_done));
  bind_optional_int(s, 4, row.rows_total);
  s.bind_double(5, row.rows_per_s);
  s.bind_int(6, static_cast<int64_t>(row.bytes));
  s.bind_int(7, static_cast<int64_t>(row.dropped));
  bind_optional(s, 8, row.lag_s);
  bind_optional(s, 9, row.eta_s);
  s.bind_text(10, row.position.source_kind);
  s.bind_text(11, row.position.text);
  s.bind_text(12, row.rules);
  bind_optional_int(s, 13, row.owner_pid);
  s.bind_text(14, row.owner_host);
  bind_optional_int(s, 15, row.run_started_us);
  s.bind_int(16, now);
  s.bind_text(17, row.error_code);
  s.bind_text(18, row.error_text);
  s.bind_text(19, row.error_json);
  s.bind_text(20, row.warning);
  s.bind_int(21, static_cast<int64_t>(row.rows_uncounted));
  return s.run();
}

Status write_tables(sqlite::Database& database, std::span<const TableStat> tables, int64_t now) {
  TAILRACE_TRY(auto s, database.prepare("INSERT OR REPLACE INTO table_stat VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const TableStat& table : tables) {
    s.bind_text(1, table.database);
    s.bind_text(2, table.table);
    s.bind_text(3, table.target);
    s.bind_text(4, table.state);
    s.bind_int(5, static_cast<int64_t>(table.rows_done));
    bind_optional_int(s, 6, table.rows_total);
    s.bind_double(7, table.rows_per_s);
    s.bind_int(8, static_cast<int64_t>(table.inserts));
    s.bind_int(9, static_cast<int64_t>(table.updates));
    s.bind_int(10, static_cast<int64_t>(table.deletes));
    s.bind_int(11, static_cast<int64_t>(table.dropped));
    s.bind_int(12, now);
    TAILRACE_OK(s.run());
  }
  return Status();
}

Status write_chunks(sqlite::Database& database, std::span<const ChunkRow> chunks, int64_t now) {
  TAILRACE_TRY(auto s, database.prepare("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const ChunkRow& chunk : chunks) {
    s.bind_text(1, chunk.database);
    s.bind_text(2, chunk.table);
    s.bind_int(3, static_cast<int64_t>(chunk.number));
    s.bind_text(4, chunk.from_key);
    s.bind_text(5, chunk.next_key);
    s.bind_int(6, static_cast<int64_t>(chunk.rows));
    s.bind_text(7, chunk.low);
    s.bind_text(8, chunk.high);
    s.bind_text(9, chunk.state);
    s.bind_int(10, now);
    TAILRACE_OK(s.run());
  }
  return Status();
}

}  // namespace

Status JobFile::write_status(const StatusRow& status, std::span<const TableStat> tables, std::span<const ChunkRow> chunks) {
  TAILRACE_OK(require_owner("write the status"));
  int64_t now = now_us();
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  TAILRACE_OK(write_row(*database_, status, now));
  if (!tables.empty()) TAILRACE_OK(write_tables(*database_, tables, now));
  if (!chunks.empty()) TAILRACE_OK(write_chunks(*database_, chunks, now));
  return transaction.commit();
}

Result<std::optional<StatusRow>> JobFile::read_status() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT state, phase, rows_done, rows_total, rows_per_s, bytes, "
                                          "dropped, lag_s, eta_s, source_kind, position, "
                                          "rules, owner_pid, owner_host, run_started_us, updated_us, "
                                          "error_code, error_text, error_json FROM status"));
  TAILRACE_TRY(bool found, s.step());
  if (!found) return std::optional<StatusRow>();
  StatusRow row;
  row.state = s.column_text(0);
  row.phase = s.column_text(1);
  row.rows_done = static_cast<uint64_t>(s.column_int(2));
  row.rows_total = optional_int<uint64_t>(s, 3);
  row.rows_per_s = s.column_double(4);
  row.bytes = static_cast<uint64_t>(s.column_int(5));
  row.dropped = static_cast<uint64_t>(s.column_int(6));
  row.lag_s = optional_double(s, 7);
  row.eta_s = optional_double(s, 8);
  row.position = {std::string(s.column_text(9)), std::string(s.column_text(10))};
  row.rules = s.column_text(11);
  row.owner_pid = optional_int<int64_t>(s, 12);
  row.owner_host = s.column_text(13);
  row.run_started_us = optional_int<int64_t>(s, 14);
  row.updated_us = s.column_int(15);
  row.error_code = s.column_text(16);
  row.error_text = s.column_text(17);
  row.error_json = s.column_text(18);
  s.reset();
  // A file of an engine before 0005 is looked at without it.
  if (auto warning = database_->prepare("SELECT warning FROM status"); warning.ok()) {
    TAILRACE_TRY(bool has_one, warning->step());
    if (has_one) row.warning = warning->column_text(0);
  }
  // Nor one before 0006 without this.
  if (auto uncounted = database_->prepare("SELECT rows_uncounted FROM status"); uncounted.ok()) {
    TAILRACE_TRY(bool has_one, uncounted->step());
    if (has_one) row.rows_uncounted = static_cast<uint64_t>(uncounted->column_int(0));
  }
  return std::optional<StatusRow>(std::move(row));
}

Result<std::vector<TableStat>> JobFile::read_tables() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT database, \"table\", target, state, rows_done, rows_total, "
                                          "rows_per_s, inserts, updates, deletes, "
                                          "dropped FROM table_stat ORDER BY database, \"table\""));
  std::vector<TableStat> tables;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return tables;
    TableStat table;
    table.database = s.column_text(0);
    table.table = s.column_text(1);
    table.target = s.column_text(2);
    table.state = s.column_text(3);
    table.rows_done = static_cast<uint64_t>(s.column_int(4));
    table.rows_total = optional_int<uint64_t>(s, 5);
    table.rows_per_s = s.column_double(6);
    table.inserts = static_cast<uint64_t>(s.column_int(7));
    table.updates = static_cast<uint64_t>(s.column_int(8));
    table.deletes = static_cast<uint64_t>(s.column_int(9));
    table.dropped = static_cast<uint64_t>(s.column_int(10));
    tables.push_back(std::move(table));
  }
}

}  // namespace tailrace
