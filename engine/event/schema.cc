#include "event/schema.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "base/status.h"

namespace tailrace {

using nlohmann::json;

int TableSchema::find_column(std::string_view name) const noexcept {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

uint64_t next_schema_id() noexcept {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

bool same_defaults(const TableSchema& a, const TableSchema& b) noexcept {
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(), [](const Column& x, const Column& y) {
    return x.default_kind == y.default_kind && x.default_text == y.default_text;
  });
}

std::string schema_to_json(const TableSchema& schema) {
  json columns = json::array();
  for (const Column& c : schema.columns) {
    json column = {{"name", c.name},         {"type", c.type_text},    {"base", c.type_name},
                   {"kind", static_cast<int>(c.kind)}, {"unsigned", c.is_unsigned}, {"nullable", c.nullable},
                   {"generated", c.generated}, {"charset", c.charset}, {"length", c.length},
                   {"scale", c.scale}};
    if (!c.labels.empty()) column["labels"] = c.labels;
    if (c.default_kind != Column::Default::kUnknown) column["default_kind"] = static_cast<int>(c.default_kind);
    if (c.default_kind == Column::Default::kText) column["default"] = c.default_text;
    columns.push_back(std::move(column));
  }
  json out = {{"database", schema.database}, {"table", schema.table}, {"columns", columns}, {"key", schema.primary_key}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<SchemaRef> schema_from_json(std::string_view text) {
  try {
    json in = json::parse(text);
    auto schema = std::make_shared<TableSchema>();
    schema->schema_id = next_schema_id();
    schema->database = in.at("database").get<std::string>();
    schema->table = in.at("table").get<std::string>();
    schema->primary_key = in.at("key").get<std::vector<uint16_t>>();
    for (const json& c : in.at("columns")) {
      Column column;
      column.name = c.at("name").get<std::string>();
      column.type_text = c.at("type").get<std::string>();
      column.type_name = c.at("base").get<std::string>();
      column.kind = static_cast<Kind>(c.at("kind").get<int>());
      column.is_unsigned = c.at("unsigned").get<bool>();
      column.nullable = c.at("nullable").get<bool>();
      column.generated = c.at("generated").get<bool>();
      column.charset = c.at("charset").get<uint16_t>();
      column.length = c.at("length").get<uint32_t>();
      column.scale = c.at("scale").get<uint8_t>();
      if (c.contains("labels")) column.labels = c.at("labels").get<std::vector<std::string>>();
      column.default_kind = static_cast<Column::Default>(c.value("default_kind", 0));
      column.default_text = c.value("default", "");
      schema->columns.push_back(std::move(column));
    }
    return SchemaRef(schema);
  } catch (const std::exception& error) {
    return Status(ErrorCode::kMetaOpen, std::string("a stored schema cannot be read: ") + error.what());
  }
}

}  // namespace tailrace
