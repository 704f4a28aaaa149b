#include "rulekit/row_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/options.h"
#include "event/ddl_kind.h"
#include "mysql/column_default.h"
#include "mysql/ddl_kinds.h"
#include "mysql/ddl_statement.h"
#include "rule/value_write.h"
#include "rulekit/sql_literal.h"

namespace tailrace {
namespace {

constexpr uint16_t kCollation = 45;  // utf8mb4_general_ci

Status fail(std::string detail) { return Status(ErrorCode::kRuleCase, std::move(detail)); }

Status unexpected(const SqlTokens& tokens, std::string_view wanted) {
  std::string_view next = tokens.peek().raw;
  return fail(next.empty() ? fmt::format("expected {} before the end", wanted) : fmt::format("expected {} at `{}`", wanted, next));
}

const DdlContext& context() {
  static const DdlContext kContext = [] {
    DdlContext made;
    made.is_mariadb = true;
    made.version = 101119;
    made.server_collation = made.database_collation = kCollation;
    return made;
  }();
  return kContext;
}

}  // namespace

Status RowScript::run(std::string_view sql, uint32_t line, EventBatch& batch) {
  line_ = line;
  Status done = statement(sql, batch);
  if (done.ok()) return done;
  Status located(done.code(), fmt::format("{}:{}: {}", file_, line, done.detail()));
  for (const auto& [key, value] : done.context()) located = std::move(located).with(key, value);
  return located;
}

Status RowScript::statement(std::string_view sql, EventBatch& batch) {
  SqlTokens tokens(sql, false);
  if (tokens.accept("BEGIN")) {
    if (is_open_) return fail("BEGIN inside of a transaction: write COMMIT first");
    begin_transaction();
    is_open_ = true;
    return end_of(tokens);
  }
  if (tokens.accept("COMMIT")) {
    if (!is_open_) return fail("COMMIT without BEGIN");
    is_open_ = false;
    end_transaction(batch);
    return end_of(tokens);
  }
  if (tokens.accept("SET")) return set(tokens);
  if (tokens.accept("USE")) {
    if (!tokens.peek().is_name()) return unexpected(tokens, "a database");
    database_ = tokens.next().text;
    return end_of(tokens);
  }
  if (!is_open_) begin_transaction();
  Status done;
  if (tokens.accept("INSERT")) done = insert(tokens, Op::kInsert, batch);
  else if (tokens.accept("READ")) done = insert(tokens, Op::kRead, batch);
  else if (tokens.accept("UPDATE")) done = update(tokens, batch);
  else if (tokens.accept("DELETE")) done = remove(tokens, batch);
  else done = define(sql, batch);
  if (!is_open_) end_transaction(batch);
  return done;
}

Status RowScript::end_of(const SqlTokens& tokens) const {
  return tokens.at_end() ? Status() : unexpected(tokens, "the end of the statement");
}

Status RowScript::set(SqlTokens& tokens) {
  bool is_time = tokens.peek().is("TIMESTAMP");
  if (!is_time && !tokens.peek().is("GTID_NEXT")) return unexpected(tokens, "TIMESTAMP or GTID_NEXT behind SET");
  if (is_open_) return fail("SET inside of a transaction: write it before BEGIN");
  tokens.next();
  if (!tokens.accept_mark('=')) return unexpected(tokens, "`=`");
  Column type;
  type.name = is_time ? "TIMESTAMP" : "GTID_NEXT";
  type.type_name = type.type_text = is_time ? "decimal(20,6)" : "text";
  type.kind = is_time ? Kind::kDecimal : Kind::kText;
  type.length = is_time ? 20 : 0;
  type.scale = is_time ? 6 : 0;
  type.nullable = false;
  Arena arena(256);
  Value value = Value::null();
  TAILRACE_OK(read_literal(tokens, type, arena, value));
  if (is_time) {
    std::string digits(value.text());
    digits.erase(digits.find('.'), 1);
    int64_t time_us = -1;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), time_us);
    if (error != std::errc() || time_us < 0) return fail(fmt::format("SET TIMESTAMP = {}: seconds since 1970 expected", value.text()));
    time_us_ = time_us;
  } else {
    gtid_ = value.text() == "AUTOMATIC" ? std::string() : std::string(value.text());
  }
  return end_of(tokens);
}

