// TABLE_MAP: the layout of the rows that follow, as the server logged it, with the optional metadata of
// binlog_row_metadata=FULL (or MINIMAL: signedness and charsets only). Owns its strings.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "mysql/binlog_event.h"

namespace tailrace {

// Column types as TABLE_MAP spells them.
enum class ColumnType : uint8_t {
  kDecimal = 0,
  kTiny = 1,
  kShort = 2,
  kLong = 3,
  kFloat = 4,
  kDouble = 5,
  kNull = 6,
  kTimestamp = 7,
  kLongLong = 8,
  kInt24 = 9,
  kDate = 10,
  kTime = 11,
  kDateTime = 12,
  kYear = 13,
  kNewDate = 14,
  kVarchar = 15,
  kBit = 16,
  kTimestamp2 = 17,
  kDateTime2 = 18,
  kTime2 = 19,
  kTypedArray = 20,
  kBlobCompressed = 140,
  kVarcharCompressed = 141,
  kVector = 242,
  kJson = 245,
  kNewDecimal = 246,
  kEnum = 247,
  kSet = 248,
  kTinyBlob = 249,
  kMediumBlob = 250,
  kLongBlob = 251,
  kBlob = 252,
  kVarString = 253,
  kString = 254,
  kGeometry = 255
};
std::string column_type_name(ColumnType type);

struct MappedColumn {
  ColumnType type = ColumnType::kNull;  // ENUM and SET as themselves, although the log hides them in STRING
  uint16_t meta = 0;                    // by type: see table_map.cc
  bool nullable = false;
  // From the optional metadata, when `TableMap::has_…` says so.
  bool is_unsigned = false;
  bool visible = true;
  uint16_t charset = 0;
  std::string name;
  std::vector<std::string> labels;  // in the column's own charset
};

struct TableMap {
  uint64_t table_id = 0;
  std::string database, table;
  std::vector<MappedColumn> columns;
  std::vector<uint16_t> primary_key;
  bool has_signedness = false, has_charsets = false, has_names = false, has_labels = false, has_key = false;
  bool has_key_prefix = false;  // the key is on prefixes of columns: not an identity of its own
};

// Bytes of the table id in TABLE_MAP and rows events of this log.
inline size_t table_id_size(const FormatDescription& format, EventType type) {
  return format.post_header[static_cast<size_t>(type)] == 6 ? 4 : 6;
}
Result<TableMap> parse_table_map(std::string_view body, const FormatDescription& format);

}  // namespace tailrace
