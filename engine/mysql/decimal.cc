#include "mysql/decimal.h"

#include <cstring>

namespace tailrace {
namespace {

constexpr uint8_t kGroupBytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr uint32_t kGroupLimit[10] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

// Big-endian group of `digits` digits with the sign of the number undone; false when it has too many digits.
bool read_group(const uint8_t*& at, unsigned digits, uint8_t flip_first, uint8_t flip, uint32_t& value) {
  value = 0;
  for (unsigned i = 0; i < kGroupBytes[digits]; ++i) {
    value = value << 8 | static_cast<uint8_t>(*at++ ^ (i == 0 ? flip_first : flip));
  }
  return value < kGroupLimit[digits];
}

void write_digits(char* out, uint32_t value, unsigned digits) {
  for (unsigned i = digits; i-- > 0;) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

size_t decimal_size(unsigned precision, unsigned scale) noexcept {
  unsigned whole = precision - scale;
  return whole / 9 * 4U + kGroupBytes[whole % 9] + scale / 9 * 4U + kGroupBytes[scale % 9];
}

size_t decimal_to_text(const uint8_t* packed, unsigned precision, unsigned scale, char* out) noexcept {
  bool negative = (packed[0] & 0x80) == 0;
  uint8_t flip = negative ? 0xFF : 0;
  auto first = static_cast<uint8_t>(flip ^ 0x80);
  char digits[84];
  size_t n = 0;
  const uint8_t* at = packed;
  unsigned whole = precision - scale;
  auto take = [&](unsigned count) {
    uint32_t value = 0;
    if (!read_group(at, count, at == packed ? first : flip, flip, value)) return false;
    write_digits(digits + n, value, count);
    n += count;
    return true;
  };
  if (whole % 9 && !take(whole % 9)) return 0;
  for (unsigned i = 0; i < whole / 9; ++i) {
    if (!take(9)) return 0;
  }
  for (unsigned i = 0; i < scale / 9; ++i) {
    if (!take(9)) return 0;
  }
  if (scale % 9 && !take(scale % 9)) return 0;

  size_t skip = 0;
  while (skip < whole && digits[skip] == '0') ++skip;
  bool zero = true;
  for (size_t i = skip; i < n && zero; ++i) zero = digits[i] == '0';
  char* to = out;
  if (negative && !zero) *to++ = '-';
  if (skip == whole) *to++ = '0';
  std::memcpy(to, digits + skip, whole - skip);
  to += whole - skip;
  if (scale) {
    *to++ = '.';
    std::memcpy(to, digits + whole, scale);
    to += scale;
  }
  return static_cast<size_t>(to - out);
}

}  // namespace tailrace
