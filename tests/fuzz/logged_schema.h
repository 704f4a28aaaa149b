// A schema that fits a TABLE_MAP, for targets that have no server to ask: what the map does not tell is made up.
#pragma once
#include <fmt/format.h>

#include "mysql/row_plan.h"
#include "mysql/table_map.h"

namespace tailrace::fuzz {

// Null when the map has a column of a type that cannot be read.
inline SchemaRef schema_for(TableMap map) {
  for (size_t i = 0; i < map.columns.size(); ++i) {
    MappedColumn& column = map.columns[i];
    if (!map.has_names) column.name = fmt::format("c{}", i);
    if (!map.has_charsets) column.charset = i % 2 ? 63 : 45;
    bool is_enum = column.type == ColumnType::kEnum;
    if (!map.has_labels && (is_enum || column.type == ColumnType::kSet)) {
      size_t count = is_enum ? (column.meta == 1 ? 3 : 300) : column.meta == 8 ? 64U : column.meta * 8U;
      for (size_t label = 0; label < count; ++label) column.labels.push_back(fmt::format("l{}", label));
    }
  }
  map.has_names = map.has_signedness = map.has_charsets = map.has_labels = true;
  auto schema = schema_from_table_map(map, nullptr);
  return schema.ok() ? *schema : nullptr;
}

}  // namespace tailrace::fuzz
