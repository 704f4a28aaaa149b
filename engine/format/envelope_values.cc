#include "format/envelope_values.h"

#include <fmt/format.h>

#include <array>

#include "event/value_text.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

// One type for the whole column: what may exceed int64 is a string for every value.
bool is_wide_unsigned(const Column& column) noexcept {
  const std::string& type = column.type_name;
  return type != "int" && type != "tinyint" && type != "smallint" && type != "mediumint";
}

void write_absent_date(JsonWriter& json, const Column& column, std::string_view zero) {
  json.raw(column.nullable ? std::string_view("null") : zero);
}

// What is wrong with the value, or "".
std::string_view write_value(JsonWriter& json, const Column& column, const Value& value) {
  switch (value.kind) {
    case Kind::kAbsent:
    case Kind::kNull: json.raw("null"); return {};
    case Kind::kInt: json.number(value.i); return {};
    case Kind::kUint: {
      bool quoted = is_wide_unsigned(column);
      if (quoted) json.raw('"');
      json.number(value.u);
      if (quoted) json.raw('"');
      return {};
    }
    case Kind::kYear: json.number(value.u); return {};
    case Kind::kDouble: return json.number(value.d, value.flags & kFloat32) ? "" : "is not a finite number";
    case Kind::kDecimal:
      json.raw('"');
      json.raw(value.text());
      json.raw('"');
      return {};
    case Kind::kText:
    case Kind::kJson: return json.string(value.text()) ? std::string_view() : kNoText;
    case Kind::kBytes:
    case Kind::kGeometry: json.hex(value.text()); return {};
    case Kind::kDate: {
      DateParts date = unpack_date(value.u);
      if (is_real_date(date)) {
        json.number(days_from_civil(date));
      } else {
        write_absent_date(json, column, "0");
      }
      return {};
    }
    case Kind::kTime: json.number(value.i); return {};
    case Kind::kDateTime: {
      DateParts date = datetime_date(value.u);
      if (!is_real_date(date)) {
        write_absent_date(json, column, "0");
        return {};
      }
      TimeParts time = datetime_time(value.u);
      int64_t seconds = days_from_civil(date) * 86'400 + time.hour * 3600 + time.minute * 60 + time.second;
      json.number(seconds * 1000 + time.microsecond / 1000);
      return {};
    }
    case Kind::kTimestamp: {
      if (value.i == 0) {
        write_absent_date(json, column, "\"1970-01-01T00:00:00Z\"");
        return {};
      }
      char* to = json.reserve(kValueChars);
      *to++ = '"';
      to = put_utc(to, value.i);
      *to++ = '"';
      json.advance(to);
      return {};
    }
    case Kind::kBit: {
      std::array<char, 8> space;
      json.hex(bit_bytes(value.u, column.length, true, space));
      return {};
    }
    case Kind::kEnum:
      if (value.u == 0) return json.string("") ? std::string_view() : kNoText;
      if (value.u > column.labels.size()) return "has an ENUM number without a label";
      return json.string(column.labels[value.u - 1]) ? std::string_view() : kNoText;
    case Kind::kSet: return json.string(to_text(value, column)) ? std::string_view() : kNoText;
  }
  return "is of a kind this format does not know";
}

std::string_view schema_type(const Column& column) noexcept {
  if (column.kind == Kind::kUint && is_wide_unsigned(column)) return "string";
  return type_names(column).connect;
}

}  // namespace

Status write_envelope_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Row row,
                            std::string_view more) {
  const std::vector<Column>& columns = event.table->columns;
  json.raw('{');
  bool first = true;
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].is_absent()) continue;
    std::string_view member = plan.members[i];
    if (first) member.remove_prefix(1);
    first = false;
    json.raw(member);
    std::string_view wrong = write_value(json, columns[i], row[i]);
    if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
  }
  if (!more.empty()) json.raw(first ? more.substr(1) : more);
  json.raw('}');
  return {};
}

std::string envelope_schema(const TableSchema& table) {
  std::string columns;
  for (const Column& column : table.columns) {
    if (!columns.empty()) columns += ',';
    columns += fmt::format(R"({{"type":"{}","optional":{},"field":{}}})", schema_type(column), column.nullable, json_quoted(column.name));
  }
  auto image = [&](std::string_view name) {
    return fmt::format(R"({{"type":"struct","optional":false,"field":"{}","fields":[{}]}})", name, columns);
  };
  auto field = [](std::string_view name, std::string_view type) {
    return fmt::format(R"({{"type":"{}","optional":false,"field":"{}"}})", type, name);
  };
  return fmt::format(
      R"({{"type":"struct","optional":false,"fields":[{},{},{{"type":"struct","optional":false,"field":"source","fields":[{},{},{},{},{},{},{},{}]}},{},{}]}})",
      image("before"), image("after"), field("version", "string"), field("connector", "string"), field("name", "string"),
      field("ts_ms", "int64"), field("db", "string"), field("table", "string"), field("server_id", "int64"), field("pos", "string"),
      field("op", "string"), field("ts_ms", "int64"));
}

}  // namespace tailrace