std::vector<SchemaRef> RowScript::tables() const {
  std::vector<SchemaRef> out;
  for (const auto& [name, table] : tables_) out.push_back(table.schema);
  return out;
}

// ---- names

Result<RowScript::Table*> RowScript::find(const Name& name) {
  auto found = tables_.find(name);
  if (found != tables_.end()) return &found->second;
  std::vector<std::string> names;
  for (const auto& [other, table] : tables_) names.push_back(other.first + "." + other.second);
  std::string wanted = name.first + "." + name.second;
  std::string near = nearest_name(wanted, names);
  return fail(
      fmt::format("no table {}{}", wanted, near.empty() ? ": write its CREATE TABLE above" : fmt::format(": did you mean {}?", near)));
}

Result<RowScript::Table*> RowScript::table(SqlTokens& tokens) {
  if (!tokens.peek().is_name()) return unexpected(tokens, "a table");
  Name name{database_, tokens.next().text};
  if (tokens.accept_mark('.')) {
    if (!tokens.peek().is_name()) return unexpected(tokens, "a table behind the point");
    name = {name.second, tokens.next().text};
  }
  if (name.first.empty()) return fail(fmt::format("write `{}` as database.table, or USE the database", name.second));
  return find(name);
}

Result<size_t> RowScript::column(SqlTokens& tokens, const TableSchema& schema) const {
  if (!tokens.peek().is_name()) return unexpected(tokens, "a column");
  std::string name = tokens.next().text;
  int at = schema.find_column(name);
  if (at >= 0) return static_cast<size_t>(at);
  std::vector<std::string> names;
  for (const Column& other : schema.columns) names.push_back(other.name);
  std::string near = nearest_name(name, names);
  return fail(
      fmt::format("{} has no column `{}`{}", schema.qualified_name(), name, near.empty() ? "" : fmt::format(": did you mean `{}`?", near)));
}

// ---- rows

Result<Value> RowScript::left_out(const Column& column, Arena& arena) const {
  Value value = Value::null();
  std::string text;
  if (default_value(column, value, text)) {
    if (has_text_payload(value.kind)) value.p = arena.copy(value.text());
    return value;
  }
  if (column.nullable) return Value::null();
  return fail(fmt::format("column `{}` has no default, give it a value", column.name));
}

Status RowScript::insert(SqlTokens& tokens, Op op, EventBatch& batch) {
  tokens.accept("INTO");
  TAILRACE_TRY(Table * to, table(tokens));
  const TableSchema& schema = *to->schema;
  std::vector<size_t> columns;
  if (tokens.accept_mark('(')) {
    do {
      TAILRACE_TRY(size_t at, column(tokens, schema));
      if (std::find(columns.begin(), columns.end(), at) != columns.end()) {
        return fail(fmt::format("column `{}` twice", schema.columns[at].name));
      }
      columns.push_back(at);
    } while (tokens.accept_mark(','));
    if (!tokens.accept_mark(')')) return unexpected(tokens, "`)`");
  } else {
    for (size_t i = 0; i < schema.columns.size(); ++i) columns.push_back(i);
  }
  if (!tokens.accept("VALUES") && !tokens.accept("VALUE")) return unexpected(tokens, "VALUES");
  do {
    std::vector<Value> row(schema.columns.size(), Value::absent());
    std::vector<bool> given(schema.columns.size(), false);
    if (!tokens.accept_mark('(')) return unexpected(tokens, "`(`");
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i && !tokens.accept_mark(',')) {
        return tokens.peek().is_mark(')') ? fail(fmt::format("{} values for {} columns of {}", i, columns.size(), schema.qualified_name()))
                                          : unexpected(tokens, "`,`");
      }
      size_t at = columns[i];
      given[at] = true;
      if (tokens.accept("DEFAULT")) {
        TAILRACE_TRY(row[at], left_out(schema.columns[at], batch.arena));
      } else {
        TAILRACE_OK(read_literal(tokens, schema.columns[at], batch.arena, row[at]));
      }
    }
    if (!tokens.accept_mark(')')) {
      return tokens.peek().is_mark(',') ? fail(fmt::format("more than {} values for {}", columns.size(), schema.qualified_name()))
                                        : unexpected(tokens, "`)`");
    }
    for (size_t i = 0; i < row.size(); ++i) {
      if (!given[i]) {
        TAILRACE_TRY(row[i], left_out(schema.columns[i], batch.arena));
      }
    }
    const auto& key = schema.primary_key;
    auto has_this_key = [&](const std::vector<Value>& kept) {
      return std::all_of(key.begin(), key.end(), [&](uint16_t i) { return identical(kept[i], row[i]); });
    };
    if (op == Op::kInsert && !key.empty() && std::any_of(to->rows.begin(), to->rows.end(), has_this_key)) {
      return fail(fmt::format("{} has a row with this primary key already, so a server refuses the INSERT", schema.qualified_name()));
    }
    add_event(batch, op, to->schema).after = copy_row(batch, row);
    if (keeps_rows_) keep_row(*to, row, to->rows.emplace_back());
  } while (tokens.accept_mark(','));
  return end_of(tokens);
}

