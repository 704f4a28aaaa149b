// RowPlan: how to turn the logged rows of one table into Values, worked out once per (TABLE_MAP, schema) and then
// shared, const, by all threads that decode.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "mysql/charset.h"
#include "mysql/table_map.h"

namespace tailrace {

enum class RowOp : uint8_t {
  kInt8,
  kInt16,
  kInt24,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint24,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kDecimal,
  kYear,
  kBit,
  kDate,
  kTime,
  kTime2,
  kDateTime,
  kDateTime2,
  kTimestamp,
  kTimestamp2,
  kEnum,
  kSet,
  kPrefixed,  // a length of `size` bytes, then bytes treated by `text`
};

// What to do with the bytes of a kPrefixed column.
enum class TextOp : uint8_t {
  kBytes,
  kBytesPadded,
  kUtf8,
  kAscii,
  kConvert,
  kJson,
  kGeometry,
  kInet4,
  kInet6,
  kUuid,
  kCompressedBytes,
  kCompressedText
};

struct ColumnPlan {
  RowOp op = RowOp::kInt8;
  TextOp text = TextOp::kBytes;
  uint8_t size = 0;                  // bytes of the value or of its length prefix
  uint8_t precision = 0;             // DECIMAL
  uint8_t scale = 0;                 // DECIMAL digits; fraction digits of times
  bool lost_labels = false;          // some are no text in the column's character set (ddl_labels.h)
  bool hidden = false;               // logged, but not a column of the schema: read and left out
  uint16_t limit = 0;                // labels of ENUM and SET; full length of BINARY(n); largest length of CHAR, VARCHAR
  const Charset* charset = nullptr;  // kConvert, kCompressedText
};

struct RowPlan {
  SchemaRef schema;
  std::vector<ColumnPlan> columns;  // as logged: may be longer than schema->columns when some are hidden
  // By schema column: what an INSERT leaves out gets; absent = not known. Texts are in `default_texts`.
  std::vector<Value> defaults;
  std::deque<std::string> default_texts;
};
using RowPlanRef = std::shared_ptr<const RowPlan>;

// Checks that rows logged under `map` are rows of `schema`; says what differs with kSchemaMismatch.
Result<RowPlanRef> make_row_plan(const TableMap& map, const SchemaRef& schema);

// A schema made of nothing but the metadata of binlog_row_metadata=FULL; kSchemaMissing when the log has less.
// `hint`, which may be null, is an earlier or later schema of the table: it tells columns apart that the log does not
// (INET4, INET6, UUID and BINARY look the same there).
Result<SchemaRef> schema_from_table_map(const TableMap& map, const TableSchema* hint);

}  // namespace tailrace
