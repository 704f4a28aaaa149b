#include "format/record_key.h"

#include <fmt/format.h>

#include <array>

#include "event/value_text.h"
#include "format/json_writer.h"
#include "format/value_chars.h"

namespace tailrace {
namespace {

Status key_error(const TableSchema& table, const Column& column, std::string_view why) {
  return Status(ErrorCode::kFormatValue, fmt::format("key column '{}' {}", column.name, why)).with("table", table.qualified_name());
}

void append_base64(std::string_view bytes, std::string& out) {
  size_t at = out.size();
  out.resize(at + base64_size(bytes.size()));
  put_base64(out.data() + at, bytes);
}

Status append_key_value(const TableSchema& table, const Column& column, const Value& value, std::string& out) {
  std::array<char, kValueChars> space;
  char* to = space.data();
  switch (value.kind) {
    case Kind::kAbsent: return key_error(table, column, "is not in the row image");
    case Kind::kNull: out += "null"; return {};
    case Kind::kInt: to = std::to_chars(to, to + 24, value.i).ptr; break;
    case Kind::kUint:
    case Kind::kYear: to = std::to_chars(to, to + 24, value.u).ptr; break;
    case Kind::kTime: to = put_time(to, value.i, value.scale); break;
    case Kind::kDateTime: to = put_datetime(to, value.u, value.scale); break;
    case Kind::kDate: to = put_date(to, unpack_date(value.u)); break;
    case Kind::kTimestamp: to = put_epoch(to, value.i); break;
    case Kind::kText:
    case Kind::kJson:
    case Kind::kDecimal: out += value.text(); return {};
    case Kind::kBytes:
    case Kind::kGeometry: append_base64(value.text(), out); return {};
    case Kind::kBit: {
      std::array<char, 8> bytes;
      append_base64(bit_bytes(value.u, column.length, false, bytes), out);
      return {};
    }
    case Kind::kDouble:
    case Kind::kEnum:
    case Kind::kSet: append_text(value, column, out); return {};
  }
  out.append(space.data(), static_cast<size_t>(to - space.data()));
  return {};
}

}  // namespace

Status append_key(const TableSchema& table, Row row, std::string& out) {
  for (size_t i = 0; i < table.primary_key.size(); ++i) {
    size_t at = table.primary_key[i];
    if (i) out.push_back('\x01');
    if (at >= row.size()) return key_error(table, table.columns[at], "is not in the row image");
    TAILRACE_OK(append_key_value(table, table.columns[at], row[at], out));
  }
  return {};
}

Row routing_row(const ChangeEvent& event) noexcept {
  bool has_before = event.op == Op::kUpdate || event.op == Op::kDelete;
  return has_before && !event.before.empty() ? event.before : event.after;
}

bool key_changes(const ChangeEvent& event) noexcept {
  if (event.op != Op::kUpdate || event.before.empty() || event.after.empty()) return false;
  for (size_t at : event.table->primary_key) {
    if (!event.after[at].is_absent() && !identical(event.before[at], event.after[at])) return true;
  }
  return false;
}

bool is_ddl_event(const ChangeEvent& event) noexcept { return event.op == Op::kSchemaChange || event.op == Op::kTruncate; }
bool is_row_event(const ChangeEvent& event) noexcept { return event.table && !is_ddl_event(event) && event.op != Op::kHeartbeat; }

Status begin_record(const EventBatch& batch, const ChangeEvent& event, bool is_row, Record& out) {
  out.key.clear();
  out.has_key = is_row && !event.table->primary_key.empty();
  out.skip = false;
  out.tombstone = false;
  if (!out.has_key) return {};
  Status keyed = append_key(*event.table, routing_row(event), out.key);
  if (!keyed.ok() && event.txn < batch.txns.size()) return std::move(keyed).with("position", batch.txns[event.txn].id);
  return keyed;
}

Status append_shown_key(const ChangeEvent& event, const Record& out, std::string& text) {
  if (!key_changes(event)) {
    text += out.key;
    return {};
  }
  std::vector<Value> merged(event.after.begin(), event.after.end());
  for (size_t at : event.table->primary_key) {
    if (merged[at].is_absent()) merged[at] = event.before[at];
  }
  return append_key(*event.table, merged, text);
}

Status unwritable(const EventBatch& batch, const ChangeEvent& event, size_t column, std::string why) {
  const TableSchema& table = *event.table;
  Status status = Status(ErrorCode::kFormatValue, fmt::format("column '{}' {}", table.columns[column].name, why))
                      .with("table", table.qualified_name())
                      .with("key", describe_key(table, routing_row(event)));
  if (event.txn >= batch.txns.size()) return status;
  return std::move(status).with("position", fmt::format("{}:{}", batch.txns[event.txn].id, event.ordinal));
}

}  // namespace tailrace
