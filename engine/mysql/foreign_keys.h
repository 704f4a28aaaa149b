// Foreign keys by which a server changes rows of the child table and logs only those of the parent.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "mysql/connection.h"

namespace tailrace {

struct SilentKey {
  std::string table, constraint, parent;  // table and parent as database.table
  std::string actions;                    // "ON DELETE CASCADE ON UPDATE SET NULL"
};

// Those of a table's SHOW CREATE TABLE. `database`: that of the table.
std::vector<SilentKey> read_silent_keys(std::string_view create_table, const std::string& database, const std::string& table);

// Those of the tables; none where the server logs what its foreign keys do. A table that is gone meanwhile has none.
Result<std::vector<SilentKey>> silent_keys(Connection& connection, const std::vector<SchemaRef>& tables);

}  // namespace tailrace
