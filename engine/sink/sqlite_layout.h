// How MySQL columns look in SQLite, and which changes of a table can follow it there.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "event/schema.h"

namespace tailrace::sqlite_layout {

// STRICT type: INTEGER, REAL, TEXT, BLOB, or ANY for values above the signed 64 bit range.
std::string_view storage_type(const Column& column) noexcept;
// "id" INTEGER NOT NULL
std::string column_definition(const Column& column, bool in_key);
// Keyless tables get `_tailrace_pos` as their key.
std::string create_table_sql(std::string_view table, const TableSchema& schema);

// Why values stored as `before` may not stand under `after`; "" when nothing stored would read differently.
std::string visible_change(const Column& before, const Column& after);

// What rows that exist when a column is added hold in it at the source, as the statement tells it.
struct AddedValue {
  enum class State : uint8_t { kKnown, kNotNamed, kUncertain } state = State::kUncertain;
  std::string literal;  // kKnown: an SQL literal, "NULL" included
};
AddedValue value_of_added(const Column& column, std::string_view ddl);

// Whether a column that was there before the statements `ddl` and is there after them holds other values than before: it was dropped and
// added again, another one took its name, or a generated one was declared anew. True as well when that cannot be told.
bool replaces_column(const Column& column, std::string_view ddl);

// ALTER IGNORE TABLE with a new unique key: the server drops rows that are twice under it, and does not log that.
bool drops_duplicates(std::string_view ddl);

// True for statements that leave the table there under its name: ALTER TABLE without RENAME, CREATE and DROP
// INDEX.
bool keeps_table(std::string_view ddl);

}  // namespace tailrace::sqlite_layout
