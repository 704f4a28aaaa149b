// The Avro format: records of the DTS schema, python/tailrace/formats/record.avsc. See docs/formats.md.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "format/avro_subjects.h"
#include "format/avro_values.h"
#include "format/ddl_type.h"
#include "format/message_format.h"
#include "format/record_key.h"
#include "format/text_values.h"
#include "format/type_names.h"

namespace tailrace {
namespace {

enum class Encoding : uint8_t { kBinary, kConfluent, kPrint };
// Branches of the unions ["null", X] and ["null", "string", array], and places of the enums' symbols.
constexpr char kSome = 1 << 1, kNone = 0, kText = 1 << 1, kArray = 2 << 1, kMysql = 0;
enum Operation : int64_t { kInsert = 0, kUpdate = 1, kDelete = 2, kDdl = 3, kInit = 16 };

constexpr size_t kFrameBytes = 5;   // before a record of kConfluent: a zero byte and the schema's number
constexpr size_t kHeadBytes = 128;  // more than the numbers and positions before the images take

struct AvroOptions {
  std::string source_version;
  Encoding encoding = Encoding::kBinary;
  uint32_t schema_id = 0;                  // kConfluent, without a registry
  std::unique_ptr<AvroSubjects> subjects;  // kConfluent, with one
};

Operation operation_of(Op op) noexcept {
  switch (op) {
    case Op::kUpdate: return kUpdate;
    case Op::kDelete: return kDelete;
    case Op::kRead: return kInit;
    case Op::kTruncate:
    case Op::kSchemaChange: return kDdl;
    default: return kInsert;
  }
}
std::string_view name_of(Operation operation) noexcept {
  switch (operation) {
    case kInsert: return "INSERT";
    case kUpdate: return "UPDATE";
    case kDelete: return "DELETE";
    case kDdl: return "DDL";
    case kInit: break;
  }
  return "INIT";
}

struct Head {
  int64_t id, source_timestamp, born_ms;
  std::array<char, 24> digits;
  std::string_view position;  // seconds of the checkpoint, in `digits`
};
void fill_head(const EventMeta& meta, Op op, Head& head) {
  if (op == Op::kRead) {
    head.source_timestamp = meta.safe_point_s.value_or(meta.now_ms / 1000);
    return;
  }
  head.id = static_cast<int64_t>(meta.sequence.value_or(0));
  head.source_timestamp = meta.commit_s.value_or(0);
  head.born_ms = meta.commit_ms.value_or(0);
  if (!meta.checkpoint_s) return;
  char* end = std::to_chars(head.digits.data(), head.digits.data() + head.digits.size(), *meta.checkpoint_s).ptr;
  head.position = {head.digits.data(), static_cast<size_t>(end - head.digits.data())};
}

class AvroFormat final : public MessageFormat {
 public:
  explicit AvroFormat(AvroOptions options) : MessageFormat(true), options_(std::move(options)) {
    AvroWriter source(source_);
    source.text("");  // sourceTxid
    source.raw(kMysql);
    source.text(options_.source_version);
    source.finish();
  }

  bool wants_topics() const override { return options_.subjects && options_.subjects->by_topic(); }
  Result<bool> begin_topic(std::string_view topic, const ChangeEvent&, Record& first, const std::function<bool()>& is_over) const override {
    if (!wants_topics()) return true;
    TAILRACE_OK(options_.subjects->add_topic(topic, is_over));
    if (first.value.size() >= kFrameBytes) put_frame(first.value.data());  // it may have been written before the number was known
    return true;
  }

  Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const override {
    bool is_row = is_row_event(event);
    TAILRACE_OK(begin_record(batch, event, is_row, out));
    if (event.op == Op::kHeartbeat) {
      out.skip = true;
      out.value.clear();
      return {};
    }
    std::unique_ptr<TablePlan> own;
    const TablePlan* plan = event.table ? &plans_.find(
                                              *event.table, [this](const TableSchema& t) { return make_plan(t); }, own)
                                        : nullptr;
    return options_.encoding == Encoding::kPrint ? print(plan, batch, event, meta, out) : write_binary(plan, batch, event, meta, out);
  }

