#include "mysql/row_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "mysql/column_default.h"
#include "mysql/ddl_labels.h"
#include "mysql/decimal.h"

namespace tailrace {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (std::string_view candidate : names) {
    if (name == candidate) return true;
  }
  return false;
}

bool is_geometry_name(std::string_view name) {
  return is_one_of(name, {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
                          "geometrycollection", "geomcollection"});
}

// May a column whose SQL type begins with `name` be logged as `type`?
bool types_agree(std::string_view name, ColumnType type) {
  switch (type) {
    case ColumnType::kTiny: return is_one_of(name, {"tinyint", "bool", "boolean"});
    case ColumnType::kShort: return name == "smallint";
    case ColumnType::kInt24: return name == "mediumint";
    case ColumnType::kLong: return is_one_of(name, {"int", "integer"});
    case ColumnType::kLongLong: return is_one_of(name, {"bigint", "serial"});
    case ColumnType::kFloat: return name == "float";
    case ColumnType::kDouble: return is_one_of(name, {"double", "real"});
    case ColumnType::kNewDecimal: return is_one_of(name, {"decimal", "numeric", "dec", "fixed"});
    case ColumnType::kYear: return name == "year";
    case ColumnType::kDate:
    case ColumnType::kNewDate: return name == "date";
    case ColumnType::kTime:
    case ColumnType::kTime2: return name == "time";
    case ColumnType::kDateTime:
    case ColumnType::kDateTime2: return name == "datetime";
    case ColumnType::kTimestamp:
    case ColumnType::kTimestamp2: return name == "timestamp";
    case ColumnType::kBit: return name == "bit";
    case ColumnType::kEnum: return name == "enum";
    case ColumnType::kSet: return name == "set";
    case ColumnType::kVarchar:
    case ColumnType::kVarString:
    case ColumnType::kVarcharCompressed:
      return is_one_of(name, {"varchar", "varbinary", "nvarchar", "vector"});  // MariaDB's VECTOR is a VARBINARY in the log
    case ColumnType::kString: return is_one_of(name, {"char", "binary", "nchar", "inet4", "inet6", "uuid"});
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
    case ColumnType::kBlobCompressed:
      return is_one_of(name,
                       {"tinyblob", "blob", "mediumblob", "longblob", "tinytext", "text", "mediumtext", "longtext", "json", "vector"});
    case ColumnType::kJson: return name == "json";
    case ColumnType::kVector: return name == "vector";
    case ColumnType::kGeometry: return is_geometry_name(name);
    default: return false;
  }
}

// Length prefix of the TEXT and BLOB types; 0 = not one of them.
unsigned blob_prefix(std::string_view name) {
  if (is_one_of(name, {"tinyblob", "tinytext"})) return 1;
  if (is_one_of(name, {"blob", "text"})) return 2;
  if (is_one_of(name, {"mediumblob", "mediumtext"})) return 3;
  if (is_one_of(name, {"longblob", "longtext"})) return 4;
  return 0;
}

std::string known_type(const MappedColumn& column) {
  if (column.type == ColumnType::kNewDecimal) return fmt::format("decimal({},{})", column.meta >> 8, column.meta & 0xFF);
  if (column.type == ColumnType::kBit) return fmt::format("bit({})", column.meta);
  return column_type_name(column.type);
}

struct Planner {
  const MappedColumn& mapped;
  const Column& column;
  const TableMap& map;
  ColumnPlan plan;
  std::string problem;

