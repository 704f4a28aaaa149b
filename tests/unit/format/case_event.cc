#include "unit/format/case_event.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <stdexcept>

#include "event/value_text.h"
#include "mysql/type_info.h"

namespace tailrace::test {
namespace {

using Json = nlohmann::json;

// The cases write a type without "unsigned" and say that apart.
Column make_column(const Json& given) {
  std::string type = given.at("mysql_type");
  bool is_unsigned = given.value("unsigned", false);
  if (is_unsigned) type += " unsigned";
  constexpr uint16_t kUtf8mb4 = 45;
  auto column = column_from_type(given.at("name").get<std::string>(), type, !given.value("pk", false), kUtf8mb4);
  if (!column.ok()) throw std::runtime_error(column.status().to_string());
  return *column;
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

unsigned fraction_us(const std::string& text) {
  size_t dot = text.find('.');
  if (dot == std::string::npos) return 0;
  std::string digits = text.substr(dot + 1);
  digits.resize(6, '0');
  return static_cast<unsigned>(std::stoul(digits));
}

uint64_t parse_datetime(const std::string& text) {
  DateParts d{};
  TimeParts t{};
  if (std::sscanf(text.c_str(), "%u-%u-%u %u:%u:%u", &d.year, &d.month, &d.day, &t.hour, &t.minute, &t.second) < 3) {
    throw std::runtime_error("date " + text);
  }
  t.microsecond = fraction_us(text);
  return pack_datetime(d, t);
}

Value parse_value(const Column& column, const Json& given, Arena& arena) {
  if (given.is_null()) return Value::null();
  auto stored = [&](const std::string& text) {
    return Value::of_text(column.kind, arena.copy(text), static_cast<uint32_t>(text.size()), column.scale);
  };
  if (given.is_object()) {
    std::string bytes = unhex(given.at("hex"));
    if (column.kind != Kind::kBit) return stored(bytes);
    uint64_t bits = 0;
    for (unsigned char byte : bytes) bits = bits << 8 | byte;
    return Value::of_bits(Kind::kBit, bits);
  }
  std::string text = given;
  switch (column.kind) {
    case Kind::kInt: return Value::of_int(std::stoll(text));
    case Kind::kUint: return Value::of_uint(std::stoull(text));
    case Kind::kYear: return Value::of_bits(Kind::kYear, std::stoull(text));
    case Kind::kDouble: return column.type_name == "float" ? Value::of_float(std::stof(text)) : Value::of_double(std::stod(text));
    case Kind::kDecimal:
    case Kind::kText:
    case Kind::kJson: return stored(text);
    case Kind::kDate: return Value::of_bits(Kind::kDate, parse_datetime(text) >> 41);
    case Kind::kDateTime: return Value::of_bits(Kind::kDateTime, parse_datetime(text), column.scale);
    case Kind::kTime: {
      bool negative = text[0] == '-';
      long hour = 0;
      unsigned minute = 0, second = 0;
      std::sscanf(text.c_str() + negative, "%ld:%u:%u", &hour, &minute, &second);
      int64_t us = ((hour * 60 + minute) * 60 + second) * 1'000'000 + fraction_us(text);
      Value value = Value::of_int(negative ? -us : us);
      value.kind = Kind::kTime;
      value.scale = column.scale;
      return value;
    }
    case Kind::kTimestamp: {
      uint64_t packed = parse_datetime(text);
      Value value = Value::of_int(0);
      value.kind = Kind::kTimestamp;
      value.scale = column.scale;
      if (packed != 0) {
        TimeParts t = datetime_time(packed);
        value.i = (days_from_civil(datetime_date(packed)) * 86'400 + t.hour * 3600 + t.minute * 60 + t.second) * 1'000'000 +
                  t.microsecond;
      }
      return value;
    }
    case Kind::kEnum: {
      auto it = std::find(column.labels.begin(), column.labels.end(), text);
      if (it == column.labels.end()) throw std::runtime_error("label " + text);
      return Value::of_bits(Kind::kEnum, static_cast<uint64_t>(it - column.labels.begin()) + 1);
    }
    case Kind::kSet: {
      uint64_t bits = 0;
      for (size_t i = 0; i < column.labels.size(); ++i) {
        if (("," + text + ",").find("," + column.labels[i] + ",") != std::string::npos) bits |= uint64_t{1} << i;
      }
      return Value::of_bits(Kind::kSet, bits);
    }
    default: throw std::runtime_error("value of " + column.type_name);
  }
}

std::string_view keep_text(const Json& change, const char* name, std::string& space) {
  if (!change.contains(name) || change[name].is_null()) return {};
  space = change[name];
  return space.data() ? std::string_view(space) : std::string_view("");
}

}  // namespace

std::unique_ptr<CaseEvent> make_case_event(const Json& test_case) {
  auto out = std::make_unique<CaseEvent>();
  const Json& table = test_case.at("table");
  const Json& change = test_case.at("change");
  ChangeEvent event;
  static const std::map<std::string, Op> ops = {{"insert", Op::kInsert}, {"update", Op::kUpdate},     {"delete", Op::kDelete},
                                                {"row", Op::kRead},      {"ddl", Op::kSchemaChange}, {"heartbeat", Op::kHeartbeat}};
  event.op = ops.at(change.at("op"));
  if (!table.at("db").is_null()) {
    auto schema = std::make_shared<TableSchema>();
    schema->schema_id = next_schema_id();
    schema->database = table.at("db");
    schema->table = table.at("name");
    for (const Json& column : table.at("columns")) {
      if (column.value("pk", false)) schema->primary_key.push_back(static_cast<uint16_t>(schema->columns.size()));
      schema->columns.push_back(make_column(column));
    }
    event.table = out->batch.keep(schema);
  }
  for (auto [name, row] : {std::pair("before", &event.before), std::pair("after", &event.after)}) {
    if (!change.contains(name) || change[name].is_null()) continue;
    *row = out->batch.new_row(event.table->columns.size());
    for (size_t i = 0; i < row->size(); ++i) {
      (*row)[i] = parse_value(event.table->columns[i], change[name].at(event.table->columns[i].name), out->batch.arena);
    }
  }
  if (change.contains("ddl")) {
    std::string text = change["ddl"]["text"];
    event.sql = {out->batch.arena.copy(text), text.size()};
  }
  out->batch.events.push_back(event);

  EventMeta& meta = out->meta;
  meta.now_ms = change.at("now_ms");
  if (!change.at("ts_s").is_null()) meta.commit_s = change["ts_s"].get<int64_t>();
  if (!change.at("checkpoint_s").is_null()) meta.checkpoint_s = change["checkpoint_s"].get<int64_t>();
  if (!change.at("seq").is_null()) meta.sequence = change["seq"].get<uint64_t>();
  std::string cluster;
  if (auto id = keep_text(change, "cluster_id", cluster); id.data()) meta.cluster_id = std::stoull(cluster);
  meta.unique_id = keep_text(change, "unique_id", out->unique_id);
  meta.trans_id = keep_text(change, "trans_id", out->trans_id);
  meta.source_identity = keep_text(change, "source_identity", out->source_identity);
  if (!change.at("pos").is_null()) {
    std::string pos = change["pos"];
    size_t at = pos.find('@');
    out->position = pos.substr(0, at);
    meta.position_file = out->position;
    meta.position_offset = std::stoull(pos.substr(at + 1));
  }
  return out;
}

}  // namespace tailrace::test