Result<std::vector<std::vector<Value>>> RowScript::where(SqlTokens& tokens, Table& table, std::vector<size_t>& at, Arena& arena) {
  const TableSchema& schema = *table.schema;
  std::vector<std::pair<size_t, Value>> wanted;
  if (tokens.accept("WHERE")) {
    do {
      TAILRACE_TRY(size_t index, column(tokens, schema));
      Value value = Value::null();
      if (tokens.accept("IS")) {
        if (!tokens.accept("NULL")) return unexpected(tokens, "NULL");
      } else {
        if (!tokens.accept_mark('=')) return unexpected(tokens, "`=` or IS NULL (conditions are `column = literal`, joined by AND)");
        if (tokens.peek().is("NULL")) return fail(fmt::format("`{} = NULL` is never true: write IS NULL", schema.columns[index].name));
        TAILRACE_OK(read_literal(tokens, schema.columns[index], arena, value));
      }
      wanted.emplace_back(index, value);
    } while (tokens.accept("AND"));
  }
  TAILRACE_OK(end_of(tokens));
  std::vector<std::vector<Value>> rows;
  if (!keeps_rows_) {
    std::vector<Value>& row = rows.emplace_back(schema.columns.size(), Value::absent());
    std::vector<bool> given(row.size(), false);
    for (const auto& [index, value] : wanted) {
      row[index] = value;
      given[index] = true;
    }
    auto lacking = std::find(given.begin(), given.end(), false);
    if (lacking != given.end()) {
      return fail(fmt::format("in a capture WHERE names every column of the row before; `{}` is missing",
                              schema.columns[static_cast<size_t>(lacking - given.begin())].name));
    }
    return rows;
  }
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::vector<Value>& row = table.rows[i];
    bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const auto& one) { return identical(row[one.first], one.second); });
    if (!fits) continue;
    at.push_back(i);
    rows.push_back(row);
  }
  if (rows.empty()) {
    return fail(fmt::format("no row of {} matches, so there is no event", schema.qualified_name()));
  }
  return rows;
}

Status RowScript::update(SqlTokens& tokens, EventBatch& batch) {
  TAILRACE_TRY(Table * to, table(tokens));
  const TableSchema& schema = *to->schema;
  if (!tokens.accept("SET")) return unexpected(tokens, "SET");
  std::vector<std::pair<size_t, Value>> changes;
  do {
    TAILRACE_TRY(size_t index, column(tokens, schema));
    if (!tokens.accept_mark('=')) return unexpected(tokens, "`=`");
    Value value = Value::null();
    TAILRACE_OK(read_literal(tokens, schema.columns[index], batch.arena, value));
    changes.emplace_back(index, value);
  } while (tokens.accept_mark(','));
  std::vector<size_t> at;
  TAILRACE_TRY(auto rows, where(tokens, *to, at, batch.arena));
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<Value> after = rows[i];
    for (const auto& [index, value] : changes) after[index] = value;
    ChangeEvent& event = add_event(batch, Op::kUpdate, to->schema);
    event.before = copy_row(batch, rows[i]);
    event.after = copy_row(batch, after);
    if (keeps_rows_) keep_row(*to, after, to->rows[at[i]]);
  }
  return {};
}

