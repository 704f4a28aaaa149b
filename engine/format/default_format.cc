#include "format/default_format.h"

#include <fmt/format.h>

#include <array>

#include "event/value_text.h"
#include "format/ddl_type.h"
#include "format/json_writer.h"
#include "format/record_key.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

constexpr std::string_view kNoText = "is not valid UTF-8";

void put_text_value(JsonWriter& json, const Value& value) {
  char* to = json.reserve(kValueChars);
  *to++ = '"';
  switch (value.kind) {
    case Kind::kDate: to = put_date(to, unpack_date(value.u)); break;
    case Kind::kTime: to = put_time(to, value.i, value.scale); break;
    case Kind::kDateTime: to = put_datetime(to, value.u, value.scale); break;
    default: to = put_epoch(to, value.i); break;
  }
  *to++ = '"';
  json.advance(to);
}

// What is wrong with the value, or "".
std::string_view write_value(JsonWriter& json, const Column& column, const Value& value, bool full_bits) {
  switch (value.kind) {
    case Kind::kAbsent:
    case Kind::kNull: json.raw("null"); return {};
    case Kind::kInt: json.number(value.i); return {};
    case Kind::kUint:
    case Kind::kYear: json.number(value.u); return {};
    case Kind::kDouble: return json.number(value.d, value.flags & kFloat32) ? "" : "is not a finite number";
    case Kind::kDecimal: json.raw(value.text()); return {};
    case Kind::kText:
    case Kind::kJson: return json.string(value.text()) ? std::string_view() : kNoText;
    case Kind::kBytes:
    case Kind::kGeometry: json.base64(value.text()); return {};
    case Kind::kDate:
    case Kind::kTime:
    case Kind::kDateTime:
    case Kind::kTimestamp: put_text_value(json, value); return {};
    case Kind::kBit: {
      std::array<char, 8> space;
      json.base64(bit_bytes(value.u, column.length, full_bits, space));
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

[[nodiscard]] bool write_text_or_null(JsonWriter& json, std::string_view member, std::string_view text) {
  json.raw(member);
  if (text.data() != nullptr) return json.string(text);
  json.raw("null");
  return true;
}
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
    std::string_view wrong = write_value(json, columns[i], row[i], event.op == Op::kRead);
    if (!wrong.empty()) return unwritable(batch, event, i, std::string(wrong));
  }
  json.raw('}');
  return {};
}

}  // namespace

DefaultFormat::DefaultFormat(DefaultFormatOptions options)
    : options_(std::move(options)), db_type_(json_quoted(options_.db_type)) {}

TablePlan DefaultFormat::make_plan(const TableSchema& table) const {
  TablePlan plan = plan_columns(table);
  std::string database = options_.tenant.empty() ? table.database : options_.tenant + "." + table.database;
  plan.metadata = fmt::format(R"(,"dbType":{},"db":{},"table_name":{},"record_primary_key":)", db_type_,
                              json_quoted(database), json_quoted(table.table));
  return plan;
}

Status DefaultFormat::encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const {
  EventMeta meta = meta_of(batch, event);
  meta.now_ms = coarse_now_ms();
  if (options_.sequence_enabled && meta.commit_s && event.table) meta.sequence = sequence_.next(meta.now_ms);
  if (!options_.source_identity.empty()) meta.source_identity = options_.source_identity;
  return write(batch, event, meta, out);
}

