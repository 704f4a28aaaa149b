// A column clause to a Column with the server's own text for its type.
#pragma once
#include "base/status.h"
#include "mysql/ddl_apply.h"

namespace tailrace {

// `outer`: the collation of the table. Fails with kSchemaType or kSchemaMissing.
Result<Column> make_column(const ColumnClause& clause, uint16_t outer, const DdlContext& context);
// A column that is added or changed beside CONVERT TO CHARACTER SET, which goes before what its clause says.
Result<Column> make_converted_column(const ColumnClause& clause, uint16_t outer, uint16_t converted, const DdlContext& context);
// The same where the column takes the place of `before`: MySQL then sizes a TEXT or BLOB without a length by what was there.
Result<Column> change_converted_column(const Column& before, const ColumnClause& clause, uint16_t outer, uint16_t converted,
                                       const DdlContext& context);
// The type that holds `bytes`: the server chooses it for TEXT(n), BLOB(n), and VARCHAR that grew too long.
std::string blob_type(uint64_t bytes, bool text);
// CONVERT TO CHARACTER SET: the column under another collation, its type widened where the server does so, and its labels what
// their bytes are then.
Status convert_column(Column& column, uint16_t collation, const DdlContext& context);
// What a key has of the column: characters of text, bytes of other types; 0 = that is not known.
uint32_t key_part_length(const Column& column);

}  // namespace tailrace
