#include "app/described_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "app/described_values.h"
#include "app/endpoints.h"
#include "format/builtin.h"

namespace tailrace {
namespace {

using Json = nlohmann::ordered_json;

Status bad(std::string detail) { return Status(ErrorCode::kFormatChange, std::move(detail)); }

std::string nearest(std::string_view word, const std::vector<std::string>& names) {
  std::string near = nearest_name(word, names);
  return near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near);
}

const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  auto it = object.is_object() ? object.find(name) : object.end();
  return it == object.end() ? kNull : *it;
}

// Text of a member, kept in `space`; null when there is none.
Result<std::string_view> text_of(const Json& object, const char* name, std::string& space) {
  const Json& value = member(object, name);
  if (value.is_null()) return std::string_view();
  if (!value.is_string() && !value.is_number_integer()) return bad(fmt::format("{}: a text expected, got {}", name, value.dump()));
  space = value.is_string() ? value.get<std::string>() : value.dump();
  return std::string_view(space.data(), space.size());
}

template <class T>
Status number_of(const Json& object, const char* name, std::optional<T>& out) {
  const Json& value = member(object, name);
  if (value.is_null()) return {};
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  T number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return bad(fmt::format("{}: a whole number expected, got {}", name, value.dump()));
  }
  out = number;
  return {};
}

// includeSchema and include_schema are one name.
std::string snake_case(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') {
      if (!out.empty()) out += '_';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c;
    }
  }
  return out;
}

bool has_option(const FormatInfo& info, std::string_view name) {
  return std::any_of(info.options.begin(), info.options.end(), [&](const OptionSpec& spec) { return spec.name == name; });
}

// Options as the format's table names them. Options that only other formats have are left out; names that no format
// has are an error.
Result<Options> options_of(const FormatInfo& info, const Json& given, const Json& table) {
  std::map<std::string, std::string> options;
  if (!given.is_null() && !given.is_object()) return bad("options: an object expected");
  for (const auto& [name, value] : given.items()) {
    std::string option = snake_case(name);
    if (option == "extend.load_fm") option = "load_fm";
    if (value.is_null()) continue;
    if (!has_option(info, option)) {
      bool known = std::any_of(builtin_formats().begin(), builtin_formats().end(),
                               [&](const FormatInfo* other) { return has_option(*other, option); });
      if (known) continue;
      std::vector<std::string> names;
      for (const OptionSpec& spec : info.options) names.emplace_back(spec.name);
      return bad(fmt::format("option '{}' of format {}{}", name, info.name, nearest(option, names)));
    }
    options[option] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  const Json& tenant = member(table, "tenant");
  auto db_type = options.try_emplace("db_type", "OB_MYSQL").first;
  bool of_oceanbase = db_type->second.substr(0, 2) == "OB" || db_type->second.substr(0, 2) == "ob";
  if (tenant.is_string() && of_oceanbase && has_option(info, "tenant")) options.try_emplace("tenant", tenant.get<std::string>());
  if (info.name == "avro") options.try_emplace("encoding", "print");
  return Options::parse("format", info.options, options);
}

Result<Op> op_of(const Json& change) {
  static const std::map<std::string, Op> kOps = {{"insert", Op::kInsert}, {"update", Op::kUpdate},    {"delete", Op::kDelete},
                                                 {"row", Op::kRead},      {"ddl", Op::kSchemaChange}, {"heartbeat", Op::kHeartbeat}};
  const Json& given = member(change, "op");
  std::string name = given.is_string() ? given.get<std::string>() : given.dump();
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  auto it = kOps.find(name);
  if (it != kOps.end()) return it->second;
  std::vector<std::string> names;
  for (const auto& [known, op] : kOps) names.push_back(known);
  return bad(fmt::format("change.op '{}'{}; insert, update, delete, row, ddl, heartbeat, transaction_begin or transaction_end expected",
                         name, nearest(name, names)));
}

std::optional<TransactionMark> mark_of(const Json& change) {
  const Json& op = member(change, "op");
  if (op == "transaction_begin") return TransactionMark::kBegin;
  if (op == "transaction_end") return TransactionMark::kEnd;
  return std::nullopt;
}

bool is_set(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_boolean() && value.get<bool>();
}

// {"name", "mysql_type", "unsigned", "pk"}
Result<DescribedColumn> described_column(const Json& given) {
  DescribedColumn out;
  if (!member(given, "name").is_string()) return bad("table.columns: {\"name\", \"mysql_type\"} expected");
  out.name = member(given, "name");
  for (const char* key : {"type", "oracle_type", "mysql_type"}) {
    if (const Json& type = member(given, key); type.is_string()) out.type = type;
  }
  if (out.type.empty()) return bad(fmt::format("column '{}': mysql_type is missing", out.name));
  out.is_unsigned = is_set(given, "unsigned");
  out.is_key = is_set(given, "pk");
  if (member(given, "nullable").is_boolean()) out.nullable = is_set(given, "nullable");
  return out;
}

// A text, {"hex": …}, a number or null.
Result<Value> described_value(const Column& column, const Json& given, Arena& arena) {
  std::optional<Value> value;
  if (given.is_null()) return Value::null();
  if (const Json& hex = member(given, "hex"); hex.is_string()) {
    value = value_of(column, DescribedForm::kHex, hex, arena);
  } else if (given.is_string()) {
    value = value_of(column, DescribedForm::kText, given, arena);
  } else if (given.is_primitive()) {
    value = value_of(column, DescribedForm::kText, given.dump(), arena);
  }
  if (!value) return bad(fmt::format("column '{}': {} is no value of {}", column.name, given.dump(), column.type_text));
  return *value;
}

Result<SchemaRef> schema_of(const Json& table, bool oracle_mode) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  const Json& name = member(table, "name");
  if (!member(table, "db").is_string()) return bad("table.db: a text expected");
  schema->database = member(table, "db");
  if (name.is_string()) schema->table = name;
  const Json& columns = member(table, "columns");
  if (!columns.is_null() && !columns.is_array()) return bad("table.columns: an array expected");
  for (const Json& column : columns) {
    TAILRACE_TRY(DescribedColumn described, described_column(column));
    TAILRACE_TRY(Column made, column_of(described, oracle_mode));
    if (schema->find_column(made.name) >= 0) return bad(fmt::format("column '{}' is there twice", made.name));
    if (described.is_key) schema->primary_key.push_back(static_cast<uint16_t>(schema->columns.size()));
    schema->columns.push_back(std::move(made));
  }
  return SchemaRef(schema);
}

