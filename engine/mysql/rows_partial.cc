// RowsDecoder, second part: images that lack columns, and PARTIAL_UPDATE_ROWS. There, between the images of a row stand
// its value options and, with PARTIAL_JSON among them, one bit per JSON column of the table: is it a diff in the after
// image?
#include <fmt/format.h>

#include <algorithm>

#include "base/byte_cursor.h"
#include "mysql/json_diff.h"
#include "mysql/rows_decoder.h"
#include "mysql/sql_tokens.h"

namespace tailrace {

void RowsDecoder::fill_defaults(const RowPlan& plan, Row row, Arena& arena) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (!row[i].is_absent()) continue;
    row[i] = plan.defaults[i];
    if (has_text_payload(row[i].kind)) row[i].p = arena.copy(row[i].text());
  }
}

bool RowsDecoder::unclear(const RowPlan& plan, size_t visible, std::string problem) {
  for (column_ = 0; column_ < plan.columns.size(); ++column_) {
    if (!plan.columns[column_].hidden && visible-- == 0) break;
  }
  code_ = ErrorCode::kSourceImage;
  problem_ = std::move(problem);
  return false;
}

// An image after an update at MariaDB that lacks columns: are they as they were?
bool RowsDecoder::complete_update(const RowPlan& plan, Lacking lacking, Row before, Row after, Arena& arena) {
  const TableSchema& schema = *plan.schema;
  // The image of a plain update has the key only where it changes it; that of a REPLACE has all of it, unchanged.
  bool like_replace = !schema.primary_key.empty();
  for (uint16_t at : schema.primary_key) like_replace = like_replace && identical(before[at], after[at]);
  for (size_t i = 0; i < after.size(); ++i) {
    if (!after[i].is_absent()) continue;
    // MySQL logs a generated column whenever it changes. MariaDB leaves virtual ones out, changed or not; newer
    // ones leave out the stored as well.
    if (schema.columns[i].generated) {
      return unclear(plan, i, "an update was logged without the generated column, which it may have changed");
    }
    if (!like_replace || lacking == Lacking::kUnchanged) continue;
    if (lacking == Lacking::kUnknown) {
      return unclear(plan, i,
                     "an update was logged without the column and without its statement: a REPLACE would have given the "
                     "column its default (binlog_annotate_row_events=ON tells them apart)");
    }
    after[i] = plan.defaults[i];
    if (after[i].is_absent()) {
      return unclear(plan, i, "a REPLACE was logged without the column, whose default is not known");
    }
    if (has_text_payload(after[i].kind)) after[i].p = arena.copy(after[i].text());
  }
  return true;
}

Lacking what_lacks(std::string_view statement, std::string_view table) {
  SqlTokens tokens(statement, false);
  bool replaces = tokens.peek().is("REPLACE") || tokens.peek().is("LOAD");
  // Rows of a table that the statement does not name come from a trigger or a function, which may do either.
  while (!tokens.at_end()) {
    SqlToken token = tokens.next();
    bool is_name = token.is_name() || token.raw.front() == '"';  // which of the two that is depends on the session
    const std::string& name = token.text;
    bool same = is_name && name.size() == table.size() && std::equal(name.begin(), name.end(), table.begin(), [](char a, char b) {
                  return a == b || ((a | 0x20) == (b | 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
                });
    if (same) return replaces ? Lacking::kDefault : Lacking::kUnchanged;
  }
  return Lacking::kUnknown;
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
