// SqliteTables: applies change events to the tables of one SQLite sink file, inside the transaction its
// caller holds open. Owns the prepared statements and the bookkeeping tables
//   _tailrace_table   target table → the MySQL database it came under, its columns, whether row owners are
//   kept _tailrace_source  which source tables feed a target, with their last columns _tailrace_origin  key →
//   source table, only for merged targets whose entry gave no key
// One thread. After a failure the caller rolls back and drops the object.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "sqlite/database.h"

namespace tailrace {

enum class SqliteNaming : uint8_t { kTable, kDatabaseAndTable };

class SqliteTables {
 public:
  SqliteTables(sqlite::Database& database, SqliteNaming naming) : database_(database), naming_(naming) {}
  // Creates or reads the bookkeeping tables. In a transaction of the caller.
  Status open();
  // `may_lack_rows`: a snapshot is still running, so rows may not have been copied yet.
  Status apply(const EventBatch& batch, const ChangeEvent& event, bool may_lack_rows);

 private:
  struct SourceTable {
    int64_t id = 0;
    std::string name;  // "shop.user"
    bool key_is_explicit = false;
    SchemaRef layout;  // columns of its rows as they come out of the rules
    std::string ddl;   // statements whose columns have not shown up yet
  };
  struct Target {
    int64_t id = 0;                     // 0: not in the file yet
    std::string name, database, table;  // "dw__user", "dw", "user"
    SchemaRef columns;                  // as created, added ones at the end
    bool keeps_owners = false;
    std::vector<SourceTable> sources;
  };
  // Statements for the rows of one (source layout → target) pair.
  struct Route {
    SchemaRef source, schema;  // hold the addresses, so a hit in routes_ is never another table
    Target* target = nullptr;
    size_t source_at = 0;
    sqlite::Statement upsert, remove, insert_at, find, remove_at, update_at, claim, release;
    std::unordered_map<std::string, sqlite::Statement> partial;
    std::vector<std::string> scratch;  // text forms of bound values, one per parameter
    std::string position;
    bool keyless() const { return schema->primary_key.empty(); }
    SourceTable& from() const { return target->sources[source_at]; }
  };

  Status load_tables();
  Result<Route*> route_of(const OutputTable& output);
  Result<Route*> make_route(const OutputTable& output);
  Status prepare_row_statements(Route& route);
  Result<Target*> target_of(const TableSchema& schema);
  Target* find_target(std::string_view name);
  std::string target_name(const TableSchema& schema) const;
  Status check_names(const TableSchema& schema) const;
  static Status check_identity(const TableSchema& schema);
  Status create_target(Target& target, const TableSchema& schema);
  Result<size_t> source_of(Target& target, const OutputTable& output);
  static void append_statement(SourceTable& from, std::string_view sql);
  Status tell_other_targets(const Target* named, const std::string& source, std::string_view sql);
  // `output`: of the rows; for a statement, of those before it.
  Status follow_layout(Target& target, SourceTable& from, const TableSchema& wanted, const OutputTable& output, bool may_wait);
  // `stated`: the column's name in the statement. `as_at_source`: the rules leave the table's columns as they are.
  Status add_column(Target& target, const SourceTable& from, const Column& column, const std::string& stated, bool as_at_source,
                    bool may_wait, bool& waits);
  Status save_target(Target& target);
  Status save_source(const Target& target, SourceTable& from);
  Status start_keeping_owners(Target& target);

  Status schema_change(const ChangeEvent& event);
  Status truncate(const EventBatch& batch, const ChangeEvent& event);
  Status apply_keyed(Route& route, const ChangeEvent& event, bool may_lack_rows);
  Status apply_keyless(Route& route, const EventBatch& batch, const ChangeEvent& event);
  Status upsert(Route& route, Row row);
  Status update_some(Route& route, Row before, Row after, bool may_lack_rows);
  Status remove(Route& route, Row row);
  Status claim(Route& route, Row row);
  Result<int64_t> find_row(Route& route, Row row);
  // SQL for one text per key value, alike for parameters and for stored columns.
  static std::string key_text(const TableSchema& schema, bool stored, size_t first);
  // Binds every column from parameter `first` on; false when one is absent.
  bool bind_row(Route& route, sqlite::Statement& s, int first, Row row);
  bool bind_key(Route& route, sqlite::Statement& s, int first, Row row);

  sqlite::Database& database_;
  const SqliteNaming naming_;
  std::vector<std::unique_ptr<Target>> targets_;
  std::unordered_map<const OutputTable*, std::unique_ptr<Route>> routes_;
  const OutputTable* last_output_ = nullptr;
  Route* last_route_ = nullptr;
};

}  // namespace tailrace
