// SchemaTracker: which schema each table has at the position being read. Remembers what the job's SchemaStore knows,
// asks the server (or a schema file) for the rest, and believes neither before the TABLE_MAP agrees.
// Reader thread only.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/stores.h"
#include "mysql/gtid.h"
#include "mysql/row_plan.h"

namespace tailrace {

// The table as the server has it now; null when there is no such table.
using SchemaFetch = std::function<Result<SchemaRef>(const std::string& database, const std::string& table)>;

class SchemaTracker {
 public:
  // `store` may be null; both outlive the tracker. `fetch` may be empty.
  SchemaTracker(SchemaStore* store, std::string source_kind, SchemaFetch fetch);

  // Forgets all and takes the stored history.
  Status load();
  bool knows_any() const noexcept { return !tables_.empty(); }
  // What the tables look like at `at`, where reading begins. Tables with a history keep it.
  Status preload(const std::vector<SchemaRef>& schemas, const LogPosition& at);
  // The plan for rows logged under `map` in the transaction that begins at `at`; new schemas are stored first.
  Result<RowPlanRef> resolve(const TableMap& map, const LogPosition& at);
  // A statement changed the table; its effect holds from `after`. Returns the new schema as far as known, else null.
  // `sql`: the statement, which tells defaults that the catalogue may show of a later time.
  Result<SchemaRef> changed(const std::string& database, const std::string& table, const LogPosition& after, std::string_view sql,
                            bool ansi_quotes);
  Status dropped(const std::string& database, const std::string& table, const LogPosition& after);
  // The tables of a database that exist as far as known.
  std::vector<SchemaRef> tables_of(const std::string& database) const;
  // The schema believed in now; null when there is none.
  SchemaRef current(const std::string& database, const std::string& table) const;

 private:
  struct Entry {
    LogPosition position;
    SchemaRef schema;
  };
  struct Table {
    SchemaRef current;
    bool stale = true;
    LogPosition stale_since;
    std::vector<Entry> history;   // stored, in order
    size_t next = 0;              // first of them not reached yet
  };
  using Key = std::pair<std::string, std::string>;

  void advance(Table& table, const LogPosition& at);
  Status remember(Table& table, const Key& key, const SchemaRef& schema, const LogPosition& at);

  SchemaStore* store_;
  std::string source_kind_;
  SchemaFetch fetch_;
  std::map<Key, Table> tables_;
};

}  // namespace tailrace
