// TABLE_MAP: layout and metadata to a schema, and the plan for rows made from both.
#include "event/schema.h"
#include "fuzz/fuzz.h"
#include "fuzz/logged_schema.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  uint8_t choice = in.u8();
  FormatDescription format;
  format.is_mariadb = choice & 1;
  if (choice & 2) format.post_header[static_cast<size_t>(EventType::kTableMap)] = 6;
  auto map = parse_table_map(in.rest(), format);
  if (!map.ok()) {
    FUZZ_CHECK(map.status().code() == ErrorCode::kSourceCorrupt || map.status().code() == ErrorCode::kSourceUnsupported);
    return 0;
  }
  size_t held = 0;
  for (const MappedColumn& column : map->columns) {
    held += column.name.size();
    for (const std::string& label : column.labels) held += label.size() + 1;
  }
  FUZZ_CHECK(map->columns.size() <= size && held + map->primary_key.size() <= size);

  // The log's own metadata must be enough for a plan, or its lack be told.
  auto logged = schema_from_table_map(*map, nullptr);
  SchemaRef schema = logged.ok() ? *logged : fuzz::schema_for(*map);
  if (!schema) return 0;
  for (uint16_t index : schema->primary_key) FUZZ_CHECK(index < schema->columns.size());
  auto plan = make_row_plan(*map, schema);
  if (plan.ok()) {
    FUZZ_CHECK((*plan)->columns.size() == map->columns.size());
    FUZZ_CHECK((*plan)->schema == schema);
  } else {
    FUZZ_CHECK(plan.status().code() == ErrorCode::kSchemaMismatch);
  }
  auto stored = schema_from_json(schema_to_json(*schema));
  FUZZ_CHECK(!stored.ok() || schema_to_json(**stored) == schema_to_json(*schema));
  return 0;
}
