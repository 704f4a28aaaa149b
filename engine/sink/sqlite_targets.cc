// Targets: which tables exist in the sink file, whose rows they hold, and how they follow schema changes.
#include <fmt/format.h>

#include <algorithm>

#include "sink/sqlite_layout.h"
#include "sink/sqlite_tables.h"

namespace tailrace {
namespace {

constexpr std::string_view kReserved = "_tailrace";
constexpr size_t kKeptStatements = 64 * 1024;  // bytes of statements whose columns have not shown up

bool same_name(std::string_view a, std::string_view b) {  // as SQLite compares names
  auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return fold(x) == fold(y); });
}

bool is_reserved(std::string_view name) {
  return same_name(name.substr(0, kReserved.size()), kReserved) || same_name(name.substr(0, 7), "sqlite_");
}

const Column* find(const TableSchema& schema, std::string_view name) {
  for (const Column& column : schema.columns) {
    if (same_name(column.name, name)) return &column;
  }
  return nullptr;
}

std::vector<std::string> key_names(const TableSchema& schema) {
  std::vector<std::string> names;
  for (uint16_t at : schema.primary_key) names.push_back(schema.columns[at].name);
  return names;
}

Status stop(std::string detail, std::string_view ddl) {
  Status status(ErrorCode::kSchemaChange, std::move(detail));
  return ddl.empty() ? std::move(status) : std::move(status).with("statement", std::string(ddl.substr(0, 1000)));
}

bool same_columns(const TableSchema& a, const TableSchema& b) {
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const Column& x, const Column& y) { return x.name == y.name && x.type_text == y.type_text; });
}

}  // namespace

Status SqliteTables::open() {
  TAILRACE_OK(
      database_.execute("CREATE TABLE IF NOT EXISTS _tailrace_table (id INTEGER PRIMARY KEY, name TEXT NOT "
                        "NULL UNIQUE COLLATE NOCASE, "
                        "database TEXT NOT NULL, \"table\" TEXT NOT NULL, columns TEXT NOT NULL, "
                        "keeps_owners INTEGER NOT NULL) STRICT;"
                        "CREATE TABLE IF NOT EXISTS _tailrace_source (id INTEGER PRIMARY KEY, target INTEGER "
                        "NOT NULL, source TEXT NOT NULL, "
                        "key_is_explicit INTEGER NOT NULL, layout TEXT NOT NULL, ddl TEXT NOT NULL, UNIQUE "
                        "(target, source)) STRICT;"
                        "CREATE TABLE IF NOT EXISTS _tailrace_origin (target INTEGER NOT NULL, key TEXT NOT "
                        "NULL, source INTEGER NOT NULL, "
                        "PRIMARY KEY (target, key)) STRICT, WITHOUT ROWID;"));
  return load_tables();
}

Status SqliteTables::load_tables() {
  TAILRACE_TRY(auto s, database_.prepare("SELECT id, name, database, \"table\", columns, keeps_owners FROM _tailrace_table"));
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) break;
    auto target = std::make_unique<Target>();
    target->id = s.column_int(0);
    target->name = s.column_text(1);
    target->database = s.column_text(2);
    target->table = s.column_text(3);
    TAILRACE_TRY(target->columns, schema_from_json(s.column_text(4)));
    target->keeps_owners = s.column_int(5) != 0;
    targets_.push_back(std::move(target));
  }
  for (auto& target : targets_) {
    TAILRACE_TRY(auto sources, database_.prepare("SELECT id, source, key_is_explicit, layout, ddl FROM "
                                                 "_tailrace_source WHERE target = ? ORDER BY id"));
    sources.bind_int(1, target->id);
    for (;;) {
      TAILRACE_TRY(bool more, sources.step());
      if (!more) break;
      SourceTable from;
      from.id = sources.column_int(0);
      from.name = sources.column_text(1);
      from.key_is_explicit = sources.column_int(2) != 0;
      TAILRACE_TRY(from.layout, schema_from_json(sources.column_text(3)));
      from.ddl = sources.column_text(4);
      target->sources.push_back(std::move(from));
    }
  }
  return Status();
}

