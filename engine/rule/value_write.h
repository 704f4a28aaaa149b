// Typed, range checked writes of rule values into cells. What a column cannot hold is refused, never bent.
// A write that leaves the cell's text as it is leaves the cell itself as it is.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "event/schema.h"
#include "event/value.h"

namespace tailrace {

enum class WriteFault : uint8_t { kNone, kType, kRange, kFraction, kLength, kUtf8, kForm, kLabel, kNull, kNan, kJson, kMemory };

inline constexpr size_t kMaxCellBytes = 16u << 20;  // text one write may bring

WriteFault write_null(Value& cell, const Column& column) noexcept;
WriteFault write_bool(Value& cell, const Column& column, bool value) noexcept;
WriteFault write_number(Value& cell, const Column& column, double value, Arena& arena) noexcept;
// `is_unsigned`: value holds the bits of a uint64_t.
WriteFault write_integer(Value& cell, const Column& column, int64_t value, bool is_unsigned, Arena& arena) noexcept;
// Plain digits, "-12.50".
WriteFault write_decimal(Value& cell, const Column& column, std::string_view digits, Arena& arena) noexcept;
WriteFault write_text(Value& cell, const Column& column, std::string_view text, Arena& arena) noexcept;
// The text of a rule file's constant or template: digits for numbers too.
WriteFault write_any_text(Value& cell, const Column& column, std::string_view text, Arena& arena) noexcept;

// "a fraction does not fit int(11)": ends the sentence "column `x`: …".
std::string describe_fault(WriteFault fault, const Column& column);

// Smallest and largest integer of an integer, YEAR or BIT column. `low` is 0 for unsigned ones.
void integer_range(const Column& column, int64_t& low, uint64_t& high) noexcept;

}  // namespace tailrace
