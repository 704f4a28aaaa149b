// Rows: the hot path of the SQLite sink.
#include "sink/sqlite_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "event/value_text.h"
#include "sink/sqlite_bind.h"

namespace tailrace {
namespace {

Status place(Status status, const EventBatch& batch, const ChangeEvent& event) {
  if (status.ok()) return status;
  if (event.output && event.output->source) {
    status = std::move(status).with("table", event.output->source->qualified_name());
  }
  Row row = event.after.empty() ? event.before : event.after;
  if (event.output && !row.empty() && row.size() == event.output->schema->columns.size()) {
    status = std::move(status).with("key", describe_key(*event.output->schema, event));
  }
  if (event.txn >= batch.txns.size()) return status;
  const Transaction& txn = batch.txns[event.txn];
  if (!txn.file.empty()) status = std::move(status).with("position", fmt::format("{}:{}", txn.file, txn.end_offset));
  return std::move(status).with("transaction", txn.id);
}

bool same_key(const TableSchema& schema, Row before, Row after) {
  return std::all_of(schema.primary_key.begin(), schema.primary_key.end(),
                     [&](uint16_t at) { return before[at].is_absent() || after[at].is_absent() || identical(before[at], after[at]); });
}

Status lacking(const TableSchema& schema, size_t column) {
  return Status(ErrorCode::kSourceImage, fmt::format("column `{}` is not in the row image", schema.columns[column].name));
}

// REQUIRES: an image that lacks a column.
Status lacking_any(const TableSchema& schema, Row row) {
  size_t at = 0;
  while (at + 1 < row.size() && !row[at].is_absent()) ++at;
  return lacking(schema, at);
}

std::string column_list(const TableSchema& schema) {
  std::string out;
  for (const Column& column : schema.columns) out += (out.empty() ? "" : ", ") + sqlite::quote_name(column.name);
  return out;
}

std::string parameters(size_t first, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += fmt::format("{}?{}", i ? ", " : "", first + i);
  return out;
}

// "a" = ?1 AND "b" = ?2, for the key columns.
std::string key_condition(const TableSchema& schema, size_t first) {
  std::string out;
  for (uint16_t at : schema.primary_key) {
    out += fmt::format("{}{} = ?{}", out.empty() ? "" : " AND ", sqlite::quote_name(schema.columns[at].name), first++);
  }
  return out;
}

// A name for the row id that no column hides.
std::string row_id(const TableSchema& schema) {
  for (std::string_view name : {"_rowid_", "rowid", "oid"}) {
    bool hidden = std::any_of(schema.columns.begin(), schema.columns.end(), [&](const Column& column) {
      return column.name.size() == name.size() &&
             std::equal(name.begin(), name.end(), column.name.begin(), [](char a, char b) { return a == (b | 0x20) || a == b; });
    });
    if (!hidden) return std::string(name);
  }
  return "_rowid_";
}

// A ':' ends the table's name in an identity.
std::string escape_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == '%' || c == ':') out += c == '%' ? "%25" : "%3A";
    else out += c;
  }
  return out;
}

}  // namespace

std::string SqliteTables::key_text(const TableSchema& schema, bool stored, size_t first) {
  std::string out;
  for (uint16_t at : schema.primary_key) {
    if (!out.empty()) out += " || ',' || ";
    out += fmt::format("quote({})", stored ? sqlite::quote_name(schema.columns[at].name) : fmt::format("?{}", first++));
  }
  return out;
}

Status SqliteTables::apply(const EventBatch& batch, const ChangeEvent& event, bool may_lack_rows) {
  switch (event.op) {
    case Op::kHeartbeat: return Status();
    case Op::kSchemaChange: return place(schema_change(event), batch, event);
    case Op::kTruncate: return place(truncate(batch, event), batch, event);
    default: break;
  }
  if (!event.output) return Status(ErrorCode::kInternal, "an event without a target reached the sink");
  auto route = route_of(*event.output);
  if (!route.ok()) return place(std::move(route).status(), batch, event);
  if ((*route)->keyless()) return place(apply_keyless(**route, batch, event), batch, event);
  return place(apply_keyed(**route, event, may_lack_rows), batch, event);
}

Result<SqliteTables::Route*> SqliteTables::route_of(const OutputTable& output) {
  if (&output == last_output_ && last_route_->schema == output.schema && last_route_->source == output.source) {
    return last_route_;
  }
  auto it = routes_.find(&output);
  Route* route = nullptr;
  if (it != routes_.end() && it->second->schema == output.schema && it->second->source == output.source) {
    route = it->second.get();
  } else {
    TAILRACE_TRY(route, make_route(output));
  }
  last_output_ = &output;
  last_route_ = route;
  return route;
}

