// The Canal format. See docs/formats.md.
#include <fmt/format.h>

#include "format/canal_upstream.h"
#include "format/ddl_type.h"
#include "format/message_format.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

struct CanalOptions {
  TimeZone zone;
  bool latin1_bytes = true;
};

class CanalFormat final : public MessageFormat {
 public:
  explicit CanalFormat(CanalOptions options) : options_(std::move(options)) {}

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
    TextForms forms;
    forms.latin1_bytes = options_.latin1_bytes;
    forms.bits_as_number = true;
    forms.zone = &options_.zone;
    JsonWriter json(out.value);
    json.raw(plan ? std::string_view(plan->metadata) : R"({"database":null,"table":null)");
    json.raw(is_row ? std::string_view(plan->types) : R"(,"pkNames":null,"sqlType":null,"mysqlType":null,"isDdl":true,"sql":)");
    if (!is_row) json.raw(json_quoted(ddl_text(event.sql)));
    json.raw(R"(,"type":")");
    json.raw(type_of(event, meta));
    json.raw(R"(","es":)");
    write_number_or_null(json, meta.commit_ms);
    json.raw(R"(,"ts":)");
    json.number(meta.now_ms);
    if (!is_row) {
      json.raw(R"(,"data":null,"old":null})");
      json.finish();
      return {};
    }
    json.raw(R"(,"data":[)");
    TAILRACE_OK(write_text_image(json, *plan, batch, event, event.op == Op::kDelete ? event.before : event.after, forms));
    if (event.op == Op::kUpdate) {
      json.raw(R"(],"old":[)");
      TAILRACE_OK(write_text_image(json, *plan, batch, event, event.before, forms, Which::kChanged));
      json.raw("]}");
    } else {
      json.raw(R"(],"old":null})");
    }
    json.finish();
    return {};
  }

 private:
  static TablePlan make_plan(const TableSchema& table) {
    TablePlan plan = plan_columns(table);
    plan.metadata = fmt::format(R"({{"database":{},"table":{})", json_quoted(table.database), json_quoted(table.table));
    std::string sql_types, mysql_types;
    for (const Column& column : table.columns) {
      std::string_view comma = sql_types.empty() ? "" : ",";
      std::string name = json_quoted(column.name);
      sql_types += fmt::format("{}{}:{}", comma, name, type_names(column).java_sql);
      mysql_types += fmt::format("{}{}:{}", comma, name, json_quoted(lower_type(column)));
    }
    plan.types = fmt::format(R"(,"pkNames":{},"sqlType":{{{}}},"mysqlType":{{{}}},"isDdl":false,"sql":"")",
                             json_column_names(table, named_key(table)), sql_types, mysql_types);
    return plan;
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

  const CanalOptions options_;
  PlanCache plans_;
};

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "kind of the source; no member shows it"},
    {"bytes_encoding", "enum:latin1|base64", "latin1", "binary values: one code point per byte, or Base64"},
    {"time_zone", "string", "+08:00", "zone of TIMESTAMP values"},
    {"flavor", "enum:oms|upstream", "oms", "upstream: what Canal itself sends as flat messages"},
};

Result<std::unique_ptr<MessageFormat>> create_canal(const Options& options) {
  CanalOptions given;
  TAILRACE_TRY(given.zone, TimeZone::parse(options.text("time_zone")));
  given.latin1_bytes = options.text("bytes_encoding") == "latin1";
  if (options.text("flavor") == "upstream") return make_canal_upstream(std::move(given.zone), given.latin1_bytes);
  return std::unique_ptr<MessageFormat>(std::make_unique<CanalFormat>(std::move(given)));
}

}  // namespace

extern const FormatInfo tailrace_format_canal;
const FormatInfo tailrace_format_canal{"canal", "row after the change and what changed, in arrays", kOptions, &create_canal};

}  // namespace tailrace
