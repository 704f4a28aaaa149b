// The difference of two layouts of a table, as statements in MySQL's dialect: what a target that looks like the first has
// to do to look like the second. Columns, their order of appearance, the table's name and its key count; other
// indexes, character sets and comments do not. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "event/change_event.h"
#include "event/ddl_kind.h"
#include "event/schema.h"

namespace tailrace {

struct SchemaStep {
  DdlKind kind;
  std::string text;  // a statement, or a clause of ALTER TABLE when `is_clause`
  bool is_clause = false;
};

// `before` null: the table is new; `after` null: it is gone. Columns that are made of the same source column are one
// column that got another name. `source_kinds`: what a statement at the source did; only with rename_column does a new
// name in the place of an old one mean the same column.
std::vector<SchemaStep> schema_steps(const OutputTable* before, const OutputTable* after, uint32_t source_kinds = 0);
// The steps as statements joined by ";\n", without those whose kind is in `without`; "" when nothing is left.
std::string schema_ddl(const OutputTable* before, const OutputTable* after, uint32_t source_kinds = 0, uint32_t without = 0);

std::string quoted_name(const TableSchema& table);  // `dw`.`user`
std::string create_table_ddl(const TableSchema& table);

}  // namespace tailrace
