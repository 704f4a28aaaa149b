#include "format/debezium_format.h"

#include <fmt/format.h>

#include <array>

#include "event/value_text.h"
#include "format/json_writer.h"
#include "format/record_key.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

constexpr std::string_view kNoText = "is not valid UTF-8";

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

Status write_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Row row) {
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
  json.raw('}');
  return {};
}

std::string_view schema_type(const Column& column) noexcept {
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint:
      if (column.type_name == "tinyint" || column.type_name == "smallint") return "int16";
      if (column.type_name == "mediumint" || column.type_name == "int") return "int32";
      return column.kind == Kind::kUint ? "string" : "int64";
    case Kind::kDate:
    case Kind::kYear: return "int32";
    case Kind::kTime:
    case Kind::kDateTime: return "int64";
    case Kind::kDouble: return "float64";
    case Kind::kBytes:
    case Kind::kBit:
    case Kind::kGeometry: return "bytes";
    default: return "string";
  }
}

std::string schema_of(const TableSchema& table) {
  std::string columns;
  for (const Column& column : table.columns) {
    if (!columns.empty()) columns += ',';
    columns += fmt::format(R"({{"type":"{}","optional":{},"field":{}}})", schema_type(column), column.nullable,
                           json_quoted(column.name));
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
      field("ts_ms", "int64"), field("db", "string"), field("table", "string"), field("server_id", "int64"),
      field("pos", "string"), field("op", "string"), field("ts_ms", "int64"));
}

std::string_view op_code(Op op) noexcept {
  switch (op) {
    case Op::kUpdate: return "u";
    case Op::kDelete: return "d";
    case Op::kHeartbeat: return "HEARTBEAT";
    default: return "c";
  }
}

}  // namespace

DebeziumFormat::DebeziumFormat(DebeziumFormatOptions options)
    : options_(std::move(options)),
      source_(fmt::format(R"(,"source":{{"version":{},"connector":{},"name":{})", json_quoted(options_.version),
                          json_quoted(options_.db_type), json_quoted(options_.name))) {}

TablePlan DebeziumFormat::make_plan(const TableSchema& table) const {
  TablePlan plan = plan_columns(table);
  plan.prologue = options_.include_schema ? R"({"schema":)" + schema_of(table) + R"(,"payload":{"op":")" : R"({"payload":{"op":")";
  plan.metadata =
      fmt::format(R"({},"db":{},"table":{},"ts_ms":)", source_, json_quoted(table.database), json_quoted(table.table));
  return plan;
}

Status DebeziumFormat::encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const {
  EventMeta meta = meta_of(batch, event);
  meta.now_ms = coarse_now_ms();
  return write(batch, event, meta, out);
}

Status DebeziumFormat::write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const {
  out.key.clear();
  out.has_key = false;
  out.skip = event.op == Op::kSchemaChange || event.op == Op::kTruncate;
  if (out.skip) {
    out.value.clear();
    return {};
  }
  const TableSchema* table = event.op == Op::kHeartbeat ? nullptr : event.table;
  std::unique_ptr<TablePlan> own;
  const TablePlan* plan =
      table ? &plans_.find(*table, [this](const TableSchema& t) { return make_plan(t); }, own) : nullptr;
  if (table && !table->primary_key.empty()) {
    out.has_key = true;
    Status keyed = append_key(*table, routing_row(event), out.key);
    if (!keyed.ok() && event.txn < batch.txns.size()) return std::move(keyed).with("position", batch.txns[event.txn].id);
    TAILRACE_OK(keyed);
  }

  JsonWriter json(out.value);
  json.raw(plan ? std::string_view(plan->prologue)
                : std::string_view(options_.include_schema ? R"({"schema":null,"payload":{"op":")" : R"({"payload":{"op":")"));
  json.raw(op_code(event.op));
  json.raw('"');
  if (plan) {
    json.raw(plan->metadata);
  } else {
    json.raw(source_);
    json.raw(R"(,"db":null,"table":null,"ts_ms":)");
  }
  if (meta.commit_s) {
    json.number(*meta.commit_s * 1000);
  } else {
    json.raw("null");
  }
  if (meta.position_file.data() != nullptr) {
    json.raw(R"(,"pos":")");
    if (!json.string_body(meta.position_file)) {
      return Status(ErrorCode::kFormatValue, "the name of the log file is not valid UTF-8");
    }
    json.raw('@');
    json.number(meta.position_offset);
    json.raw(R"("})");
  } else {
    json.raw(R"(,"pos":null})");
  }
  if (table && (event.op == Op::kUpdate || event.op == Op::kDelete)) {
    json.raw(R"(,"before":)");
    TAILRACE_OK(write_image(json, *plan, batch, event, event.before));
  }
  if (table && event.op != Op::kDelete) {
    json.raw(R"(,"after":)");
    TAILRACE_OK(write_image(json, *plan, batch, event, event.after));
  }
  json.raw(R"(,"ts_ms":)");
  json.number(meta.now_ms);
  json.raw("}}");
  json.finish();
  return {};
}

namespace {

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "source.connector"},
    {"version", "string", "", "source.version"},
    {"name", "string", "OMS", "source.name"},
    {"include_schema", "bool", "false", "schema and payload instead of the payload alone"},
};

Result<std::unique_ptr<Serializer>> create_debezium(const Options& options) {
  DebeziumFormatOptions given;
  given.db_type = options.text("db_type");
  given.version = options.text("version");
  given.name = options.text("name");
  given.include_schema = options.boolean("include_schema");
  return std::unique_ptr<Serializer>(std::make_unique<DebeziumFormat>(std::move(given)));
}

}  // namespace

extern const FormatInfo tailrace_format_debezium;
const FormatInfo tailrace_format_debezium{"debezium", "Debezium-style change envelope", kOptions, &create_debezium};

}  // namespace tailrace
