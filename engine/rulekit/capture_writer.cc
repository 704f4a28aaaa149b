#include "rulekit/capture_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "rulekit/event_text.h"
#include "rulekit/sql_literal.h"

namespace tailrace {
namespace {

std::string table_text(const TableSchema& schema) {
  std::string out;
  append_name(schema.database, out);
  out.push_back('.');
  append_name(schema.table, out);
  return out;
}

SchemaRef find_schema(const EventBatch& batch, const TableSchema* wanted) {
  for (auto it = batch.schemas.rbegin(); it != batch.schemas.rend(); ++it) {
    if (it->get() == wanted) return *it;
  }
  return std::make_shared<TableSchema>(*wanted);
}

}  // namespace

std::map<std::string, uint64_t> CaptureWriter::tables() const {
  std::map<std::string, uint64_t> out;
  for (const auto& [name, table] : tables_) out[name] = table.written;
  return out;
}

std::vector<std::string> CaptureWriter::unused_masks() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < options_.masks.size(); ++i) {
    if (!used_masks_.count(static_cast<int>(i))) out.push_back(options_.masks[i].pattern);
  }
  return out;
}

Status CaptureWriter::plan(Table& table, const SchemaRef& schema) {
  table.schema_id = schema->schema_id;
  table.masks.assign(schema->columns.size(), -1);
  auto shown = std::make_shared<TableSchema>(*schema);
  shown->columns.clear();
  shown->primary_key.clear();
  shown->keys.clear();
  std::vector<int> moved(schema->columns.size(), -1);
  for (size_t i = 0; i < schema->columns.size(); ++i) {
    const Column& column = schema->columns[i];
    for (size_t m = 0; m < options_.masks.size() && table.masks[i] < 0; ++m) {
      if (mask_matches(options_.masks[m].pattern, *schema, column)) table.masks[i] = static_cast<int>(m);
    }
    auto named = [&](const std::string& pattern) { return mask_matches(pattern, *schema, column); };
    if (table.masks[i] < 0) {
      if (std::any_of(options_.sensitive.begin(), options_.sensitive.end(), named)) {
        return Status(ErrorCode::kConfigBadValue,
                      fmt::format("{}.{} is sensitive and has no mask; nothing of it was written", schema->qualified_name(), column.name));
      }
    } else {
      used_masks_.insert(table.masks[i]);
      MaskAction action = options_.masks[static_cast<size_t>(table.masks[i])].action;
      if (action == MaskAction::kDrop) continue;
      if (action == MaskAction::kNull && !column.nullable) {
        return Status(ErrorCode::kConfigBadValue,
                      fmt::format("mask null: {}.{} is NOT NULL; use drop or fake", schema->qualified_name(), column.name));
      }
      if (action == MaskAction::kFake && !can_fake(column)) {
        return Status(ErrorCode::kConfigBadValue, fmt::format("mask fake does not know values of {} ({}.{}); use drop or null",
                                                              column.type_text, schema->qualified_name(), column.name));
      }
    }
    moved[i] = static_cast<int>(shown->columns.size());
    shown->columns.push_back(column);
  }
  if (shown->columns.empty()) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("the masks drop every column of {}", schema->qualified_name()));
  }
  bool has_key = std::all_of(schema->primary_key.begin(), schema->primary_key.end(), [&](uint16_t i) { return moved[i] >= 0; });
  for (uint16_t i : schema->primary_key) {
    if (has_key) shown->primary_key.push_back(static_cast<uint16_t>(moved[i]));
  }
  table.shown = std::move(shown);
  return {};
}

