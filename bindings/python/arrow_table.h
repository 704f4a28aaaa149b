// Columns in Arrow's memory layout, and their export through the Arrow C stream interface. No Arrow library is
// needed: the three structs are the published ABI. An ArrowTable is immutable once shared; every exported array keeps
// it alive, so a table may be exported any number of times and may outlive what it was made from.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

struct ArrowArrayStream;

namespace tailrace::python {

struct ArrowColumn {
  std::string name, format;
  std::vector<std::pair<std::string, std::string>> metadata;
  int64_t length = 0, null_count = 0;
  std::vector<uint8_t> validity;      // empty = no nulls
  std::vector<int32_t> offsets;       // utf8, binary, list
  std::vector<uint8_t> data;          // fixed-width values, or the bytes of texts
  std::vector<ArrowColumn> children;  // list: its items; struct: its fields
};

struct ArrowTable {
  std::vector<ArrowColumn> columns;
  int64_t rows = 0;
};

// Fills one column value by value.
class ColumnBuilder {
 public:
  ColumnBuilder(std::string name, std::string format, size_t expected_rows);
  ArrowColumn& column() noexcept { return column_; }
  template <class T>
  void fixed(T value) {
    size_t at = column_.data.size();
    column_.data.resize(at + sizeof(T));
    std::memcpy(column_.data.data() + at, &value, sizeof(T));
    valid();
  }
  void text(std::string_view value);
  void null();
  // A row of a list column that holds the items appended to children[0] until now.
  void end_list(int64_t items);
  // FMT-0001 when a column of texts has outgrown its 32-bit offsets.
  Result<ArrowColumn> finish();

 private:
  void valid();
  bool has_offsets() const noexcept;
  ArrowColumn column_;
  size_t width_;  // of one value, 0 for texts and lists
  bool overflow_ = false;
};

// Fills `out`, which the caller owns; releasing it is the consumer's part. One chunk.
void export_stream(std::shared_ptr<const ArrowTable> table, ArrowArrayStream* out);
void release_stream(ArrowArrayStream* stream) noexcept;
ArrowArrayStream* new_stream();
void delete_stream(ArrowArrayStream* stream) noexcept;

}  // namespace tailrace::python
