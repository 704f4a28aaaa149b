// Conversions and arithmetic of the row filter, as a server computes them.
#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstring>

#include "event/time_parse.h"
#include "event/value_text.h"
#include "rule/where_program.h"

namespace tailrace {
namespace {

using Code = WhereStep::Code;
__extension__ using Wide = __int128;

constexpr unsigned kMaxScale = 30;  // of a product

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

// Leading integer of a text; beyond 64 bits the nearest there is, in the bits of either sign.
int64_t leading_integer(std::string_view text) {
  text = without_blanks(text);
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  Wide limit = negative ? -static_cast<Wide>(INT64_MIN) : static_cast<Wide>(UINT64_MAX);
  Wide out = 0;
  for (char c : text) {
    if (!is_digit(c)) break;
    out = std::min(out * 10 + (c - '0'), limit);
  }
  return static_cast<int64_t>(negative ? -out : out);
}

unsigned whole_digits(const Decimal& value) {
  char text[kDecimalTextBytes];
  size_t n = format_decimal(value, text);
  return static_cast<unsigned>(n - (value.negative ? 1 : 0) - (value.scale ? value.scale + 1u : 0));
}

}  // namespace

double leading_double(std::string_view text) noexcept {
  text = without_blanks(text);
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !(is_digit(text[0]) || (text[0] == '.' && text.size() > 1 && is_digit(text[1])))) return 0;
  double out = 0;
  auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  if (result.ec == std::errc::result_out_of_range) {
    std::string_view number(text.data(), static_cast<size_t>(result.ptr - text.data()));
    size_t power = number.find_first_of("eE");
    bool is_small =
        power != std::string_view::npos ? number.substr(power).find('-') != std::string_view::npos : number[0] == '0' || number[0] == '.';
    out = is_small ? 0 : DBL_MAX;
  }
  return negative ? -out : out;
}

bool leading_decimal(std::string_view text, Decimal& out, bool& whole) noexcept {
  // The largest there is; CAST makes it the largest of its type.
  auto too_large = [&](bool negative) {
    constexpr std::string_view kNines = "-9999999999999999999999999999999999999999999999999999999999999999999999";
    (void)parse_decimal(negative ? kNines : kNines.substr(1), out);
    return false;
  };
  char digits[kDecimalTextBytes];
  size_t n = 0;
  text = without_blanks(text);
  out = Decimal{};
  whole = false;
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) {
    if (text[at] == '-') digits[n++] = '-';
    ++at;
  }
  size_t first = n;
  size_t begin = at;
  while (at < text.size() && text[at] == '0' && at + 1 < text.size() && is_digit(text[at + 1])) ++at;
  auto take = [&] {
    while (at < text.size() && is_digit(text[at])) {
      if (n + 1 >= sizeof digits) return false;
      digits[n++] = text[at++];
    }
    return true;
  };
  if (!take()) return too_large(first > 0);
  if (n == first) digits[n++] = '0';
  bool has_digits = at > begin;
  if (at < text.size() && text[at] == '.') {
    size_t dot = n;
    ++at;
    digits[n++] = '.';
    size_t from = at;
    while (n + 1 < sizeof digits && at < text.size() && is_digit(text[at]) && n - dot <= kMaxDecimalScale) digits[n++] = text[at++];
    while (at < text.size() && is_digit(text[at])) ++at;  // beyond what a DECIMAL keeps
    has_digits |= at > from;
    if (n == dot + 1) n = dot;  // "5."
  }
  if (!has_digits) return true;
  if (!parse_decimal({digits, n}, out)) return too_large(first > 0);
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    int power = 0;
    size_t from = at + 1;
    if (from < text.size() && text[from] == '+') ++from;
    auto result = std::from_chars(text.data() + from, text.data() + text.size(), power);
    if (result.ec == std::errc::result_out_of_range) power = text[from] == '-' ? -10000 : 10000;
    if (decimal_is_zero(out)) power = 0;
    if (result.ec != std::errc::invalid_argument) {
      at = static_cast<size_t>(result.ptr - text.data());
      int scale = out.scale - power;
      if (scale > static_cast<int>(kMaxDecimalScale)) {  // nothing is left of it
        out = Decimal{};
        whole = without_blanks(text.substr(at)).empty();
        return true;
      }
      if (scale < 0) {  // ten to the power, by way of a scale that is then dropped
        Decimal factor = decimal_of(1, false);
        if (!round_decimal(factor, std::min<unsigned>(static_cast<unsigned>(-scale), kMaxDecimalScale), factor))
          return too_large(first > 0);
        factor.scale = 0;
        out.scale = 0;
        bool fits = scale >= -static_cast<int>(kMaxDecimalScale) && tailrace::decimal_arithmetic(out, factor, DecimalOp::kMultiply, out);
        if (!fits) return too_large(first > 0);
      } else {
        out.scale = static_cast<uint8_t>(scale);
      }
    }
  }
  whole = without_blanks(text.substr(at)).empty();
  return true;
}

