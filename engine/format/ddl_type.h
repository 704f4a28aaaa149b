// Kind of a DDL statement by its first words: "ALTER_TABLE", "CREATE_INDEX" …
#pragma once
#include <string>
#include <string_view>

#include "event/change_event.h"

namespace tailrace {

// Skips comments and the words that stand between verb and object (UNIQUE, TEMPORARY, OR REPLACE …). A statement
// without a known object gives its verb alone; an empty one gives "".
std::string ddl_type(std::string_view sql);
// The same of an event: `known` unless that is empty; a TRUNCATE may come without words.
std::string ddl_type(const ChangeEvent& event, std::string_view known);
// As Canal names statements: CREATE, ALTER, ERASE, TRUNCATE, RENAME, CINDEX, DINDEX, else QUERY.
std::string_view canal_ddl_type(std::string_view type) noexcept;
// the statement without its final semicolon and what blanks follow it.
std::string_view ddl_text(std::string_view sql) noexcept;

}  // namespace tailrace