  void fixed(RowOp op, uint8_t size) {
    plan.op = op;
    plan.size = size;
  }
  void integer(RowOp signed_op, RowOp unsigned_op, uint8_t size) {
    bool is_unsigned = map.has_signedness ? mapped.is_unsigned : column.is_unsigned;
    fixed(is_unsigned ? unsigned_op : signed_op, size);
    if (map.has_signedness && mapped.is_unsigned != column.is_unsigned) {
      problem = mapped.is_unsigned ? "is unsigned in the log" : "is signed in the log";
    }
  }
  void fraction(RowOp op, unsigned base) {
    plan.scale = static_cast<uint8_t>(mapped.meta);
    fixed(op, static_cast<uint8_t>(base + (mapped.meta + 1U) / 2));
    if (mapped.meta > 6 || mapped.meta != column.scale) problem = fmt::format("has {} fraction digits in the log", mapped.meta);
  }
  void old_time(RowOp op, uint8_t size) {
    fixed(op, size);
    if (column.scale != 0) problem = "is logged in the form before MySQL 5.6 with fractions, which the log does not describe";
  }
  void prefixed(uint8_t size) {
    plan.op = RowOp::kPrefixed;
    plan.size = size;
  }
  void label(RowOp op) {
    fixed(op, static_cast<uint8_t>(mapped.meta));
    plan.limit = static_cast<uint16_t>(column.labels.size());
    plan.lost_labels = std::any_of(column.labels.begin(), column.labels.end(), is_lost_label);
    bool is_set = op == RowOp::kSet;
    size_t needed = is_set ? (column.labels.size() + 7) / 8 : (column.labels.size() > 255 ? 2 : 1);
    if (is_set && needed > 4) needed = 8;
    if (column.labels.empty()) {
      problem = "has no labels in the schema";
    } else if (needed != mapped.meta) {
      problem = fmt::format("is stored in {} bytes in the log, its {} labels need {}", mapped.meta, column.labels.size(), needed);
    } else if (map.has_labels) {
      compare_labels();
    }
  }
  void compare_labels() {
    const Charset* charset = charset_of_collation(mapped.charset ? mapped.charset : column.charset);
    if (charset->codec == TextCodec::kUnknown) return;
    bool same = mapped.labels.size() == column.labels.size();
    std::string text;
    for (size_t i = 0; same && i < mapped.labels.size(); ++i) {
      text.clear();
      if (charset->codec == TextCodec::kBinary) {
        text = mapped.labels[i];
      } else if (!append_utf8(*charset, mapped.labels[i], text)) {
        continue;
      }
      same = text == column.labels[i];
    }
    if (!same) problem = "has other labels in the log";
  }

  // Character or byte string behind a length prefix.
  void text(bool compressed) {
    bool logged = map.has_charsets && mapped.charset != 0;
    uint16_t collation = logged ? mapped.charset : column.charset;
    plan.limit = mapped.type == ColumnType::kString || mapped.type == ColumnType::kVarchar ? mapped.meta : 0;
    if (column.kind == Kind::kBytes || column.kind == Kind::kGeometry) {
      if (logged && collation != 63) problem = "is text in the log";
      plan.text = compressed ? TextOp::kCompressedBytes : mapped.type == ColumnType::kString ? TextOp::kBytesPadded : TextOp::kBytes;
      return;
    }
    const Charset* charset = charset_of_collation(collation);
    plan.charset = charset;
    if (charset->codec == TextCodec::kUnknown) {
      problem =
          collation == 0 ? "has no known character set" : fmt::format("has a character set that is not handled (collation {})", collation);
    } else if (charset->codec == TextCodec::kBinary) {
      problem = "is bytes in the log";
    }
    if (compressed) {
      plan.text = TextOp::kCompressedText;
    } else if (charset->codec == TextCodec::kUtf8) {
      plan.text = TextOp::kUtf8;
    } else if (charset->codec == TextCodec::kAscii) {
      plan.text = TextOp::kAscii;
    } else {
      plan.text = TextOp::kConvert;
    }
  }

