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

std::vector<uint16_t> row_key(const TableSchema& schema) {
  const TableKey* best = nullptr;
  std::vector<uint16_t> found;
  for (const TableKey& key : schema.keys) {
    bool primary = key.name == "PRIMARY";
    if (!key.unique || key.parts.empty() || (best && (best->name == "PRIMARY" || (!primary && best->name <= key.name)))) continue;
    std::vector<uint16_t> columns;
    for (const KeyPart& part : key.parts) {
      if (part.column < 0 || part.prefix != 0) break;
      const Column& column = schema.columns[static_cast<size_t>(part.column)];
      if (column.nullable || column.is_virtual) break;
      columns.push_back(static_cast<uint16_t>(part.column));
    }
    if (columns.size() != key.parts.size()) continue;
    best = &key;
    found = std::move(columns);
  }
  return found;
}

bool same_layout(const TableSchema& a, const TableSchema& b) {
  auto same = [](const Column& x, const Column& y) {
    return x.name == y.name && x.type_text == y.type_text && x.kind == y.kind && x.is_unsigned == y.is_unsigned &&
           x.nullable == y.nullable && x.generated == y.generated && x.charset == y.charset && x.length == y.length && x.scale == y.scale &&
           x.labels == y.labels;
  };
  return a.primary_key == b.primary_key && std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(), same);
}

bool same_defaults(const TableSchema& a, const TableSchema& b) noexcept {
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const Column& x, const Column& y) { return x.default_kind == y.default_kind && x.default_text == y.default_text; });
}

std::string schema_to_json(const TableSchema& schema) {
  json columns = json::array();
  for (const Column& c : schema.columns) {
    json column = {{"name", c.name},
                   {"type", c.type_text},
                   {"base", c.type_name},
                   {"kind", static_cast<int>(c.kind)},
                   {"unsigned", c.is_unsigned},
                   {"nullable", c.nullable},
                   {"generated", c.generated},
                   {"charset", c.charset},
                   {"length", c.length},
                   {"scale", c.scale}};
    if (c.is_virtual) column["virtual"] = true;
    if (!c.labels.empty()) column["labels"] = c.labels;
    if (c.default_kind != Column::Default::kUnknown) column["default_kind"] = static_cast<int>(c.default_kind);
    if (c.default_kind == Column::Default::kText) column["default"] = c.default_text;
    columns.push_back(std::move(column));
  }
  json out = {{"database", schema.database}, {"table", schema.table}, {"columns", columns}, {"key", schema.primary_key}};
  if (schema.complete) {
    json keys = json::array();
    for (const TableKey& key : schema.keys) {
      json parts = json::array();
      for (const KeyPart& part : key.parts) parts.push_back({part.column, part.prefix});
      keys.push_back({{"name", key.name}, {"unique", key.unique}, {"parts", std::move(parts)}});
    }
    out["keys"] = std::move(keys);
    out["collation"] = schema.collation;
  }
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
      column.is_virtual = c.value("virtual", false);
      if (c.contains("labels")) column.labels = c.at("labels").get<std::vector<std::string>>();
      column.default_kind = static_cast<Column::Default>(c.value("default_kind", 0));
      column.default_text = c.value("default", "");
      schema->columns.push_back(std::move(column));
    }
    schema->complete = in.contains("keys") && in.contains("collation");  // older files have neither
    if (schema->complete) {
      schema->collation = in.at("collation").get<uint16_t>();
      for (const json& k : in.at("keys")) {
        TableKey& key = schema->keys.emplace_back();
        key.name = k.at("name").get<std::string>();
        key.unique = k.at("unique").get<bool>();
        for (const json& part : k.at("parts")) {
          key.parts.push_back({part.at(0).get<int32_t>(), part.at(1).get<uint32_t>()});
          if (key.parts.back().column >= static_cast<int32_t>(schema->columns.size())) throw std::out_of_range("a key's column");
        }
      }
    }
    for (uint16_t index : schema->primary_key) {
      if (index >= schema->columns.size()) throw std::out_of_range("a key's column");
    }
    return SchemaRef(schema);
  } catch (const std::exception& error) {
    return Status(ErrorCode::kMetaOpen, std::string("a stored schema cannot be read: ") + error.what());
  }
}

}  // namespace tailrace
