#include "format/envelope_format.h"

#include <fmt/format.h>

#include "format/envelope_values.h"
#include "format/json_writer.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

constexpr std::string_view kKept = R"(,"__deleted":"false")";
constexpr std::string_view kDeleted = R"(,"__deleted":"true")";

std::string_view op_code(Op op) noexcept {
  switch (op) {
    case Op::kUpdate: return "u";
    case Op::kDelete: return "d";
    case Op::kHeartbeat: return "HEARTBEAT";
    default: return "c";
  }
}

}  // namespace

EnvelopeFormat::EnvelopeFormat(EnvelopeOptions options)
    : options_(std::move(options)),
      source_(fmt::format(R"(,"source":{{"version":{},"connector":{},"name":{})", json_quoted(options_.version),
                          json_quoted(options_.db_type), json_quoted(options_.name))) {}

Result<std::unique_ptr<MessageFormat>> EnvelopeFormat::create(EnvelopeOptions options) {
  TAILRACE_OK(refuse_oracle_mode("Debezium", options.db_type));
  return std::unique_ptr<MessageFormat>(std::make_unique<EnvelopeFormat>(std::move(options)));
}

TablePlan EnvelopeFormat::make_plan(const TableSchema& table) const {
  TablePlan plan = plan_columns(table);
  if (options_.shape == EnvelopeShape::kPayload) {
    plan.prologue = options_.include_schema ? R"({"schema":)" + envelope_schema(table) + R"(,"payload":)" : R"({"payload":)";
  }
  plan.metadata = fmt::format(R"({},"db":{},"table":{},"ts_ms":)", source_, json_quoted(table.database), json_quoted(table.table));
  return plan;
}

Status EnvelopeFormat::write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const {
  bool is_row = is_row_event(event);
  TAILRACE_OK(begin_record(batch, event, is_row, out));
  if (is_ddl_event(event) || (!is_row && options_.shape == EnvelopeShape::kRow)) {
    out.skip = true;
    out.value.clear();
    return {};
  }
  const TableSchema* table = is_row ? event.table : nullptr;
  std::unique_ptr<TablePlan> own;
  const TablePlan* plan = table ? &plans_.find(
                                      *table, [this](const TableSchema& t) { return make_plan(t); }, own)
                                : nullptr;
  JsonWriter json(out.value);
  if (options_.shape == EnvelopeShape::kRow) {
    bool gone = event.op == Op::kDelete;
    TAILRACE_OK(write_envelope_image(json, *plan, batch, event, gone ? event.before : event.after, gone ? kDeleted : kKept));
    json.finish();
    return {};
  }
  if (plan) {
    json.raw(plan->prologue);
  } else if (options_.shape == EnvelopeShape::kPayload) {
    json.raw(options_.include_schema ? R"({"schema":null,"payload":)" : R"({"payload":)");
  }
  TAILRACE_OK(write_payload(json, plan, batch, event, meta));
  if (options_.shape == EnvelopeShape::kPayload) json.raw('}');
  json.finish();
  return {};
}

Status EnvelopeFormat::write_payload(JsonWriter& json, const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event,
                                     const EventMeta& meta) const {
  json.raw(R"({"op":")");
  json.raw(op_code(event.op));
  json.raw('"');
  if (plan) {
    json.raw(plan->metadata);
  } else {
    json.raw(source_);
    json.raw(R"(,"db":null,"table":null,"ts_ms":)");
  }
  write_number_or_null(json, meta.commit_ms);
  if (meta.position_file.data() != nullptr) {
    json.raw(R"(,"pos":")");
    if (!json.string_body(meta.position_file)) {
      return Status(ErrorCode::kFormatValue, "the name of the log file is not valid UTF-8");
    }
    if (meta.position_offset) {
      json.raw('@');
      json.number(*meta.position_offset);
    }
    json.raw(R"("})");
  } else {
    json.raw(R"(,"pos":null})");
  }
  if (plan && (event.op == Op::kUpdate || event.op == Op::kDelete)) {
    json.raw(R"(,"before":)");
    TAILRACE_OK(write_envelope_image(json, *plan, batch, event, event.before));
  }
  if (plan && event.op != Op::kDelete) {
    json.raw(R"(,"after":)");
    TAILRACE_OK(write_envelope_image(json, *plan, batch, event, event.after));
  }
  json.raw(R"(,"ts_ms":)");
  json.number(meta.now_ms);
  json.raw('}');
  return {};
}

}  // namespace tailrace