Status SqliteTables::prepare_row_statements(Route& route) {
  const TableSchema& schema = *route.schema;
  std::string table = sqlite::quote_name(route.target->name);
  size_t columns = schema.columns.size();
  route.scratch.resize(columns + schema.primary_key.size() + 1);
  if (route.keyless()) {
    TAILRACE_TRY(route.insert_at, database_.prepare(fmt::format("INSERT INTO {} ({}, \"_tailrace_pos\") VALUES ({}, ?{}) ON CONFLICT "
                                                                "(\"_tailrace_pos\") DO NOTHING",
                                                                table, column_list(schema), parameters(1, columns), columns + 1),
                                                    true));
    return Status();
  }
  std::string updates, key;
  for (size_t i = 0; i < columns; ++i) {
    std::string name = sqlite::quote_name(schema.columns[i].name);
    bool in_key = std::find(schema.primary_key.begin(), schema.primary_key.end(), i) != schema.primary_key.end();
    if (!in_key) updates += fmt::format("{}{} = excluded.{}", updates.empty() ? "" : ", ", name, name);
  }
  for (uint16_t at : schema.primary_key) key += (key.empty() ? "" : ", ") + sqlite::quote_name(schema.columns[at].name);
  TAILRACE_TRY(route.upsert,
               database_.prepare(fmt::format("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {}", table, column_list(schema),
                                             parameters(1, columns), key, updates.empty() ? "NOTHING" : "UPDATE SET " + updates),
                                 true));
  TAILRACE_TRY(route.remove, database_.prepare(fmt::format("DELETE FROM {} WHERE {}", table, key_condition(schema, 1)), true));
  if (route.target->keeps_owners) {
    std::string text = key_text(schema, false, 3);
    TAILRACE_TRY(route.claim, database_.prepare(fmt::format("INSERT INTO _tailrace_origin(target, source, key) VALUES (?1, ?2, {}) "
                                                            "ON CONFLICT (target, key) "
                                                            "DO UPDATE SET source = excluded.source WHERE source = excluded.source",
                                                            text),
                                                true));
    TAILRACE_TRY(route.release,
                 database_.prepare(fmt::format("DELETE FROM _tailrace_origin WHERE target = ?1 AND source = ?2 AND key = {}", text), true));
  }
  return Status();
}

bool SqliteTables::bind_row(Route& route, sqlite::Statement& s, int first, Row row) {
  const auto& columns = route.schema->columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (row[i].is_absent()) return false;
    bind_value(s, first + static_cast<int>(i), row[i], columns[i], route.scratch[i]);
  }
  return true;
}

bool SqliteTables::bind_key(Route& route, sqlite::Statement& s, int first, Row row) {
  size_t scratch = route.schema->columns.size();
  for (uint16_t at : route.schema->primary_key) {
    if (row[at].is_absent()) return false;
    bind_value(s, first++, row[at], route.schema->columns[at], route.scratch[scratch++]);
  }
  return true;
}

Status SqliteTables::apply_keyed(Route& route, const ChangeEvent& event, bool may_lack_rows) {
  switch (event.op) {
    case Op::kInsert:
    case Op::kRead: return upsert(route, event.after);
    case Op::kDelete: return remove(route, event.before);
    default: break;
  }
  bool partial = std::any_of(event.after.begin(), event.after.end(), [](const Value& v) { return v.is_absent(); });
  if (partial) return update_some(route, event.before, event.after, may_lack_rows);
  if (!same_key(*route.schema, event.before, event.after)) TAILRACE_OK(remove(route, event.before));
  return upsert(route, event.after);
}

Status SqliteTables::upsert(Route& route, Row row) {
  if (!bind_row(route, route.upsert, 1, row)) return lacking_any(*route.schema, row);
  if (route.target->keeps_owners) TAILRACE_OK(claim(route, row));
  return route.upsert.run();
}

Status SqliteTables::remove(Route& route, Row row) {
  if (route.target->keeps_owners) {
    route.release.bind_int(1, route.target->id);
    route.release.bind_int(2, route.from().id);
    if (!bind_key(route, route.release, 3, row)) return lacking_any(*route.schema, row);
    TAILRACE_OK(route.release.run());
    // Not ours: this table's row of that key never got here, and the other table's must stay.
    if (database_.changes() == 0) return Status();
  }
  if (!bind_key(route, route.remove, 1, row)) return lacking_any(*route.schema, row);
  return route.remove.run();
}