Status DefaultFormat::write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const {
  out.key.clear();
  out.has_key = false;
  out.skip = false;
  bool is_ddl = event.op == Op::kSchemaChange || event.op == Op::kTruncate;
  bool is_row = event.table && !is_ddl && event.op != Op::kHeartbeat;
  const TableSchema* table = event.table;
  std::unique_ptr<TablePlan> own;
  const TablePlan* plan =
      table ? &plans_.find(*table, [this](const TableSchema& t) { return make_plan(t); }, own) : nullptr;
  if (is_row && !table->primary_key.empty()) {
    out.has_key = true;
    Status keyed = append_key(*table, routing_row(event), out.key);
    if (!keyed.ok() && event.txn < batch.txns.size()) return std::move(keyed).with("position", batch.txns[event.txn].id);
    TAILRACE_OK(keyed);
  }

  JsonWriter json(out.value);
  json.raw(R"({"prevStruct":)");
  if (is_row && (event.op == Op::kUpdate || event.op == Op::kDelete)) {
    TAILRACE_OK(write_image(json, *plan, batch, event, event.before));
  } else {
    json.raw("null");
  }
  json.raw(R"(,"postStruct":)");
  if (is_ddl) {
    json.raw(R"({"ddl":)");
    json.raw(json_quoted(ddl_text(event.sql)));
    json.raw('}');
  } else if (is_row && event.op != Op::kDelete) {
    TAILRACE_OK(write_image(json, *plan, batch, event, event.after));
  } else {
    json.raw("null");
  }

  write_seconds(json, R"(,"allMetaData":{"checkpoint":)", meta.checkpoint_s);
  if (plan) {
    json.raw(plan->metadata);
  } else {
    json.raw(R"(,"dbType":)");
    json.raw(db_type_);
    json.raw(R"(,"db":null,"table_name":null,"record_primary_key":)");
  }
  if (!out.has_key) {
    json.raw(R"(null,"record_primary_value":null)");
  } else {
    if (!json.string(plan->key_names)) return unwritable(batch, event, table->primary_key[0], "has a name that is not UTF-8");
    json.raw(R"(,"record_primary_value":)");
    bool written;
    if (key_changes(event)) {
      // The image after it, with the parts that it leaves out taken from before.
      std::vector<Value> merged(event.after.begin(), event.after.end());
      for (size_t at : table->primary_key) {
        if (merged[at].is_absent()) merged[at] = event.before[at];
      }
      std::string key;
      TAILRACE_OK(append_key(*table, merged, key));
      written = json.string(key);
    } else {
      written = json.string(out.key);
    }
    if (!written) return unwritable(batch, event, table->primary_key[0], std::string(kNoText));
  }
  bool identified = write_text_or_null(json, R"(,"source_identity":)", meta.source_identity);
  json.raw(R"(,"storeDataSequence":)");
  if (meta.sequence) {
    json.number(*meta.sequence);
  } else {
    json.raw("null");
  }
  write_seconds(json, R"(,"timestamp":)", meta.commit_s);
  identified = identified && write_text_or_null(json, R"(,"uniqueId":)", meta.unique_id) &&
               write_text_or_null(json, R"(,"transId":)", meta.trans_id);
  if (!identified) return Status(ErrorCode::kFormatValue, "a transaction or source name is not valid UTF-8");
  json.raw(R"(,"clusterId":)");
  if (meta.cluster_id) {
    json.raw('"');
    json.number(*meta.cluster_id);
    json.raw('"');
  } else {
    json.raw("null");
  }
  if (is_ddl) {
    json.raw(R"(,"ddlType":)");
    json.raw(json_quoted(event.op == Op::kTruncate ? std::string("TRUNCATE_TABLE") : ddl_type(event.sql)));
  }
  json.raw(R"(},"recordType":")");
  json.raw(record_type(event.op));
  json.raw("\"}");
  json.finish();
  return {};
}

namespace {

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "dbType of the metadata"},
    {"tenant", "string", "", "put before the database name, as tenant.database"},
    {"source_identity", "string", "", "source_identity of the metadata; null when empty"},
    {"sequence_enabled", "bool", "true", "whether storeDataSequence is written"},
};

Result<std::unique_ptr<Serializer>> create_default(const Options& options) {
  DefaultFormatOptions given;
  given.db_type = options.text("db_type");
  given.tenant = options.text("tenant");
  given.source_identity = options.text("source_identity");
  given.sequence_enabled = options.boolean("sequence_enabled");
  return std::unique_ptr<Serializer>(std::make_unique<DefaultFormat>(std::move(given)));
}

}  // namespace

extern const FormatInfo tailrace_format_default;
const FormatInfo tailrace_format_default{"default", "full images before and after, with metadata", kOptions, &create_default};

}  // namespace tailrace
