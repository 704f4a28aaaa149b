#include "rule/dead_letter.h"

#include <fmt/format.h>

#include "event/value_text.h"
#include "format/json_writer.h"

namespace tailrace {
namespace {

void write_image(JsonWriter& json, std::string_view name, const TableSchema& table, Row row) {
  if (row.empty()) return;
  json.raw(",\"");
  json.raw(name);
  json.raw("\":{");
  bool first = true;
  for (size_t i = 0; i < row.size() && i < table.columns.size(); ++i) {
    if (row[i].is_absent()) continue;
    if (!first) json.raw(',');
    first = false;
    json.raw(json_quoted(table.columns[i].name));
    json.raw(':');
    bool is_bytes = row[i].kind == Kind::kBytes || row[i].kind == Kind::kGeometry;
    if (row[i].is_null()) {
      json.raw("null");
    } else if (is_bytes) {
      json.raw("{\"base64\":");
      json.base64(row[i].text());
      json.raw('}');
    } else {
      json.raw(json_quoted(to_text(row[i], table.columns[i])));
    }
  }
  json.raw('}');
}

}  // namespace

DeadLetter make_dead_letter(const Status& failure, const EventBatch& batch, const ChangeEvent& source) {
  const TableSchema& table = *source.table;
  const Transaction& txn = batch.txns[source.txn];
  DeadLetter letter;
  letter.code = error_info(failure.code()).text;
  // As the message id of the Kafka sink; rows of a copy are known by their key.
  if (!batch.is_snapshot) letter.position.text = fmt::format("{}:{}", txn.id, source.ordinal);
  letter.database = table.database;
  letter.table = table.table;
  letter.key = describe_key(table, source);
  letter.message = failure.to_string();
  JsonWriter json(letter.payload);
  json.raw(fmt::format("{{\"op\":\"{}\",\"gtid\":{},\"ordinal\":{},\"ts_us\":{},\"file\":{},\"offset\":{}", op_name(source.op),
                       batch.is_snapshot ? "null" : json_quoted(txn.id), source.ordinal, txn.commit_time_us, json_quoted(txn.file),
                       txn.end_offset));
  write_image(json, "before", table, source.before);
  write_image(json, "after", table, source.after);
  json.raw(",\"schema\":");
  json.raw(schema_to_json(table));
  json.raw('}');
  json.finish();
  return letter;
}

}  // namespace tailrace