Status SqliteTables::claim(Route& route, Row row) {
  route.claim.bind_int(1, route.target->id);
  route.claim.bind_int(2, route.from().id);
  if (!bind_key(route, route.claim, 3, row)) return lacking_any(*route.schema, row);
  TAILRACE_OK(route.claim.run());
  if (database_.changes() != 0) return Status();
  TAILRACE_TRY(auto owner,
               database_.prepare(fmt::format("SELECT s.source FROM _tailrace_origin o JOIN _tailrace_source s ON s.id = o.source "
                                             "WHERE o.target = ?1 AND o.key = {}",
                                             key_text(*route.schema, false, 3))));
  owner.bind_int(1, route.target->id);
  (void)bind_key(route, owner, 3, row);
  TAILRACE_TRY(bool found, owner.step());
  std::string other = found ? std::string(owner.column_text(0)) : "another table";
  std::string key = describe_key(*route.schema, row);
  return Status(ErrorCode::kRuleKeyCollision, fmt::format("{} and {} both have a row {} for {}.{}", other, route.from().name, key,
                                                          route.target->database, route.target->table))
      .with("key", key);
}

Status SqliteTables::update_some(Route& route, Row before, Row after, bool may_lack_rows) {
  const TableSchema& schema = *route.schema;
  bool key_changed = !same_key(schema, before, after);
  std::string mask(1, key_changed ? 'k' : '-');
  for (const Value& value : after) mask += value.is_absent() ? '0' : '1';
  if (mask.find('1') == std::string::npos) return Status();
  sqlite::Statement& s = route.partial[mask];
  size_t columns = schema.columns.size();
  if (!s) {
    std::string updates;
    for (size_t i = 0; i < columns; ++i) {
      if (mask[i + 1] == '0') continue;
      updates += fmt::format("{}{} = ?{}", updates.empty() ? "" : ", ", sqlite::quote_name(schema.columns[i].name), i + 1);
    }
    TAILRACE_TRY(
        // A copied row may already stand where the row moves; what comes later makes the moved one the same.
        s, database_.prepare(fmt::format("UPDATE {}{} SET {} WHERE {}", key_changed ? "OR REPLACE " : "",
                                         sqlite::quote_name(route.target->name), updates, key_condition(schema, columns + 1))));
  }
  for (size_t i = 0; i < columns; ++i) {
    if (mask[i + 1] == '1') bind_value(s, static_cast<int>(i) + 1, after[i], schema.columns[i], route.scratch[i]);
  }
  // Which row: its key before the change.
  size_t scratch = columns;
  int parameter = static_cast<int>(columns) + 1;
  for (uint16_t at : schema.primary_key) {
    if (before[at].is_absent()) return lacking(schema, at);
    bind_value(s, parameter++, before[at], schema.columns[at], route.scratch[scratch++]);
  }
  if (key_changed && route.target->keeps_owners) {
    return Status(ErrorCode::kSinkWrite, "a partial image changes the key of a merged table; use binlog_row_image=FULL");
  }
  if (route.target->keeps_owners) TAILRACE_OK(claim(route, before));
  TAILRACE_OK(s.run());
  if (database_.changes() != 0 || may_lack_rows) return Status();
  return Status(ErrorCode::kSinkRow, "the row of a partial update is not there");
}

Result<int64_t> SqliteTables::find_row(Route& route, Row row) {
  const TableSchema& schema = *route.schema;
  if (!route.find) {
    std::string table = sqlite::quote_name(route.target->name), condition, indexed;
    int in_index = 0;
    for (size_t i = 0; i < schema.columns.size(); ++i) {
      const Column& column = schema.columns[i];
      condition += fmt::format("{}{} IS ?{}", i ? " AND " : "", sqlite::quote_name(column.name), i + 1);
      bool small = column.kind != Kind::kJson && column.kind != Kind::kGeometry &&
                   (!has_text_payload(column.kind) || (column.length > 0 && column.length <= 255));
      if (small && in_index < 3) indexed += (in_index++ ? ", " : "") + sqlite::quote_name(column.name);
    }
    if (in_index > 0) {  // without it every change of a keyless row reads the whole table
      TAILRACE_OK(database_.execute(fmt::format("CREATE INDEX IF NOT EXISTS {} ON {} ({})",
                                                sqlite::quote_name("_tailrace_find_" + route.target->name), table, indexed)));
    }
    std::string id = row_id(schema);
    TAILRACE_TRY(route.find, database_.prepare(fmt::format("SELECT min({}) FROM {} WHERE {}", id, table, condition), true));
    TAILRACE_TRY(route.remove_at,
                 database_.prepare(fmt::format("DELETE FROM {} WHERE {} = ?{}", table, id, schema.columns.size() + 1), true));
    std::string updates;
    for (size_t i = 0; i < schema.columns.size(); ++i) {
      updates += fmt::format("{}{} = ?{}", i ? ", " : "", sqlite::quote_name(schema.columns[i].name), i + 1);
    }
    TAILRACE_TRY(route.update_at,
                 database_.prepare(fmt::format("UPDATE {} SET {} WHERE {} = ?{}", table, updates, id, schema.columns.size() + 1), true));
  }
  if (!bind_row(route, route.find, 1, row)) return lacking_any(schema, row);
  TAILRACE_TRY(bool found, route.find.step());
  bool none = !found || route.find.is_null(0);
  int64_t id = none ? 0 : route.find.column_int(0);
  route.find.reset();
  if (none) return Status(ErrorCode::kSinkRow, "no row with the values before the change");
  return id;
}