 private:
  char* put_frame(char* to) const noexcept {
    uint32_t number = options_.subjects ? options_.subjects->number() : options_.schema_id;
    *to++ = '\0';
    for (int shift = 24; shift >= 0; shift -= 8) *to++ = static_cast<char>(number >> shift);
    return to;
  }
  // metadata: objectName. types: tags and fields.
  TablePlan make_plan(const TableSchema& table) const {
    TablePlan plan = plan_columns(table);
    std::vector<uint16_t> key = named_key(table);
    std::string key_info = key.empty() ? "" : fmt::format(R"({{"PRIMARY":{}}})", json_column_names(table, key));
    if (options_.encoding == Encoding::kPrint) {
      plan.metadata = json_quoted(table.qualified_name());
      plan.types = key_info.empty() ? "{}" : fmt::format(R"({{"pk_uk_info":{}}})", json_quoted(key_info));
      plan.types += R"(,"fields":[)";
      for (size_t i = 0; i < table.columns.size(); ++i) {
        plan.types += fmt::format(R"({}{{"name":{},"dataTypeNumber":{}}})", i ? "," : "", json_quoted(table.columns[i].name),
                                  type_names(table.columns[i]).protocol);
      }
      plan.types += "]";
      return plan;
    }
    AvroWriter metadata(plan.metadata);
    metadata.raw(kSome);
    metadata.text(table.qualified_name());
    metadata.finish();
    AvroWriter types(plan.types);
    if (!key_info.empty()) {
      types.integer(1);
      types.text("pk_uk_info");
      types.text(key_info);
    }
    types.integer(0);
    types.raw(kArray);
    types.integer(static_cast<int64_t>(table.columns.size()));
    for (const Column& column : table.columns) {
      types.text(column.name);
      types.integer(type_names(column).protocol);
    }
    if (!table.columns.empty()) types.integer(0);
    types.finish();
    return plan;
  }

