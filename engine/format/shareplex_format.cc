// The SharePlex format: changed columns, with the row before them as key. See docs/formats.md.
#include <fmt/format.h>

#include "format/ddl_type.h"
#include "format/message_format.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

struct SharePlexOptions {
  TimeZone zone;
  bool sequence_enabled = true;
  bool transaction_enabled = false;
};

class SharePlexFormat final : public MessageFormat {
 public:
  explicit SharePlexFormat(SharePlexOptions options) : MessageFormat(options.sequence_enabled), options_(std::move(options)) {}

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
    forms.full_bits = event.op == Op::kRead;
    JsonWriter json(out.value);
    json.raw(R"({"data":)");
    if (is_row) {
      Row row = event.op == Op::kDelete ? event.before : event.after;
      Which which = event.op == Op::kUpdate ? Which::kChanged : Which::kAll;
      TAILRACE_OK(write_text_image(json, *plan, batch, event, row, forms, which));
    } else {
      json.raw("{}");
    }
    if (is_row && event.op == Op::kUpdate) {
      json.raw(R"(,"key":)");
      TAILRACE_OK(write_text_image(json, *plan, batch, event, event.before, forms));
    }
    if (is_ddl_event(event)) {
      json.raw(R"(,"sql":{"ddl":)");
      json.raw(json_quoted(ddl_text(event.sql)));
      json.raw('}');
    }
    json.raw(R"(,"meta":{"op":")");
    json.raw(op_of(event.op));
    json.raw(R"(","time":)");
    write_time(json, meta.commit_s);
    json.raw(R"(,"posttime":)");
    write_time(json, meta.now_ms / 1000);
    TAILRACE_OK(write_place(json, plan, batch, event, out));
    TAILRACE_OK(write_order(json, event, meta));
    json.raw("}}");
    json.finish();
    return {};
  }

 private:
  static TablePlan make_plan(const TableSchema& table) {
    TablePlan plan = plan_columns(table);
    std::string name = json_quoted(table.qualified_name());
    plan.metadata = fmt::format(R"(,"table":{},"rowid":{}-)", name, std::string_view(name).substr(0, name.size() - 1));
    return plan;
  }

  static std::string_view op_of(Op op) noexcept {
    switch (op) {
      case Op::kUpdate: return "upd";
      case Op::kDelete: return "del";
      case Op::kTruncate:
      case Op::kSchemaChange: return "ddl";
      default: return "ins";
    }
  }

  void write_time(JsonWriter& json, const std::optional<int64_t>& seconds) const {
    if (!seconds) return json.raw("null");
    char* to = json.reserve(kValueChars);
    *to++ = '"';
    to = put_local(to, *seconds * 1'000'000, options_.zone, 'T');
    *to++ = '"';
    json.advance(to);
  }

  static Status write_place(JsonWriter& json, const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event, const Record& out) {
    if (!plan) {
      json.raw(R"(,"table":null,"rowid":"-")");
      return {};
    }
    json.raw(plan->metadata);
    if (out.has_key && !plan->key_names.empty()) {
      bool written;
      if (key_changes(event)) {
        std::string key;
        TAILRACE_OK(append_shown_key(event, out, key));
        written = json.string_body(key);
      } else {
        written = json.string_body(out.key);
      }
      if (!written) return unwritable(batch, event, event.table->primary_key[0], std::string(kNoText));
    }
    json.raw('"');
    return {};
  }

  // What orders the message: transaction, place in it, sequence number.
  Status write_order(JsonWriter& json, const ChangeEvent& event, const EventMeta& meta) const {
    if (is_ddl_event(event)) {
      json.raw(R"(,"trans":null,"seq":)");
      json.raw(options_.transaction_enabled ? "0" : "null");
      json.raw(R"(,"idx":"0/0","size":0,"scn":"null")");
      return {};
    }
    json.raw(R"(,"trans":)");
    if (!write_text_or_null(json, meta.tx_id)) return Status(ErrorCode::kFormatValue, "a transaction's name is not valid UTF-8");
    json.raw(R"(,"seq":)");
    if (options_.transaction_enabled && meta.tx_index) {
      json.number(*meta.tx_index);
    } else {
      json.raw("null");
    }
    if (meta.tx_index && meta.tx_size) {
      json.raw(R"(,"idx":")");
      json.number(*meta.tx_index);
      json.raw('/');
      json.number(*meta.tx_size);
      json.raw(R"(","size":)");
      json.number(*meta.tx_size);
    }
    json.raw(R"(,"scn":)");
    if (options_.sequence_enabled && meta.sequence) {
      json.raw('"');
      json.number(*meta.sequence);
      json.raw('"');
    } else {
      json.raw("null");
    }
    return {};
  }

  const SharePlexOptions options_;
  PlanCache plans_;
};

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "kind of the source; no member shows it"},
    {"time_zone", "string", "+08:00", "zone of meta.time and meta.posttime"},
    {"sequence_enabled", "bool", "true", "whether meta.scn is written"},
    {"transaction_enabled", "bool", "false", "whether meta.seq is written"},
};

Result<std::unique_ptr<MessageFormat>> create_shareplex(const Options& options) {
  SharePlexOptions given;
  TAILRACE_TRY(given.zone, TimeZone::parse(options.text("time_zone")));
  given.sequence_enabled = options.boolean("sequence_enabled");
  given.transaction_enabled = options.boolean("transaction_enabled");
  return std::unique_ptr<MessageFormat>(std::make_unique<SharePlexFormat>(std::move(given)));
}

}  // namespace

extern const FormatInfo tailrace_format_shareplex;
const FormatInfo tailrace_format_shareplex{"shareplex", "changed columns, with the row before as key", kOptions, &create_shareplex};

}  // namespace tailrace