Result<CaptureWriter::Table*> CaptureWriter::table(const ChangeEvent& event, const EventBatch& source) {
  Table& table = tables_[event.table->qualified_name()];
  if (table.shown && table.schema_id == event.table->schema_id) return &table;
  TAILRACE_OK(plan(table, find_schema(source, event.table)));
  bool known = false;
  for (const SchemaRef& schema : shadow_.tables()) {
    known = known || (schema->qualified_name() == table.shown->qualified_name() && same_layout(*schema, *table.shown));
  }
  if (known) return &table;
  std::string text = create_table_text(*table.shown, Charsets::kWritten);
  text.replace(0, 6, "CREATE OR REPLACE");
  EventBatch scratch;
  TAILRACE_OK(shadow_.run(text, 0, scratch));
  out_ << text << ";\n";
  return &table;
}

bool CaptureWriter::wants(Table& table, const ChangeEvent& event) const {
  if (options_.per_table == 0) return true;
  if (table.written >= options_.per_table) return false;
  size_t before = table.covered.size();
  if (options_.cover.count("ops")) table.covered.insert(std::string(op_name(event.op)));
  Row row = event.after.empty() ? event.before : event.after;
  for (size_t i = 0; i < row.size(); ++i) {
    const Value& value = row[i];
    std::string column = std::to_string(i);
    if (options_.cover.count("null") && (value.is_null() || value.is_absent())) {
      table.covered.insert(column + (value.is_null() ? " null" : " absent"));
    }
    if (!options_.cover.count("max") || value.is_null() || value.is_absent()) continue;
    // One of each order of magnitude.
    bool has_size = has_text_payload(value.kind);
    bool negative = !has_size && value.kind != Kind::kDouble && value.i < 0;
    uint64_t size = has_size ? value.size : negative ? ~value.u : value.u;
    unsigned bits = 0;
    while (size >>= 1) ++bits;
    table.covered.insert(fmt::format("{} {}{}", column, negative ? "-" : "", bits / 4));
  }
  bool is_new = table.covered.size() != before;
  return is_new || table.written < (options_.per_table + 1) / 2;
}

void CaptureWriter::begin(const Transaction& txn) {
  if (txn.commit_time_us != time_us_) {
    time_us_ = txn.commit_time_us;
    out_ << fmt::format("SET TIMESTAMP = {}.{:06};\n", time_us_ / 1000000, time_us_ % 1000000);
  }
  std::string id;
  append_quoted(txn.id, id);
  out_ << "SET GTID_NEXT = " << id << ";\n";
}

Status CaptureWriter::add(const EventBatch& source) {
  if (!has_begun_) out_ << "capture\n";
  has_begun_ = true;
  for (size_t i = 0; i < source.events.size();) {
    size_t end = i;
    std::vector<std::pair<Table*, const ChangeEvent*>> chosen;
    bool is_ddl = source.events[i].op == Op::kSchemaChange;
    uint32_t txn = source.events[i].txn;
    for (; end < source.events.size() && source.events[end].txn == txn; ++end) {
      const ChangeEvent& event = source.events[end];
      bool ddl = event.op == Op::kSchemaChange;
      if (ddl != is_ddl || (ddl && end > i)) break;
      if (ddl || !event.table || event.op == Op::kHeartbeat) continue;
      TAILRACE_TRY(Table * to, table(event, source));
      if (!wants(*to, event)) continue;
      ++to->written;
      chosen.emplace_back(to, &event);
    }
    if (is_ddl) {
      TAILRACE_OK(schema_change(source.events[i], source));
      i = std::max(end, i + 1);
      continue;
    }
    if (!chosen.empty()) {
      begin(source.txns[txn]);
      if (chosen.size() > 1) out_ << "BEGIN;\n";
      for (const auto& [to, event] : chosen) write_row_event(*to, *event);
      if (chosen.size() > 1) out_ << "COMMIT;\n";
      events_ += chosen.size();
    }
    i = end;
  }
  return out_ ? Status() : Status(ErrorCode::kRuleCase, "the capture cannot be written");
}

