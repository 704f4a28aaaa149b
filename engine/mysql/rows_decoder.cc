#include "mysql/rows_decoder.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/byte_cursor.h"
#include "event/value_text.h"
#include "mysql/compression.h"
#include "mysql/ddl_labels.h"
#include "mysql/decimal.h"
#include "mysql/json_binary.h"
#include "mysql/logged_time.h"

namespace tailrace {
namespace {

unsigned count_present(std::string_view bitmap, size_t columns) {
  unsigned n = 0;
  for (size_t i = 0; i < columns; ++i) n += static_cast<uint8_t>(bitmap[i / 8]) >> (i % 8) & 1;
  return n;
}

bool bit_at(const uint8_t* bitmap, size_t i) { return (bitmap[i / 8] >> (i % 8) & 1) != 0; }

}  // namespace

bool is_rows_event(uint8_t type) noexcept {
  auto t = static_cast<EventType>(type);
  return (t >= EventType::kWriteRowsV1 && t <= EventType::kDeleteRowsV1) || (t >= EventType::kWriteRows && t <= EventType::kDeleteRows) ||
         t == EventType::kPartialUpdateRows;
}

bool is_compressed_rows_event(uint8_t type) noexcept {
  auto t = static_cast<EventType>(type);
  return t >= EventType::kMariaWriteRowsCompressedV1 && t <= EventType::kMariaDeleteRowsCompressed;
}

Result<RowsEvent> parse_rows_event(uint8_t type, std::string_view body, const FormatDescription& format) {
  RowsEvent event;
  auto t = static_cast<EventType>(type);
  bool has_extra = false;
  switch (t) {
    case EventType::kWriteRows:
    case EventType::kUpdateRows:
    case EventType::kDeleteRows:
    case EventType::kMariaWriteRowsCompressed:
    case EventType::kMariaUpdateRowsCompressed:
    case EventType::kMariaDeleteRowsCompressed:
    case EventType::kPartialUpdateRows: has_extra = true; break;
    default: break;
  }
  switch (t) {
    case EventType::kUpdateRows:
    case EventType::kUpdateRowsV1:
    case EventType::kMariaUpdateRowsCompressed:
    case EventType::kMariaUpdateRowsCompressedV1:
    case EventType::kPartialUpdateRows:
      event.op = Op::kUpdate;
      event.partial = t == EventType::kPartialUpdateRows;
      break;
    case EventType::kDeleteRows:
    case EventType::kDeleteRowsV1:
    case EventType::kMariaDeleteRowsCompressed:
    case EventType::kMariaDeleteRowsCompressedV1: event.op = Op::kDelete; break;
    default: event.op = Op::kInsert;
  }
  event.from_mariadb = format.is_mariadb;
  ByteCursor in(body);
  event.table_id = in.le(table_id_size(format, t));
  event.flags = in.u16();
  if (has_extra) {
    uint16_t extra = in.u16();
    if (extra < 2) in.fail();
    in.skip(extra - 2U);
  }
  event.columns = in.lenenc();
  if (event.columns > 4096) in.fail();
  size_t bitmap = (event.columns + 7) / 8;
  event.present = in.bytes(bitmap);
  if (event.op == Op::kUpdate) event.present_after = in.bytes(bitmap);
  event.rows = in.rest();
  if (in.failed()) return Status(ErrorCode::kSourceCorrupt, fmt::format("malformed {} event", event_type_name(type)));
  return event;
}

struct RowsDecoder::Image {
  explicit Image(std::string_view bitmap, size_t columns)
      : present(reinterpret_cast<const uint8_t*>(bitmap.data())), count(count_present(bitmap, columns)), all(count == columns) {}
  const uint8_t* present;
  unsigned count;
  bool all;
};

bool RowsDecoder::read_text(const ColumnPlan& column, std::string_view bytes, Value& to, Arena& arena) {
  auto own = [&](Kind kind) {
    to = Value::of_text(kind, arena.copy(scratch_), static_cast<uint32_t>(scratch_.size()));
    return true;
  };
  auto text = [&](std::string_view in, bool in_place) {
    std::string_view out;
    if (!to_utf8(*column.charset, invalid_text_, in, scratch_, out)) {
      code_ = ErrorCode::kSourceText;
      problem_ = describe_invalid_text(*column.charset, in);
      return false;
    }
    bool lasts = in_place && out.data() == in.data();
    to = Value::of_text(Kind::kText, lasts ? out.data() : arena.copy(out), static_cast<uint32_t>(out.size()));
    return true;
  };
  auto size = static_cast<uint32_t>(bytes.size());
  scratch_.clear();
  switch (column.text) {
    case TextOp::kUtf8:
    case TextOp::kAscii:
    case TextOp::kConvert: return text(bytes, true);
    case TextOp::kBytes: to = Value::of_text(Kind::kBytes, bytes.data(), size); return true;
    case TextOp::kGeometry: to = Value::of_text(Kind::kGeometry, bytes.data(), size); return true;
    case TextOp::kBytesPadded: {
      if (size == column.limit) {
        to = Value::of_text(Kind::kBytes, bytes.data(), size);
        return true;
      }
      char* padded = arena.allocate_array<char>(column.limit);
      std::memset(padded, 0, column.limit);
      if (size) std::memcpy(padded, bytes.data(), size);
      to = Value::of_text(Kind::kBytes, padded, column.limit);
      return true;
    }
    case TextOp::kJson: {
      Status status = append_json_binary(bytes, scratch_);
      if (!status.ok()) {
        code_ = status.code();
        problem_ = status.detail();
        return false;
      }
      return own(Kind::kJson);
    }
    case TextOp::kInet4:
    case TextOp::kInet6:
    case TextOp::kUuid: {
      uint8_t full[16] = {};
      std::memcpy(full, bytes.data(), bytes.size() < 16 ? bytes.size() : 16);
      if (column.text == TextOp::kInet4) append_inet4(full, scratch_);
      if (column.text == TextOp::kInet6) append_inet6(full, scratch_);
      if (column.text == TextOp::kUuid) append_uuid(full, scratch_);
      return own(Kind::kText);
    }
    case TextOp::kCompressedBytes:
    case TextOp::kCompressedText: {
      if (!unpack_column(bytes, scratch_)) {
        problem_ = "a compressed value that cannot be unpacked";
        return false;
      }
      if (column.text == TextOp::kCompressedBytes) return own(Kind::kBytes);
      std::string unpacked;
      unpacked.swap(scratch_);
      return text(unpacked, false);
    }
  }
  return false;
}

// REQUIRES: column.size bytes at `at`.
bool RowsDecoder::read_fixed(const ColumnPlan& column, const uint8_t* at, Value& to, Arena& arena) {
  switch (column.op) {
    case RowOp::kInt8: to = Value::of_int(static_cast<int8_t>(*at)); return true;
    case RowOp::kInt16: to = Value::of_int(load<int16_t>(at)); return true;
    case RowOp::kInt24: to = Value::of_int(static_cast<int32_t>(load24(at) << 8) >> 8); return true;
    case RowOp::kInt32: to = Value::of_int(load<int32_t>(at)); return true;
    case RowOp::kInt64: to = Value::of_int(load<int64_t>(at)); return true;
    case RowOp::kUint8: to = Value::of_uint(*at); return true;
    case RowOp::kUint16: to = Value::of_uint(load<uint16_t>(at)); return true;
    case RowOp::kUint24: to = Value::of_uint(load24(at)); return true;
    case RowOp::kUint32: to = Value::of_uint(load<uint32_t>(at)); return true;
    case RowOp::kUint64: to = Value::of_uint(load<uint64_t>(at)); return true;
    case RowOp::kFloat: to = Value::of_float(load<float>(at)); return true;
    case RowOp::kDouble: to = Value::of_double(load<double>(at)); return true;
    case RowOp::kDecimal: {
      char text[kDecimalTextMax];
      size_t n = decimal_to_text(at, column.precision, column.scale, text);
      if (n == 0) break;
      to = Value::of_text(Kind::kDecimal, arena.copy({text, n}), static_cast<uint32_t>(n), column.scale);
      return true;
    }
    case RowOp::kYear: to = Value::of_bits(Kind::kYear, *at ? *at + 1900U : 0U); return true;
    case RowOp::kBit: to = Value::of_bits(Kind::kBit, load_be(at, column.size)); return true;
    case RowOp::kDate:
      if (!read_date(at, to)) break;
      return true;
    case RowOp::kTime2:
      if (!read_time2(column, at, to)) break;
      return true;
    case RowOp::kDateTime2:
      if (!read_datetime2(column, at, to)) break;
      return true;
    case RowOp::kTimestamp2:
      if (!read_timestamp2(column, at, to)) break;
      return true;
    case RowOp::kTime:
      if (!read_old_time(at, to)) break;
      return true;
    case RowOp::kDateTime:
      if (!read_old_datetime(at, to)) break;
      return true;
    case RowOp::kTimestamp: to = Value::of_bits(Kind::kTimestamp, uint64_t{load<uint32_t>(at)} * 1000000); return true;
    case RowOp::kEnum:
    case RowOp::kSet: {
      uint64_t value = load_le(at, column.size);
      bool is_enum = column.op == RowOp::kEnum;
      if (is_enum ? value > column.limit : column.limit < 64 && value >> column.limit != 0) {
        code_ = ErrorCode::kSchemaMismatch;
        problem_ = fmt::format("value {} has no label in the schema", value);
        return false;
      }
      to = Value::of_bits(is_enum ? Kind::kEnum : Kind::kSet, value);
      return true;
    }
    case RowOp::kPrefixed: break;
  }
  problem_ = "bytes that are no value of its type";
  return false;
}

bool RowsDecoder::labels_are_text(const Column& column, const Value& value) {
  if (invalid_text_ == InvalidText::kReplace) return true;
  bool is_enum = column.kind == Kind::kEnum;
  for (size_t i = 0; i < column.labels.size(); ++i) {
    bool used = is_enum ? value.u == i + 1 : (value.u >> i & 1) != 0;
    if (!used || !is_lost_label(column.labels[i])) continue;
    code_ = ErrorCode::kSourceText;
    problem_ = fmt::format("label number {}, whose bytes a CONVERT TO CHARACTER SET made no text ('{}')", i + 1, column.labels[i]);
    return false;
  }
  return true;
}

const uint8_t* RowsDecoder::read_image(const RowPlan& plan, const Image& image, const uint8_t* at, const uint8_t* end, Row to, Row before,
                                       Arena& arena) {
  size_t null_bytes = (image.count + 7) / 8;
  if (static_cast<size_t>(end - at) < null_bytes) return nullptr;
  const uint8_t* nulls = at;
  at += null_bytes;
  size_t logged = 0;
  size_t visible = 0;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    const ColumnPlan& column = plan.columns[i];
    column_ = i;
    Value unused;
    size_t place = visible;
    Value& value = column.hidden ? unused : to[visible++];
    if (!image.all && !bit_at(image.present, i)) {
      value = Value::absent();
      continue;
    }
    if (bit_at(nulls, logged++)) {
      value = Value::null();
      continue;
    }
    auto left = static_cast<size_t>(end - at);
    if (left < column.size) return nullptr;
    if (column.op != RowOp::kPrefixed) {
      if (!read_fixed(column, at, value, arena)) return nullptr;
      if (column.lost_labels && !column.hidden && !labels_are_text(plan.schema->columns[place], value)) return nullptr;
      at += column.size;
      continue;
    }
    size_t length = column.size == 1 ? *at : column.size == 2 ? load<uint16_t>(at) : load_le(at, column.size);
    at += column.size;
    if (length > left - column.size) return nullptr;
    if (column.limit != 0 && length > column.limit) return nullptr;
    std::string_view bytes(reinterpret_cast<const char*>(at), length);
    at += length;
    if (partial_ != PartialImage::kNone && column.text == TextOp::kJson) {
      if (partial_ == PartialImage::kBefore) {
        documents_[i] = bytes;
      } else if (is_diff_[i]) {
        if (!column.hidden && !read_diffs(bytes, before[place], value, arena)) return nullptr;
        continue;
      }
    }
    if (!read_text(column, bytes, value, arena)) return nullptr;
  }
  return at;
}