std::string SqliteTables::target_name(const TableSchema& schema) const {
  return naming_ == SqliteNaming::kTable ? schema.table : schema.database + "__" + schema.table;
}

SqliteTables::Target* SqliteTables::find_target(std::string_view name) {
  for (auto& target : targets_) {
    if (same_name(target->name, name)) return target.get();
  }
  return nullptr;
}

Status SqliteTables::check_names(const TableSchema& schema) const {
  std::string name = target_name(schema);
  if (name.empty() || is_reserved(name)) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("SQLite keeps the table name \"{}\" for itself or the engine does; "
                                                          "give the table another name with a rule",
                                                          name));
  }
  for (const Column& column : schema.columns) {
    if (is_reserved(column.name)) {
      return Status(ErrorCode::kConfigBadValue,
                    fmt::format("column names that begin with _tailrace or sqlite_ are reserved: rename \"{}\" with a rule", column.name));
    }
  }
  return check_identity(schema);
}

// What SQLite could not tell apart would be changed together.
Status SqliteTables::check_identity(const TableSchema& schema) {
  for (uint16_t index : schema.primary_key) {
    const Column& column = schema.columns[index];
    if (column.kind != Kind::kEnum || std::find(column.labels.begin(), column.labels.end(), "") == column.labels.end()) continue;
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("the key column \"{}\" is an ENUM with the label '', which reads like its error value: give the table "
                              "another key with a rule",
                              column.name));
  }
  size_t taken = 0;
  for (const char* name : {"rowid", "oid", "_rowid_"}) {
    taken += std::any_of(schema.columns.begin(), schema.columns.end(), [&](const Column& column) { return same_name(column.name, name); });
  }
  if (!schema.primary_key.empty() || taken < 3) return Status();
  return Status(ErrorCode::kConfigBadValue,
                "a table without key needs one of the names rowid, oid and _rowid_ for SQLite's own row "
                "number: rename one of the columns with a rule");
}

Result<SqliteTables::Target*> SqliteTables::target_of(const TableSchema& schema) {
  std::string name = target_name(schema);
  if (Target* target = find_target(name)) {
    if (target->database == schema.database && target->table == schema.table) return target;
    if (naming_ == SqliteNaming::kTable && target->database != schema.database) {
      return Status(ErrorCode::kConfigBadValue,
                    fmt::format("{}.{} and {}.{} both want the table \"{}\" of the sink file; set naming=db__table to keep "
                                "databases apart",
                                target->database, target->table, schema.database, schema.table, name));
    }
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("{}.{} and {}.{} both want the table \"{}\" of the sink file; give one another name with a "
                              "rule",
                              target->database, target->table, schema.database, schema.table, name));
  }
  TAILRACE_OK(check_names(schema));
  auto target = std::make_unique<Target>();
  target->name = name;
  target->database = schema.database;
  target->table = schema.table;
  TAILRACE_OK(create_target(*target, schema));
  targets_.push_back(std::move(target));
  return targets_.back().get();
}

Status SqliteTables::create_target(Target& target, const TableSchema& schema) {
  TAILRACE_TRY(auto taken, database_.query_int(
                               fmt::format("SELECT 1 FROM sqlite_schema WHERE name = {} COLLATE NOCASE", sqlite::quote_text(target.name))));
  if (taken) {
    return Status(ErrorCode::kSinkMismatch,
                  fmt::format("the sink file has a table \"{}\" already, and this job did not make it", target.name));
  }
  TAILRACE_OK(database_.execute(sqlite_layout::create_table_sql(target.name, schema)));
  target.columns = std::make_shared<TableSchema>(schema);
  return save_target(target);
}