// The statement itself where a reader of the capture makes the same table of it.
Status CaptureWriter::schema_change(const ChangeEvent& event, const EventBatch& source) {
  SchemaRef now = event.new_schema ? *event.new_schema : nullptr;
  if (!event.table || event.sql.empty() || !tables_.count(event.table->qualified_name())) return {};
  if (now) {
    Table next;
    TAILRACE_OK(plan(next, now));
    RowScript trial = RowScript("capture");
    EventBatch scratch;
    TAILRACE_OK(trial.run(create_table_text(*tables_[event.table->qualified_name()].shown, Charsets::kWritten), 0, scratch));
    std::string use = "USE ";
    append_name(event.table->database, use);
    TAILRACE_OK(trial.run(use, 0, scratch));
    bool follows = trial.run(event.sql, 0, scratch).ok();
    auto made = trial.tables();
    if (!follows || made.size() != 1 || made[0]->qualified_name() != now->qualified_name() || !same_layout(*made[0], *next.shown))
      return {};
    begin(source.txns[event.txn]);
    out_ << use << ";\n" << event.sql << ";\n";
    TAILRACE_OK(shadow_.run(use, 0, scratch));
    TAILRACE_OK(shadow_.run(event.sql, 0, scratch));
    next.written = tables_[event.table->qualified_name()].written;
    next.covered = tables_[event.table->qualified_name()].covered;
    if (now->qualified_name() != event.table->qualified_name()) tables_.erase(event.table->qualified_name());
    tables_[now->qualified_name()] = std::move(next);
    ++events_;
  }
  return {};
}

std::string CaptureWriter::cell(const Table& table, Row row, size_t i, Arena& arena) const {
  std::string out;
  const Column& column = table.shown->columns[i];
  // Positions among the shown columns and the source's differ by the dropped ones.
  size_t at = 0;
  for (size_t shown = 0; at < table.masks.size(); ++at) {
    int mask = table.masks[at];
    if (mask >= 0 && options_.masks[static_cast<size_t>(mask)].action == MaskAction::kDrop) continue;
    if (shown++ == i) break;
  }
  Value value = row[at];
  if (int mask = table.masks[at]; mask >= 0 && !value.is_absent()) {
    value = options_.masks[static_cast<size_t>(mask)].action == MaskAction::kNull ? Value::null() : fake_value(value, column, arena);
  }
  append_literal(value, column, out);
  return out;
}

void CaptureWriter::append_where(const Table& table, Row row, std::string& out) {
  for (size_t i = 0; i < table.shown->columns.size(); ++i) {
    out += i ? " AND " : " WHERE ";
    append_name(table.shown->columns[i].name, out);
    std::string text = cell(table, row, i, arena_);
    out += text == "NULL" ? " IS NULL" : " = " + text;
  }
}

void CaptureWriter::write_row_event(const Table& table, const ChangeEvent& event) {
  arena_ = Arena(4096);
  const TableSchema& schema = *table.shown;
  std::string name = table_text(schema);
  std::string text;
  auto values = [&](Row row) {
    for (size_t i = 0; i < schema.columns.size(); ++i) text += (i ? ", " : "") + cell(table, row, i, arena_);
  };
  switch (event.op) {
    case Op::kInsert:
    case Op::kRead:
      text = (event.op == Op::kInsert ? "INSERT INTO " : "READ INTO ") + name + " VALUES (";
      values(event.after);
      text += ")";
      break;
    case Op::kUpdate:
      text = "UPDATE " + name + " SET ";
      for (size_t i = 0; i < schema.columns.size(); ++i) {
        if (i) text += ", ";
        append_name(schema.columns[i].name, text);
        text += " = " + cell(table, event.after, i, arena_);
      }
      append_where(table, event.before, text);
      break;
    case Op::kDelete:
      text = "DELETE FROM " + name;
      append_where(table, event.before, text);
      break;
    case Op::kTruncate: text = "TRUNCATE TABLE " + name; break;
    default: return;
  }
  out_ << text << ";\n";
}

}  // namespace tailrace