const uint8_t* RowsDecoder::skip_image(const RowPlan& plan, const Image& image, const uint8_t* at, const uint8_t* end) {
  size_t null_bytes = (image.count + 7) / 8;
  if (static_cast<size_t>(end - at) < null_bytes) return nullptr;
  const uint8_t* nulls = at;
  at += null_bytes;
  size_t logged = 0;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    column_ = i;
    if ((!image.all && !bit_at(image.present, i)) || bit_at(nulls, logged++)) continue;
    const ColumnPlan& column = plan.columns[i];
    auto left = static_cast<size_t>(end - at);
    if (left < column.size) return nullptr;
    size_t length = column.size;
    if (column.op == RowOp::kPrefixed) length += load_le(at, column.size);
    if (length > left) return nullptr;
    at += length;
  }
  return at;
}

Status RowsDecoder::failure(const RowPlan& plan, ErrorCode code, std::string detail) const {
  std::string column;
  size_t visible = 0;
  for (size_t i = 0; i < column_; ++i) visible += !plan.columns[i].hidden;
  if (visible < plan.schema->columns.size()) column = plan.schema->columns[visible].name;
  return Status(code, std::move(detail)).with("table", plan.schema->qualified_name()).with("column", column);
}

Status RowsDecoder::decode(const RowPlan& plan, const RowsEvent& event, uint32_t txn, uint64_t& ordinal, EventBatch& out) {
  if (event.columns != plan.columns.size()) {
    column_ = 0;
    return failure(plan, ErrorCode::kSourceCorrupt,
                   fmt::format("a rows event of {} columns for a table of {}", event.columns, plan.columns.size()));
  }
  auto at = reinterpret_cast<const uint8_t*>(event.rows.data());
  auto end = at + event.rows.size();
  Image first(event.present, event.columns);
  bool is_update = event.op == Op::kUpdate;
  Image second(is_update ? event.present_after : event.present, event.columns);
  size_t width = plan.schema->columns.size();
  code_ = ErrorCode::kSourceCorrupt;
  problem_.clear();
  partial_ = PartialImage::kNone;
  // A row without any bytes would never end the loop.
  if (first.count == 0 && (!is_update || second.count == 0)) {
    return failure(plan, ErrorCode::kSourceUnsupported, "a rows event whose images have no columns");
  }
  while (at != end) {
    Row row = out.new_row(width);
    if (event.partial) start_partial_row(plan);
    at = read_image(plan, first, at, end, row, Row(), out.arena);
    if (at && event.partial) at = read_partial_bits(plan, at, end);
    Row after;
    if (at && is_update) {
      after = out.new_row(width);
      at = read_image(plan, second, at, end, after, row, out.arena);
    }
    if (at && event.op == Op::kInsert && !first.all) fill_defaults(plan, row, out.arena);
    if (at && is_update && event.from_mariadb && !second.all && !complete_update(plan, event.lacking, row, after, out.arena)) {
      at = nullptr;
    }
    if (!at) return failure(plan, code_, problem_.empty() ? "a row image that does not fit its event" : problem_);
    ChangeEvent& change = out.events.emplace_back();
    change.op = event.op;
    change.txn = txn;
    change.ordinal = ordinal++;
    change.table = plan.schema.get();
    if (event.op == Op::kInsert) {
      change.after = row;
    } else {
      change.before = row;
      change.after = after;
    }
  }
  return Status();
}

