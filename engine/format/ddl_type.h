// Kind of a DDL statement by its first words: "ALTER_TABLE", "CREATE_INDEX" …
#pragma once
#include <string>
#include <string_view>

namespace tailrace {

// Skips comments and the words that stand between verb and object (UNIQUE, TEMPORARY, OR REPLACE …). A statement
// without a known object gives its verb alone; an empty one gives "".
std::string ddl_type(std::string_view sql);
// the statement without its final semicolon and what blanks follow it.
std::string_view ddl_text(std::string_view sql) noexcept;

}  // namespace tailrace