std::string_view WhereRun::text_of(const SqlCell& in, const WhereStep& step) {
  char* out = scratch(kDecimalTextBytes);
  switch (step.from) {
    case SqlType::kInt: {
      char* end =
          step.left_unsigned ? std::to_chars(out, out + 32, static_cast<uint64_t>(in.i)).ptr : std::to_chars(out, out + 32, in.i).ptr;
      size_t n = static_cast<size_t>(end - out);
      if (n >= step.length) return {out, n};
      std::memmove(out + (step.length - n), out, n);  // YEAR 0000
      std::memset(out, '0', step.length - n);
      return {out, step.length};
    }
    case SqlType::kDecimal: {
      Decimal rounded;
      if (!round_decimal(in.decimal, step.scale, rounded)) {
        fail(step, "a DECIMAL has too many digits");
        return {};
      }
      return {out, format_decimal(rounded, out)};
    }
    default: break;
  }
  // Dates and times have a text of bounded length, made by the one writer of it.
  thread_local std::string text;
  text.clear();
  static const Column kNoColumn;
  Value cell = step.from == SqlType::kDate   ? Value::of_bits(Kind::kDate, static_cast<uint64_t>(in.i) >> 41)
               : step.from == SqlType::kTime ? Value::of_bits(Kind::kTime, static_cast<uint64_t>(in.i), step.scale)
                                             : Value::of_bits(Kind::kDateTime, static_cast<uint64_t>(in.i), step.scale);
  append_text(cell, kNoColumn, text);
  size_t n = std::min(text.size(), kDecimalTextBytes);
  std::memcpy(out, text.data(), n);
  return {out, n};
}

void WhereRun::convert(const WhereStep& step, SqlCell& out) {
  SqlCell in;
  value(step.args[0], in);
  out.is_null = in.is_null;
  if (in.is_null) return;
  switch (step.code) {
    case Code::kIntToDecimal: out.decimal = decimal_of(in.i, step.left_unsigned); return;
    case Code::kToDouble:
      out.d = step.from == SqlType::kText      ? leading_double(in.text)
              : step.from == SqlType::kDecimal ? decimal_to_double(in.decimal)
              : step.left_unsigned             ? static_cast<double>(static_cast<uint64_t>(in.i))
                                               : static_cast<double>(in.i);
      return;
    case Code::kTextToDecimal: {
      bool whole = false;
      bool fits = leading_decimal(in.text, out.decimal, whole);
      if (step.special && !(fits && whole))
        fail(step, fmt::format("'{}' is no number{}", first_characters(in.text, 80), fits ? "" : " of at most 65 digits"));
      return;
    }
    case Code::kToText: out.text = text_of(in, step); return;
    case Code::kCutText: {
      out.text = first_characters(in.text, step.length);
      return;
    }
    default: break;
  }
  // CAST AS DECIMAL(p,s): rounded; what is too large becomes the largest value.
  if (!round_decimal(in.decimal, step.scale, out.decimal)) {
    fail(step, "a DECIMAL has too many digits");
    return;
  }
  unsigned whole = decimal_is_zero(out.decimal) ? 0 : whole_digits(out.decimal);
  char text[kDecimalTextBytes];
  bool is_fraction = whole == 1 && format_decimal(out.decimal, text) && text[out.decimal.negative ? 1 : 0] == '0';
  if (!is_fraction && whole > step.length - step.scale) {
    bool negative = out.decimal.negative;
    size_t n = 0;
    if (negative) text[n++] = '-';
    if (step.length == step.scale) text[n++] = '0';
    for (unsigned i = 0; i < step.length; ++i) {
      if (i == step.length - step.scale) text[n++] = '.';
      text[n++] = '9';
    }
    (void)parse_decimal({text, n}, out.decimal);
  }
}

// ---- arithmetic