Result<uint64_t> RowsDecoder::count(const RowPlan& plan, const RowsEvent& event) {
  auto at = reinterpret_cast<const uint8_t*>(event.rows.data());
  auto end = at + event.rows.size();
  if (event.columns != plan.columns.size()) {
    column_ = 0;
    return failure(plan, ErrorCode::kSourceCorrupt, "a rows event of another number of columns than its table");
  }
  Image first(event.present, event.columns);
  bool is_update = event.op == Op::kUpdate;
  Image second(is_update ? event.present_after : event.present, event.columns);
  if (first.count == 0 && (!is_update || second.count == 0)) {
    return failure(plan, ErrorCode::kSourceUnsupported, "a rows event whose images have no columns");
  }
  uint64_t rows = 0;
  while (at != end) {
    at = skip_image(plan, first, at, end);
    if (at && event.partial) at = read_partial_bits(plan, at, end);
    if (at && is_update) at = skip_image(plan, second, at, end);
    if (!at) return failure(plan, ErrorCode::kSourceCorrupt, "a row image that does not fit its event");
    ++rows;
  }
  return rows;
}

size_t RowsDecoder::decoded_bytes(const RowPlan& plan, const RowsEvent& event) {
  if (event.columns != plan.columns.size() || event.rows.empty()) return 0;
  auto begin = reinterpret_cast<const uint8_t*>(event.rows.data());
  auto end = begin + event.rows.size();
  bool is_update = event.op == Op::kUpdate;
  const uint8_t* at = skip_image(plan, Image(event.present, event.columns), begin, end);
  if (at && event.partial) at = read_partial_bits(plan, at, end);
  if (at && is_update) at = skip_image(plan, Image(event.present_after, event.columns), at, end);
  if (!at || at == begin) return 0;
  size_t rows = event.rows.size() / static_cast<size_t>(at - begin);
  return rows * (sizeof(ChangeEvent) + (is_update ? 2 : 1) * plan.schema->columns.size() * sizeof(Value));
}

void append_inet4(const uint8_t* bytes, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

// Unlike the usual form, a single zero group is shortened to "::" as well.
void append_inet6(const uint8_t* bytes, std::string& out) {
  unsigned words[8];
  for (size_t i = 0; i < 8; ++i) words[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  size_t gap = 8;
  size_t gap_length = 0;
  for (size_t i = 0; i < 8;) {
    size_t end = i;
    while (end < 8 && words[end] == 0) ++end;
    if (end - i > gap_length) {
      gap = i;
      gap_length = end - i;
    }
    i = end == i ? i + 1 : end;
  }
  bool has_inet4 = gap == 0 && (gap_length == 6 || (gap_length == 5 && words[5] == 0xFFFF));
  for (size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      out.append(i == 0 ? "::" : ":");
      i += gap_length - 1;
    } else if (i == 6 && has_inet4) {
      append_inet4(bytes + 12, out);
      return;
    } else {
      fmt::format_to(std::back_inserter(out), "{:x}", words[i]);
      if (i != 7) out.push_back(':');
    }
  }
}

void append_uuid(const uint8_t* bytes, std::string& out) {
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    fmt::format_to(std::back_inserter(out), "{:02x}", bytes[i]);
  }
}

}  // namespace tailrace
