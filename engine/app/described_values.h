// Columns and values of a described change, without their JSON. See described_change.h.
#pragma once
#include <optional>
#include <string>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

struct DescribedColumn {
  std::string name, type;
  bool is_unsigned = false;
  bool is_key = false;
  std::optional<bool> nullable;  // absent: unless it is in the key
};
// In Oracle mode the type is Oracle's. FMT-0002 when it is not known.
Result<Column> column_of(const DescribedColumn& given, bool oracle_mode);

enum class DescribedForm : uint8_t { kNull, kText, kHex };
// A text as the server prints the value, or its bytes in hex; nothing when it is no value of the column. Texts live in
// the arena.
std::optional<Value> value_of(const Column& column, DescribedForm form, const std::string& text, Arena& arena);

}  // namespace tailrace
