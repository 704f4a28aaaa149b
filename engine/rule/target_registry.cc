#include "rule/target_registry.h"

#include <fmt/format.h>

#include <vector>

namespace tailrace {
namespace {

// Why rows of both layouts cannot share a table; "" when they can. A column that only one of them has must be
// nullable: shards receive one ALTER one after another.
std::string difference(const TableSchema& a, const std::string& a_source, const TableSchema& b, const std::string& b_source) {
  for (const Column& column : a.columns) {
    int at = b.find_column(column.name);
    if (at < 0) {
      if (!column.nullable) return fmt::format("column `{}` NOT NULL is only in {}", column.name, a_source);
      continue;
    }
    const Column& other = b.columns[static_cast<size_t>(at)];
    if (column.kind != other.kind || column.type_text != other.type_text) {
      return fmt::format("column `{}` is {} in {} and {} in {}", column.name, column.type_text, a_source, other.type_text, b_source);
    }
  }
  for (const Column& column : b.columns) {
    if (!column.nullable && a.find_column(column.name) < 0) {
      return fmt::format("column `{}` NOT NULL is only in {}", column.name, b_source);
    }
  }
  auto key_names = [](const TableSchema& schema) {
    std::vector<std::string> names;
    for (uint16_t index : schema.primary_key) names.push_back(schema.columns[index].name);
    return names;
  };
  if (key_names(a) != key_names(b)) return "their keys are made of different columns";
  return "";
}

}  // namespace

Status TargetRegistry::add(const OutputTable& output) {
  std::string target = output.schema->qualified_name();
  std::string source = output.source->qualified_name();
  auto& sources = targets_[target];
  for (const auto& [other, known] : sources) {
    if (other == source) continue;
    std::string why = difference(*output.schema, source, *known.schema, other);
    if (!why.empty()) {
      return Status(
                 ErrorCode::kRuleLoad,
                 fmt::format(
                     "{} and {} cannot merge into {}: {}; declare one type for the column in their rules, or give one of them another `to`",
                     source, other, target, why))
          .with("table", source);
    }
    bool is_keyed = !output.schema->primary_key.empty();
    bool both_explicit = output.key_is_explicit && known.key_is_explicit;
    if (is_keyed && !both_explicit && !sink_detects_collisions_) {
      return Status(
                 ErrorCode::kRuleKeyCollision,
                 fmt::format("{} and {} go to {} without a `key`, and this sink would let one overwrite the other", source, other, target))
          .with("table", source);
    }
  }
  sources[source] = Source{output.schema, output.key_is_explicit};
  return Status();
}

size_t TargetRegistry::sources(const std::string& target) const {
  auto found = targets_.find(target);
  return found == targets_.end() ? 0 : found->second.size();
}

std::vector<SchemaRef> TargetRegistry::others(const std::string& target, const std::string& source) const {
  std::vector<SchemaRef> out;
  auto found = targets_.find(target);
  if (found == targets_.end()) return out;
  for (const auto& [name, known] : found->second) {
    if (name != source) out.push_back(known.schema);
  }
  return out;
}

}  // namespace tailrace
