// Exact decimal arithmetic of rules: 256-bit magnitude, sign, scale. Overflow is a fault, never a wrong digit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tailrace {

// Layout shared with the rule hosts (tr_dec). No negative zero.
struct Decimal {
  uint64_t words[4];  // little end first
  int8_t negative;
  uint8_t scale;
};

enum class DecimalOp : int { kAdd, kSubtract, kMultiply, kDivide };
inline constexpr unsigned kMaxDecimalScale = 60;
inline constexpr size_t kDecimalTextBytes = 96;

// Plain digits "-12.50"; keeps the scale as written. False: not of that form, or too large.
bool parse_decimal(std::string_view text, Decimal& out) noexcept;
Decimal decimal_of(int64_t value, bool is_unsigned) noexcept;
// Number of bytes written to `out`, which has kDecimalTextBytes.
size_t format_decimal(const Decimal& value, char* out) noexcept;
// False on overflow and on division by zero. Division has the dividend's scale + 4, rounded half away from zero.
bool decimal_arithmetic(const Decimal& a, const Decimal& b, DecimalOp op, Decimal& out) noexcept;
// -1, 0, 1; by value, so 1.50 equals 1.5.
int compare_decimal(const Decimal& a, const Decimal& b) noexcept;
// Rounds half away from zero, or pads with zeros. False on overflow.
bool round_decimal(const Decimal& value, unsigned scale, Decimal& out) noexcept;
double decimal_to_double(const Decimal& value) noexcept;
// The quotient cut off after `scale` digits. False on overflow and on division by zero.
bool divide_decimal(const Decimal& a, const Decimal& b, unsigned scale, Decimal& out) noexcept;
// What is left of a / b, with the sign of a. False on division by zero.
bool modulo_decimal(const Decimal& a, const Decimal& b, Decimal& out) noexcept;
// REQUIRES: scale 0. False when it does not fit 64 bits; `is_unsigned` when it needs all of them.
bool decimal_to_integer(const Decimal& value, int64_t& out, bool& is_unsigned) noexcept;
inline bool decimal_is_zero(const Decimal& value) noexcept { return !(value.words[0] | value.words[1] | value.words[2] | value.words[3]); }

}  // namespace tailrace
