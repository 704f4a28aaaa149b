// What a schema change makes of a table: the server's rules for types, character sets, positions and keys, applied to a
// TableSchema. The result has the text that the server's information_schema would show. Pure.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "mysql/ddl_statement.h"

namespace tailrace {

// The server that ran the statement and what it ran it under.
struct DdlContext {
  bool is_mariadb = false;
  uint32_t version = 0;  // 101119, 90704; 0 = not known: lengths stay as written
  bool real_as_float = false;
  std::optional<bool> explicit_timestamps;                        // explicit_defaults_for_timestamp; none = the version's default
  uint16_t server_collation = 0;                                  // 0 = not known
  uint16_t utf8mb4_collation = 0;                                 // default_collation_for_utf8mb4; 0 = the version's
  std::vector<std::pair<uint16_t, uint16_t>> charset_collations;  // MariaDB: default collation -> the one in its place
  uint16_t database_collation = 0;                                // of the database the table is made in; 0 = not known
};

// The collation that a clause asks for where `outer` is the one it would inherit; 0 when it is not known.
uint16_t resolve_charset(const CharsetClause& clause, uint16_t outer, const DdlContext& context);

// CREATE TABLE. A failure (kSchemaMissing, or kSchemaType for a type not known) says what could not be followed.
Result<SchemaRef> create_table(const DdlStatement& statement, const DdlContext& context);
// ALTER TABLE and what is like it; `before` must be complete. The name changes with RENAME. When nothing that rows show
// has changed the result has the same schema_id.
Result<SchemaRef> alter_table(const TableSchema& before, const DdlStatement& statement, const DdlContext& context);
// The same table under another name; with `as_new` it gets a schema_id of its own.
SchemaRef renamed_table(const TableSchema& before, const DdlName& name, bool as_new = true);

}  // namespace tailrace