  Status write_binary(const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const {
    Operation operation = operation_of(event.op);
    Head head{};
    fill_head(meta, event.op, head);
    AvroWriter avro(out.value);
    // All but the images in one piece of memory.
    std::string_view object = plan ? std::string_view(plan->metadata) : std::string_view(&kNone, 1);
    char* to = avro.reserve(kHeadBytes + source_.size() + object.size());
    if (options_.encoding == Encoding::kConfluent) to = put_frame(to);
    to = put_zigzag(to, 1);  // version
    to = put_zigzag(to, head.id);
    to = put_zigzag(to, head.source_timestamp);
    for (int i = 0; i < 2; ++i) {  // sourcePosition, safeSourcePosition
      to = put_zigzag(to, static_cast<int64_t>(head.position.size()));
      to = std::copy(head.position.begin(), head.position.end(), to);
    }
    to = std::copy(source_.begin(), source_.end(), to);
    to = put_zigzag(to, operation);
    to = std::copy(object.begin(), object.end(), to);
    *to++ = kSome;  // processTimestamps, an array of one
    to = put_zigzag(to, 1);
    to = put_zigzag(to, meta.now_ms);
    to = put_zigzag(to, 0);
    avro.advance(to);
    if (operation == kDdl) {
      avro.integer(0);  // no tags
      avro.raw(kNone);
      avro.raw(kNone);
      avro.raw(kText);
      avro.text(ddl_text(event.sql));
    } else {
      avro.raw(plan->types);
      for (auto [is_there, row] :
           {std::pair(operation == kUpdate || operation == kDelete, event.before), std::pair(operation != kDelete, event.after)}) {
        avro.raw(is_there ? kArray : kNone);
        if (is_there) TAILRACE_OK(write_avro_image(avro, batch, event, row));
      }
    }
    avro.integer(head.born_ms);
    avro.finish();
    return {};
  }

  Status print(const TablePlan* plan, const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const {
    Operation operation = operation_of(event.op);
    Head head{};
    fill_head(meta, event.op, head);
    JsonWriter json(out.value);
    json.raw(fmt::format(R"({{"version":1,"id":{},"sourceTimestamp":{},"sourcePosition":"{}","safeSourcePosition":"{}",)", head.id,
                         head.source_timestamp, head.position, head.position));
    json.raw(fmt::format(R"("sourceTxid":"","source":{{"sourceType":"MySQL","version":{}}},"operation":"{}","objectName":{},)",
                         json_quoted(options_.source_version), name_of(operation), plan ? std::string_view(plan->metadata) : "null"));
    json.raw(fmt::format(R"("processTimestamps":[{}],"tags":)", meta.now_ms));
    if (operation == kDdl) {
      json.raw(R"({},"fields":null,"beforeImages":null,"afterImages":)");
      json.raw(json_quoted(ddl_text(event.sql)));
    } else {
      json.raw(plan->types);
      json.raw(R"(,"beforeImages":)");
      if (operation == kUpdate || operation == kDelete) {
        TAILRACE_OK(print_avro_image(json, batch, event, event.before));
      } else {
        json.raw("null");
      }
      json.raw(R"(,"afterImages":)");
      if (operation != kDelete) {
        TAILRACE_OK(print_avro_image(json, batch, event, event.after));
      } else {
        json.raw("null");
      }
    }
    json.raw(R"(,"bornTimestamp":)");
    json.number(head.born_ms);
    json.raw('}');
    json.finish();
    return {};
  }

  const AvroOptions options_;
  std::string source_;  // sourceTxid and source, encoded
  PlanCache plans_;
};

constexpr OptionSpec kOptions[] = {
    {"db_type", "string", "MYSQL", "kind of the source"},
    {"source_version", "string", "", "source.version; OBMySQL for an OceanBase source when empty"},
    {"encoding", "enum:binary|confluent|print", "binary", "Avro, Avro behind a schema id, or readable JSON"},
    {"schema_id", "int", "0", "encoding confluent: the schema's id in the registry"},
    {"registry", "string", "", "encoding confluent: the registry that gives the schema its id, http[s]://[user@]host:port"},
    {"registry_password", "string", "", "password of the registry's user", false, true},
    {"registry_ca", "path", "", "registry of https: certificates that its own must be signed by; those of the system when empty"},
    {"subject", "string", "", "the schema's subject in the registry, instead of one by subject_naming"},
    {"subject_naming", "enum:record_name|topic_name|topic_record_name", "record_name", "what the schema's subjects are called after"},
    {"subject_topics", "string", "",
     "subject_naming by topic: topics to register at the start, name,name; the others follow with their first record"},
};

Result<std::unique_ptr<MessageFormat>> create_avro(const Options& options) {
  TAILRACE_OK(refuse_oracle_mode("Avro", options.text("db_type")));
  AvroOptions given;
  given.source_version = options.text("source_version");
  if (given.source_version.empty() && is_oceanbase(options.text("db_type"))) given.source_version = "OBMySQL";
  const std::string& encoding = options.text("encoding");
  given.encoding = encoding == "print" ? Encoding::kPrint : encoding == "confluent" ? Encoding::kConfluent : Encoding::kBinary;
  int64_t id = options.integer("schema_id");
  if (given.encoding == Encoding::kConfluent && options.has("registry")) {
    if (id != 0) return Status(ErrorCode::kConfigBadValue, "schema_id, registry: one of both expected");
    TAILRACE_TRY(given.subjects, AvroSubjects::open(options));
  } else {
    for (std::string_view name : {"registry", "subject", "subject_topics", "registry_password", "registry_ca"}) {
      if (!options.has(name) && options.text("subject_naming") == "record_name") continue;
      return Status(ErrorCode::kConfigBadValue,
                    "registry, subject, subject_naming, subject_topics, registry_password, registry_ca: they go with encoding = confluent "
                    "and registry");
    }
    if (id < 0 || id > UINT32_MAX || (given.encoding == Encoding::kConfluent && id == 0)) {
      return Status(
          ErrorCode::kConfigBadValue,
          fmt::format("schema_id: the number that the registry gave the schema (1 … 4294967295), or `registry`, expected; got {}", id));
    }
    given.schema_id = static_cast<uint32_t>(id);
  }
  return std::unique_ptr<MessageFormat>(std::make_unique<AvroFormat>(std::move(given)));
}

}  // namespace

extern const FormatInfo tailrace_format_avro;
const FormatInfo tailrace_format_avro{"avro", "records of the DTS schema", kOptions, &create_avro};

}  // namespace tailrace
