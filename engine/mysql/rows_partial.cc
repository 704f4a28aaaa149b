// RowsDecoder, second part: images that lack columns, and PARTIAL_UPDATE_ROWS. There, between the images of a row stand
// its value options and, with PARTIAL_JSON among them, one bit per JSON column of the table: is it a diff in the after
// image?
#include <fmt/format.h>

#include "base/byte_cursor.h"
#include "mysql/json_diff.h"
#include "mysql/rows_decoder.h"

namespace tailrace {

void RowsDecoder::fill_defaults(const RowPlan& plan, Row row, Arena& arena) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (!row[i].is_absent()) continue;
    row[i] = plan.defaults[i];
    if (has_text_payload(row[i].kind)) row[i].p = arena.copy(row[i].text());
  }
}

// MySQL logs a generated column whenever it changes. MariaDB leaves virtual ones out, changed or not: their absence does
// not say that they stayed as they were.
bool RowsDecoder::check_generated(const RowPlan& plan, Row after) {
  size_t visible = 0;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    if (plan.columns[i].hidden) continue;
    if (after[visible].is_absent() && plan.schema->columns[visible].generated) {
      column_ = i;
      code_ = ErrorCode::kSourceImage;
      problem_ = "an update was logged without the virtual column, which it may have changed";
      return false;
    }
    ++visible;
  }
  return true;
}

void RowsDecoder::start_partial_row(const RowPlan& plan) {
  partial_ = PartialImage::kBefore;
  documents_.assign(plan.columns.size(), {});
}

const uint8_t* RowsDecoder::read_partial_bits(const RowPlan& plan, const uint8_t* at, const uint8_t* end) {
  constexpr uint64_t kPartialJson = 1;
  partial_ = PartialImage::kAfter;
  is_diff_.assign(plan.columns.size(), false);
  ByteCursor in(at, static_cast<size_t>(end - at));
  uint64_t options = in.lenenc();
  if (!in.failed() && (options & ~kPartialJson) != 0) {
    problem_ = fmt::format("row value options {} that are not known", options);
    return nullptr;
  }
  if (options & kPartialJson) {
    size_t json = 0;
    uint8_t bits = 0;
    for (size_t i = 0; i < plan.columns.size(); ++i) {
      const ColumnPlan& column = plan.columns[i];
      if (column.op != RowOp::kPrefixed || column.text != TextOp::kJson) continue;
      if (json % 8 == 0) bits = in.u8();
      is_diff_[i] = (bits >> (json++ % 8) & 1) != 0;
    }
  }
  return in.failed() ? nullptr : in.data();
}

// The document of column_ after the diffs.
bool RowsDecoder::read_diffs(std::string_view diffs, const Value& before, Value& to, Arena& arena) {
  if (before.is_absent()) {
    code_ = ErrorCode::kSourceImage;
    problem_ =
        "only the changes of a JSON document were logged (binlog_row_value_options=PARTIAL_JSON), and the image before "
        "the update lacks the document";
    return false;
  }
  if (before.is_null()) {
    problem_ = "a JSON diff of a document that was NULL";
    return false;
  }
  if (diffs.empty()) {
    to = before;
    return true;
  }
  scratch_.clear();
  Status status = append_json_changed(documents_[column_], diffs, scratch_);
  if (!status.ok()) {
    code_ = status.code();
    problem_ = status.detail();
    return false;
  }
  to = Value::of_text(Kind::kJson, arena.copy(scratch_), static_cast<uint32_t>(scratch_.size()));
  return true;
}

}  // namespace tailrace