Status RowScript::remove(SqlTokens& tokens, EventBatch& batch) {
  if (!tokens.accept("FROM")) return unexpected(tokens, "FROM");
  TAILRACE_TRY(Table * to, table(tokens));
  std::vector<size_t> at;
  TAILRACE_TRY(auto rows, where(tokens, *to, at, batch.arena));
  for (const auto& row : rows) add_event(batch, Op::kDelete, to->schema).before = copy_row(batch, row);
  for (size_t i = at.size(); i-- > 0;) to->rows.erase(to->rows.begin() + static_cast<long>(at[i]));
  return {};
}

// ---- tables

// A table under this name; rows stay where their columns are the same, else they begin again.
void RowScript::put(const DdlName& name, SchemaRef schema) {
  Table& table = tables_[{name.database, name.table}];
  if (table.schema && !table.rows.empty()) {
    for (std::vector<Value>& row : table.rows) {
      std::vector<Value> moved;
      for (const Column& column : schema->columns) {
        int at = table.schema->find_column(column.name);
        bool fits = at >= 0 && table.schema->columns[static_cast<size_t>(at)].kind == column.kind;
        auto value = fits ? Result<Value>(row[static_cast<size_t>(at)]) : left_out(column, table.texts);
        moved.push_back(value.ok() ? *value : Value::null());
      }
      row = std::move(moved);
    }
  }
  table.schema = std::move(schema);
}

Status RowScript::define(std::string_view sql, EventBatch& batch) {
  SqlReading reading;
  reading.is_mariadb = true;
  DdlStatement ddl = read_ddl(sql, database_, reading);
  using Kind = DdlStatement::Kind;
  if (ddl.kind == Kind::kNone) {
    return fail(
        "this is none of the statements of case files: CREATE/ALTER/DROP/RENAME/TRUNCATE TABLE, INSERT, READ, UPDATE, DELETE, "
        "USE, BEGIN, COMMIT, SET TIMESTAMP, SET GTID_NEXT");
  }
  for (const DdlName& name : ddl.tables) {
    if (name.database.empty()) return fail(fmt::format("write `{}` as database.table, or USE the database", name.table));
  }
  // OR REPLACE of a table that is not there, as captures tell what a table looks like, drops nothing.
  bool is_new = ddl.replaces && !ddl.tables.empty() && !tables_.count({ddl.tables[0].database, ddl.tables[0].table});
  auto add = [&](Op op, const SchemaRef& before, const SchemaRef& now) {
    ChangeEvent& event = add_event(batch, op, before ? before : now);
    event.sql = {batch.arena.copy(sql), sql.size()};
    event.ddl_kinds = ddl_kinds(ddl, event.table->database, event.table->table);
    if (is_new) event.ddl_kinds &= ~ddl_bit(DdlKind::kDropTable);
    if (op != Op::kSchemaChange || !now) return;
    batch.schemas.push_back(now);
    event.new_schema = &batch.schemas.back();
  };
  auto drop = [&](const DdlName& name) {
    auto found = tables_.find({name.database, name.table});
    if (found == tables_.end()) return;
    add(Op::kSchemaChange, found->second.schema, nullptr);
    tables_.erase(found);
  };
  auto explain = [](Status status) { return status.code() == ErrorCode::kRuleCase ? status : fail(status.detail()); };
  auto move = [&](const DdlName& from, const DdlName& to, const SchemaRef& now) -> Status {
    TAILRACE_TRY(Table * old, find({from.database, from.table}));
    Table moved = std::move(*old);
    SchemaRef before = moved.schema;
    tables_.erase({from.database, from.table});
    add(Op::kSchemaChange, before, nullptr);
    tables_[{to.database, to.table}] = std::move(moved);
    put(to, now);
    add(Op::kSchemaChange, nullptr, now);
    return {};
  };
  switch (ddl.kind) {
    case Kind::kCreateTable:
    case Kind::kCreateLike: {
      const DdlName& name = ddl.tables[0];
      if (ddl.replaces) drop(name);
      if (tables_.count({name.database, name.table})) {
        return ddl.conditional ? Status() : fail(fmt::format("table {}.{} exists", name.database, name.table));
      }
      SchemaRef now;
      if (ddl.kind == Kind::kCreateLike) {
        TAILRACE_TRY(Table * like, find({ddl.tables[1].database, ddl.tables[1].table}));
        now = renamed_table(*like->schema, name);
      } else {
        auto made = create_table(ddl, context());
        if (!made.ok()) return explain(made.status());
        now = *made;
      }
      put(name, now);
      add(Op::kSchemaChange, nullptr, now);
      return {};
    }
    case Kind::kAlterTable: {
      TAILRACE_TRY(Table * old, find({ddl.tables[0].database, ddl.tables[0].table}));
      auto made = alter_table(*old->schema, ddl, context());
      if (!made.ok()) return explain(made.status());
      SchemaRef before = old->schema, now = *made;
      if (now->qualified_name() != before->qualified_name()) {
        return move(ddl.tables[0], {now->database, now->table}, now);
      }
      put(ddl.tables[0], now);
      add(Op::kSchemaChange, before, now);
      return {};
    }
    case Kind::kDropTables:
      for (const DdlName& name : ddl.tables) {
        if (!ddl.conditional) TAILRACE_OK(find({name.database, name.table}).status());
        drop(name);
      }
      return {};
    case Kind::kRenameTables:
      for (size_t i = 0; i + 1 < ddl.tables.size(); i += 2) {
        TAILRACE_TRY(Table * old, find({ddl.tables[i].database, ddl.tables[i].table}));
        TAILRACE_OK(move(ddl.tables[i], ddl.tables[i + 1], renamed_table(*old->schema, ddl.tables[i + 1])));
      }
      return {};
    case Kind::kTruncate: {
      TAILRACE_TRY(Table * old, find({ddl.tables[0].database, ddl.tables[0].table}));
      old->rows.clear();
      add(Op::kTruncate, old->schema, nullptr);
      return {};
    }
    default: return {};
  }
}