Status SqliteTables::save_target(Target& target) {
  TAILRACE_TRY(auto s, database_.prepare("INSERT INTO _tailrace_table(name, database, \"table\", columns, "
                                         "keeps_owners) VALUES (?1, ?2, ?3, ?4, ?5) "
                                         "ON CONFLICT (name) DO UPDATE SET columns = excluded.columns, "
                                         "keeps_owners = excluded.keeps_owners RETURNING id"));
  std::string columns = schema_to_json(*target.columns);
  s.bind_text(1, target.name);
  s.bind_text(2, target.database);
  s.bind_text(3, target.table);
  s.bind_text(4, columns);
  s.bind_int(5, target.keeps_owners);
  TAILRACE_TRY(bool found, s.step());
  if (found) target.id = s.column_int(0);
  return s.run();
}

Status SqliteTables::save_source(const Target& target, SourceTable& from) {
  TAILRACE_TRY(auto s, database_.prepare("INSERT INTO _tailrace_source(target, source, key_is_explicit, "
                                         "layout, ddl) VALUES (?1, ?2, ?3, ?4, ?5) "
                                         "ON CONFLICT (target, source) DO UPDATE SET key_is_explicit = "
                                         "excluded.key_is_explicit, layout = excluded.layout, "
                                         "ddl = excluded.ddl RETURNING id"));
  std::string layout = schema_to_json(*from.layout);
  s.bind_int(1, target.id);
  s.bind_text(2, from.name);
  s.bind_int(3, from.key_is_explicit);
  s.bind_text(4, layout);
  s.bind_text(5, from.ddl);
  TAILRACE_TRY(bool found, s.step());
  if (found) from.id = s.column_int(0);
  return s.run();
}

Result<SqliteTables::Route*> SqliteTables::make_route(const OutputTable& output) {
  if (!output.schema || !output.source) return Status(ErrorCode::kInternal, "a target without a schema");
  TAILRACE_TRY(Target * target, target_of(*output.schema));
  TAILRACE_TRY(size_t source_at, source_of(*target, output));
  TAILRACE_OK(follow_layout(*target, target->sources[source_at], *output.schema, output, false));
  auto route = std::make_unique<Route>();
  route->source = output.source;
  route->schema = output.schema;
  route->target = target;
  route->source_at = source_at;
  TAILRACE_OK(prepare_row_statements(*route));
  auto& slot = routes_[&output];
  if (slot.get() == last_route_) last_output_ = nullptr;
  slot = std::move(route);
  return slot.get();
}

// The entry of output.source among the target's sources, added on its first row.
Result<size_t> SqliteTables::source_of(Target& target, const OutputTable& output) {
  std::string name = output.source->qualified_name();
  for (size_t i = 0; i < target.sources.size(); ++i) {
    if (target.sources[i].name == name) return i;
  }
  if (key_names(*output.schema) != key_names(*target.columns)) {
    return Status(ErrorCode::kSchemaChange,
                  fmt::format("{} has another key than {}.{}, the table it is merged into", name, target.database, target.table));
  }
  SourceTable from;
  from.name = name;
  from.key_is_explicit = output.key_is_explicit;
  from.layout = output.schema;
  bool keyless = output.schema->primary_key.empty();
  bool all_explicit = from.key_is_explicit;
  for (const SourceTable& other : target.sources) all_explicit = all_explicit && other.key_is_explicit;
  if (!target.sources.empty() && !keyless && !all_explicit && !target.keeps_owners) {
    if (target.sources.size() > 1) {
      return Status(ErrorCode::kRuleKeyCollision,
                    fmt::format("{} joins the merged table {}.{} without a key of its own, and whose rows are there "
                                "already is not known",
                                name, target.database, target.table));
    }
    TAILRACE_OK(start_keeping_owners(target));
  }
  if (!target.sources.empty()) {
    for (const Column& column : target.columns->columns) {
      if (!column.nullable && !find(*output.schema, column.name)) {
        return Status(ErrorCode::kSchemaChange, fmt::format("{} lacks the NOT NULL column {} of {}.{}, the table it is "
                                                            "merged into",
                                                            name, column.name, target.database, target.table));
      }
    }
  }
  TAILRACE_OK(save_source(target, from));
  target.sources.push_back(std::move(from));
  return target.sources.size() - 1;
}

