// SchemaTracker, second part: what the statements of the log do to tables and databases.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "source/schema_tracker.h"

namespace tailrace {

SchemaTracker::State SchemaTracker::lost(std::string why) {
  why_lost_ = std::move(why);
  return State();
}

// A table that becomes unknown is looked up later, in the log or at the server; why it had to be stays findable.
void SchemaTracker::tell_lost(const Key& key, const LoggedDdl& ddl, const LogPosition& after) const {
  constexpr size_t kMostOfAStatement = 300;
  log(LogLevel::kWarn, fmt::format("{}.{} is not followed from {} on: {}; statement: {}", key.first, key.second, after.text(),
                                   why_lost_.empty() ? "it was not known before" : why_lost_, ddl.sql.substr(0, kMostOfAStatement)));
}

SchemaTracker::State SchemaTracker::created(const LoggedDdl& ddl, const DdlStatement& parsed, const TableName& name, const State& before,
                                            const LogPosition& at) {
  // MySQL logs CREATE TABLE IF NOT EXISTS also when there was such a table; MariaDB does not.
  bool may_be_nothing = parsed.conditional && !ddl.context.is_mariadb && !parsed.replaces;
  if (may_be_nothing && before.belief != Belief::kAbsent) return before;
  // MariaDB logs a CREATE OR REPLACE that failed behind the old table's end.
  if (ddl.failed && ddl.context.is_mariadb && parsed.replaces) return State::absent();
  if (!ddl.unreadable.empty()) return lost(ddl.unreadable);
  if (parsed.tables.empty()) return lost(parsed.not_followed);
  DdlName target = name_of(name.database, name.table);
  if (parsed.kind == DdlStatement::Kind::kCreateLike && parsed.tables.size() == 2) {
    const State& source = look(key_of(parsed.tables[1].database, parsed.tables[1].table), at).state;
    if (source.belief != Belief::kKnown || !source.schema || !source.schema->complete) {
      return lost("CREATE TABLE … LIKE a table that is not known itself");
    }
    return State::known(renamed_table(*source.schema, target));
  }
  if (parsed.kind != DdlStatement::Kind::kCreateTable) return lost(parsed.not_followed);
  DdlContext context = ddl.context;
  auto collation = database_collation(name.database, at);
  if (!collation.ok()) return lost(collation.status().to_string());
  context.database_collation = *collation;
  auto made = create_table(parsed, context);
  if (!made.ok()) return lost(made.status().detail());
  return State::known(renamed_table(**made, target, false));
}

SchemaTracker::State SchemaTracker::altered(const LoggedDdl& ddl, const DdlStatement& parsed, const State& before,
                                            const LogPosition& after) {
  // The catalogue was read behind this statement: it shows what came of it already.
  if (saw(before, after)) return before;
  if (!ddl.unreadable.empty()) return lost(ddl.unreadable);
  if (before.belief != Belief::kKnown || !before.schema) return lost("what the table looked like before is not known");
  if (parsed.kind != DdlStatement::Kind::kAlterTable) return lost(parsed.not_followed);
  DdlContext context = ddl.context;
  auto collation = database_collation(before.schema->database, after);
  if (collation.ok()) context.database_collation = *collation;
  auto made = alter_table(*before.schema, parsed, context);
  return made.ok() ? State::known(*made, before.given) : lost(made.status().detail());
}

Result<std::vector<SchemaTracker::Change>> SchemaTracker::apply(const Statement& statement, const LoggedDdl& ddl, const LogPosition& at,
                                                                const LogPosition& after) {
  DdlStatement parsed = read_ddl(ddl.sql, ddl.database, ddl.reading);
  std::vector<Change> changes;
  // Read before: what it did is stored, all of it or nothing; at the start of the transaction when it is in the midst of one.
  bool stored = false, taken = false;
  for (const TableName& name : statement.tables) {
    Key key = key_of(name.database, name.table);
    before(key, at);
    Table& table = tables_[key];
    taken = taken || (table.next > 0 && table.history[table.next - 1].ddl == ddl.sql &&
                      table.history[table.next - 1].position.text() == after.text());
    stored = stored || (table.next < table.history.size() && log_position_reached(after, table.history[table.next].position));
  }
  State moved;
  for (size_t i = 0; i < statement.tables.size(); ++i) {
    const TableName& name = statement.tables[i];
    Key key = key_of(name.database, name.table);
    Change& change = changes.emplace_back();
    change.name = name;
    change.before = tables_[key].state.schema;
    change.was_absent = tables_[key].state.belief == Belief::kAbsent;
    if (taken) {
      change.now = change.before;
      continue;
    }
    const State before = tables_[key].state;
    State now = before;
    why_lost_.clear();
    switch (name.change) {
      case TableChange::kTruncate: change.now = before.schema; continue;
      case TableChange::kDrop: now = State::absent(); break;
      case TableChange::kCreate: now = created(ddl, parsed, name, statement.replaces ? State::absent() : before, at); break;
      case TableChange::kAlter:
        if (i > 0) {  // EXCHANGE PARTITION … WITH TABLE
          change.now = before.schema;
          continue;
        }
        now = altered(ddl, parsed, before, after);
        break;
      case TableChange::kRenameFrom:
        moved = parsed.kind == DdlStatement::Kind::kAlterTable ? altered(ddl, parsed, before, after) : before;
        if (saw(moved, after)) moved = State();  // the catalogue has another table of that name
        if (moved.belief != Belief::kKnown || !ddl.unreadable.empty()) moved = State();
        now = ddl.unreadable.empty() ? State::absent() : State();
        break;
      case TableChange::kRenameTo:
        // What the catalogue showed under the new name may be this very table.
        now = saw(before, after) ? before : std::move(moved);
        moved = State();
        if (now.belief == Belief::kKnown && now.schema) now.schema = renamed_table(*now.schema, name_of(name.database, name.table));
        break;
    }
    // A guess may stand for what the statement did; asking the server again is better than nothing, as rows will tell.
    if (now.belief == Belief::kUnknown && !stored && catalogue_ && wanted_(name.database, name.table)) {
      TAILRACE_TRY(State fetched, fetch(name.database, name.table));
      if (fetched.schema && saw(fetched, after)) now = std::move(fetched);
    }
    change.now = now.schema;
    if (now.belief == Belief::kUnknown && before.belief != Belief::kUnknown && !stored && follows(key)) tell_lost(key, ddl, after);
    if (stored || !follows(key)) {
      set(key, std::move(now));
      continue;
    }
    SchemaOrigin origin = now.belief == Belief::kUnknown ? SchemaOrigin::kUnknown
                          : now.belief == Belief::kGuess ? SchemaOrigin::kCatalogue
                                                         : SchemaOrigin::kStatement;
    put(key, std::move(now), after, ddl.sql, origin);
  }
  for (size_t i = changes.size(); stored && i-- > 0;) {
    Change& change = changes[i];
    Key key = key_of(change.name.database, change.name.table);
    bool later = std::any_of(changes.begin() + static_cast<long>(i) + 1, changes.end(),
                             [&](const Change& c) { return key_of(c.name.database, c.name.table) == key; });
    if (!later) change.now = look(key, after).state.schema;
  }
  TAILRACE_OK(keep());
  return changes;
}

Result<std::vector<SchemaRef>> SchemaTracker::apply_database(const LoggedDdl& ddl, const LogPosition& at, const LogPosition& after) {
  using Kind = DdlStatement::Kind;
  std::vector<SchemaRef> gone;
  DdlStatement parsed = read_ddl(ddl.sql, ddl.database, ddl.reading);
  if (parsed.kind != Kind::kCreateDatabase && parsed.kind != Kind::kAlterDatabase && parsed.kind != Kind::kDropDatabase) return gone;
  Key key = key_of(parsed.database, "");
  const State before = look(key, at).state;
  if (begins_database(parsed)) {
    tables_[key].begun = true;
    for (auto found = tables_.lower_bound(key); found != tables_.end() && found->first.first == key.first; ++found) {
      if (found->first.second.empty()) continue;
      Table& table = look(found->first, at);
      if (!table.state.schema && table.state.belief != Belief::kUnknown) continue;
      if (table.state.schema) gone.push_back(table.state.schema);
      bool read_before = table.next < table.history.size();
      bool stored = read_before && log_position_reached(after, table.history[table.next].position);
      if (stored) {
        look(found->first, after);
      } else if (read_before) {
        // An entry now would stand behind later ones in the store, and be believed in their place.
        set(found->first, State::absent());
      } else {
        put(found->first, State::absent(), after, ddl.sql, SchemaOrigin::kStatement);
      }
    }
  }
  Table& table = tables_[key];
  bool stored = table.next < table.history.size() && log_position_reached(after, table.history[table.next].position);
  State now = before;
  if (parsed.kind == Kind::kDropDatabase) {
    now = State::absent();
  } else if (parsed.kind == Kind::kAlterDatabase) {
    if (saw(before, after)) return gone;
    uint16_t collation = resolve_charset(parsed.charset, before.schema ? before.schema->collation : 0, ddl.context);
    if (parsed.charset.empty() && before.schema) collation = before.schema->collation;
    now = collation ? State::known(database_entry(key.first, collation)) : State();
  } else if (!parsed.conditional || parsed.replaces || before.belief == Belief::kAbsent) {
    uint16_t collation = resolve_charset(parsed.charset, ddl.context.server_collation, ddl.context);
    now = collation ? State::known(database_entry(key.first, collation)) : State();
  }
  if (stored) {
    look(key, after);
  } else {
    SchemaOrigin origin = now.belief == Belief::kUnknown ? SchemaOrigin::kUnknown
                          : now.belief == Belief::kGuess ? SchemaOrigin::kCatalogue
                                                         : SchemaOrigin::kStatement;
    put(key, std::move(now), after, ddl.sql, origin);
  }
  TAILRACE_OK(keep());
  return gone;
}

}  // namespace tailrace
