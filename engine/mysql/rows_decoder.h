// Rows events: header and row images. decode_rows writes into an EventBatch; text that needs no change points into
// the bytes given, which must live as long as the batch. No shared state: any thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "mysql/binlog_event.h"
#include "mysql/row_plan.h"

namespace tailrace {

// What it means that the image after an update lacks a column. MariaDB logs a REPLACE of a row that is there as an update,
// and leaves out the columns that the statement did not name: they got their defaults.
enum class Lacking : uint8_t { kUnchanged, kDefault, kUnknown };
// Of a rows event from MariaDB, by the statement (ANNOTATE_ROWS) it is logged for; "" = not told.
Lacking what_lacks(std::string_view statement, std::string_view table);

struct RowsEvent {
  Op op = Op::kInsert;
  uint64_t table_id = 0;
  uint16_t flags = 0;
  uint64_t columns = 0;
  std::string_view present;        // bitmap of the image: before for update and delete, after for insert
  std::string_view present_after;  // update only
  Lacking lacking = Lacking::kUnchanged;
  bool from_mariadb = false;
  bool partial = false;  // PARTIAL_UPDATE_ROWS: JSON columns of the after image may be diffs
  std::string_view rows;
};
inline constexpr uint16_t kRowsStatementEnd = 1;
inline constexpr uint64_t kDummyTableId = 0xFFFFFF;  // a rows event that only ends a statement

bool is_rows_event(uint8_t type) noexcept;             // v1, v2, and MySQL's partial updates
bool is_compressed_rows_event(uint8_t type) noexcept;  // MariaDB's
// `type` may be that of a compressed rows event whose body has been unpacked.
Result<RowsEvent> parse_rows_event(uint8_t type, std::string_view body, const FormatDescription& format);

class RowsDecoder {
 public:
  explicit RowsDecoder(InvalidText invalid_text = InvalidText::kStop) : invalid_text_(invalid_text) {}
  // Appends one ChangeEvent per row, numbered from `ordinal`, which moves on. Failures name the table and column. A column
  // that an INSERT left out has its default, where the schema knows it; other columns out of an image are absent.
  Status decode(const RowPlan& plan, const RowsEvent& event, uint32_t txn, uint64_t& ordinal, EventBatch& out);
  // Rows in the event, found without making values.
  Result<uint64_t> count(const RowPlan& plan, const RowsEvent& event);
  // About the memory that decoding the event takes, judged by its first row: an image of few columns is small in the log
  // but has all columns of the table in memory.
  size_t decoded_bytes(const RowPlan& plan, const RowsEvent& event);

 private:
  struct Image;
  const uint8_t* read_image(const RowPlan& plan, const Image& image, const uint8_t* at, const uint8_t* end, Row to, Row before,
                            Arena& arena);
  const uint8_t* skip_image(const RowPlan& plan, const Image& image, const uint8_t* at, const uint8_t* end);
  void fill_defaults(const RowPlan& plan, Row row, Arena& arena);
  bool complete_update(const RowPlan& plan, Lacking lacking, Row before, Row after, Arena& arena);
  bool unclear(const RowPlan& plan, size_t visible, std::string problem);
  void start_partial_row(const RowPlan& plan);
  const uint8_t* read_partial_bits(const RowPlan& plan, const uint8_t* at, const uint8_t* end);
  bool read_diffs(std::string_view diffs, const Value& before, Value& to, Arena& arena);
  bool read_text(const ColumnPlan& column, std::string_view bytes, Value& to, Arena& arena);
  bool read_fixed(const ColumnPlan& column, const uint8_t* at, Value& to, Arena& arena);
  bool labels_are_text(const Column& column, const Value& value);  // or the policy lets them pass
  Status failure(const RowPlan& plan, ErrorCode code, std::string detail) const;

  InvalidText invalid_text_;
  std::string scratch_;  // converted text before it is copied to the arena
  // PARTIAL_UPDATE_ROWS only: the JSON documents of the before image as logged (null data: NULL or absent) and which
  // columns of the after image are diffs of them, both by column.
  enum class PartialImage : uint8_t { kNone, kBefore, kAfter } partial_ = PartialImage::kNone;
  std::vector<std::string_view> documents_;
  std::vector<bool> is_diff_;
  size_t column_ = 0;  // being read, for messages
  ErrorCode code_ = ErrorCode::kSourceCorrupt;
  std::string problem_;
};

// Fixed binary types of MariaDB as SELECT prints them. REQUIRES: 4, 16, 16 bytes.
void append_inet4(const uint8_t* bytes, std::string& out);
void append_inet6(const uint8_t* bytes, std::string& out);
void append_uuid(const uint8_t* bytes, std::string& out);

}  // namespace tailrace
