// TableSchemas from the server's information_schema. Two or three queries however many tables there are.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "mysql/connection.h"

namespace tailrace {

struct CollationName {
  std::string collation, charset;
};
using CollationNames = std::map<uint16_t, CollationName>;  // by collation id
Result<CollationNames> read_collations(Connection& connection);

struct TableStatus {
  SchemaRef schema;
  std::string engine;  // "InnoDB"
  uint64_t estimated_rows = 0;
  uint64_t average_row_length = 0;
};
using TableChoice = std::function<bool(std::string_view database, std::string_view table)>;

// Base tables only, outside of the server's own schemas. A chosen table with a column type that is not known fails
// with kSchemaType, a system-versioned one with kSourceUnsupported.
Result<std::vector<TableStatus>> read_tables(Connection& connection, const TableChoice& choice);
Result<std::vector<SchemaRef>> read_schemas(Connection& connection, const TableChoice& choice);
// Default collations of the databases but for the server's own; 0 for a collation without number.
Result<std::map<std::string, uint16_t>> read_databases(Connection& connection);
// Fails with kSourcePrivilege when the account may not select all columns of a table; also of one that is not there, if it
// has no right on it. Whatever else goes wrong is left to whoever reads it.
Status check_select(Connection& connection, const std::string& database, const std::string& table);
// kSchemaMissing when there is no such base table.
Result<SchemaRef> read_schema(Connection& connection, std::string_view database, std::string_view table);

}  // namespace tailrace
