#include "source/schema_tracker.h"

#include <fmt/format.h>

#include "mysql/column_default.h"
#include "mysql/schema_reader.h"

namespace tailrace {

SchemaTracker::SchemaTracker(SchemaStore* store, std::string source_kind, SchemaFetch fetch)
    : store_(store), source_kind_(std::move(source_kind)), fetch_(std::move(fetch)) {}

Status SchemaTracker::load() {
  tables_.clear();
  if (!store_) return Status();
  TAILRACE_TRY(auto entries, store_->load_all());
  for (SchemaStore::Entry& entry : entries) {
    if (entry.position.source_kind != source_kind_) continue;
    TAILRACE_TRY(LogPosition position, parse_log_position(entry.position));
    tables_[Key(entry.database, entry.table)].history.push_back({std::move(position), entry.schema});
  }
  return Status();
}

void SchemaTracker::advance(Table& table, const LogPosition& at) {
  while (table.next < table.history.size() && log_position_reached(at, table.history[table.next].position)) {
    const Entry& entry = table.history[table.next++];
    // An entry from before the change that made the table stale does not tell what came after it.
    if (table.stale && table.current && !log_position_reached(entry.position, table.stale_since)) continue;
    table.current = entry.schema;
    table.stale = !entry.schema;
  }
}

Status SchemaTracker::remember(Table& table, const Key& key, const SchemaRef& schema, const LogPosition& at) {
  bool same = table.current && schema && same_layout(*table.current, *schema) && same_defaults(*table.current, *schema);
  table.stale = !schema;
  table.stale_since = at;
  if (same) return Status();  // keep the id that sinks already know
  table.current = schema;
  if (!store_) return Status();
  return store_->append({Position{source_kind_, at.text()}, schema, key.first, key.second, ""});
}

Status SchemaTracker::preload(const std::vector<SchemaRef>& schemas, const LogPosition& at) {
  for (const SchemaRef& schema : schemas) {
    Key key(schema->database, schema->table);
    Table& table = tables_[key];
    if (!table.history.empty() || table.current) continue;
    TAILRACE_OK(remember(table, key, schema, at));
  }
  return Status();
}

Result<RowPlanRef> SchemaTracker::resolve(const TableMap& map, const LogPosition& at) {
  Key key(map.database, map.table);
  Table& table = tables_[key];
  advance(table, at);
  Status mismatch;
  if (table.current && !table.stale) {
    auto plan = make_row_plan(map, table.current);
    if (plan.ok()) return plan;
    mismatch = std::move(plan).status();
  }
  SchemaRef fetched;
  if (fetch_) {
    TAILRACE_TRY(fetched, fetch_(map.database, map.table));
    if (fetched) {
      fetched = without_defaults(*fetched);
      auto plan = make_row_plan(map, fetched);
      if (plan.ok()) {
        TAILRACE_OK(remember(table, key, fetched, at));
        return make_row_plan(map, table.current);
      }
      if (mismatch.ok()) mismatch = std::move(plan).status();
    }
  }
  // The log itself tells the schema when it has full metadata; a schema given by the user must agree instead.
  if (map.has_names && (mismatch.ok() || fetch_)) {
    TAILRACE_TRY(SchemaRef logged, schema_from_table_map(map, table.current ? table.current.get() : fetched.get()));
    TAILRACE_OK(remember(table, key, logged, at));
    return make_row_plan(map, table.current);
  }
  if (!mismatch.ok()) return mismatch;
  return Status(ErrorCode::kSchemaMissing, fetch_ ? "the server has no such table now" : "no schema is given for this table")
      .with("table", map.database + "." + map.table);
}

Result<SchemaRef> SchemaTracker::changed(const std::string& database, const std::string& name, const LogPosition& after,
                                         std::string_view sql, bool ansi_quotes) {
  Key key(database, name);
  Table& table = tables_[key];
  // What the history tells of before the statement is what the statement changed, not its result.
  for (; table.next < table.history.size(); ++table.next) {
    const Entry& entry = table.history[table.next];
    if (log_position_reached(entry.position, after)) break;
    table.current = entry.schema;
  }
  table.stale = true;
  table.stale_since = after;
  advance(table, after);
  if (!table.stale) return table.current;
  if (!fetch_) return SchemaRef();
  TAILRACE_TRY(SchemaRef fetched, fetch_(database, name));
  if (!fetched) return SchemaRef();
  fetched = with_defaults_of(table.current.get(), *fetched, sql, ansi_quotes);
  TAILRACE_OK(remember(table, key, fetched, after));
  return table.current;
}

Status SchemaTracker::dropped(const std::string& database, const std::string& name, const LogPosition& after) {
  Key key(database, name);
  auto found = tables_.find(key);
  if (found == tables_.end()) return Status();
  Table& table = found->second;
  advance(table, after);
  bool had = table.current != nullptr;
  table.stale = true;
  table.stale_since = after;
  table.current.reset();
  if (!had || !store_) return Status();
  return store_->append({Position{source_kind_, after.text()}, nullptr, database, name, ""});
}

std::vector<SchemaRef> SchemaTracker::tables_of(const std::string& database) const {
  std::vector<SchemaRef> found;
  for (const auto& [key, table] : tables_) {
    if (key.first == database && table.current) found.push_back(table.current);
  }
  return found;
}

SchemaRef SchemaTracker::current(const std::string& database, const std::string& name) const {
  auto found = tables_.find(Key(database, name));
  return found == tables_.end() ? nullptr : found->second.current;
}

}  // namespace tailrace
