#include "rule/decimal.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <charconv>
#include <cstring>
#include <exception>

namespace tailrace {
namespace {

namespace mp = boost::multiprecision;
// Wide enough that no intermediate product of two 256-bit numbers overflows.
using Wide = mp::number<mp::cpp_int_backend<640, 640, mp::signed_magnitude, mp::checked, void>>;

Wide load(const Decimal& value) {
  Wide out;
  mp::import_bits(out, value.words, value.words + 4, 64, false);
  return value.negative ? Wide(-out) : out;
}

bool store(const Wide& value, unsigned scale, Decimal& out) {
  Wide magnitude = mp::abs(value);
  if (scale > kMaxDecimalScale || (magnitude != 0 && mp::msb(magnitude) >= 256)) return false;
  for (uint64_t& word : out.words) {
    word = static_cast<uint64_t>(magnitude & Wide(~uint64_t{0}));
    magnitude >>= 64;
  }
  out.negative = value < 0;
  out.scale = static_cast<uint8_t>(scale);
  return true;
}

Wide power_of_ten(unsigned n) {
  Wide out = 1;
  for (; n >= 19; n -= 19) out *= uint64_t{10000000000000000000ull};
  uint64_t rest = 1;
  while (n--) rest *= 10;
  return out * rest;
}

Wide divide_rounded(const Wide& a, const Wide& b) {
  Wide quotient, rest;
  mp::divide_qr(a, b, quotient, rest);
  if (mp::abs(rest) * 2 >= mp::abs(b)) quotient += (a < 0) != (b < 0) ? -1 : 1;
  return quotient;
}

bool fits_64(const Decimal& value) { return !(value.words[1] | value.words[2] | value.words[3]); }

}  // namespace

bool parse_decimal(std::string_view text, Decimal& out) noexcept {
  out = Decimal{};
  bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  size_t dot = text.find('.');
  size_t scale = dot == std::string_view::npos ? 0 : text.size() - dot - 1;
  if (text.empty() || dot == 0 || (dot != std::string_view::npos && scale == 0) || scale > kMaxDecimalScale) return false;
  unsigned __int128 carry;
  for (char c : text) {
    if (c == '.') continue;
    if (c < '0' || c > '9') return false;
    carry = static_cast<unsigned>(c - '0');
    for (uint64_t& word : out.words) {
      carry += static_cast<unsigned __int128>(word) * 10;
      word = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
    if (carry) return false;
  }
  if (text.find('.', dot == std::string_view::npos ? 0 : dot + 1) != std::string_view::npos) return false;
  bool zero = fits_64(out) && out.words[0] == 0;
  out.negative = negative && !zero;
  out.scale = static_cast<uint8_t>(scale);
  return true;
}

Decimal decimal_of(int64_t value, bool is_unsigned) noexcept {
  Decimal out{};
  out.negative = !is_unsigned && value < 0;
  out.words[0] = out.negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  return out;
}

size_t format_decimal(const Decimal& value, char* out) noexcept {
  char digits[kDecimalTextBytes];  // least significant first
  size_t count = 0;
  uint64_t words[4];
  std::memcpy(words, value.words, sizeof words);
  while (words[0] | words[1] | words[2] | words[3]) {
    unsigned __int128 rest = 0;
    for (int i = 3; i >= 0; --i) {
      rest = rest << 64 | words[i];
      words[i] = static_cast<uint64_t>(rest / 10000000000000000000ull);
      rest %= 10000000000000000000ull;
    }
    auto group = static_cast<uint64_t>(rest);
    bool last = !(words[0] | words[1] | words[2] | words[3]);
    for (int i = 0; i < 19 && (group || !last); ++i) {
      digits[count++] = static_cast<char>('0' + group % 10);
      group /= 10;
    }
  }
  while (count <= value.scale) digits[count++] = '0';
  size_t n = 0;
  if (value.negative) out[n++] = '-';
  while (count > 0) {
    if (count == value.scale) out[n++] = '.';
    out[n++] = digits[--count];
  }
  return n;
}

bool decimal_arithmetic(const Decimal& a, const Decimal& b, DecimalOp op, Decimal& out) noexcept {
  try {
    Wide x = load(a);
    Wide y = load(b);
    if (op == DecimalOp::kMultiply) return store(x * y, static_cast<unsigned>(a.scale + b.scale), out);
    if (op == DecimalOp::kDivide) {
      if (y == 0) return false;
      // (x / 10^as) / (y / 10^bs) with as + 4 digits.
      return store(divide_rounded(x * power_of_ten(b.scale + 4u), y), a.scale + 4u, out);
    }
    unsigned scale = std::max(a.scale, b.scale);
    x *= power_of_ten(scale - a.scale);
    y *= power_of_ten(scale - b.scale);
    return store(op == DecimalOp::kAdd ? Wide(x + y) : Wide(x - y), scale, out);
  } catch (const std::exception&) {
    return false;
  }
}

int compare_decimal(const Decimal& a, const Decimal& b) noexcept {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int sign = a.negative ? -1 : 1;
  if (a.scale == b.scale) {
    for (int i = 3; i >= 0; --i) {
      if (a.words[i] != b.words[i]) return a.words[i] < b.words[i] ? -sign : sign;
    }
    return 0;
  }
  // 256 bits times at most 10^60 stay below 2^640: nothing here can overflow.
  unsigned scale = std::max(a.scale, b.scale);
  Wide x = load(a) * power_of_ten(scale - a.scale);
  Wide y = load(b) * power_of_ten(scale - b.scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

bool round_decimal(const Decimal& value, unsigned scale, Decimal& out) noexcept {
  try {
    if (scale >= value.scale) return store(load(value) * power_of_ten(scale - value.scale), scale, out);
    return store(divide_rounded(load(value), power_of_ten(value.scale - scale)), scale, out);
  } catch (const std::exception&) {
    return false;
  }
}

double decimal_to_double(const Decimal& value) noexcept {
  char text[kDecimalTextBytes];
  size_t n = format_decimal(value, text);
  double out = 0;
  (void)std::from_chars(text, text + n, out);
  return out;
}

bool divide_decimal(const Decimal& a, const Decimal& b, unsigned scale, Decimal& out) noexcept {
  try {
    Wide x = load(a);
    Wide y = load(b);
    if (y == 0) return false;
    // (x / 10^as) / (y / 10^bs), `scale` digits of it.
    unsigned up = scale + b.scale;
    if (up >= a.scale) x *= power_of_ten(up - a.scale);
    else y *= power_of_ten(a.scale - up);
    return store(x / y, scale, out);
  } catch (const std::exception&) {
    return false;
  }
}

bool modulo_decimal(const Decimal& a, const Decimal& b, Decimal& out) noexcept {
  try {
    unsigned scale = std::max(a.scale, b.scale);
    Wide y = load(b) * power_of_ten(scale - b.scale);
    if (y == 0) return false;
    return store(Wide(load(a) * power_of_ten(scale - a.scale)) % y, scale, out);
  } catch (const std::exception&) {
    return false;
  }
}

bool decimal_to_integer(const Decimal& value, int64_t& out, bool& is_unsigned) noexcept {
  if (value.words[1] | value.words[2] | value.words[3]) return false;
  uint64_t magnitude = value.words[0];
  is_unsigned = !value.negative && magnitude > static_cast<uint64_t>(INT64_MAX);
  if (value.negative && magnitude > uint64_t{1} << 63) return false;
  out = static_cast<int64_t>(value.negative ? 0 - magnitude : magnitude);
  return true;
}

}  // namespace tailrace