// ---- events

void RowScript::begin_transaction() {
  in_batch_ = has_events_ = false;
  ordinal_ = 0;
}

void RowScript::end_transaction(EventBatch& batch) {
  if (in_batch_ && !batch.txns.empty()) batch.txns.back().ends_here = true;
  in_batch_ = has_events_ = false;
  gtid_.clear();
}

ChangeEvent& RowScript::add_event(EventBatch& batch, Op op, const SchemaRef& schema) {
  if (!in_batch_ || batch.txns.empty()) {
    Transaction& txn = batch.txns.emplace_back();
    txn.id = gtid_.empty() ? fmt::format("{}:{}", file_, line_) : gtid_;
    txn.commit_time_us = time_us_;
    txn.file = file_;
    txn.end_offset = line_;
    txn.begins_here = !has_events_;
    in_batch_ = has_events_ = true;
  }
  ChangeEvent& event = batch.events.emplace_back();
  event.op = op;
  event.txn = static_cast<uint32_t>(batch.txns.size() - 1);
  event.ordinal = ordinal_++;
  event.table = schema.get();
  if (std::find(batch.schemas.rbegin(), batch.schemas.rend(), schema) == batch.schemas.rend()) batch.schemas.push_back(schema);
  return event;
}

Row RowScript::copy_row(EventBatch& batch, const std::vector<Value>& row) {
  Row out = batch.new_row(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    out[i] = row[i];
    if (has_text_payload(out[i].kind)) out[i].p = batch.arena.copy(row[i].text());
  }
  return out;
}

void RowScript::keep_row(Table& table, const std::vector<Value>& row, std::vector<Value>& into) {
  into = row;
  for (Value& value : into) {
    if (has_text_payload(value.kind)) value.p = table.texts.copy(value.text());
  }
}

}  // namespace tailrace
