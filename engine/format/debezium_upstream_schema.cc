#include <fmt/format.h>

#include "format/debezium_upstream.h"
#include "format/json_writer.h"

namespace tailrace {
namespace {

struct SemanticType {
  std::string_view type;
  std::string_view name;   // "" = none
  std::string parameters;  // a JSON object; "" = none
  std::string fields;      // of a struct, or the items of an array
};

std::string joined(const std::vector<std::string>& labels) { return json_quoted(fmt::format("{}", fmt::join(labels, ","))); }

std::string_view integer_type(const Column& column) noexcept {
  const std::string& type = column.type_name;
  bool wide = column.kind == Kind::kUint;
  if (type == "tinyint") return "int16";
  if (type == "smallint") return wide ? "int32" : "int16";
  if (type == "mediumint") return "int32";
  if (type == "int") return wide ? "int64" : "int32";
  return "int64";
}

SemanticType type_of(const Column& column, DecimalMode decimals) {
  constexpr std::string_view kShape = R"({"type":"bytes","optional":false,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"})";
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint: return {integer_type(column), "", "", ""};
    case Kind::kDouble: return {column.type_name == "float" ? "float" : "double", "", "", ""};
    case Kind::kDecimal:
      if (decimals == DecimalMode::kString) return {"string", "", "", ""};
      if (decimals == DecimalMode::kDouble) return {"double", "", "", ""};
      return {"bytes", "org.apache.kafka.connect.data.Decimal",
              fmt::format(R"({{"scale":"{}","connect.decimal.precision":"{}"}})", column.scale, column.length), ""};
    case Kind::kBit:
      if (column.length == 1) return {"boolean", "", "", ""};
      return {"bytes", "io.debezium.data.Bits", fmt::format(R"({{"length":"{}"}})", column.length), ""};
    case Kind::kYear: return {"int32", "io.debezium.time.Year", "", ""};
    case Kind::kDate: return {"int32", "io.debezium.time.Date", "", ""};
    case Kind::kTime: return {"int64", "io.debezium.time.MicroTime", "", ""};
    case Kind::kDateTime: return {"int64", column.scale <= 3 ? "io.debezium.time.Timestamp" : "io.debezium.time.MicroTimestamp", "", ""};
    case Kind::kTimestamp: return {"string", "io.debezium.time.ZonedTimestamp", "", ""};
    case Kind::kEnum: return {"string", "io.debezium.data.Enum", fmt::format(R"({{"allowed":{}}})", joined(column.labels)), ""};
    case Kind::kSet: return {"string", "io.debezium.data.EnumSet", fmt::format(R"({{"allowed":{}}})", joined(column.labels)), ""};
    case Kind::kJson: return {"string", "io.debezium.data.Json", "", ""};
    case Kind::kBytes:
      if (column.type_name == "vector") return {"array", "io.debezium.data.FloatVector", "", R"({"type":"float","optional":false})"};
      return {"bytes", "", "", ""};
    case Kind::kGeometry:
      if (column.type_name != "point") return {"struct", "io.debezium.data.geometry.Geometry", "", std::string(kShape)};
      return {"struct", "io.debezium.data.geometry.Point", "",
              fmt::format(R"({{"type":"double","optional":false,"field":"x"}},{{"type":"double","optional":false,"field":"y"}},{})",
                          R"({"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"})")};
    default: return {"string", "", "", ""};
  }
}

std::string column_schema(const Column& column, DecimalMode decimals) {
  SemanticType type = type_of(column, decimals);
  std::string out = fmt::format(R"({{"type":"{}")", type.type);
  if (!type.fields.empty())
    out += type.type == "array" ? fmt::format(R"(,"items":{})", type.fields) : fmt::format(R"(,"fields":[{}])", type.fields);
  out += fmt::format(R"(,"optional":{})", column.nullable);
  if (!type.name.empty()) out += fmt::format(R"(,"name":"{}","version":1)", type.name);
  if (type.type == "struct") out += column.type_name == "point" ? R"j(,"doc":"Geometry (POINT)")j" : R"j(,"doc":"Geometry")j";
  if (!type.parameters.empty()) out += fmt::format(R"(,"parameters":{})", type.parameters);
  return out + fmt::format(R"(,"field":{}}})", json_quoted(column.name));
}

std::string schema_name(const TableSchema& table, const DebeziumUpstreamOptions& options, std::string_view what) {
  return json_quoted(fmt::format("{}.{}.{}.{}", options.name, table.database, table.table, what));
}

constexpr std::string_view kSourceFields =
    R"({"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},)"
    R"({"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},)"
    R"({"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":)"
    R"("true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},)"
    R"({"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},)"
    R"({"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},)"
    R"({"type":"string","optional":true,"field":"table"},{"type":"int64","optional":false,"field":"server_id"},)"
    R"({"type":"string","optional":true,"field":"gtid"},{"type":"string","optional":false,"field":"file"},)"
    R"({"type":"int64","optional":false,"field":"pos"},{"type":"int32","optional":false,"field":"row"},)"
    R"({"type":"int64","optional":true,"field":"thread"},{"type":"string","optional":true,"field":"query"})";
constexpr std::string_view kTail =
    R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":)"
    R"("total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block",)"
    R"("version":1,"field":"transaction"},{"type":"string","optional":false,"field":"op"},)"
    R"({"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},)"
    R"({"type":"int64","optional":true,"field":"ts_ns"})";

}  // namespace

std::string debezium_value_schema(const TableSchema& table, const DebeziumUpstreamOptions& options) {
  std::string columns;
  for (const Column& column : table.columns) {
    if (!columns.empty()) columns += ',';
    columns += column_schema(column, options.decimals);
  }
  std::string value_name = schema_name(table, options, "Value");
  auto image = [&](std::string_view field) {
    return fmt::format(R"({{"type":"struct","fields":[{}],"optional":true,"name":{},"field":"{}"}})", columns, value_name, field);
  };
  return fmt::format(
      R"({{"type":"struct","fields":[{},{},{{"type":"struct","fields":[{}],"optional":false,"name":"io.debezium.connector.{}.Source","field":"source"}},{}],"optional":false,"name":{},"version":2}})",
      image("before"), image("after"), kSourceFields, options.connector, kTail, schema_name(table, options, "Envelope"));
}

std::string debezium_key_schema(const TableSchema& table, const DebeziumUpstreamOptions& options) {
  std::string columns;
  for (uint16_t at : table.primary_key) {
    if (!columns.empty()) columns += ',';
    columns += column_schema(table.columns[at], options.decimals);
  }
  return fmt::format(R"({{"type":"struct","fields":[{}],"optional":false,"name":{}}})", columns, schema_name(table, options, "Key"));
}

}  // namespace tailrace
