// What a statement does to one of its tables, as the kinds of event/ddl_kind.h.
#pragma once
#include <cstdint>
#include <string_view>

#include "mysql/ddl_statement.h"

namespace tailrace {

// 0 when the statement does nothing to the table.
uint32_t ddl_kinds(const DdlStatement& statement, std::string_view database, std::string_view table);

}  // namespace tailrace
