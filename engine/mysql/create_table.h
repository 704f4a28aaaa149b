// Schemas from the CREATE TABLE statements of a dump or schema file, by the rules for those of the log; other statements are
// passed over.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

// All tables of the text; USE and `db`.`table` give the database, else it is "". kSchemaType for a type not known,
// kConfigSyntax for a CREATE TABLE that cannot be followed, both with the line that it begins in.
Result<std::vector<SchemaRef>> read_create_tables(std::string_view sql);

}  // namespace tailrace