// From the second source on every row needs its owner; until then all belong to the first.
Status SqliteTables::start_keeping_owners(Target& target) {
  TAILRACE_TRY(auto s, database_.prepare(fmt::format("INSERT INTO _tailrace_origin(target, source, key) SELECT ?1, ?2, {} FROM {}",
                                                     key_text(*target.columns, true, 0), sqlite::quote_name(target.name))));
  s.bind_int(1, target.id);
  s.bind_int(2, target.sources[0].id);
  TAILRACE_OK(s.run());
  target.keeps_owners = true;
  // Statements made before do not claim keys.
  std::erase_if(routes_, [&](const auto& entry) { return entry.second->target == &target; });
  last_output_ = nullptr;
  last_route_ = nullptr;
  return save_target(target);
}

Status SqliteTables::follow_layout(Target& target, SourceTable& from, const TableSchema& wanted, const OutputTable& output, bool may_wait) {
  bool tells_origins = &wanted == output.schema.get();
  bool waits = false;
  if (key_names(wanted) != key_names(*target.columns)) return stop("the key of the table changed", from.ddl);
  for (const Column& before : from.layout->columns) {
    const Column* after = find(wanted, before.name);
    if (!after) return stop(fmt::format("column {} is gone (dropped or renamed)", before.name), from.ddl);
    if (std::string change = sqlite_layout::visible_change(before, *after); !change.empty()) return stop(change, from.ddl);
  }
  // The layouts may be the same and the values not. The statement has the names of the source.
  for (size_t i = 0; i < output.schema->columns.size() && !from.ddl.empty(); ++i) {
    int origin = output.origins.empty() ? static_cast<int>(i) : output.origins[i];
    if (origin < 0 || static_cast<size_t>(origin) >= output.source->columns.size()) continue;
    const Column& column = output.source->columns[static_cast<size_t>(origin)];
    if (sqlite_layout::replaces_column(column, from.ddl))
      return stop(fmt::format("column {} was dropped and added, renamed or computed anew: its values may have changed", column.name),
                  from.ddl);
  }
  TAILRACE_OK(check_names(wanted));
  for (size_t i = 0; i < wanted.columns.size(); ++i) {
    const Column& column = wanted.columns[i];
    const Column* there = find(*target.columns, column.name);
    if (!there) {
      // The statement has the source's name, and tells of the source's values. Which column of it this is made of is known once
      // rows of this layout come.
      int origin = !tells_origins ? -1 : output.origins.empty() ? static_cast<int>(i) : output.origins[i];
      bool is_known = origin >= 0 && static_cast<size_t>(origin) < output.source->columns.size();
      const Column* of_source = is_known ? &output.source->columns[static_cast<size_t>(origin)] : nullptr;
      bool as_at_source =
          of_source ? of_source->type_text == column.type_text : !tells_origins && same_columns(*output.source, *output.schema);
      const std::string& stated = of_source ? of_source->name : column.name;
      TAILRACE_OK(add_column(target, from, column, stated, as_at_source, may_wait, waits));
    } else if (sqlite_layout::storage_type(*there) != sqlite_layout::storage_type(column)) {
      return stop(fmt::format("column {} is {} here and {} in {}.{}", column.name, column.type_text, there->type_text, target.database,
                              target.table),
                  from.ddl);
    }
  }
  bool unchanged = same_columns(*from.layout, wanted);
  if (unchanged && from.ddl.empty()) return Status();
  // A schema older than the statement looks unchanged; its rows tell later, and then the statement is wanted.
  if (waits || (unchanged && may_wait)) return save_source(target, from);
  from.layout = std::make_shared<TableSchema>(wanted);
  from.ddl.clear();
  return save_source(target, from);
}