Status SqliteTables::apply_keyless(Route& route, const EventBatch& batch, const ChangeEvent& event) {
  int last = static_cast<int>(route.schema->columns.size()) + 1;
  if (event.op == Op::kDelete || event.op == Op::kUpdate) {
    TAILRACE_TRY(int64_t id, find_row(route, event.before));
    sqlite::Statement& s = event.op == Op::kDelete ? route.remove_at : route.update_at;
    if (event.op == Op::kUpdate) {
      // The image before has every column, or the row could not have been found.
      for (size_t i = 0; i < event.after.size(); ++i) {
        if (event.after[i].is_absent()) event.after[i] = event.before[i];
      }
      (void)bind_row(route, s, 1, event.after);
    }
    s.bind_int(last, id);
    return s.run();
  }
  const Transaction& txn = batch.txns[event.txn];
  route.position.clear();
  auto out = std::back_inserter(route.position);
  if (event.op == Op::kRead) {
    fmt::format_to(out, "s:{}:{}", escape_name(route.from().name), event.ordinal);
  } else {
    fmt::format_to(out, "{}:{}", txn.id, event.ordinal);
  }
  if (event.sub_ordinal) fmt::format_to(out, ".{}", event.sub_ordinal);
  if (!bind_row(route, route.insert_at, 1, event.after)) return lacking_any(*route.schema, event.after);
  route.insert_at.bind_text(last, route.position);
  TAILRACE_OK(route.insert_at.run());
  // A stream event seen again is the same row; two copied rows of one identity would lose one of them.
  if (event.op == Op::kRead && database_.changes() == 0) {
    return Status(ErrorCode::kInternal, "two rows of a copy have the identity " + route.position);
  }
  return Status();
}

Status SqliteTables::truncate(const EventBatch& batch, const ChangeEvent& event) {
  if (!event.output) return Status();  // dropped by the rules
  TAILRACE_TRY(Route * route, route_of(*event.output));
  std::string table = sqlite::quote_name(route->target->name);
  if (batch.is_snapshot) {
    // The copy of a keyless table begins anew; keyed rows are simply written again.
    if (!route->keyless()) return Status();
    std::string prefix = "s:" + escape_name(route->from().name);
    TAILRACE_TRY(auto s, database_.prepare(fmt::format("DELETE FROM {} WHERE \"_tailrace_pos\" >= ?1 AND \"_tailrace_pos\" < ?2", table)));
    std::string from = prefix + ":", to = prefix + ";";  // ';' follows ':'
    s.bind_text(1, from);
    s.bind_text(2, to);
    return s.run();
  }
  if (route->target->sources.size() == 1) return database_.execute(fmt::format("DELETE FROM {}", table));
  if (!route->target->keeps_owners) {
    return Status(ErrorCode::kSchemaChange,
                  fmt::format("TRUNCATE of {}, which is one of several tables merged into {}.{}: which rows are its own "
                              "is not known there",
                              route->from().name, route->target->database, route->target->table));
  }
  std::string owner = fmt::format("target = {} AND source = {}", route->target->id, route->from().id);
  TAILRACE_OK(database_.execute(fmt::format("DELETE FROM {} WHERE {} IN (SELECT key FROM _tailrace_origin WHERE {})", table,
                                            key_text(*route->schema, true, 0), owner)));
  return database_.execute(fmt::format("DELETE FROM _tailrace_origin WHERE {}", owner));
}

}  // namespace tailrace
