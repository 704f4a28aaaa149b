// Packed DECIMAL of the row format: base 10^9 groups, big-endian, sign in the top bit.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tailrace {

inline constexpr unsigned kDecimalGroupDigits = 81;  // of a number in memory: nine groups; a column has 65 at most
inline constexpr size_t kDecimalTextMax = 84;        // sign, digits, point, "0" before it

// Bytes of a packed DECIMAL(precision, scale). REQUIRES: 1 <= precision <= kDecimalGroupDigits, scale <= precision.
size_t decimal_size(unsigned precision, unsigned scale) noexcept;
// Writes the canonical digits of value.h to `out` (room for kDecimalTextMax); returns the length, 0 if the bytes are
// not a DECIMAL. REQUIRES: `packed` has decimal_size bytes.
size_t decimal_to_text(const uint8_t* packed, unsigned precision, unsigned scale, char* out) noexcept;

}  // namespace tailrace