void WhereRun::arithmetic(const WhereStep& step, SqlCell& out) {
  SqlCell a, b;
  value(step.args[0], a);
  out.is_null = a.is_null;
  if (step.args.size() == 1) {
    if (a.is_null) return;
    out = a;
    if (step.code == Code::kInvert) {
      out.i = ~a.i;
    } else if (step.type == SqlType::kDouble) {
      out.d = step.code == Code::kAbs ? std::fabs(a.d) : -a.d;
    } else if (step.type == SqlType::kDecimal) {
      out.decimal.negative = step.code == Code::kNegate && !a.decimal.negative && !decimal_is_zero(a.decimal);
    } else if (step.code == Code::kNegate || (!step.left_unsigned && a.i < 0)) {
      Wide wide = step.left_unsigned ? -static_cast<Wide>(static_cast<uint64_t>(a.i)) : -static_cast<Wide>(a.i);
      if (wide < INT64_MIN || wide > INT64_MAX) return fail(step, "the value is out of the range of BIGINT");
      out.i = static_cast<int64_t>(wide);
    }
    return;
  }
  if (a.is_null && step.code == Code::kDecimalOp) return;  // as a server: what is behind it is not computed
  value(step.args[1], b);
  out.is_null = a.is_null || b.is_null;
  if (out.is_null) return;
  if (step.code == Code::kIntOp) return int_arithmetic(step, a, b, out);
  if (step.code == Code::kDoubleOp) return double_arithmetic(step, a, b, out);
  decimal_arithmetic(step, a, b, out);
}

void WhereRun::int_arithmetic(const WhereStep& step, const SqlCell& a, const SqlCell& b, SqlCell& out) {
  auto x = static_cast<uint64_t>(a.i), y = static_cast<uint64_t>(b.i);
  switch (step.op) {
    case WhereOp::kBitAnd: out.i = a.i & b.i; return;
    case WhereOp::kBitOr: out.i = a.i | b.i; return;
    case WhereOp::kBitXor: out.i = a.i ^ b.i; return;
    case WhereOp::kShiftLeft: out.i = y < 64 ? static_cast<int64_t>(x << y) : 0; return;
    case WhereOp::kShiftRight: out.i = y < 64 ? static_cast<int64_t>(x >> y) : 0; return;
    default: break;
  }
  Wide p = step.left_unsigned ? static_cast<Wide>(x) : a.i;
  Wide q = step.right_unsigned ? static_cast<Wide>(y) : b.i;
  Wide r = 0;
  switch (step.op) {
    case WhereOp::kAdd: r = p + q; break;
    case WhereOp::kSubtract: r = p - q; break;
    case WhereOp::kMultiply:
      if (__builtin_mul_overflow(p, q, &r)) return fail(step, "the product is out of the range of BIGINT");
      break;
    default:
      out.is_null = q == 0;
      if (out.is_null) return;
      r = step.op == WhereOp::kModulo ? p % q : p / q;
      break;
  }
  // A server refuses the least BIGINT as a quotient.
  bool fits = step.is_unsigned ? r >= 0 && r <= static_cast<Wide>(UINT64_MAX)
                               : r >= INT64_MIN + (step.op == WhereOp::kIntegerDivide) && r <= INT64_MAX;
  if (!fits && step.op != WhereOp::kModulo) {
    return fail(step, step.is_unsigned ? "the result is out of the range of BIGINT UNSIGNED" : "the result is out of the range of BIGINT");
  }
  out.i = static_cast<int64_t>(r);
}

void WhereRun::decimal_arithmetic(const WhereStep& step, const SqlCell& a, const SqlCell& b, SqlCell& out) {
  const char* too_large = "the result has too many digits for a DECIMAL";
  switch (step.op) {
    case WhereOp::kAdd:
    case WhereOp::kSubtract:
      if (!tailrace::decimal_arithmetic(a.decimal, b.decimal, step.op == WhereOp::kAdd ? DecimalOp::kAdd : DecimalOp::kSubtract,
                                        out.decimal))
        fail(step, too_large);
      return;
    case WhereOp::kMultiply:
      if (a.decimal.scale + b.decimal.scale > static_cast<int>(kMaxScale) ||
          !tailrace::decimal_arithmetic(a.decimal, b.decimal, DecimalOp::kMultiply, out.decimal)) {
        fail(step, too_large);
      }
      return;
    default: break;
  }
  out.is_null = decimal_is_zero(b.decimal);
  if (out.is_null) return;
  if (step.op == WhereOp::kModulo) {
    if (!modulo_decimal(a.decimal, b.decimal, out.decimal)) fail(step, too_large);
    return;
  }
  if (step.op == WhereOp::kIntegerDivide) {
    Decimal quotient;
    bool is_unsigned = false;
    bool fits = divide_decimal(a.decimal, b.decimal, 0, quotient) && decimal_to_integer(quotient, out.i, is_unsigned);
    if (!fits || (is_unsigned && !step.is_unsigned) || (step.is_unsigned && quotient.negative))
      fail(step, "the result is out of the range of BIGINT");
    return;
  }
  // Four digits more than the dividend has, the last one rounded.
  Decimal quotient;
  if (!divide_decimal(a.decimal, b.decimal, step.scale + 1u, quotient) || !round_decimal(quotient, step.scale, out.decimal))
    fail(step, too_large);
}