  void decide() {
    switch (mapped.type) {
      case ColumnType::kTiny: integer(RowOp::kInt8, RowOp::kUint8, 1); break;
      case ColumnType::kShort: integer(RowOp::kInt16, RowOp::kUint16, 2); break;
      case ColumnType::kInt24: integer(RowOp::kInt24, RowOp::kUint24, 3); break;
      case ColumnType::kLong: integer(RowOp::kInt32, RowOp::kUint32, 4); break;
      case ColumnType::kLongLong: integer(RowOp::kInt64, RowOp::kUint64, 8); break;
      case ColumnType::kFloat:
        fixed(RowOp::kFloat, 4);
        if (mapped.meta != 4) problem = fmt::format("is a float of {} bytes in the log", mapped.meta);
        break;
      case ColumnType::kDouble:
        fixed(RowOp::kDouble, 8);
        if (mapped.meta != 8) problem = fmt::format("is a double of {} bytes in the log", mapped.meta);
        break;
      case ColumnType::kNewDecimal:
        plan.precision = static_cast<uint8_t>(mapped.meta >> 8);
        plan.scale = static_cast<uint8_t>(mapped.meta & 0xFF);
        fixed(RowOp::kDecimal, static_cast<uint8_t>(decimal_size(plan.precision, plan.scale)));
        if (plan.scale != column.scale || plan.precision != column.length) problem = "is " + known_type(mapped) + " in the log";
        break;
      case ColumnType::kYear: fixed(RowOp::kYear, 1); break;
      case ColumnType::kBit:
        fixed(RowOp::kBit, static_cast<uint8_t>((mapped.meta + 7) / 8));
        if (mapped.meta != column.length) problem = "is " + known_type(mapped) + " in the log";
        break;
      case ColumnType::kDate:
      case ColumnType::kNewDate: fixed(RowOp::kDate, 3); break;
      case ColumnType::kTime2: fraction(RowOp::kTime2, 3); break;
      case ColumnType::kDateTime2: fraction(RowOp::kDateTime2, 5); break;
      case ColumnType::kTimestamp2: fraction(RowOp::kTimestamp2, 4); break;
      case ColumnType::kTime: old_time(RowOp::kTime, 3); break;
      case ColumnType::kDateTime: old_time(RowOp::kDateTime, 8); break;
      case ColumnType::kTimestamp: old_time(RowOp::kTimestamp, 4); break;
      case ColumnType::kEnum: label(RowOp::kEnum); break;
      case ColumnType::kSet: label(RowOp::kSet); break;
      case ColumnType::kString: string(); break;
      case ColumnType::kVarchar:
      case ColumnType::kVarcharCompressed:
        prefixed(mapped.meta > 255 ? 2 : 1);
        text(mapped.type == ColumnType::kVarcharCompressed);
        length(mapped.type == ColumnType::kVarcharCompressed ? 1 : 0);
        break;
      case ColumnType::kTinyBlob:
      case ColumnType::kMediumBlob:
      case ColumnType::kLongBlob:
      case ColumnType::kBlob:
      case ColumnType::kBlobCompressed: blob(); break;
      case ColumnType::kJson:
        prefixed(static_cast<uint8_t>(mapped.meta));
        plan.text = TextOp::kJson;
        break;
      case ColumnType::kVector:
        prefixed(static_cast<uint8_t>(mapped.meta));
        plan.text = TextOp::kBytes;
        break;
      case ColumnType::kGeometry:
        prefixed(static_cast<uint8_t>(mapped.meta));
        plan.text = TextOp::kGeometry;
        break;
      default: problem = fmt::format("has a type that cannot be read: {}", column_type_name(mapped.type));
    }
    if (plan.op == RowOp::kPrefixed && (plan.size < 1 || plan.size > 4)) problem = "has a length prefix of a wrong size";
  }
  void string() {
    prefixed(mapped.meta > 255 ? 2 : 1);
    plan.limit = mapped.meta;
    if (column.type_name == "inet4" || column.type_name == "inet6" || column.type_name == "uuid") {
      plan.text = column.type_name == "inet4" ? TextOp::kInet4 : column.type_name == "inet6" ? TextOp::kInet6 : TextOp::kUuid;
      if (mapped.meta != (plan.text == TextOp::kInet4 ? 4 : 16)) problem = fmt::format("is {} bytes long in the log", mapped.meta);
      return;
    }
    text(false);
    length(0);
  }
  // The log has the largest length in bytes, the schema in characters.
  void length(uint32_t header) {
    uint32_t expected = column.length * (plan.charset ? plan.charset->max_bytes : 1) + header;
    if (problem.empty() && mapped.meta != expected) {
      problem = fmt::format("has a length of {} bytes in the log, not {}", mapped.meta, expected);
    }
  }
  void blob() {
    prefixed(static_cast<uint8_t>(mapped.meta));
    text(mapped.type == ColumnType::kBlobCompressed);
    unsigned expected = blob_prefix(column.type_name);
    if (problem.empty() && expected != 0 && expected != mapped.meta) {
      problem = fmt::format("has a length of {} bytes in the log, not {}", mapped.meta, expected);
    }
  }
};

Status mismatch(const TableMap& map, std::string detail) {
  return Status(ErrorCode::kSchemaMismatch, std::move(detail)).with("table", map.database + "." + map.table);
}

// Columns the server keeps for itself: in the log, but in no catalogue.
bool is_hidden_name(std::string_view name) { return name.rfind("DB_ROW_HASH_", 0) == 0 || name.rfind("!hidden!", 0) == 0; }

