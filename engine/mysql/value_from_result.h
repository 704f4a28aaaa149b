// Cells of a result in the binary protocol as Values: the same Value the binary log gives for the same data.
#pragma once
#include <cstdint>
#include <string>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"
#include "mysql/charset.h"

namespace tailrace {

// What to select so that `value_from_result` gets everything: the column itself, for ENUM and SET their number.
std::string select_expression(const Column& column, bool is_mariadb);

// `wire_type`: the type code of the result column. `cell`: where the cell begins; null = NULL. Text and bytes are
// copied to the arena, text as UTF-8. `charset`: of the cell's bytes, as the result says; null = UTF-8. A type that does
// not fit the column is kSchemaMismatch.
Result<Value> value_from_result(const Column& column, uint8_t wire_type, const uint8_t* cell, Arena& arena,
                                const Charset* charset = nullptr, InvalidText invalid_text = InvalidText::kStop);

// A cell that is a string of bytes, where it lies. REQUIRES: cell is not null and of a string type.
std::string_view bytes_of_cell(const uint8_t* cell) noexcept;
// Bytes the cell occupies in the row.
size_t size_of_cell(uint8_t wire_type, const uint8_t* cell) noexcept;

}  // namespace tailrace