// Years 1 to 9999, so that no format's unit of time can overflow.
Status time_of(const Json& object, const char* name, int64_t units_per_second, std::optional<int64_t>& out) {
  constexpr int64_t kFirst = -62'135'596'800, kLast = 253'402'300'799;
  TAILRACE_OK(number_of(object, name, out));
  if (!out || (*out >= kFirst * units_per_second && *out <= kLast * units_per_second)) return {};
  return bad(fmt::format("{}: {} is no time between the years 1 and 9999", name, *out));
}

// What the change says besides its rows. `spaces` keeps the texts.
Status fill_meta(const Json& change, EventMeta& meta, std::deque<std::string>& spaces) {
  std::optional<int64_t> now;
  TAILRACE_OK(time_of(change, "now_ms", 1000, now));
  meta.now_ms = now.value_or(coarse_now_ms());
  TAILRACE_OK(time_of(change, "ts_s", 1, meta.commit_s));
  TAILRACE_OK(time_of(change, "ts_ms", 1000, meta.commit_ms));
  if (!meta.commit_ms && meta.commit_s) meta.commit_ms = *meta.commit_s * 1000;
  if (!meta.commit_s && meta.commit_ms) meta.commit_s = *meta.commit_ms / 1000;
  if (meta.commit_ms) meta.commit_us = *meta.commit_ms * 1000;
  TAILRACE_OK(time_of(change, "checkpoint_s", 1, meta.checkpoint_s));
  TAILRACE_OK(time_of(change, "safe_point_s", 1, meta.safe_point_s));
  TAILRACE_OK(number_of(change, "seq", meta.sequence));
  const Json& tx = member(change, "tx");
  TAILRACE_OK(number_of(tx, "index", meta.tx_index));
  TAILRACE_OK(number_of(tx, "size", meta.tx_size));
  const Json& ddl = member(change, "ddl");
  for (auto [object, name, to] : {std::tuple(&change, "unique_id", &meta.unique_id),
                                  {&change, "trans_id", &meta.trans_id},
                                  {&change, "cluster_id", &meta.cluster_name},
                                  {&change, "source_identity", &meta.source_identity},
                                  {&change, "pos", &meta.position_file},
                                  {&tx, "id", &meta.tx_id},
                                  {&ddl, "type", &meta.ddl_type}}) {
    TAILRACE_TRY(*to, text_of(*object, name, spaces.emplace_back()));
  }
  return {};
}

