// Schemas from the CREATE TABLE statements of a dump or schema file. Reads names, types, charsets, keys; skips the rest.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

// All tables of the text; USE and `db`.`table` give the database, else it is "". kSchemaType for a type not known,
// kConfigSyntax (with the line) for a CREATE TABLE that cannot be followed.
Result<std::vector<SchemaRef>> read_create_tables(std::string_view sql);

}  // namespace tailrace
