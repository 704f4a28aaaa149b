// The value a row gets in a column that its INSERT does not name, as far as the schema tells it.
#pragma once
#include <string>
#include <string_view>

#include "event/schema.h"

namespace tailrace {

// Fills Column::default_kind and default_text from information_schema.COLUMNS: COLUMN_DEFAULT (null data: SQL NULL) and
// EXTRA, which the two families write differently.
void set_column_default(Column& column, std::string_view text, std::string_view extra, bool is_mariadb);

// `after` is what the catalogue shows now, perhaps long after the statement made it of `before` (null: of nothing). The
// defaults that hold from the statement on: of columns it does not name those of before, of others what it says itself.
SchemaRef with_defaults_of(const TableSchema* before, const TableSchema& after, std::string_view statement, bool ansi_quotes);
// No default is known: the catalogue is of another time.
SchemaRef without_defaults(const TableSchema& schema);

// False: it is not known, or is computed per row. Text of the value is appended to `text` and the value points into it,
// so `text` must not be changed afterwards.
[[nodiscard]] bool default_value(const Column& column, Value& out, std::string& text);

}  // namespace tailrace
