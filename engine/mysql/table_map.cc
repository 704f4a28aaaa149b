#include "mysql/table_map.h"

#include <fmt/format.h>

#include "base/byte_cursor.h"

namespace tailrace {
namespace {

// Meaning of MappedColumn::meta:
//   FLOAT, DOUBLE        size in bytes             BLOB, TEXT, JSON, GEOMETRY, VECTOR   bytes of the length prefix
//   VARCHAR              largest length in bytes   CHAR, BINARY (STRING)                largest length in bytes
//   ENUM, SET            bytes stored              BIT                                  bits
//   NEWDECIMAL           precision << 8 | scale    TIME2, DATETIME2, TIMESTAMP2         fraction digits
bool read_meta(MappedColumn& column, ByteCursor& in) {
  switch (column.type) {
    case ColumnType::kFloat:
    case ColumnType::kDouble:
    case ColumnType::kBlob:
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kJson:
    case ColumnType::kGeometry:
    case ColumnType::kVector:
    case ColumnType::kBlobCompressed:
    case ColumnType::kTime2:
    case ColumnType::kDateTime2:
    case ColumnType::kTimestamp2: column.meta = in.u8(); return true;
    case ColumnType::kVarchar:
    case ColumnType::kVarcharCompressed: column.meta = in.u16(); return true;
    case ColumnType::kBit: {
      uint8_t bits = in.u8();
      uint8_t bytes = in.u8();
      column.meta = static_cast<uint16_t>(bytes * 8 + bits);
      return bits < 8 && column.meta >= 1 && column.meta <= 64;
    }
    case ColumnType::kNewDecimal: {
      uint8_t precision = in.u8();
      uint8_t scale = in.u8();
      column.meta = static_cast<uint16_t>(precision << 8 | scale);
      return in.failed() || (precision >= 1 && precision <= 65 && scale <= 38 && scale <= precision);
    }
    case ColumnType::kString:
    case ColumnType::kVarString:
    case ColumnType::kEnum:
    case ColumnType::kSet: {
      uint8_t first = in.u8();
      uint8_t second = in.u8();
      // The real type shares its byte with two bits of a length beyond 255, inverted.
      if ((first & 0x30) != 0x30) {
        column.meta = static_cast<uint16_t>(second | ((first & 0x30) ^ 0x30) << 4);
        column.type = static_cast<ColumnType>(first | 0x30);
      } else {
        column.meta = second;
        column.type = static_cast<ColumnType>(first);
      }
      if (in.failed()) return true;
      if (column.type == ColumnType::kEnum) return column.meta == 1 || column.meta == 2;
      if (column.type == ColumnType::kSet) return column.meta >= 1 && column.meta <= 8;
      if (column.type == ColumnType::kVarString) column.type = ColumnType::kString;
      return column.type == ColumnType::kString;
    }
    default: return true;
  }
}

bool is_numeric(ColumnType type) {
  switch (type) {
    case ColumnType::kTiny:
    case ColumnType::kShort:
    case ColumnType::kInt24:
    case ColumnType::kLong:
    case ColumnType::kLongLong:
    case ColumnType::kNewDecimal:
    case ColumnType::kFloat:
    case ColumnType::kDouble:
    case ColumnType::kYear: return true;
    default: return false;
  }
}

// MariaDB counts GEOMETRY among the columns that have a charset, MySQL does not; MySQL counts VECTOR.
bool is_character(ColumnType type, bool is_mariadb) {
  switch (type) {
    case ColumnType::kGeometry: return is_mariadb;
    case ColumnType::kVector: return !is_mariadb;
    case ColumnType::kString:
    case ColumnType::kVarString:
    case ColumnType::kVarchar:
    case ColumnType::kBlob:
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlobCompressed:
    case ColumnType::kVarcharCompressed: return true;
    default: return false;
  }
}

bool is_label(ColumnType type) { return type == ColumnType::kEnum || type == ColumnType::kSet; }

template <class Wanted>
bool spread_default_charset(TableMap& map, ByteCursor& in, Wanted wanted) {
  auto fallback = static_cast<uint16_t>(in.lenenc());
  std::vector<MappedColumn*> columns;
  for (MappedColumn& column : map.columns) {
    if (!wanted(column.type)) continue;
    column.charset = fallback;
    columns.push_back(&column);
  }
  while (!in.empty()) {
    uint64_t index = in.lenenc();
    uint64_t charset = in.lenenc();
    if (in.failed() || index >= columns.size()) return false;
    columns[index]->charset = static_cast<uint16_t>(charset);
  }
  return !in.failed();
}

template <class Wanted>
bool spread_charsets(TableMap& map, ByteCursor& in, Wanted wanted) {
  for (MappedColumn& column : map.columns) {
    if (wanted(column.type)) column.charset = static_cast<uint16_t>(in.lenenc());
  }
  // One too many or too few would give columns each other's charsets.
  return !in.failed() && in.empty();
}

bool read_labels(TableMap& map, ByteCursor& in, ColumnType type) {
  for (MappedColumn& column : map.columns) {
    if (column.type != type) continue;
    uint64_t count = in.lenenc();
    if (count > in.remaining()) return false;
    column.labels.reserve(count);
    for (uint64_t i = 0; i < count && !in.failed(); ++i) column.labels.emplace_back(in.bytes(in.lenenc()));
  }
  return !in.failed();
}

bool read_bits(ByteCursor& in, std::vector<MappedColumn>& columns, bool numeric_only, bool MappedColumn::*target) {
  size_t bit = 0;
  uint8_t byte = 0;
  for (MappedColumn& column : columns) {
    if (numeric_only && !is_numeric(column.type)) continue;
    if (bit % 8 == 0) byte = in.u8();
    column.*target = (byte >> (7 - bit % 8) & 1) != 0;
    ++bit;
  }
  return !in.failed();
}

// Optional metadata: fields of type, length, value. A type not known here adds nothing that decoding needs.
bool read_optional(TableMap& map, ByteCursor& in, bool is_mariadb) {
  auto has_charset = [is_mariadb](ColumnType type) { return is_character(type, is_mariadb); };
  while (!in.empty()) {
    uint8_t type = in.u8();
    ByteCursor field(in.bytes(in.lenenc()));
    if (in.failed()) return false;
    bool good = true;
    switch (type) {
      case 1:
        good = read_bits(field, map.columns, true, &MappedColumn::is_unsigned);
        map.has_signedness = true;
        break;
      case 2:
        good = spread_default_charset(map, field, has_charset);
        map.has_charsets = true;
        break;
      case 3:
        good = spread_charsets(map, field, has_charset);
        map.has_charsets = true;
        break;
      case 4:
        for (MappedColumn& column : map.columns) column.name = std::string(field.bytes(field.lenenc()));
        good = !field.failed();
        map.has_names = true;
        break;
      case 5:
        good = read_labels(map, field, ColumnType::kSet);
        map.has_labels = true;
        break;
      case 6:
        good = read_labels(map, field, ColumnType::kEnum);
        map.has_labels = true;
        break;
      case 8:
      case 9:
        map.has_key = true;
        while (!field.empty() && good) {
          uint64_t index = field.lenenc();
          if (type == 9 && field.lenenc() != 0) map.has_key_prefix = true;
          good = !field.failed() && index < map.columns.size();
          if (good) map.primary_key.push_back(static_cast<uint16_t>(index));
        }
        break;
      case 10: good = spread_default_charset(map, field, is_label); break;
      case 11: good = spread_charsets(map, field, is_label); break;
      case 12: good = read_bits(field, map.columns, false, &MappedColumn::visible); break;
      default: break;
    }
    if (!good) return false;
  }
  return true;
}

}  // namespace

std::string column_type_name(ColumnType type) {
  switch (type) {
    case ColumnType::kDecimal: return "old decimal";
    case ColumnType::kTiny: return "tinyint";
    case ColumnType::kShort: return "smallint";
    case ColumnType::kLong: return "int";
    case ColumnType::kFloat: return "float";
    case ColumnType::kDouble: return "double";
    case ColumnType::kNull: return "null";
    case ColumnType::kTimestamp: return "timestamp (old form)";
    case ColumnType::kLongLong: return "bigint";
    case ColumnType::kInt24: return "mediumint";
    case ColumnType::kDate:
    case ColumnType::kNewDate: return "date";
    case ColumnType::kTime: return "time (old form)";
    case ColumnType::kDateTime: return "datetime (old form)";
    case ColumnType::kYear: return "year";
    case ColumnType::kVarchar:
    case ColumnType::kVarString: return "varchar/varbinary";
    case ColumnType::kBit: return "bit";
    case ColumnType::kTimestamp2: return "timestamp";
    case ColumnType::kDateTime2: return "datetime";
    case ColumnType::kTime2: return "time";
    case ColumnType::kTypedArray: return "typed array";
    case ColumnType::kBlobCompressed: return "blob/text compressed";
    case ColumnType::kVarcharCompressed: return "varchar/varbinary compressed";
    case ColumnType::kVector: return "vector";
    case ColumnType::kJson: return "json";
    case ColumnType::kNewDecimal: return "decimal";
    case ColumnType::kEnum: return "enum";
    case ColumnType::kSet: return "set";
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob: return "blob/text";
    case ColumnType::kString: return "char/binary";
    case ColumnType::kGeometry: return "geometry";
  }
  return fmt::format("type {}", static_cast<int>(type));
}

Result<TableMap> parse_table_map(std::string_view body, const FormatDescription& format) {
  ByteCursor in(body);
  TableMap map;
  map.table_id = in.le(table_id_size(format, EventType::kTableMap));
  in.skip(2);
  map.database = std::string(in.bytes(in.u8()));
  in.skip(1);
  map.table = std::string(in.bytes(in.u8()));
  in.skip(1);
  uint64_t count = in.lenenc();
  std::string_view types = count <= 4096 ? in.bytes(count) : std::string_view();
  if (!in.failed() && in.empty() && count != 0) {
    return Status(ErrorCode::kSourceUnsupported, "rows in the form of MySQL 5.1 before its release, whose layout is not in the log")
        .with("table", map.database + "." + map.table);
  }
  ByteCursor meta(in.bytes(in.lenenc()));
  std::string_view null_bits = in.bytes((count + 7) / 8);
  if (in.failed() || count == 0 || count > 4096) {
    return Status(ErrorCode::kSourceCorrupt, "malformed TABLE_MAP event").with("table", map.database + "." + map.table);
  }
  map.columns.resize(count);
  bool good = true;
  for (size_t i = 0; i < count; ++i) {
    MappedColumn& column = map.columns[i];
    column.type = static_cast<ColumnType>(static_cast<uint8_t>(types[i]));
    column.nullable = (static_cast<uint8_t>(null_bits[i / 8]) >> (i % 8) & 1) != 0;
    good = good && read_meta(column, meta);
  }
  if (!good || meta.failed() || !meta.empty() || !read_optional(map, in, format.is_mariadb)) {
    return Status(ErrorCode::kSourceCorrupt, "malformed column metadata in a TABLE_MAP event")
        .with("table", map.database + "." + map.table);
  }
  return map;
}

}  // namespace tailrace
