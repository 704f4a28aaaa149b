#include "rulekit/letter_events.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "event/schema.h"
#include "rule/value_write.h"

namespace tailrace {
namespace {

using nlohmann::json;

Status bad(size_t number, const std::string& why) {
  return Status(ErrorCode::kRuleCase, fmt::format("dead letter {} of those given: {}", number + 1, why));
}

bool decode_base64(const std::string& text, std::string& out) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t bits = 0;
  int have = 0;
  for (char c : text) {
    if (c == '=') break;
    size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out.push_back(static_cast<char>(bits >> have & 0xFF));
  }
  return true;
}

// Columns that the letter leaves out were not in the image.
Status read_image(const json& image, const TableSchema& table, EventBatch& batch, size_t number, Row& out) {
  out = batch.new_row(table.columns.size());
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    out[i] = Value::absent();
    auto given = image.find(column.name);
    if (given == image.end()) continue;
    out[i] = Value::null();
    if (given->is_null()) continue;
    std::string text;
    bool is_read = given->is_string();
    if (is_read) text = given->get<std::string>();
    else if (given->is_object() && given->contains("base64")) is_read = decode_base64(given->at("base64").get<std::string>(), text);
    WriteFault fault = is_read ? write_any_text(out[i], column, text, batch.arena) : WriteFault::kForm;
    if (fault != WriteFault::kNone) return bad(number, fmt::format("column `{}`: {}", column.name, describe_fault(fault, column)));
  }
  return {};
}

Result<Op> op_of(const std::string& name, size_t number) {
  for (Op op : {Op::kInsert, Op::kUpdate, Op::kDelete, Op::kRead}) {
    if (op_name(op) == name) return op;
  }
  return bad(number, fmt::format("it is no row but `{}`", name));
}

Status read_letter(const json& letter, size_t number, EventBatch& batch) {
  TAILRACE_TRY(SchemaRef schema, schema_from_json(letter.at("schema").dump()));
  Transaction txn;
  const json& gtid = letter.at("gtid");
  txn.id = gtid.is_string() ? gtid.get<std::string>() : "";
  txn.commit_time_us = letter.at("ts_us").get<int64_t>();
  txn.file = letter.at("file").get<std::string>();
  txn.end_offset = letter.at("offset").get<uint64_t>();
  txn.begins_here = txn.ends_here = true;
  batch.txns.push_back(std::move(txn));
  ChangeEvent event;
  TAILRACE_TRY(event.op, op_of(letter.at("op").get<std::string>(), number));
  event.txn = static_cast<uint32_t>(batch.txns.size() - 1);
  event.ordinal = letter.at("ordinal").get<uint64_t>();
  event.table = batch.keep(schema);
  if (letter.contains("before")) TAILRACE_OK(read_image(letter.at("before"), *schema, batch, number, event.before));
  if (letter.contains("after")) TAILRACE_OK(read_image(letter.at("after"), *schema, batch, number, event.after));
  batch.events.push_back(event);
  return {};
}

}  // namespace

Result<std::shared_ptr<const EventBatch>> read_letters(const std::vector<std::string>& payloads) {
  auto batch = std::make_shared<EventBatch>();
  for (size_t i = 0; i < payloads.size(); ++i) {
    try {
      TAILRACE_OK(read_letter(json::parse(payloads[i]), i, *batch));
    } catch (const json::exception& error) {
      return bad(i, error.what());
    }
  }
  return std::shared_ptr<const EventBatch>(std::move(batch));
}

}  // namespace tailrace
