#include "mysql/snapshot_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "event/value_text.h"
#include "mysql/connection.h"

namespace tailrace {
namespace {

bool is_hex(const Column& column) noexcept {
  return column.kind == Kind::kBytes || column.kind == Kind::kGeometry || SnapshotKey::needs_raw(column);
}

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  return out;
}

bool made_of(std::string_view text, std::string_view characters) { return text.find_first_not_of(characters) == std::string_view::npos; }

// What is read back goes into SQL: only the characters its kind can have.
bool is_acceptable(const Column& column, std::string_view part) {
  constexpr std::string_view kDigits = "0123456789";
  if (is_hex(column)) return part.size() % 2 == 0 && made_of(part, "0123456789abcdef");
  switch (column.kind) {
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit:
    case Kind::kEnum:
    case Kind::kSet: return !part.empty() && made_of(part, kDigits);
    case Kind::kInt:
    case Kind::kDecimal: return !part.empty() && made_of(part, "-.0123456789");
    case Kind::kDouble: return !part.empty() && made_of(part, "+-.e0123456789");
    case Kind::kDate:
    case Kind::kTime:
    case Kind::kDateTime:
    case Kind::kTimestamp: return !part.empty() && made_of(part, "-.: 0123456789");
    default: return true;
  }
}

}  // namespace

SnapshotKey SnapshotKey::of_row(const TableSchema& schema, Row row, const std::vector<std::string>& raw) {
  SnapshotKey key;
  for (size_t i = 0; i < schema.primary_key.size(); ++i) {
    const Column& column = schema.columns[schema.primary_key[i]];
    const Value& value = row[schema.primary_key[i]];
    if (needs_raw(column)) {
      key.parts_.push_back(hex(raw[i]));
    } else if (is_hex(column)) {
      key.parts_.push_back(hex(value.text()));
    } else if (column.kind == Kind::kEnum || column.kind == Kind::kSet) {
      key.parts_.push_back(std::to_string(value.u));
    } else if (column.kind == Kind::kDouble) {
      key.parts_.push_back(fmt::format("{:.17e}", value.d));  // exact, and an exponent makes it a DOUBLE in SQL
    } else {
      key.parts_.push_back(to_text(value, column));
    }
  }
  return key;
}

std::string SnapshotKey::json(const TableSchema& schema) const {
  nlohmann::json columns = nlohmann::json::array(), values = nlohmann::json::array();
  for (size_t i = 0; i < parts_.size(); ++i) {
    columns.push_back(schema.columns[schema.primary_key[i]].name);
    values.push_back(parts_[i]);
  }
  nlohmann::json out = {{"v", 1}, {"columns", std::move(columns)}, {"after", std::move(values)}};
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<SnapshotKey> SnapshotKey::parse(const TableSchema& schema, std::string_view text) {
  auto table = [&](Status status) { return std::move(status).with("table", schema.qualified_name()); };
  auto in = nlohmann::json::parse(text, nullptr, false);
  if (!in.is_object() || !in.contains("columns") || !in.contains("after") || in.value("v", 0) != 1 || !in["after"].is_array() ||
      !in["columns"].is_array()) {
    return table(Status(ErrorCode::kConfigBadValue, "the stored place in the table cannot be read"));
  }
  SnapshotKey key;
  bool same = in["columns"].size() == schema.primary_key.size() && in["after"].size() == schema.primary_key.size();
  for (size_t i = 0; same && i < schema.primary_key.size(); ++i) {
    const Column& column = schema.columns[schema.primary_key[i]];
    const auto& name = in["columns"][i];
    const auto& part = in["after"][i];
    same = name.is_string() && name.get_ref<const std::string&>() == column.name && part.is_string();
    if (!same) break;
    if (!is_acceptable(column, part.get_ref<const std::string&>())) {
      return table(Status(ErrorCode::kConfigBadValue, "the stored place in the table has a value its column cannot have"));
    }
    key.parts_.push_back(part.get<std::string>());
  }
  if (!same) return table(Status(ErrorCode::kSchemaMismatch, "the stored place in the table is one of another key"));
  return key;
}

Result<std::string> SnapshotKey::condition(const TableSchema& schema, const CollationNames& names) const {
  std::vector<std::string> columns, literals;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Column& column = schema.columns[schema.primary_key[i]];
    columns.push_back(quote_name(column.name));
    const std::string& part = parts_[i];
    if (needs_raw(column)) {
      auto name = names.find(column.charset);
      if (name == names.end()) {
        return Status(ErrorCode::kSchemaType, fmt::format("collation {} has no name at the server", column.charset))
            .with("table", schema.qualified_name())
            .with("column", column.name);
      }
      literals.push_back(fmt::format("_{} X'{}' COLLATE {}", name->second.charset, part, name->second.collation));
    } else if (is_hex(column)) {
      literals.push_back(fmt::format("_binary X'{}'", part));
    } else if (column.kind == Kind::kDate || column.kind == Kind::kTime || column.kind == Kind::kDateTime ||
               column.kind == Kind::kTimestamp || column.kind == Kind::kText || column.kind == Kind::kYear) {
      literals.push_back(quote_text(part));
    } else {
      literals.push_back(part);
    }
  }
  // (a >= x AND (a > x OR (a = x AND (b > y …)))): the first part is what an index range can be made of.
  std::string out;
  for (size_t i = parts_.size(); i-- > 0;) {
    std::string here = fmt::format("{} > {}", columns[i], literals[i]);
    out = out.empty() ? here : fmt::format("{} OR ({} = {} AND ({}))", here, columns[i], literals[i], out);
  }
  if (parts_.size() > 1) out = fmt::format("{} >= {} AND ({})", columns[0], literals[0], out);
  return out;
}

}  // namespace tailrace