// MariaDB keeps a hash behind the table's own columns for each unique key that has a whole BLOB or TEXT in it, and for some
// others: one with a geometry until the next ALTER TABLE makes the key anew, with a prefix; one that is longer than a key may
// be, which hangs on the storage engine and its row format. A schema says nothing of these things: hence the range.
struct HashColumns {
  size_t least = 0, most = 0;
};

size_t key_part_bytes(const Column& column, uint32_t prefix) {
  constexpr size_t kLargestNumber = 32;  // DECIMAL(65,30); all other types of a fixed size are smaller
  if (column.kind != Kind::kText && column.kind != Kind::kBytes) return kLargestNumber;
  size_t length = prefix != 0 ? prefix : column.length;
  return length * (column.kind == Kind::kText ? charset_of_collation(column.charset)->max_bytes : 1);
}

HashColumns hash_columns(const TableSchema& schema) {
  constexpr size_t kShortestLimit = 767;  // InnoDB's, a key part in the row formats COMPACT and REDUNDANT
  HashColumns out;
  for (const TableKey& key : schema.keys) {
    if (!key.unique || key.name == "PRIMARY") continue;
    bool hashed = false, perhaps = false;
    size_t bytes = 0;
    for (const KeyPart& part : key.parts) {
      if (part.column < 0) continue;
      const Column& column = schema.columns[static_cast<size_t>(part.column)];
      hashed = hashed || (part.prefix == 0 && blob_prefix(column.type_name) != 0);
      perhaps = perhaps || column.kind == Kind::kGeometry;
      bytes += key_part_bytes(column, part.prefix);
    }
    out.least += hashed;
    out.most += hashed || perhaps || bytes > kShortestLimit;
  }
  return out;
}

}  // namespace

Result<RowPlanRef> make_row_plan(const TableMap& map, const SchemaRef& schema) {
  auto plan = std::make_shared<RowPlan>();
  plan->schema = schema;
  plan->columns.reserve(map.columns.size());
  size_t next = 0;
  const HashColumns hashes = map.has_names ? HashColumns() : hash_columns(*schema);
  const size_t behind = map.columns.size() - std::min(map.columns.size(), schema->columns.size());
  const bool has_hashes = behind != 0 && behind >= hashes.least && behind <= hashes.most;
  for (const MappedColumn& mapped : map.columns) {
    bool hidden =
        map.has_names && is_hidden_name(mapped.name) && (next == schema->columns.size() || schema->columns[next].name != mapped.name);
    hidden = hidden || (has_hashes && next == schema->columns.size());
    if (!hidden && next == schema->columns.size()) {
      return mismatch(map, fmt::format("the log has {} columns, the schema {}", map.columns.size(), schema->columns.size()));
    }
    Column stand_in;
    if (hidden) {
      if (mapped.type != ColumnType::kLongLong) {
        return mismatch(map, fmt::format("hidden column {} of type {}", mapped.name, column_type_name(mapped.type)));
      }
      stand_in.is_unsigned = mapped.is_unsigned;
    }
    const Column& column = hidden ? stand_in : schema->columns[next];
    if (!hidden) ++next;
    Planner planner{mapped, column, map, {}, {}};
    planner.plan.hidden = hidden;
    if (!hidden && map.has_names && mapped.name != column.name) {
      return mismatch(map, fmt::format("column {} is named `{}` in the log, `{}` in the schema", next, mapped.name, column.name));
    }
    if (!hidden && !types_agree(column.type_name, mapped.type)) {
      return mismatch(map,
                      fmt::format("column `{}` is {} in the log, {} in the schema", column.name, known_type(mapped), column.type_text));
    }
    planner.decide();
    if (!planner.problem.empty()) {
      return mismatch(map, fmt::format("column `{}`, {} in the schema, {}", column.name, column.type_text, planner.problem));
    }
    plan->columns.push_back(planner.plan);
  }
  if (next != schema->columns.size()) {
    return mismatch(map, fmt::format("the log has {} columns, the schema {}", map.columns.size(), schema->columns.size()));
  }
  plan->defaults.assign(schema->columns.size(), Value::absent());
  for (size_t i = 0; i < schema->columns.size(); ++i) {
    std::string& text = plan->default_texts.emplace_back();
    if (!default_value(schema->columns[i], plan->defaults[i], text)) plan->defaults[i] = Value::absent();
  }
  return RowPlanRef(plan);
}

}  // namespace tailrace
