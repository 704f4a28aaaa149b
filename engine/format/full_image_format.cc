#include "format/full_image_format.h"

#include <fmt/format.h>

#include "format/ddl_type.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

constexpr std::string_view kDdlTypes = R"(,"__light_type":{"ddl":{"schemaType":"VAR_STRING"}}})";

void write_seconds(JsonWriter& json, std::string_view member, const std::optional<int64_t>& seconds) {
  json.raw(member);
  if (!seconds) return json.raw("null");
  json.raw('"');
  json.number(*seconds);
  json.raw('"');
}

std::string_view record_type(Op op) noexcept {
  switch (op) {
    case Op::kInsert: return "INSERT";
    case Op::kUpdate: return "UPDATE";
    case Op::kDelete: return "DELETE";
    case Op::kRead: return "ROW";
    case Op::kTruncate:
    case Op::kSchemaChange: return "DDL";
    case Op::kHeartbeat: return "HEARTBEAT";
  }
  return "";
}

std::string light_types(const TableSchema& table) {
  std::string out = R"(,"__light_type":{)";
  for (size_t i = 0; i < table.columns.size(); ++i) {
    out += fmt::format(R"({}{}:{{"schemaType":{}}})", i ? "," : "", json_quoted(table.columns[i].name),
                       json_quoted(upper_type(table.columns[i])));
  }
  return out + "}";
}

}  // namespace

FullImageFormat::FullImageFormat(FullImageOptions options)
    : MessageFormat(options.sequence_enabled), options_(std::move(options)), db_type_(json_quoted(options_.db_type)) {}

Result<std::unique_ptr<MessageFormat>> FullImageFormat::create(const Options& options, bool column_types) {
  FullImageOptions given;
  given.db_type = options.text("db_type");
  given.tenant = options.text("tenant");
  given.source_identity = options.text("source_identity");
  given.sequence_enabled = options.boolean("sequence_enabled");
  given.column_types = column_types;
  return std::unique_ptr<MessageFormat>(std::make_unique<FullImageFormat>(std::move(given)));
}

TablePlan FullImageFormat::make_plan(const TableSchema& table) const {
  TablePlan plan = plan_columns(table);
  std::string database = options_.tenant.empty() ? table.database : options_.tenant + "." + table.database;
  plan.metadata = fmt::format(R"(,"dbType":{},"db":{},"table_name":{},"record_primary_key":)", db_type_, json_quoted(database),
                              json_quoted(table.table));
  if (options_.column_types) plan.types = light_types(table);
  return plan;
}

Status FullImageFormat::write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const {
  bool is_row = is_row_event(event);
  const TableSchema* table = event.table;
  std::unique_ptr<TablePlan> own;
  const TablePlan* plan = table ? &plans_.find(
                                      *table, [this](const TableSchema& t) { return make_plan(t); }, own)
                                : nullptr;
  TAILRACE_OK(begin_record(batch, event, is_row, out));
  TextForms forms;
  forms.full_bits = event.op == Op::kRead;

  JsonWriter json(out.value);
  json.raw(R"({"prevStruct":)");
  if (is_row && (event.op == Op::kUpdate || event.op == Op::kDelete)) {
    TAILRACE_OK(write_text_image(json, *plan, batch, event, event.before, forms, Which::kAll, plan->types));
  } else {
    json.raw("null");
  }
  json.raw(R"(,"postStruct":)");
  if (is_ddl_event(event)) {
    json.raw(R"({"ddl":)");
    json.raw(json_quoted(ddl_text(event.sql)));
    json.raw(options_.column_types ? kDdlTypes : "}");
  } else if (is_row && event.op != Op::kDelete) {
    TAILRACE_OK(write_text_image(json, *plan, batch, event, event.after, forms, Which::kAll, plan->types));
  } else {
    json.raw("null");
  }
  TAILRACE_OK(write_metadata(json, plan, batch, event, meta, out));
  json.raw(R"(},"recordType":")");
  json.raw(record_type(event.op));
  json.raw("\"}");
  json.finish();
  return {};
}

Status FullImageFormat::write_metadata(JsonWriter& json, const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event,
                                       const EventMeta& meta, const Record& out) const {
  write_seconds(json, R"(,"allMetaData":{"checkpoint":)", meta.checkpoint_s);
  if (plan) {
    json.raw(plan->metadata);
  } else {
    json.raw(R"(,"dbType":)");
    json.raw(db_type_);
    json.raw(R"(,"db":null,"table_name":null,"record_primary_key":)");
  }
  if (!out.has_key || plan->key_names.empty()) {
    json.raw(R"(null,"record_primary_value":null)");
  } else {
    size_t key_column = event.table->primary_key[0];
    if (!json.string(plan->key_names)) return unwritable(batch, event, key_column, "has a name that is not UTF-8");
    json.raw(R"(,"record_primary_value":)");
    bool written;
    if (key_changes(event)) {
      std::string key;
      TAILRACE_OK(append_shown_key(event, out, key));
      written = json.string(key);
    } else {
      written = json.string(out.key);
    }
    if (!written) return unwritable(batch, event, key_column, std::string(kNoText));
  }
  json.raw(R"(,"source_identity":)");
  bool own_identity = meta.source_identity.data() == nullptr && !options_.source_identity.empty();
  bool is_text = write_text_or_null(json, own_identity ? std::string_view(options_.source_identity) : meta.source_identity);
  json.raw(R"(,"storeDataSequence":)");
  if (meta.sequence && options_.sequence_enabled && is_row_event(event) && event.op != Op::kRead) {
    json.number(*meta.sequence);
  } else {
    json.raw("null");
  }
  write_seconds(json, R"(,"timestamp":)", meta.commit_s);
  json.raw(R"(,"uniqueId":)");
  is_text = write_text_or_null(json, meta.unique_id) && is_text;
  json.raw(R"(,"transId":)");
  is_text = write_text_or_null(json, meta.trans_id) && is_text;
  json.raw(R"(,"clusterId":)");
  if (meta.cluster_name.data() != nullptr) {
    is_text = json.string(meta.cluster_name) && is_text;
  } else if (meta.cluster_id) {
    json.raw('"');
    json.number(*meta.cluster_id);
    json.raw('"');
  } else {
    json.raw("null");
  }
  if (!is_text) return Status(ErrorCode::kFormatValue, "a transaction or source name is not valid UTF-8");
  if (is_ddl_event(event)) {
    json.raw(R"(,"ddlType":)");
    json.raw(json_quoted(ddl_type(event, meta.ddl_type)));
  }
  return {};
}

}  // namespace tailrace