// `may_wait`: a schema read from the live server can be newer than its statement. A column that the statement
// does not name is then left to a later one, `waits` says so; the first row that has it decides.
Status SqliteTables::add_column(Target& target, const SourceTable& from, const Column& column, const std::string& stated, bool as_at_source,
                                bool may_wait, bool& waits) {
  std::string name = sqlite::quote_name(target.name);
  TAILRACE_TRY(auto any, database_.query_int(fmt::format("SELECT 1 FROM {} LIMIT 1", name)));
  std::string value = "NULL";
  bool knows_column_already = find(*from.layout, column.name) != nullptr;  // the second table of a merge brings it along
  if (any && !knows_column_already) {
    using State = sqlite_layout::AddedValue::State;
    Column asked = column;
    asked.name = stated;
    auto added = sqlite_layout::value_of_added(asked, from.ddl);
    bool needs_origin = added.state == State::kKnown && added.literal != "NULL" && !as_at_source;
    if ((added.state == State::kNotNamed || needs_origin) && may_wait) {
      waits = true;
      return Status();
    }
    // A rule may have changed the column on its way here; then only NULL is sure to stay NULL.
    if (added.state != State::kKnown || needs_origin) {
      return stop(fmt::format("column {} {} was added, and what the rows already here hold in it is not certain from the "
                              "statement",
                              column.name, column.type_text),
                  from.ddl);
    }
    value = added.literal;
  }
  Column stored = column;
  bool merged = target.sources.size() > 1;
  // Rows of the other tables of a merge lack it until they are altered too.
  if (value == "NULL" && (any || merged)) stored.nullable = true;
  std::string definition = sqlite_layout::column_definition(stored, false);
  if (value != "NULL") definition += " DEFAULT " + value;
  TAILRACE_OK(database_.execute(fmt::format("ALTER TABLE {} ADD COLUMN {}", name, definition)));
  auto columns = std::make_shared<TableSchema>(*target.columns);
  columns->columns.push_back(std::move(stored));
  target.columns = std::move(columns);
  return save_target(target);
}

void SqliteTables::append_statement(SourceTable& from, std::string_view sql) {
  from.ddl += (from.ddl.empty() ? "" : ";\n") + std::string(sql);
  if (from.ddl.size() > kKeptStatements) from.ddl = sql;
}

// Rules may have sent rows of a table to several targets, and only one is named by the statement. The first row of the new
// layout that comes to another one tells what it means there.
Status SqliteTables::tell_other_targets(const Target* named, const std::string& source, std::string_view sql) {
  for (const auto& target : targets_) {
    if (target.get() == named) continue;
    for (SourceTable& from : target->sources) {
      if (from.name != source) continue;
      append_statement(from, sql);
      TAILRACE_OK(save_source(*target, from));
    }
  }
  return Status();
}

// The rule stage gives the target's layout before the statement in `output` (after it, for a new table), and
// the one after it in `new_schema`.
Status SqliteTables::schema_change(const ChangeEvent& event) {
  if (!event.output || !event.output->source) return Status();  // none of ours, or dropped by the rules
  const OutputTable& output = *event.output;
  std::string source = output.source->qualified_name();
  Target* target = find_target(target_name(*output.schema));
  SourceTable* from = nullptr;
  if (target) {
    for (SourceTable& candidate : target->sources) {
      if (candidate.name == source) from = &candidate;
    }
  }
  SchemaRef wanted = event.new_schema ? *event.new_schema : nullptr;
  if (sqlite_layout::keeps_table(event.sql)) TAILRACE_OK(tell_other_targets(target, source, event.sql));
  if (!from) {
    // Nothing of it is here. A new table is made now, so that an empty one shows; any other with its first
    // row.
    return wanted && wanted == output.schema && !wanted->columns.empty() ? make_route(output).status() : Status();
  }
  if (!wanted && !sqlite_layout::keeps_table(event.sql)) {
    return stop(fmt::format("the table {} was dropped or renamed", source), event.sql);
  }
  if (wanted && (wanted->database != target->database || wanted->table != target->table)) {
    return stop(fmt::format("the table {} now goes to {}", source, wanted->qualified_name()), event.sql);
  }
  if (sqlite_layout::drops_duplicates(event.sql)) {
    return stop("IGNORE with a new key deletes rows that are twice under it, which is not logged", event.sql);
  }
  append_statement(*from, event.sql);
  // Not known what it looks like now: the first row of the new layout tells.
  if (!wanted) return save_source(*target, *from);
  return follow_layout(*target, *from, *wanted, output, true);
}

}  // namespace tailrace
