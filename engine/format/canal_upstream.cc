#include "format/canal_upstream.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "format/ddl_type.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

// Canal takes unsigned numbers that their own Java type cannot hold for the next wider one.
int promoted(const Column& column, const Value& value, int declared) noexcept {
  if (value.kind != Kind::kUint) return declared;
  if (column.type_name == "tinyint") return value.u > INT8_MAX ? 5 : declared;
  if (column.type_name == "smallint") return value.u > INT16_MAX ? 4 : declared;
  if (column.type_name == "mediumint") return value.u > 0x7FFFFF ? 4 : declared;
  if (column.type_name == "int") return value.u > INT32_MAX ? -5 : declared;
  return value.u > INT64_MAX ? 3 : declared;
}

void put_quoted(JsonWriter& json, const Value& value, const TimeZone& zone) {
  char* to = json.reserve(kValueChars);
  *to++ = '"';
  switch (value.kind) {
    case Kind::kInt: to = std::to_chars(to, to + 24, value.i).ptr; break;
    case Kind::kUint:
    case Kind::kEnum: to = std::to_chars(to, to + 24, value.u).ptr; break;
    case Kind::kBit:  // a Java long
    case Kind::kSet: to = std::to_chars(to, to + 24, static_cast<int64_t>(value.u)).ptr; break;
    case Kind::kYear: to = put_digits(to, static_cast<unsigned>(value.u), 4); break;
    case Kind::kDate: to = put_date(to, unpack_date(value.u)); break;
    case Kind::kTime: to = put_time(to, value.i, value.scale, Fraction::kFull); break;
    case Kind::kDateTime: to = put_datetime(to, value.u, value.scale, Fraction::kFull); break;
    default: to = put_local(to, value.i, zone, ' ', value.scale, Fraction::kFull); break;
  }
  *to++ = '"';
  json.advance(to);
}

class CanalUpstream final : public MessageFormat {
 public:
  CanalUpstream(TimeZone zone, bool latin1_bytes) : MessageFormat(true), zone_(std::move(zone)), latin1_bytes_(latin1_bytes) {}

  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const override {
    bool is_row = is_row_event(event);
    TAILRACE_OK(begin_record(batch, event, is_row, out));
    if (event.op == Op::kHeartbeat) {
      out.skip = true;
      out.value.clear();
      return {};
    }
    std::unique_ptr<TablePlan> own;
    const TablePlan* plan = event.table ? &plans_.find(*event.table, &make_plan, own) : nullptr;
    JsonWriter json(out.value);
    Row row = event.op == Op::kDelete ? event.before : event.after;
    json.raw(R"({"data":)");
    if (is_row) {
      json.raw('[');
      TAILRACE_OK(write_image(json, *plan, batch, event, row, false));
      json.raw(']');
    } else {
      json.raw("null");
    }
    json.raw(plan ? std::string_view(plan->metadata) : R"(,"database":"","table":"")");
    json.raw(R"(,"es":)");
    write_number_or_null(json, meta.commit_ms);
    json.raw(R"(,"gtid":)");
    std::string_view id = meta.unique_id.data() ? meta.unique_id : std::string_view("");
    if (!json.string(is_gtid(id) ? id : "")) return Status(ErrorCode::kFormatValue, "a transaction's name is not valid UTF-8");
    json.raw(R"(,"id":)");
    json.number(meta.sequence.value_or(0));
    json.raw(R"(,"ts":)");
    json.number(meta.now_ms);
    json.raw(R"(,"type":")");
    json.raw(type_of(event, meta));
    if (!is_row) {
      json.raw(R"(","isDdl":true,"mysqlType":null,"old":null,"pkNames":null,"sqlType":null,"sql":)");
      json.raw(json_quoted(ddl_text(event.sql)));
      json.raw('}');
      json.finish();
      return {};
    }
    json.raw(R"(","isDdl":false,"sql":"","old":)");
    if (event.op == Op::kUpdate) {
      json.raw('[');
      TAILRACE_OK(write_image(json, *plan, batch, event, event.before, true));
      json.raw(']');
    } else {
      json.raw("null");
    }
    json.raw(plan->types);
    write_sql_types(json, *plan, *event.table, row);
    json.raw('}');
    json.finish();
    return {};
  }

 private:
  static bool is_gtid(std::string_view id) noexcept { return id.find('.') == std::string_view::npos; }

