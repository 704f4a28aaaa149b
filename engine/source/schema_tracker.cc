#include "source/schema_tracker.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "mysql/column_default.h"

namespace tailrace {
namespace {

// Is the database without tables behind the statement?
bool begins_database(const DdlStatement& statement) {
  using Kind = DdlStatement::Kind;
  return statement.kind == Kind::kDropDatabase ||
         (statement.kind == Kind::kCreateDatabase && (!statement.conditional || statement.replaces));
}

// A database as the store keeps it: a table without name and columns.
SchemaRef database_entry(const std::string& name, uint16_t collation) {
  auto made = std::make_shared<TableSchema>();
  made->schema_id = next_schema_id();
  made->database = name;
  made->collation = collation;
  made->complete = true;
  return made;
}

}  // namespace

SchemaTracker::SchemaTracker(SchemaStore* store, std::string source_kind, Catalogue* catalogue, Wanted wanted)
    : store_(store), source_kind_(std::move(source_kind)), catalogue_(catalogue), wanted_(std::move(wanted)) {}

SchemaTracker::Key SchemaTracker::key_of(const std::string& database, const std::string& table) const {
  return fold_names_ ? Key(lower_ascii(database), lower_ascii(table)) : Key(database, table);
}

// With lower_case_table_names=1 the server itself writes names so; with 2 it keeps them and compares without case.
DdlName SchemaTracker::name_of(const std::string& database, const std::string& table) const {
  return fold_names_ == 1 ? DdlName{lower_ascii(database), lower_ascii(table)} : DdlName{database, table};
}

Status SchemaTracker::begin(const LogPosition& at, bool continues) {
  tables_.clear();
  followed_.clear();
  pending_.clear();
  unreadable_ = Status();
  if (catalogue_) fold_names_ = catalogue_->lower_case_table_names();
  bool has_history = false;
  if (store_) {
    TAILRACE_TRY(auto entries, store_->load_all());
    struct Place {
      LogPosition position;
      bool reached = false;
    };
    std::map<std::string, Place> positions;  // most of them are the same
    std::map<std::string, ReadingRef> readings;
    for (SchemaStore::Entry& entry : entries) {
      if (entry.position.source_kind != source_kind_) continue;
      auto position = positions.find(entry.position.text);
      if (position == positions.end()) {
        TAILRACE_TRY(LogPosition parsed, parse_log_position(entry.position));
        bool reached = log_position_reached(at, parsed);
        position = positions.emplace(entry.position.text, Place{std::move(parsed), reached}).first;
      }
      State state;
      state.schema = std::move(entry.schema);
      state.json = std::move(entry.schema_json);
      state.given = entry.origin == SchemaOrigin::kGiven;
      state.belief = entry.origin == SchemaOrigin::kUnknown ? Belief::kUnknown : state.exists() ? Belief::kKnown : Belief::kAbsent;
      if (entry.origin == SchemaOrigin::kCatalogue) {
        state.belief = Belief::kGuess;
        ReadingRef& found = readings[entry.read_low + "\n" + entry.read_high];
        if (!found && !entry.read_high.empty()) {
          TAILRACE_TRY(LogPosition low, parse_log_position({source_kind_, entry.read_low}));
          TAILRACE_TRY(LogPosition high, parse_log_position({source_kind_, entry.read_high}));
          found = reading(std::move(low), std::move(high));
        }
        state.reading = found;
      }
      Table& table = tables_[key_of(entry.database, entry.table)];
      table.seen = true;
      if (position->second.reached) {
        table.next = table.history.size() + 1;
        table.state = state;
      }
      table.history.push_back({position->second.position, std::move(state), std::move(entry.ddl)});
      has_history = true;
    }
  }
  for (const auto& [key, table] : tables_) {
    if (table.state.exists() && !key.second.empty()) ++followed_[key.first];
  }
  if (!catalogue_ || (has_history && continues)) return Status();
  return first_reading(at);
}

// Everything as the server has it now, kept as of the start. What an earlier start left behind ends there.
Status SchemaTracker::first_reading(const LogPosition& at) {
  std::map<Key, SchemaRef> found;
  ReadingRef now;
  // The log stands still around one of the readings, unless somebody writes all the time.
  for (int attempt = 0; attempt < 3; ++attempt) {
    found.clear();
    TAILRACE_TRY(LogPosition low, catalogue_->position());
    TAILRACE_TRY(auto tables, catalogue_->tables());
    TAILRACE_TRY(auto databases, catalogue_->databases());
    TAILRACE_TRY(LogPosition high, catalogue_->position());
    for (SchemaRef& schema : tables) found[key_of(schema->database, schema->table)] = schema;
    for (const auto& [name, collation] : databases) found[key_of(name, "")] = database_entry(name, collation);
    bool still = low.text() == high.text();
    now = reading(std::move(low), std::move(high));
    if (still) break;
  }
  for (auto& [key, table] : tables_) {
    if (found.count(key)) continue;
    State gone;
    gone.belief = Belief::kUnknown;
    if (table.state.exists()) put(key, std::move(gone), at, "", SchemaOrigin::kUnknown);
  }
  for (auto& [key, schema] : found) {
    const State& before = look(key, at).state;
    if (before.belief == Belief::kGuess && before.schema && same_layout(*before.schema, *schema)) {
      auto same = std::make_shared<TableSchema>(*schema);
      same->schema_id = before.schema->schema_id;
      schema = std::move(same);
    }
    put(key, State::guessed(schema, now), at, "", SchemaOrigin::kCatalogue);
  }
  return keep();
}

Status SchemaTracker::give(const std::vector<SchemaRef>& schemas, const LogPosition& at) {
  for (const SchemaRef& schema : schemas) {
    Key key = key_of(schema->database, schema->table);
    auto found = tables_.find(key);
    if (found != tables_.end() && (!found->second.history.empty() || found->second.state.exists())) continue;
    put(key, State::known(schema, true), at, "", SchemaOrigin::kGiven);
  }
  return keep();
}

SchemaTracker::ReadingRef SchemaTracker::reading(LogPosition low, LogPosition high) const {
  auto made = std::make_shared<Reading>();
  made->low_text = low.text();
  made->high_text = high.text();
  made->low = std::move(low);
  made->high = std::move(high);
  return made;
}

bool SchemaTracker::passed(Reading& reading, const LogPosition& at) {
  if (!reading.passed) reading.passed = log_position_reached(at, reading.high);
  return reading.passed;
}

bool SchemaTracker::saw(const State& state, const LogPosition& after) {
  return state.belief == Belief::kGuess && state.reading && log_position_reached(state.reading->low, after);
}

// The table at `at`: with the stored entries up to there, and with a guess made knowledge when the reader has passed it.
SchemaTracker::Table& SchemaTracker::look(const Key& key, const LogPosition& at) {
  Table& table = tables_[key];
  bool had = table.state.exists();
  while (table.next < table.history.size() && log_position_reached(at, table.history[table.next].position)) {
    table.state = table.history[table.next++].state;
  }
  if (key.second.empty() && !table.begun) {
    table.begun = std::any_of(table.history.begin(), table.history.begin() + static_cast<long>(table.next),
                              [](const Stored& stored) { return begins_database(read_ddl(stored.ddl, "", SqlReading())); });
  }
  if (!table.state.json.empty()) {
    auto schema = schema_from_json(table.state.json);
    table.state.json.clear();
    if (schema.ok()) {
      table.state.schema = std::move(schema).value();
    } else {
      table.state.belief = Belief::kUnknown;
      unreadable_ = std::move(schema).status().with("table", key.first + "." + key.second);
    }
  }
  if (table.state.belief == Belief::kGuess && table.state.reading && passed(*table.state.reading, at)) {
    table.state.belief = Belief::kKnown;
  }
  if (!key.second.empty() && had != table.state.exists()) followed_[key.first] += had ? size_t{0} - 1 : 1;
  return table;
}

const SchemaTracker::State& SchemaTracker::before(const Key& key, const LogPosition& at) {
  Table& table = look(key, at);
  if (!table.seen && wanted_(key.first, key.second) && look({key.first, ""}, at).begun) set(key, State::absent());
  return table.state;
}

void SchemaTracker::put(const Key& key, State state, const LogPosition& at, const std::string& ddl, SchemaOrigin origin) {
  if (store_) {
    SchemaStore::Entry& entry = pending_.emplace_back();
    entry.position = Position{source_kind_, at.text()};
    entry.schema = state.schema;
    entry.database = state.schema ? state.schema->database : key.first;
    entry.table = state.schema ? state.schema->table : key.second;
    entry.ddl = ddl;
    entry.origin = origin;
    if (state.reading) {
      entry.read_low = state.reading->low_text;
      entry.read_high = state.reading->high_text;
    }
  }
  set(key, std::move(state));
}

void SchemaTracker::set(const Key& key, State state) {
  tables_[key].seen = true;
  State& place = tables_[key].state;
  if (!key.second.empty() && place.exists() != state.exists()) followed_[key.first] += place.exists() ? size_t{0} - 1 : 1;
  place = std::move(state);
}

Status SchemaTracker::keep() {
  TAILRACE_OK(unreadable_);
  if (!store_ || pending_.empty()) return Status();
  Status kept = store_->append(pending_);
  pending_.clear();
  return kept;
}

Result<SchemaTracker::State> SchemaTracker::fetch(const std::string& database, const std::string& table) {
  TAILRACE_TRY(LogPosition low, catalogue_->position());
  TAILRACE_TRY(SchemaRef schema, catalogue_->table(database, table));
  if (!schema) return State();
  TAILRACE_TRY(LogPosition high, catalogue_->position());
  return State::guessed(std::move(schema), reading(std::move(low), std::move(high)));
}

const SchemaRef& SchemaTracker::usable(State& state) {
  if (state.belief != Belief::kGuess || !state.schema) return state.schema;
  if (!state.guess) state.guess = without_defaults(*state.schema);
  return state.guess;
}

Result<SchemaTracker::Resolved> SchemaTracker::resolve(const TableMap& map, const LogPosition& at) {
  Key key = key_of(map.database, map.table);
  Table& table = look(key, at);
  TAILRACE_OK(unreadable_);
  Status mismatch;
  SchemaRef hint = table.state.schema;
  if (table.state.schema) {
    auto plan = make_row_plan(map, usable(table.state));
    if (plan.ok()) {
      bool provisional = table.state.belief == Belief::kGuess;
      return Resolved{std::move(plan).value(), provisional, provisional && table.state.reading ? table.state.reading->high : LogPosition()};
    }
    mismatch = std::move(plan).status();
  }
  if (catalogue_) {
    TAILRACE_TRY(State now, fetch(map.database, map.table));
    if (now.schema) {
      if (!hint) hint = now.schema;
      if (passed(*now.reading, at)) now.belief = Belief::kKnown;
      auto plan = make_row_plan(map, usable(now));
      if (plan.ok()) {
        bool provisional = now.belief == Belief::kGuess;
        LogPosition settles = now.reading->high;
        put(key, std::move(now), at, "", SchemaOrigin::kCatalogue);
        TAILRACE_OK(keep());
        return Resolved{std::move(plan).value(), provisional, std::move(settles)};
      }
      if (mismatch.ok()) mismatch = std::move(plan).status();
    }
  }
  // The log itself tells the schema when it has full metadata; a schema given by the user must agree instead.
  if (map.has_names && !(table.state.given && !mismatch.ok())) {
    TAILRACE_TRY(SchemaRef logged, schema_from_table_map(map, hint.get()));
    put(key, State::known(logged), at, "", SchemaOrigin::kLog);
    TAILRACE_OK(keep());
    TAILRACE_TRY(RowPlanRef plan, make_row_plan(map, logged));
    return Resolved{std::move(plan), false, {}};
  }
  if (!mismatch.ok()) return mismatch;
  return Status(ErrorCode::kSchemaMissing, catalogue_ ? "the server has no such table now"
                                           : default_collation_
                                               ? "no schema is given for this table"
                                               : "no schema is given for this table; a CREATE TABLE in the log that names no character "
                                                 "set needs the one of its database: charset=NAME")
      .with("table", map.database + "." + map.table);
}

bool SchemaTracker::follows(const Key& key) const {
  if (wanted_(key.first, key.second)) return true;
  // Others of the same database may be renamed to a wanted name one day, as tools that change tables online do.
  auto found = followed_.find(key.first);
  return found != followed_.end() && found->second != 0;
}

bool SchemaTracker::concerns(const Statement& statement) const {
  return std::any_of(statement.tables.begin(), statement.tables.end(),
                     [&](const TableName& name) { return follows(key_of(name.database, name.table)); });
}

Result<uint16_t> SchemaTracker::database_collation(const std::string& database, const LogPosition& at) {
  Key key = key_of(database, "");
  Table& found = look(key, at);
  if (found.state.schema) return found.state.schema->collation;
  if (!catalogue_) return default_collation_;
  TAILRACE_TRY(LogPosition low, catalogue_->position());
  TAILRACE_TRY(auto all, catalogue_->databases());
  TAILRACE_TRY(LogPosition high, catalogue_->position());
  auto named = all.find(key.first);
  if (named == all.end()) return uint16_t{0};
  put(key, State::guessed(database_entry(key.first, named->second), reading(std::move(low), std::move(high))), at, "",
      SchemaOrigin::kCatalogue);
  return named->second;
}

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
