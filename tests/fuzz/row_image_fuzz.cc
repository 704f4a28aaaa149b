// Rows events over any TABLE_MAP. Counting and decoding must agree, and values must have a text.
#include "event/value_text.h"
#include "fuzz/fuzz.h"
#include "fuzz/logged_schema.h"
#include "mysql/compression.h"
#include "mysql/rows_decoder.h"

using namespace tailrace;

// Input: kind of event, length of the TABLE_MAP's body, that body, the body of the rows event.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  uint8_t choice = in.u8();
  uint8_t type = in.u8();
  FormatDescription format;
  format.is_mariadb = choice & 1;
  auto map = parse_table_map(in.bytes(in.u16()), format);
  if (!map.ok()) return 0;
  SchemaRef schema = fuzz::schema_for(*map);
  if (!schema) return 0;
  auto plan = make_row_plan(*map, schema);
  if (!plan.ok() || (!is_rows_event(type) && !is_compressed_rows_event(type))) return 0;

  auto event = parse_rows_event(type, in.rest(), format);
  if (!event.ok()) return 0;
  std::string unpacked;
  if (is_compressed_rows_event(type)) {
    if (!unpack_event_part(event->rows, unpacked)) return 0;
    event->rows = unpacked;
  }
  RowsDecoder decoder;
  auto counted = decoder.count(**plan, *event);
  EventBatch batch;
  uint64_t ordinal = 7;
  Status decoded = decoder.decode(**plan, *event, 0, ordinal, batch);
  // A row may hold bytes that are no value of its type; its length is known all the same.
  FUZZ_CHECK(!decoded.ok() || counted.ok());
  FUZZ_CHECK(ordinal == 7 + batch.events.size());
  if (counted.ok()) FUZZ_CHECK(decoded.ok() ? *counted == batch.events.size() : *counted > batch.events.size());
  if (!decoded.ok())
    FUZZ_CHECK(decoded.code() == ErrorCode::kSourceCorrupt || decoded.code() == ErrorCode::kSchemaMismatch ||
               decoded.code() == ErrorCode::kSourceText || decoded.code() == ErrorCode::kSourceUnsupported ||
               decoded.code() == ErrorCode::kSourceImage);
  size_t width = schema->columns.size();
  size_t values = (batch.events.size() + 1) * 2 * width;
  FUZZ_CHECK(batch.arena.bytes() <= values * (sizeof(Value) + 72) + (event->rows.size() + size) * 1100 + (1 << 20));

  std::string text;
  for (const ChangeEvent& change : batch.events) {
    for (Row row : {change.before, change.after}) {
      FUZZ_CHECK(row.empty() || row.size() == width);
      for (size_t i = 0; i < row.size(); ++i) {
        text.clear();
        append_text(row[i], schema->columns[i], text);
        if (row[i].kind == Kind::kText) FUZZ_CHECK(is_utf8(text));
      }
    }
  }
  return 0;
}
