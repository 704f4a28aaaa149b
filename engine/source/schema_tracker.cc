#include "source/schema_tracker.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "mysql/column_default.h"

namespace tailrace {
bool SchemaTracker::begins_database(const DdlStatement& statement) {
  using Kind = DdlStatement::Kind;
  return statement.kind == Kind::kDropDatabase ||
         (statement.kind == Kind::kCreateDatabase && (!statement.conditional || statement.replaces));
}

SchemaRef SchemaTracker::database_entry(const std::string& name, uint16_t collation) {
  auto made = std::make_shared<TableSchema>();
  made->schema_id = next_schema_id();
  made->database = name;
  made->collation = collation;
  made->complete = true;
  return made;
}

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
  bool is_new = all_seen_ && !table.seen;
  if (catalogue_) {
    TAILRACE_TRY(State now, fetch(map.database, map.table));
    if (now.schema && is_new) {
      return Status(
                 ErrorCode::kSourceUnsupported,
                 fmt::format("{0}.{1} was not among the tables when the job began, and no CREATE TABLE in the log tells of it, so rows of "
                             "it were never read: either SELECT on it was granted later, or it was made with sql_log_bin=0. Take it with "
                             "a new job, or leave it out with \"!{0}.{1}\" in the `tables` of one",
                             map.database, map.table))
          .with("table", map.database + "." + map.table);
    }
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

}  // namespace tailrace
