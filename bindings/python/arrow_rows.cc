#include "python/arrow_rows.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "event/value_text.h"
#include "python/json_row.h"

namespace tailrace::python {
namespace {

constexpr int64_t kDayMicroseconds = 86'400'000'000;
constexpr unsigned kDecimal128Digits = 38;
using Int128 = __int128;

// How the values of one column become Arrow. Chosen once per column.
enum class Form : uint8_t {
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat32,
  kFloat64,
  kDecimal128,
  kDate32,
  kTimestamp,
  kInstant,
  kDuration,
  kYear,
  kBit,
  kText,
  kBinary
};

struct ColumnPlan {
  Form form;
  std::string format;
  std::string note;  // field metadata tailrace.type; "" = none
};

ColumnPlan plan_of(const Column& c) {
  const std::string& type = c.type_name;
  bool is_unsigned = c.is_unsigned || c.kind == Kind::kUint;
  switch (c.kind) {
    case Kind::kInt:
    case Kind::kUint:
      if (type == "tinyint") return is_unsigned ? ColumnPlan{Form::kUint8, "C", ""} : ColumnPlan{Form::kInt8, "c", ""};
      if (type == "smallint") return is_unsigned ? ColumnPlan{Form::kUint16, "S", ""} : ColumnPlan{Form::kInt16, "s", ""};
      if (type == "mediumint" || type == "int" || type == "integer") {
        return is_unsigned ? ColumnPlan{Form::kUint32, "I", ""} : ColumnPlan{Form::kInt32, "i", ""};
      }
      return is_unsigned ? ColumnPlan{Form::kUint64, "L", ""} : ColumnPlan{Form::kInt64, "l", ""};
    case Kind::kDouble: return type == "float" ? ColumnPlan{Form::kFloat32, "f", ""} : ColumnPlan{Form::kFloat64, "g", ""};
    case Kind::kDecimal:
      if (c.length > 0 && c.length <= kDecimal128Digits) {
        return {Form::kDecimal128, fmt::format("d:{},{}", c.length, c.scale), ""};
      }
      return {Form::kText, "u", fmt::format("decimal({},{})", c.length, c.scale)};
    case Kind::kDate: return {Form::kDate32, "tdD", ""};
    case Kind::kDateTime: return {Form::kTimestamp, "tsu:", ""};
    case Kind::kTimestamp: return {Form::kInstant, "tsu:UTC", ""};
    case Kind::kTime: return {Form::kDuration, "tDu", ""};
    case Kind::kYear: return {Form::kYear, "S", ""};
    case Kind::kBit: return {Form::kBit, "L", fmt::format("bit({})", c.length)};
    case Kind::kBytes: return {Form::kBinary, "z", ""};
    case Kind::kGeometry: return {Form::kBinary, "z", "geometry"};  // SRID and WKB, as the server stores it
    case Kind::kJson: return {Form::kText, "u", "json"};
    default: return {Form::kText, "u", ""};
  }
}

// Digits of a DECIMAL as the integer value * 10^scale; nothing when they do not fit the column.
std::optional<Int128> unscaled(std::string_view text, unsigned precision, unsigned scale) {
  bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  Int128 number = 0;
  unsigned fraction = 0, digits = 0;
  bool in_fraction = false;
  auto push = [&](int digit) {
    number = number * 10 + digit;
    if (digits > 0 || digit != 0) ++digits;
    return digits <= precision;
  };
  for (char c : text) {
    if (c == '.' && !in_fraction) {
      in_fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    if (in_fraction && ++fraction > scale) return std::nullopt;
    if (!push(c - '0')) return std::nullopt;
  }
  for (; fraction < scale; ++fraction) {
    if (!push(0)) return std::nullopt;
  }
  return negative ? -number : number;
}

template <class T, class From>
bool put_integer(ColumnBuilder& to, From value) {
  if (static_cast<From>(static_cast<T>(value)) != value) return false;
  to.fixed(static_cast<T>(value));
  return true;
}

enum class Put : uint8_t { kDone, kNoForm, kWrong };  // kNoForm: Arrow cannot say it, null and `_raw` do

Put put_signed(Form form, const Value& v, ColumnBuilder& to) {
  if (v.kind != Kind::kInt) return Put::kWrong;
  bool fits = form == Form::kInt8    ? put_integer<int8_t>(to, v.i)
              : form == Form::kInt16 ? put_integer<int16_t>(to, v.i)
              : form == Form::kInt32 ? put_integer<int32_t>(to, v.i)
                                     : put_integer<int64_t>(to, v.i);
  return fits ? Put::kDone : Put::kWrong;
}

Put put_unsigned(Form form, const Value& v, ColumnBuilder& to) {
  if (v.kind != Kind::kUint) return Put::kWrong;
  bool fits = form == Form::kUint8    ? put_integer<uint8_t>(to, v.u)
              : form == Form::kUint16 ? put_integer<uint16_t>(to, v.u)
              : form == Form::kUint32 ? put_integer<uint32_t>(to, v.u)
                                      : put_integer<uint64_t>(to, v.u);
  return fits ? Put::kDone : Put::kWrong;
}

int64_t datetime_us(uint64_t packed) {
  TimeParts t = datetime_time(packed);
  return days_from_civil(datetime_date(packed)) * kDayMicroseconds +
         (static_cast<int64_t>(t.hour) * 3600 + t.minute * 60 + t.second) * 1'000'000 + t.microsecond;
}

Put put_value(const ColumnPlan& plan, const Column& column, const Value& v, ColumnBuilder& to, std::string& scratch) {
  switch (plan.form) {
    case Form::kInt8:
    case Form::kInt16:
    case Form::kInt32:
    case Form::kInt64: return put_signed(plan.form, v, to);
    case Form::kUint8:
    case Form::kUint16:
    case Form::kUint32:
    case Form::kUint64: return put_unsigned(plan.form, v, to);
    case Form::kFloat32:
      if (v.kind != Kind::kDouble || static_cast<double>(static_cast<float>(v.d)) != v.d) return Put::kWrong;
      to.fixed(static_cast<float>(v.d));
      return Put::kDone;
    case Form::kFloat64:
      if (v.kind != Kind::kDouble) return Put::kWrong;
      to.fixed(v.d);
      return Put::kDone;
    case Form::kDecimal128: {
      if (v.kind != Kind::kDecimal) return Put::kWrong;
      auto number = unscaled(v.text(), column.length, column.scale);
      if (!number) return Put::kWrong;
      to.fixed(*number);
      return Put::kDone;
    }
    case Form::kDate32:
      if (v.kind != Kind::kDate) return Put::kWrong;
      if (!is_real_date(unpack_date(v.u))) return Put::kNoForm;
      to.fixed(static_cast<int32_t>(days_from_civil(unpack_date(v.u))));
      return Put::kDone;
    case Form::kTimestamp:
      if (v.kind != Kind::kDateTime) return Put::kWrong;
      if (!is_real_date(datetime_date(v.u))) return Put::kNoForm;
      to.fixed(datetime_us(v.u));
      return Put::kDone;
    case Form::kInstant:
      if (v.kind != Kind::kTimestamp) return Put::kWrong;
      if (v.i == 0) return Put::kNoForm;
      to.fixed(v.i);
      return Put::kDone;
    case Form::kDuration:
      if (v.kind != Kind::kTime) return Put::kWrong;
      to.fixed(v.i);
      return Put::kDone;
    case Form::kYear: return v.kind == Kind::kYear && put_integer<uint16_t>(to, v.u) ? Put::kDone : Put::kWrong;
    case Form::kBit:
      if (v.kind != Kind::kBit) return Put::kWrong;
      to.fixed(v.u);
      return Put::kDone;
    case Form::kBinary:
      if (v.kind != Kind::kBytes && v.kind != Kind::kGeometry && v.kind != Kind::kText) return Put::kWrong;
      to.text(v.text());
      return Put::kDone;
    case Form::kText:
      if (v.kind == Kind::kBytes || v.kind == Kind::kGeometry) return Put::kWrong;  // not UTF-8
      if (has_text_payload(v.kind)) {
        to.text(v.text());
      } else {
        scratch.clear();
        append_text(v, column, scratch);
        to.text(scratch);
      }
      return Put::kDone;
  }
  return Put::kWrong;
}

// The fields that say where a row comes from.
class OriginColumns {
 public:
  explicit OriginColumns(size_t rows)
      : op_("_op", "u", rows), time_("_commit_time", "tsu:UTC", rows), txn_("_txn", "u", rows), seq_("_seq", "L", rows) {}
  void add(const EventBatch& batch, const ChangeEvent& event) {
    op_.text(op_name(event.op));
    const Transaction* txn = event.txn < batch.txns.size() ? &batch.txns[event.txn] : nullptr;
    if (txn != nullptr && txn->commit_time_us != 0 && !batch.is_snapshot) {
      time_.fixed(txn->commit_time_us);
    } else {
      time_.null();
    }
    if (txn != nullptr && !batch.is_snapshot) {
      txn_.text(txn->id);
    } else {
      txn_.null();
    }
    seq_.fixed(event.ordinal);
  }
  ColumnBuilder op_, time_, txn_, seq_;
};

// `_raw`: per row the values that have no Arrow form, as (column, text); null when there are none.
class RawColumn {
 public:
  explicit RawColumn(size_t rows) : list_("_raw", "+l", rows), column_("column", "u", 0), text_("text", "u", 0) {}
  void add(const Column& column, const Value& value) {
    column_.text(column.name);
    text_.text(to_text(value, column));
    ++in_row_;
    ++items_;
  }
  void end_row() {
    if (in_row_ == 0) {
      list_.null();
    } else {
      list_.end_list(items_);
    }
    in_row_ = 0;
  }
  bool any() const noexcept { return items_ > 0; }
  Result<ArrowColumn> finish() {
    ArrowColumn item;
    item.name = "item";
    item.format = "+s";
    item.length = items_;
    TAILRACE_TRY(auto names, column_.finish());
    TAILRACE_TRY(auto texts, text_.finish());
    item.children.push_back(std::move(names));
    item.children.push_back(std::move(texts));
    TAILRACE_TRY(auto list, list_.finish());
    list.children.push_back(std::move(item));
    return list;
  }

 private:
  ColumnBuilder list_, column_, text_;
  int64_t items_ = 0, in_row_ = 0;
};

Row image_of(const ChangeEvent& event) { return event.op == Op::kDelete ? event.before : event.after; }

Status no_form(const EventBatch& batch, const ChangeEvent& event, const TableSchema& schema, size_t column) {
  const Column& c = schema.columns[column];
  std::string position = event.txn < batch.txns.size() ? batch.txns[event.txn].id : "";
  return Status(ErrorCode::kFormatValue, fmt::format("a value of {} ({}) does not fit its Arrow column", c.name, c.type_text))
      .with("table", schema.qualified_name())
      .with("key", describe_key(schema, image_of(event)))
      .with("position", std::move(position));
}

}  // namespace

Result<std::shared_ptr<const ArrowTable>> rows_to_arrow(const EventBatch& batch, const TableSchema& schema,
                                                        std::span<const ChangeEvent* const> events) {
  size_t rows = events.size(), width = schema.columns.size();
  OriginColumns origin(rows);
  std::vector<ColumnPlan> plans;
  std::vector<ColumnBuilder> builders;
  bool is_partial = false;
  for (const Column& c : schema.columns) {
    plans.push_back(plan_of(c));
    builders.emplace_back(c.name, plans.back().format, rows);
    auto& metadata = builders.back().column().metadata;
    if (!plans.back().note.empty()) metadata.emplace_back("tailrace.type", plans.back().note);
    metadata.emplace_back("mysql.type", c.type_text);
  }
  RawColumn raw(rows);
  std::string scratch;
  for (const ChangeEvent* event : events) {
    origin.add(batch, *event);
    Row row = image_of(*event);
    if (row.size() != width) return no_form(batch, *event, schema, 0);
    for (size_t i = 0; i < width; ++i) {
      if (row[i].is_absent()) is_partial = true;
      if (row[i].is_null() || row[i].is_absent()) {
        builders[i].null();
        continue;
      }
      Put put = put_value(plans[i], schema.columns[i], row[i], builders[i], scratch);
      if (put == Put::kWrong) return no_form(batch, *event, schema, i);
      if (put == Put::kNoForm) {
        builders[i].null();
        raw.add(schema.columns[i], row[i]);
      }
    }
    raw.end_row();
  }
  auto table = std::make_shared<ArrowTable>();
  table->rows = static_cast<int64_t>(rows);
  for (ColumnBuilder* b : {&origin.op_, &origin.time_, &origin.txn_, &origin.seq_}) {
    TAILRACE_TRY(auto column, b->finish());
    table->columns.push_back(std::move(column));
  }
  for (ColumnBuilder& b : builders) {
    TAILRACE_TRY(auto column, b.finish());
    table->columns.push_back(std::move(column));
  }
  if (is_partial) {
    size_t bytes = (width + 7) / 8;
    ColumnBuilder present("_present", fmt::format("w:{}", bytes), rows);
    for (const ChangeEvent* event : events) {
      std::string bits(bytes, '\0');
      Row row = image_of(*event);
      for (size_t i = 0; i < width; ++i) {
        if (!row[i].is_absent()) bits[i / 8] = static_cast<char>(bits[i / 8] | 1 << i % 8);
      }
      present.text(bits);
    }
    TAILRACE_TRY(auto column, present.finish());
    table->columns.push_back(std::move(column));
  }
  if (raw.any()) {
    TAILRACE_TRY(auto column, raw.finish());
    table->columns.push_back(std::move(column));
  }
  return std::shared_ptr<const ArrowTable>(std::move(table));
}

Result<std::shared_ptr<const ArrowTable>> cells_to_arrow(const Column& column, std::span<const Value* const> cells, bool as_text) {
  ColumnPlan plan = as_text ? ColumnPlan{Form::kText, "u", ""} : plan_of(column);
  ColumnBuilder builder(column.name, plan.format, cells.size());
  std::string scratch;
  for (const Value* cell : cells) {
    Put put = cell->is_null() ? Put::kNoForm : put_value(plan, column, *cell, builder, scratch);
    if (put == Put::kWrong) {
      std::string why = as_text ? "bytes are no text" : "a value does not fit its Arrow column";
      return Status(ErrorCode::kFormatValue, fmt::format("column `{}` ({}): {}", column.name, column.type_text, why));
    }
    if (put == Put::kNoForm) builder.null();
  }
  auto table = std::make_shared<ArrowTable>();
  table->rows = static_cast<int64_t>(cells.size());
  TAILRACE_TRY(auto made, builder.finish());
  table->columns.push_back(std::move(made));
  return std::shared_ptr<const ArrowTable>(std::move(table));
}

Result<std::shared_ptr<const ArrowTable>> changes_to_arrow(const EventBatch& batch) {
  size_t n = batch.events.size();
  OriginColumns origin(n);
  origin.op_.column().name = "op";
  origin.time_.column().name = "commit_time";
  origin.txn_.column().name = "txn";
  origin.seq_.column().name = "txn_seq";
  ColumnBuilder database("database", "u", n), name("table", "u", n), id("schema_id", "L", n), position("position", "u", n),
      key("key", "u", n), before("before", "u", n), after("after", "u", n), sql("sql", "u", n);
  std::string text;
  auto image = [&](const TableSchema* schema, Row row, const std::vector<uint16_t>* only, ColumnBuilder& to) -> Status {
    if (schema == nullptr || row.empty() || (only != nullptr && only->empty())) {
      to.null();
      return {};
    }
    text.clear();
    TAILRACE_OK(append_json_row(*schema, row, only, text));
    to.text(text);
    return {};
  };
  int64_t rows = 0;
  for (const ChangeEvent& event : batch.events) {
    if (event.op == Op::kHeartbeat) continue;
    ++rows;
    origin.add(batch, event);
    const TableSchema* schema = event.table;
    if (schema != nullptr) {
      database.text(schema->database);
      name.text(schema->table);
      id.fixed(schema->schema_id);
    } else {
      database.null();
      name.null();
      id.null();
    }
    if (batch.boundary) {
      position.text(batch.boundary->text);
    } else {
      position.null();
    }
    TAILRACE_OK(image(schema, event.after.empty() ? event.before : event.after, schema ? &schema->primary_key : nullptr, key));
    TAILRACE_OK(image(schema, event.before, nullptr, before));
    TAILRACE_OK(image(schema, event.after, nullptr, after));
    if (event.sql.empty()) {
      sql.null();
    } else {
      sql.text(event.sql);
    }
  }
  auto table = std::make_shared<ArrowTable>();
  table->rows = rows;
  for (ColumnBuilder* b :
       {&origin.op_, &database, &name, &id, &origin.time_, &origin.txn_, &origin.seq_, &position, &key, &before, &after, &sql}) {
    TAILRACE_TRY(auto column, b->finish());
    table->columns.push_back(std::move(column));
  }
  return std::shared_ptr<const ArrowTable>(std::move(table));
}

Result<std::shared_ptr<const ArrowTable>> query_to_arrow(const QueryTable& query) {
  auto table = std::make_shared<ArrowTable>();
  table->rows = static_cast<int64_t>(query.rows.size());
  for (size_t i = 0; i < query.columns.size(); ++i) {
    bool seen[5] = {};
    for (const auto& row : query.rows) seen[row[i].index()] = true;
    constexpr size_t kInteger = 1, kReal = 2, kTextCell = 3, kBlobCell = 4;
    bool integers = seen[kInteger] && !seen[kReal] && !seen[kTextCell] && !seen[kBlobCell];
    bool reals = seen[kReal] && !seen[kInteger] && !seen[kTextCell] && !seen[kBlobCell];
    bool blobs = seen[kBlobCell];
    ColumnBuilder to(query.columns[i], integers ? "l" : reals ? "g" : blobs ? "z" : "u", query.rows.size());
    for (const auto& row : query.rows) {
      const Cell& cell = row[i];
      if (auto* integer = std::get_if<int64_t>(&cell)) {
        if (integers) {
          to.fixed(*integer);
        } else {
          to.text(fmt::format("{}", *integer));
        }
      } else if (auto* real = std::get_if<double>(&cell)) {
        if (reals) {
          to.fixed(*real);
        } else {
          to.text(fmt::format("{}", *real));
        }
      } else if (auto* string = std::get_if<std::string>(&cell)) {
        to.text(*string);
      } else if (auto* blob = std::get_if<Blob>(&cell)) {
        to.text(blob->bytes);
      } else {
        to.null();
      }
    }
    TAILRACE_TRY(auto column, to.finish());
    table->columns.push_back(std::move(column));
  }
  return std::shared_ptr<const ArrowTable>(std::move(table));
}

}  // namespace tailrace::python
