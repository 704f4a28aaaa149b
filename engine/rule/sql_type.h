// SQL types of columns that a rule adds: "varchar(64)", "bigint unsigned", "decimal(10,2)", "enum('a','b')".
#pragma once
#include <string_view>

#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

// A nameless nullable column, NOT NULL if the text ends so. Fails with the reason.
Result<Column> parse_sql_type(std::string_view text);

}  // namespace tailrace