void WhereRun::double_arithmetic(const WhereStep& step, const SqlCell& a, const SqlCell& b, SqlCell& out) {
  switch (step.op) {
    case WhereOp::kAdd: out.d = a.d + b.d; break;
    case WhereOp::kSubtract: out.d = a.d - b.d; break;
    case WhereOp::kMultiply: out.d = a.d * b.d; break;
    default:
      out.is_null = b.d == 0;
      if (out.is_null) return;
      out.d = step.op == WhereOp::kDivide ? a.d / b.d : std::fmod(a.d, b.d);
      break;
  }
  if (!std::isfinite(out.d)) fail(step, "the result is out of the range of DOUBLE");
}

// ---- casts

void WhereRun::to_int(const WhereStep& step, SqlCell& out) {
  SqlCell in;
  value(step.args[0], in);
  out.is_null = in.is_null;
  if (in.is_null) return;
  const char* out_of_range =
      step.is_unsigned ? "the value is out of the range of BIGINT UNSIGNED" : "the value is out of the range of BIGINT";
  switch (step.from) {
    case SqlType::kDecimal: {
      Decimal rounded;
      bool is_large = false;
      if (!round_decimal(in.decimal, 0, rounded) || (step.is_unsigned && rounded.negative)) return fail(step, out_of_range);
      bool fits = decimal_to_integer(rounded, out.i, is_large);
      if (fits && (!is_large || step.is_unsigned)) return;
      out.i = step.is_unsigned ? -1 : rounded.negative ? INT64_MIN : INT64_MAX;  // the nearest there is
      return;
    }
    case SqlType::kDouble: {
      double whole = std::rint(in.d);
      double low = step.is_unsigned ? 0 : -9223372036854775808.0, high = step.is_unsigned ? 18446744073709551616.0 : 9223372036854775808.0;
      if (step.is_unsigned && whole < 0) return fail(step, out_of_range);
      if (whole < low) out.i = INT64_MIN;
      else if (whole >= high) out.i = step.is_unsigned ? -1 : INT64_MAX;
      else out.i = step.is_unsigned ? static_cast<int64_t>(static_cast<uint64_t>(whole)) : static_cast<int64_t>(whole);
      return;
    }
    case SqlType::kText: out.i = leading_integer(in.text); return;
    default: out.i = in.i; return;  // the bits stay, as with a server
  }
}

void WhereRun::to_moment(const WhereStep& step, SqlCell& out) {
  SqlCell in;
  value(step.args[0], in);
  out.is_null = in.is_null;
  if (in.is_null) return;
  constexpr int64_t kDay = int64_t{1} << 41;
  if (step.code == Code::kToDate) {
    out.i = step.type == SqlType::kDate ? in.i / kDay * kDay : in.i;
    return;
  }
  if (step.code == Code::kToTime) {
    if (step.from == SqlType::kTime) {
      out.i = in.i;
      return;
    }
    TimeParts clock = datetime_time(static_cast<uint64_t>(in.i));
    out.i = (clock.hour * int64_t{3600} + clock.minute * 60 + clock.second) * 1000000 + clock.microsecond;
    return;
  }
  uint64_t bits = 0;
  std::string_view text = in.text;
  bool fits = false;
  if (step.type == SqlType::kTime) {
    fits = parse_time_text(text, step.scale, out.i);
  } else {
    bool is_date = text.size() == 10;
    fits = is_date ? parse_date_text(text, bits) : parse_datetime_text(text, step.type == SqlType::kDate ? 6 : step.scale, bits);
    if (is_date) bits <<= 41;
    fits = fits && is_real_date(datetime_date(bits));
    out.i = static_cast<int64_t>(bits);
    if (step.type == SqlType::kDate) out.i = out.i / kDay * kDay;
  }
  if (fits) return;
  const char* form = step.type == SqlType::kTime ? "[-]HH:MM:SS" : step.type == SqlType::kDate ? "YYYY-MM-DD" : "YYYY-MM-DD HH:MM:SS";
  fail(step, fmt::format("'{}' is not of the form {}{}", first_characters(text, 40), form,
                         step.type == SqlType::kDate ? "" : fmt::format(" with at most {} digits of a second", step.scale)));
}

}  // namespace tailrace
