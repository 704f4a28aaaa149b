// What a column type means, from its text alone: "int(10) unsigned", "enum('a','b')", "double precision". Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

inline constexpr uint16_t kBinaryCollation = 63;

// Everything of a Column that the type tells. `collation_id` is kept for types with characters and forced to binary
// for those without. Synonyms (INTEGER, NUMERIC, BOOL, …) get the server's own name in type_name; type_text stays as
// given. `json_is_type`: JSON is a type of its own (MySQL) and not another word for LONGTEXT (MariaDB).
// An unknown type fails with kSchemaType.
Result<Column> column_from_type(std::string_view name, std::string_view type_text, bool nullable, uint16_t collation_id,
                                bool json_is_type = true);

// The labels of "enum('a','it''s')" or "set(…)", unescaped. Fails with kSchemaType.
Result<std::vector<std::string>> labels_of_type(std::string_view type_text);

}  // namespace tailrace
