#include "rule/meta_field.h"

#include <fmt/format.h>

#include <array>

#include "rule/sql_type.h"

namespace tailrace {
namespace {

struct MetaRow {
  std::string_view name, type;
};
// In the order of MetaField.
constexpr std::array<MetaRow, 11> kFields{{{"db", "varchar(64) not null"},
                                           {"gtid", "varchar(512)"},
                                           {"op", "varchar(8) not null"},
                                           {"ordinal", "bigint unsigned not null"},
                                           {"pos", "varchar(512)"},
                                           {"rule", "varchar(128)"},
                                           {"server_id", "int unsigned"},
                                           {"snapshot", "tinyint(1) not null"},
                                           {"table", "varchar(64) not null"},
                                           {"ts", "timestamp(6)"},
                                           {"ts_us", "bigint"}}};

Value text(std::string_view view) {
  return view.empty() ? Value::null() : Value::of_text(Kind::kText, view.data(), static_cast<uint32_t>(view.size()));
}

}  // namespace

std::optional<MetaField> find_meta(std::string_view name) noexcept {
  for (size_t i = 0; i < kFields.size(); ++i) {
    if (kFields[i].name == name) return static_cast<MetaField>(i);
  }
  return std::nullopt;
}

std::vector<std::string> meta_names() {
  std::vector<std::string> names;
  for (const MetaRow& row : kFields) names.emplace_back(row.name);
  return names;
}

const Column& meta_column(MetaField field) {
  static const std::array<Column, kFields.size()> columns = [] {
    std::array<Column, kFields.size()> made;
    for (size_t i = 0; i < kFields.size(); ++i) made[i] = parse_sql_type(kFields[i].type).value();
    return made;
  }();
  return columns[static_cast<size_t>(field)];
}

Value meta_value(MetaField field, const MetaSource& source, Arena& arena) {
  const Transaction& txn = source.batch->txns[source.txn];
  bool of_log = !source.batch->is_snapshot;
  switch (field) {
    case MetaField::kDb: return text(source.table->database);
    case MetaField::kGtid: return of_log ? text(txn.id) : Value::null();
    case MetaField::kOp: return text(op_name(source.op));
    case MetaField::kOrdinal: return Value::of_uint(source.ordinal);
    case MetaField::kPos: {
      if (txn.file.empty()) return Value::null();
      std::string at = fmt::format("{}:{}", txn.file, txn.end_offset);
      return Value::of_text(Kind::kText, arena.copy(at), static_cast<uint32_t>(at.size()));
    }
    case MetaField::kRule: return text(source.rule);
    case MetaField::kServerId: return of_log ? Value::of_uint(txn.server_id) : Value::null();
    case MetaField::kSnapshot: return Value::of_int(source.op == Op::kRead);
    case MetaField::kTable: return text(source.table->table);
    case MetaField::kTs: {
      if (txn.commit_time_us == 0) return Value::null();
      Value at = Value::of_int(txn.commit_time_us);
      at.kind = Kind::kTimestamp;
      at.scale = 6;
      return at;
    }
    case MetaField::kTsUs: return txn.commit_time_us ? Value::of_int(txn.commit_time_us) : Value::null();
  }
  return Value::null();
}

}  // namespace tailrace
