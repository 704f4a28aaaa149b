// A column clause to a Column with the server's own text for its type.
#pragma once
#include "base/status.h"
#include "mysql/ddl_apply.h"

namespace tailrace {

// `outer`: the collation of the table. Fails with kSchemaType or kSchemaMissing.
Result<Column> make_column(const ColumnClause& clause, uint16_t outer, const DdlContext& context);
// CONVERT TO CHARACTER SET: the column under another collation, its type widened where the server does so.
Status convert_column(Column& column, uint16_t collation, const DdlContext& context);

}  // namespace tailrace