  // metadata: database and table. types: pkNames and mysqlType.
  static TablePlan make_plan(const TableSchema& table) {
    TablePlan plan = plan_columns(table);
    plan.metadata = fmt::format(R"(,"database":{},"table":{})", json_quoted(table.database), json_quoted(table.table));
    std::string mysql_types;
    for (const Column& column : table.columns) {
      mysql_types += fmt::format("{}{}:{}", mysql_types.empty() ? "" : ",", json_quoted(column.name), json_quoted(column.type_text));
    }
    plan.types = fmt::format(R"(,"pkNames":{},"mysqlType":{{{}}},"sqlType":)", json_column_names(table, named_key(table)), mysql_types);
    return plan;
  }

  static void write_sql_types(JsonWriter& json, const TablePlan& plan, const TableSchema& table, Row row) {
    json.raw('{');
    for (size_t i = 0; i < row.size(); ++i) {
      std::string_view member = plan.members[i];
      json.raw(i ? member : member.substr(1));
      json.number(static_cast<int64_t>(promoted(table.columns[i], row[i], type_names(table.columns[i]).upstream_java_sql)));
    }
    json.raw('}');
  }

  static std::string_view type_of(const ChangeEvent& event, const EventMeta& meta) {
    switch (event.op) {
      case Op::kUpdate: return "UPDATE";
      case Op::kDelete: return "DELETE";
      case Op::kTruncate:
      case Op::kSchemaChange: return canal_ddl_type(ddl_type(event, meta.ddl_type));
      default: return "INSERT";
    }
  }

  Status write_image(JsonWriter& json, const TablePlan& plan, const EventBatch& batch, const ChangeEvent& event, Row row,
                     bool only_changed) const {
    json.raw('{');
    bool first = true;
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].is_absent() || (only_changed && !is_changed(event, i))) continue;
      std::string_view member = plan.members[i];
      json.raw(first ? member.substr(1) : member);
      first = false;
      std::string_view wrong = write_value(json, row[i]);
      if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
    }
    json.raw('}');
    return {};
  }

  // All values are texts.
  std::string_view write_value(JsonWriter& json, const Value& value) const {
    switch (value.kind) {
      case Kind::kAbsent:
      case Kind::kNull: json.raw("null"); return {};
      case Kind::kDouble: {
        std::string text;
        append_java_double(value.d, value.flags & kFloat32, text);
        return json.string(text) ? std::string_view() : kNoText;
      }
      case Kind::kDecimal:
      case Kind::kText:
      case Kind::kJson: return json.string(value.text()) ? std::string_view() : kNoText;
      case Kind::kBytes:
      case Kind::kGeometry:
        if (latin1_bytes_) {
          json.latin1(value.text());
        } else {
          json.base64(value.text());
        }
        return {};
      default: put_quoted(json, value, zone_); return {};
    }
  }

  const TimeZone zone_;
  const bool latin1_bytes_;
  PlanCache plans_;
};

}  // namespace

std::unique_ptr<MessageFormat> make_canal_upstream(TimeZone zone, bool latin1_bytes) {
  return std::make_unique<CanalUpstream>(std::move(zone), latin1_bytes);
}

void append_java_double(double value, bool is_float32, std::string& out) {
  constexpr double kPlainFrom = 1e-3, kPlainTo = 1e7;
  double magnitude = std::fabs(value);
  bool plain = magnitude == 0 || (magnitude >= kPlainFrom && magnitude < kPlainTo);
  char text[64];
  auto form = plain ? std::chars_format::fixed : std::chars_format::scientific;
  char* end = is_float32 ? std::to_chars(text, text + sizeof text, static_cast<float>(value), form).ptr
                         : std::to_chars(text, text + sizeof text, value, form).ptr;
  std::string_view digits(text, static_cast<size_t>(end - text));
  size_t e = digits.find('e');
  std::string_view mantissa = digits.substr(0, e);
  out += mantissa;
  if (mantissa.find('.') == std::string_view::npos) out += ".0";
  if (e == std::string_view::npos) return;
  std::string_view exponent = digits.substr(e + 1);
  out += 'E';
  if (exponent[0] == '-') out += '-';
  exponent.remove_prefix(1);
  while (exponent.size() > 1 && exponent[0] == '0') exponent.remove_prefix(1);
  out += exponent;
}

}  // namespace tailrace
