// The DataWorks format, version 2.0: schema, payload and extend. See docs/formats.md.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "format/ddl_type.h"
#include "format/message_format.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

std::string lower_case(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

class DataWorksFormat final : public MessageFormat {
 public:
  // `extend`: a JSON object.
  DataWorksFormat(const std::string& db_type, const std::string& db_version, const std::string& extend, bool has_marks)
      : has_marks_(has_marks),
        source_(fmt::format(R"({{"version":"2.0","schema":{{"source":{{"dbType":{},"dbVersion":{},)", json_quoted(lower_case(db_type)),
                            db_version.empty() ? "null" : json_quoted(db_version))),
        end_(fmt::format(R"(,"scn":"null"}},"extend":{}}})", extend)) {}

  bool marks_transactions() const override { return has_marks_; }
  Status write_mark(const EventMeta& meta, TransactionMark mark, Record& out) const override {
    out.skip = !has_marks_;
    out.has_key = out.tombstone = false;
    out.key.clear();
    out.value.clear();
    if (out.skip) return {};
    JsonWriter json(out.value);
    write_head(json, nullptr);
    json.raw(R"("payload":{"before":null,"after":null,"op":")");
    json.raw(mark == TransactionMark::kBegin ? "TRANSACTION_BEGIN" : "TRANSACTION_END");
    write_times(json, meta);
    json.raw(R"(},"ddl":null)");
    json.raw(end_);
    json.finish();
    return {};
  }

  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const override {
    bool is_row = is_row_event(event);
    TAILRACE_OK(begin_record(batch, event, is_row, out));
    JsonWriter json(out.value);
    if (event.op == Op::kHeartbeat) {
      json.raw(R"({"version":"2.0","payload":{"timestamp":{"eventTime":)");
      json.number(meta.now_ms);
      json.raw(R"(},"op":"HEARTBEAT"}})");
      json.finish();
      return {};
    }
    std::unique_ptr<TablePlan> own;
    const TablePlan* plan = event.table ? &plans_.find(
                                              *event.table, [this](const TableSchema& t) { return make_plan(t); }, own)
                                        : nullptr;
    write_head(json, plan, is_row);
    TextForms forms;
    forms.full_bits = event.op == Op::kRead;
    json.raw(R"("payload":{"before":)");
    TAILRACE_OK(write_image(json, plan, batch, event, forms, is_row && (event.op == Op::kUpdate || event.op == Op::kDelete), event.before));
    json.raw(R"(,"after":)");
    TAILRACE_OK(write_image(json, plan, batch, event, forms, is_row && event.op != Op::kDelete, event.after));
    json.raw(R"(,"op":")");
    json.raw(op_of(event, meta));
    write_times(json, meta);
    if (is_ddl_event(event)) {
      json.raw(R"(},"ddl":{"text":)");
      json.raw(json_quoted(ddl_text(event.sql)));
      json.raw('}');
    } else {
      json.raw(R"(},"ddl":null)");
    }
    json.raw(end_);
    json.finish();
    return {};
  }

 private:
  // Version and schema.
  void write_head(JsonWriter& json, const TablePlan* plan, bool is_row = false) const {
    if (plan) {
      json.raw(plan->metadata);
      json.raw(is_row ? std::string_view(plan->types) : R"("column":null,"pk":null},)");
    } else {
      json.raw(source_);
      json.raw(R"("dbName":null,"schema":null,"table":null},"column":null,"pk":null},)");
    }
  }
  // From the end of op on.
  static void write_times(JsonWriter& json, const EventMeta& meta) {
    json.raw(R"(","timestamp":{"eventTime":)");
    write_number_or_null(json, meta.commit_ms);
    json.raw(R"(,"systemTime":)");
    json.number(meta.now_ms);
    json.raw(R"(,"checkpointTime":)");
    write_number_or_null(json, meta.checkpoint_s);
  }
  TablePlan make_plan(const TableSchema& table) const {
    TablePlan plan = plan_columns(table);
    plan.metadata =
        fmt::format(R"({}"dbName":{},"schema":null,"table":{}}},)", source_, json_quoted(table.database), json_quoted(table.table));
    std::string columns;
    for (const Column& column : table.columns) {
      columns += fmt::format(R"({}{{"name":{},"type":{}}})", columns.empty() ? "" : ",", json_quoted(column.name),
                             json_quoted(upper_type(column)));
    }
    // A unique key counts where there is no primary key.
    plan.types = fmt::format(R"("column":[{}],"pk":{}}},)", columns, json_column_names(table, table.primary_key));
    return plan;
  }

  static Status write_image(JsonWriter& json, const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event,
                            const TextForms& forms, bool is_there, Row row) {
    if (!is_there) {
      json.raw("null");
      return {};
    }
    json.raw(R"({"data":)");
    TAILRACE_OK(write_text_image(json, *plan, batch, event, row, forms));
    json.raw('}');
    return {};
  }

  static std::string_view op_of(const ChangeEvent& event, const EventMeta& meta) {
    switch (event.op) {
      case Op::kUpdate: return "UPDATE";
      case Op::kDelete: return "DELETE";
      case Op::kTruncate:
      case Op::kSchemaChange: return canal_ddl_type(ddl_type(event, meta.ddl_type));
      default: return "INSERT";
    }
  }

  const bool has_marks_;
  const std::string source_;  // up to the database name
  const std::string end_;     // from scn
  PlanCache plans_;
};

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "schema.source.dbType, in lower case"},
    {"db_version", "string", "", "schema.source.dbVersion; null when empty"},
    {"extend", "string", "{}", "a JSON object, copied to extend"},
    {"load_fm", "string", "", "the same as extend={\"load_fm\": …}"},
    {"transaction_marks", "bool", "false", "messages TRANSACTION_BEGIN and TRANSACTION_END around the rows of a transaction"},
};

Result<std::unique_ptr<MessageFormat>> create_dataworks(const Options& options) {
  auto extend = nlohmann::ordered_json::parse(options.text("extend"), nullptr, false);
  if (!extend.is_object()) {
    return Status(ErrorCode::kConfigBadValue, fmt::format("extend: a JSON object expected, got {}", options.text("extend")));
  }
  if (options.has("load_fm")) extend["load_fm"] = options.text("load_fm");
  return std::unique_ptr<MessageFormat>(std::make_unique<DataWorksFormat>(options.text("db_type"), options.text("db_version"),
                                                                          extend.dump(), options.boolean("transaction_marks")));
}

}  // namespace

extern const FormatInfo tailrace_format_dataworks;
const FormatInfo tailrace_format_dataworks{"dataworks", "DataWorks 2.0: schema, payload, extend", kOptions, &create_dataworks};

}  // namespace tailrace