Status fill_row(const Json& image, const char* name, const TableSchema& table, EventBatch& batch, Row& out) {
  if (image.is_null()) return {};
  if (!image.is_object()) return bad(fmt::format("change.{}: an object expected", name));
  std::vector<std::string> names;
  for (const Column& column : table.columns) names.push_back(column.name);
  for (const auto& [key, value] : image.items()) {
    if (table.find_column(key) < 0) return bad(fmt::format("change.{}: the table has no column '{}'{}", name, key, nearest(key, names)));
  }
  out = batch.new_row(table.columns.size());
  for (size_t i = 0; i < out.size(); ++i) {
    auto it = image.find(table.columns[i].name);
    out[i] = Value::absent();
    if (it == image.end()) continue;
    auto value = described_value(table.columns[i], *it, batch.arena);
    if (!value.ok()) return std::move(value).status().with("image", name);
    out[i] = *value;
  }
  return {};
}

Result<DescribedMessage> encode_mark(const MessageFormat& format, const Json& change, TransactionMark mark) {
  EventMeta meta;
  std::deque<std::string> spaces;
  TAILRACE_OK(fill_meta(change, meta, spaces));
  Record record;
  TAILRACE_OK(format.write_mark(meta, mark, record));
  return DescribedMessage{record.skip, record.has_key, std::move(record.key), std::move(record.value)};
}

Result<DescribedMessage> encode(const Json& described) {
  const Json& wanted = member(described, "format");
  std::string name = wanted.is_string() ? wanted.get<std::string>() : "";
  const FormatInfo* info = find_format(name);
  if (!info) {
    std::vector<std::string> names;
    for (const FormatInfo* known : builtin_formats()) names.emplace_back(known->name);
    return bad(fmt::format("format '{}'{}; this build has: {}", name, nearest(name, names), fmt::join(names, ", ")));
  }
  const Json& table = member(described, "table");
  const Json& change = member(described, "change");
  if (!change.is_object()) return bad("change: an object expected");
  TAILRACE_TRY(Options options, options_of(*info, member(described, "options"), table));
  TAILRACE_TRY(auto format, info->create(options));
  if (format->wants_topics() && !options.has("subject_topics")) {
    return Status(ErrorCode::kConfigBadValue,
                  fmt::format("subject_naming = {}: subject_topics = name,name expected, since a described change has "
                              "no topic",
                              options.text("subject_naming")));
  }
  if (auto mark = mark_of(change)) return encode_mark(*format, change, *mark);
  ChangeEvent event;
  TAILRACE_TRY(event.op, op_of(change));

  EventBatch batch;
  batch.is_snapshot = event.op == Op::kRead;
  SchemaRef schema;
  bool is_row = event.op != Op::kHeartbeat && event.op != Op::kSchemaChange;
  if (is_row || !member(table, "db").is_null()) {
    const std::string& db_type = options.text("db_type");
    bool oracle_mode = db_type.find("ORACLE") != std::string::npos || db_type.find("oracle") != std::string::npos;
    TAILRACE_TRY(schema, schema_of(table, oracle_mode));
    event.table = batch.keep(schema);
  }
  if (is_row) {
    if (schema->columns.empty()) return bad("table.columns: a change of rows needs columns");
    TAILRACE_OK(fill_row(member(change, "before"), "before", *schema, batch, event.before));
    TAILRACE_OK(fill_row(member(change, "after"), "after", *schema, batch, event.after));
    bool needs_before = event.op == Op::kUpdate || event.op == Op::kDelete;
    if (needs_before && event.before.empty()) return bad("change.before is missing");
    if (event.op != Op::kDelete && event.after.empty()) return bad("change.after is missing");
    if (!needs_before) event.before = {};
    if (event.op == Op::kDelete) event.after = {};
  }
  if (event.op == Op::kSchemaChange) {
    const Json& text = member(member(change, "ddl"), "text");
    if (!text.is_string()) return bad("change.ddl.text: a text expected");
    const std::string& sql = text.get_ref<const std::string&>();
    event.sql = {batch.arena.copy(sql), sql.size()};
  }
  EventMeta meta;
  std::deque<std::string> spaces;
  TAILRACE_OK(fill_meta(change, meta, spaces));
  batch.events.push_back(event);
  Record record;
  TAILRACE_OK(format->write(batch, batch.events.front(), meta, record));
  return DescribedMessage{record.skip, record.has_key, std::move(record.key), std::move(record.value)};
}

}  // namespace

Result<DescribedMessage> encode_described(std::string_view change) {
  Json described = Json::parse(change, nullptr, false);
  if (!described.is_object()) return bad("it is no JSON object");
  Result<DescribedMessage> made = encode(described);
  if (made.ok()) return made;
  const Json& id = member(described, "id");
  return id.is_string() ? std::move(made).status().with("case", id.get<std::string>()) : std::move(made).status();
}

}  // namespace tailrace
