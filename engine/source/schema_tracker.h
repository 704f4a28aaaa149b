// SchemaTracker: which schema each table has at the position being read. Follows the statements of the log, remembers
// what the job's SchemaStore knows, asks the server (or a schema file) where that does not tell, and believes nothing
// that the TABLE_MAP contradicts. Reader thread only.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/stores.h"
#include "mysql/gtid.h"
#include "mysql/row_plan.h"
#include "mysql/statement.h"
#include "source/logged_ddl.h"

namespace tailrace {

// What the source can ask of a running server: how things are now, wherever the reader is.
class Catalogue {
 public:
  virtual ~Catalogue() = default;
  virtual Result<SchemaRef> table(const std::string& database, const std::string& table) = 0;  // null = there is none
  virtual Result<std::vector<SchemaRef>> tables() = 0;                                         // those of the job
  virtual Result<std::map<std::string, uint16_t>> databases() = 0;                             // default collations
  virtual Result<LogPosition> position() = 0;
  virtual int lower_case_table_names() = 0;
};

class SchemaTracker {
 public:
  using Wanted = std::function<bool(std::string_view database, std::string_view table)>;
  // What a statement did to one of its tables.
  struct Change {
    TableName name;
    SchemaRef before, now;    // null = no such table, or not known
    bool was_absent = false;  // there was none
  };

  // `store` and `catalogue` may be null; both outlive the tracker.
  SchemaTracker(SchemaStore* store, std::string source_kind, Catalogue* catalogue, Wanted wanted);

  // Forgets all and takes the stored history. Reading begins at `at`; `continues` = where an earlier run left off, so
  // that what is stored holds. Asks the catalogue when there is no history, or when it does not hold.
  Status begin(const LogPosition& at, bool continues);
  // Tables given by the user: so they are at `at`. Tables with a history keep it.
  Status give(const std::vector<SchemaRef>& schemas, const LogPosition& at);

  // Of databases whose own one is not known, where there is no catalogue to ask; 0 = their tables stay unknown.
  void set_default_collation(uint16_t collation) noexcept { default_collation_ = collation; }

  // Rows of a table that neither the first reading nor a statement has told of are an error: their table was not copied.
  void set_all_seen(bool all_seen) noexcept { all_seen_ = all_seen; }

  // The plan for rows logged under `map` in the transaction that begins at `at`; new schemas are stored first.
  // `provisional`: of a guess, which a later TABLE_MAP of the same may find to be knowledge.
  struct Resolved {
    RowPlanRef plan;
    bool provisional = false;  // a guess, which is worth asking about again from `settles` on
    LogPosition settles = {};
  };
  Result<Resolved> resolve(const TableMap& map, const LogPosition& at);
  // A statement in the transaction that begins at `at`; its effect holds from `after`. One Change for each table of
  // `statement`, in order; what is new is stored before this returns.
  Result<std::vector<Change>> apply(const Statement& statement, const LoggedDdl& ddl, const LogPosition& at, const LogPosition& after);
  // CREATE, ALTER, DROP DATABASE. The tables that went with it.
  Result<std::vector<SchemaRef>> apply_database(const LoggedDdl& ddl, const LogPosition& at, const LogPosition& after);
  // Does anything here concern this job?
  bool concerns(const Statement& statement) const;

 private:
  // A reading of the catalogue while the log stood between two positions.
  struct Reading {
    LogPosition low, high;
    std::string low_text, high_text;
    bool passed = false;  // the reader has come to `high`
  };
  using ReadingRef = std::shared_ptr<Reading>;
  enum class Belief : uint8_t {
    kUnknown,  // nothing is known
    kAbsent,   // there is no such table
    kGuess,    // read from the catalogue, perhaps after changes that the reader has not come to
    kKnown
  };
  struct State {
    Belief belief = Belief::kUnknown;
    SchemaRef schema;    // kGuess, kKnown
    std::string json;    // the same as it is stored, when nobody has asked for it yet
    ReadingRef reading;  // kGuess; null = not known when it was read
    bool given = false;  // by the user
    SchemaRef guess;     // kGuess: the same without defaults, which may be of a later time
    static State absent() {
      State out;
      out.belief = Belief::kAbsent;
      return out;
    }
    static State known(SchemaRef schema, bool given = false) {
      State out;
      out.belief = Belief::kKnown;
      out.schema = std::move(schema);
      out.given = given;
      return out;
    }
    static State guessed(SchemaRef schema, ReadingRef reading) {
      State out;
      out.belief = Belief::kGuess;
      out.schema = std::move(schema);
      out.reading = std::move(reading);
      return out;
    }
    bool exists() const noexcept { return schema != nullptr || !json.empty(); }
  };
  struct Stored {
    LogPosition position;
    State state;
    std::string ddl;
  };
  struct Table {
    State state;
    std::vector<Stored> history;  // in order
    size_t next = 0;              // first of them not reached yet
    bool seen = false;            // something is known of it, be it that nothing is
    bool begun = false;           // a database whose every table has been seen: it was made, or dropped, where the reader was
  };
  using Key = std::pair<std::string, std::string>;  // table "" = the database

  static bool begins_database(const DdlStatement& statement);                    // is the database without tables behind it?
  static SchemaRef database_entry(const std::string& name, uint16_t collation);  // as the store keeps it: no name, no columns
  static const SchemaRef& usable(State& state);                                  // for rows
  Key key_of(const std::string& database, const std::string& table) const;
  DdlName name_of(const std::string& database, const std::string& table) const;
  Table& look(const Key& key, const LogPosition& at);
  // The same, where a table that has never been seen may be one that there is not.
  const State& before(const Key& key, const LogPosition& at);
  static bool passed(Reading& reading, const LogPosition& at);
  // A state from before a statement: is it from a reading that saw the statement's effect already?
  static bool saw(const State& state, const LogPosition& after);
  ReadingRef reading(LogPosition low, LogPosition high) const;
  Status first_reading(const LogPosition& at);
  Result<State> fetch(const std::string& database, const std::string& table);
  Result<uint16_t> database_collation(const std::string& database, const LogPosition& at);

  State created(const LoggedDdl& ddl, const DdlStatement& parsed, const TableName& name, const State& before, const LogPosition& at);
  State altered(const LoggedDdl& ddl, const DdlStatement& parsed, const State& before, const LogPosition& after);
  State lost(std::string why);
  void tell_lost(const Key& key, const LoggedDdl& ddl, const LogPosition& after) const;
  bool follows(const Key& key) const;
  // Puts the state and, unless it is stored at this position already, an entry for it.
  void put(const Key& key, State state, const LogPosition& at, const std::string& ddl, SchemaOrigin origin);
  void set(const Key& key, State state);
  Status keep();  // stores the entries of `pending_`; tells a stored schema that could not be read

  SchemaStore* store_;
  std::string source_kind_;
  Catalogue* catalogue_;
  Wanted wanted_;
  uint16_t default_collation_ = 0;
  bool all_seen_ = false;
  int fold_names_ = 0;
  std::map<Key, Table> tables_;
  std::map<std::string, size_t> followed_;  // tables with a schema, by database
  std::vector<SchemaStore::Entry> pending_;
  Status unreadable_;
  std::string why_lost_;  // what became of a table by the statement at hand, where that is not known
};

}  // namespace tailrace
