#include <fmt/format.h>

#include "mysql/row_plan.h"

namespace tailrace {
namespace {

constexpr std::string_view kBlobPrefixes[5] = {"", "tiny", "", "medium", "long"};

// SQL type of a logged column, as near as the log tells it. False when the type is not readable.
bool describe(const MappedColumn& mapped, Column& out) {
  auto plain = [&](std::string_view name, Kind kind) {
    out.type_name = std::string(name);
    out.type_text = out.type_name;
    out.kind = kind;
  };
  auto integer = [&](std::string_view name) {
    plain(name, mapped.is_unsigned ? Kind::kUint : Kind::kInt);
    out.is_unsigned = mapped.is_unsigned;
    if (mapped.is_unsigned) out.type_text += " unsigned";
  };
  auto sized = [&](std::string_view name, Kind kind, uint32_t length) {
    plain(name, kind);
    out.length = length;
    out.type_text = fmt::format("{}({})", name, length);
  };
  auto fraction = [&](std::string_view name, Kind kind) {
    plain(name, kind);
    out.scale = static_cast<uint8_t>(mapped.meta);
    if (out.scale) out.type_text = fmt::format("{}({})", name, out.scale);
  };
  bool binary = mapped.charset == 63;
  uint32_t characters =
      (mapped.meta - (mapped.type == ColumnType::kVarcharCompressed ? 1U : 0U)) / charset_of_collation(mapped.charset)->max_bytes;
  switch (mapped.type) {
    case ColumnType::kTiny: integer("tinyint"); return true;
    case ColumnType::kShort: integer("smallint"); return true;
    case ColumnType::kInt24: integer("mediumint"); return true;
    case ColumnType::kLong: integer("int"); return true;
    case ColumnType::kLongLong: integer("bigint"); return true;
    case ColumnType::kFloat: plain("float", Kind::kDouble); return true;
    case ColumnType::kDouble: plain("double", Kind::kDouble); return true;
    case ColumnType::kNewDecimal:
      plain("decimal", Kind::kDecimal);
      out.length = mapped.meta >> 8;
      out.scale = static_cast<uint8_t>(mapped.meta & 0xFF);
      out.is_unsigned = mapped.is_unsigned;
      out.type_text = fmt::format("decimal({},{}){}", out.length, out.scale, out.is_unsigned ? " unsigned" : "");
      return true;
    case ColumnType::kYear: plain("year", Kind::kYear); return true;
    case ColumnType::kBit: sized("bit", Kind::kBit, mapped.meta); return true;
    case ColumnType::kDate:
    case ColumnType::kNewDate: plain("date", Kind::kDate); return true;
    case ColumnType::kTime: plain("time", Kind::kTime); return true;
    case ColumnType::kDateTime: plain("datetime", Kind::kDateTime); return true;
    case ColumnType::kTimestamp: plain("timestamp", Kind::kTimestamp); return true;
    case ColumnType::kTime2: fraction("time", Kind::kTime); return true;
    case ColumnType::kDateTime2: fraction("datetime", Kind::kDateTime); return true;
    case ColumnType::kTimestamp2: fraction("timestamp", Kind::kTimestamp); return true;
    case ColumnType::kString: sized(binary ? "binary" : "char", binary ? Kind::kBytes : Kind::kText, characters); return true;
    case ColumnType::kVarchar:
    case ColumnType::kVarcharCompressed:
      sized(binary ? "varbinary" : "varchar", binary ? Kind::kBytes : Kind::kText, characters);
      return true;
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
    case ColumnType::kBlobCompressed:
      if (mapped.meta < 1 || mapped.meta > 4) return false;
      plain(fmt::format("{}{}", kBlobPrefixes[mapped.meta], binary ? "blob" : "text"), binary ? Kind::kBytes : Kind::kText);
      return true;
    case ColumnType::kEnum:
    case ColumnType::kSet: {
      bool is_enum = mapped.type == ColumnType::kEnum;
      plain(is_enum ? "enum" : "set", is_enum ? Kind::kEnum : Kind::kSet);
      const Charset* charset = charset_of_collation(mapped.charset);
      out.type_text += '(';
      for (const std::string& label : mapped.labels) {
        std::string text;
        bool raw = charset->codec == TextCodec::kBinary || charset->codec == TextCodec::kUnknown;
        if (raw ? !is_utf8(label) : !append_utf8(*charset, label, text)) return false;
        if (raw) text = label;
        out.type_text += fmt::format("{}'{}'", out.labels.empty() ? "" : ",", text);
        out.labels.push_back(std::move(text));
      }
      out.type_text += ')';
      return !out.labels.empty();
    }
    case ColumnType::kJson: plain("json", Kind::kJson); return true;
    case ColumnType::kGeometry: plain("geometry", Kind::kGeometry); return true;
    case ColumnType::kVector: plain("vector", Kind::kBytes); return true;
    default: return false;
  }
}

bool take_hint(const MappedColumn& mapped, const TableSchema* hint, Column& out) {
  if (!hint || mapped.type != ColumnType::kString) return false;
  int index = hint->find_column(mapped.name);
  if (index < 0) return false;
  const Column& known = hint->columns[static_cast<size_t>(index)];
  bool fits =
      known.type_name == "inet4" ? mapped.meta == 4 : (known.type_name == "inet6" || known.type_name == "uuid") && mapped.meta == 16;
  if (!fits || mapped.charset != 63) return false;
  out.type_name = known.type_name;
  out.type_text = known.type_text;
  out.kind = known.kind;
  out.charset = known.charset;
  return true;
}

// The old forms are logged without their fraction digits, which nevertheless take bytes of the row.
bool has_unlogged_fraction(const MappedColumn& mapped, const TableSchema* hint) {
  bool old = mapped.type == ColumnType::kTime || mapped.type == ColumnType::kDateTime || mapped.type == ColumnType::kTimestamp;
  int index = old && hint ? hint->find_column(mapped.name) : -1;
  return index >= 0 && hint->columns[static_cast<size_t>(index)].scale != 0;
}

}  // namespace

Result<SchemaRef> schema_from_table_map(const TableMap& map, const TableSchema* hint) {
  std::string name = map.database + "." + map.table;
  if (!map.has_names) {
    return Status(ErrorCode::kSchemaMissing, "the log has no column names (binlog_row_metadata is not FULL)").with("table", name);
  }
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = map.database;
  schema->table = map.table;
  std::vector<int> place(map.columns.size(), -1);
  for (size_t i = 0; i < map.columns.size(); ++i) {
    const MappedColumn& mapped = map.columns[i];
    if (mapped.name.rfind("DB_ROW_HASH_", 0) == 0 || mapped.name.rfind("!hidden!", 0) == 0) continue;
    Column column;
    column.name = mapped.name;
    column.nullable = mapped.nullable;
    column.charset = mapped.charset;
    if (has_unlogged_fraction(mapped, hint)) {
      return Status(ErrorCode::kSchemaMismatch, "is logged in the form before MySQL 5.6 with fractions, which the log does not describe")
          .with("table", name)
          .with("column", mapped.name);
    }
    if (!take_hint(mapped, hint, column) && !describe(mapped, column)) {
      std::string_view why = mapped.labels.empty() ? "" : ", with a label that is no text in its character set";
      return Status(ErrorCode::kSchemaType, fmt::format("column `{}` of type {}{}", mapped.name, column_type_name(mapped.type), why))
          .with("table", name);
    }
    place[i] = static_cast<int>(schema->columns.size());
    schema->columns.push_back(std::move(column));
  }
  for (uint16_t index : map.primary_key) {
    if (place[index] >= 0) schema->primary_key.push_back(static_cast<uint16_t>(place[index]));
  }
  return SchemaRef(schema);
}

}  // namespace tailrace
