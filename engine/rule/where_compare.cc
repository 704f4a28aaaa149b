// Comparisons of the row filter: which type two operands are compared in.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "event/time_parse.h"
#include "event/value_text.h"
#include "rule/where_compiler.h"

namespace tailrace {
namespace {

using Code = WhereStep::Code;

constexpr int64_t kOmsOffsetSeconds = 8 * 3600;  // TIMESTAMP texts without an offset

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// All of the text is one integer of 64 bits.
bool whole_integer(std::string_view text, int64_t& out, bool& is_unsigned) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, out);
  is_unsigned = false;
  if (!text.empty() && result.ec == std::errc() && result.ptr == end) return true;
  uint64_t large = 0;
  result = std::from_chars(text.data(), end, large);
  out = static_cast<int64_t>(large);
  is_unsigned = true;
  return !text.empty() && result.ec == std::errc() && result.ptr == end;
}

bool whole_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  size_t digit = text.starts_with('-') ? 1 : 0;
  if (digit >= text.size() || !(text[digit] == '.' || (text[digit] >= '0' && text[digit] <= '9'))) return false;
  double value = 0;
  auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

}  // namespace

std::string WhereCompiler::describe(const Typed& typed) const {
  if (typed.column >= 0) {
    const Column& column = program_.columns_[static_cast<size_t>(typed.column)];
    return fmt::format("`{}` ({})", column.name, column.type_text);
  }
  switch (typed.type) {
    case SqlType::kNull: return "NULL";
    case SqlType::kInt: return "an integer";
    case SqlType::kDecimal: return "a DECIMAL";
    case SqlType::kDouble: return "a DOUBLE";
    case SqlType::kText: return "a text";
    case SqlType::kBytes: return "a byte string";
    case SqlType::kDate: return "a DATE";
    case SqlType::kDateTime: return "a DATETIME";
    case SqlType::kTime: return "a TIME";
    case SqlType::kOpaque: return "a document or geometry";
  }
  return "?";
}

WhereCompiler::Typed WhereCompiler::comparison(WhereOp op, Typed left, Typed right, uint32_t at) {
  if (!error_.ok()) return Typed();
  if (left.type == SqlType::kNull || right.type == SqlType::kNull) return compare_as(Code::kCompareInt, op, left, right, at);
  for (const Typed* side : {&left, &right}) {
    if (side->type == SqlType::kOpaque) return fail(side->at, fmt::format("{} can only be tested with IS NULL", describe(*side)));
  }
  if (left.is_bits && is_number(right)) left = bits_as_int(left);
  if (right.is_bits && is_number(left)) right = bits_as_int(right);
  if (!error_.ok()) return Typed();
  if (is_number(left) && is_number(right)) return compare_numbers(op, std::move(left), std::move(right), at);
  if (is_moment(left) || is_moment(right)) return compare_moments(op, std::move(left), std::move(right), at);
  bool left_is_text = left.type == SqlType::kText, right_is_text = right.type == SqlType::kText;
  if (left_is_text && is_number(right)) return compare_text_with_number(op, std::move(left), std::move(right), true, at);
  if (right_is_text && is_number(left)) return compare_text_with_number(op, std::move(right), std::move(left), false, at);
  bool both = (left_is_text || left.type == SqlType::kBytes) && (right_is_text || right.type == SqlType::kBytes);
  if (both) return compare_texts(op, left, right, at);
  return fail(at, fmt::format("{} cannot be compared with {}", describe(left), describe(right)));
}

WhereCompiler::Typed WhereCompiler::compare_as(Code code, WhereOp op, const Typed& left, const Typed& right, uint32_t at) {
  if (!error_.ok()) return Typed();
  WhereStep step;
  step.code = code;
  step.op = op;
  step.at = at;
  step.left_unsigned = left.is_unsigned;
  step.right_unsigned = right.is_unsigned;
  step.args = {left.step, right.step};
  return emit_truth(std::move(step), (left.nullable || right.nullable) && op != WhereOp::kNullSafeEqual);
}

WhereCompiler::Typed WhereCompiler::compare_numbers(WhereOp op, Typed left, Typed right, uint32_t at) {
  // A server reads small numbers beside a YEAR as years of this century or the last.
  for (auto [year, other] : {std::pair{&left, &right}, std::pair{&right, &left}}) {
    if (year->kind != Kind::kYear || !other->is_constant || other->type != SqlType::kInt) continue;
    int64_t value = step_of(*other).constant.i;
    if (!step_of(*other).constant.is_null && value >= 0 && value < 100) {
      return fail(other->at, fmt::format("{} is compared with years of four digits", describe(*year)));
    }
  }
  // A constant beside a column is taken as the number it says.
  for (auto [column, other] : {std::pair{&left, &right}, std::pair{&right, &left}}) {
    bool is_exact = column->column >= 0 && column->type != SqlType::kDouble && other->type == SqlType::kDouble && other->is_constant;
    if (is_exact && !is_oms()) *other = double_as_decimal(*other);
  }
  if (left.type == SqlType::kDouble || right.type == SqlType::kDouble) {
    if (is_oms()) return fail(at, "FLOAT and DOUBLE are not compared in dialect \"oms\"");
    return compare_as(Code::kCompareDouble, op, to_double(std::move(left)), to_double(std::move(right)), at);
  }
  if (left.type == SqlType::kInt && right.type == SqlType::kInt) return compare_as(Code::kCompareInt, op, left, right, at);
  return compare_as(Code::kCompareDecimal, op, to_decimal(std::move(left)), to_decimal(std::move(right)), at);
}

// ---- texts

const WhereCollation* WhereCompiler::collation_of(const Typed& typed) {
  if (typed.collation) return typed.collation;
  if (typed.charset == 0 && typed.kind == Kind::kNull) return nullptr;  // no column in it: takes the other side's
  if (is_oms()) return where_collation("utf8mb4_bin");
  const WhereCollation* collation = where_collation(typed.charset);
  if (!collation) {
    std::string which = typed.charset == 0 ? std::string("of unknown collation")
                                           : fmt::format("of collation {}, which is not among the supported {}",
                                                         describe_collation(typed.charset), where_collation_names());
    fail(typed.at, fmt::format("{} is {}; write COLLATE utf8mb4_bin behind it to compare its characters as they are",
                               typed.column >= 0 ? describe(typed) : std::string("the text"), which));
  }
  return collation;
}

const WhereCollation* WhereCompiler::common_collation(const Typed& left, const Typed& right, uint32_t at) {
  const WhereCollation* common = combine(left, right, at);
  for (const Typed* side : {&left, &right}) {
    bool is_ascii = common && common->name.starts_with("ascii");
    bool is_foreign = side->kind == Kind::kNull && !side->collation;  // UTF-8 that the server would have to convert
    if (!is_ascii || !is_foreign) continue;
    if (!side->is_literal) {  // of a CAST, a server takes the collation of UTF-8, constant or not
      fail(side->at, fmt::format("an expression without columns of {} cannot be compared with one: add COLLATE utf8mb4_bin", common->name));
      return nullptr;
    }
    const std::string& text = step_of(*side).text;
    if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) continue;
    fail(side->at, fmt::format("'{}' has characters that a text of {} cannot have", text, common->name));
    return nullptr;
  }
  return common;
}

// A text made of several is compared by the collation of the columns in it.
void WhereCompiler::take_collation(Typed& whole, const Typed& part, uint32_t at) {
  if (part.kind == Kind::kNull && !part.collation) return;
  if (whole.kind == Kind::kNull && !whole.collation) {
    whole.kind = Kind::kText;
    whole.charset = part.charset;
    whole.collation = part.collation;
    return;
  }
  (void)common_collation(whole, part, at);
  if (!whole.collation) whole.collation = part.collation;
}

const WhereCollation* WhereCompiler::combine(const Typed& left, const Typed& right, uint32_t at) {
  const WhereCollation* a = collation_of(left);
  const WhereCollation* b = collation_of(right);
  if (!error_.ok()) return nullptr;
  if (left.collation && right.collation && left.collation != right.collation) {
    fail(at, fmt::format("COLLATE {} on one side and {} on the other", left.collation->name, right.collation->name));
    return nullptr;
  }
  if (left.collation) return left.collation;
  if (right.collation) return right.collation;
  if (a && b && a != b) {
    fail(at, fmt::format("the sides have the collations {} and {}: add COLLATE to one of them", a->name, b->name));
    return nullptr;
  }
  if (a || b) return a ? a : b;
  return is_oms() ? where_collation("utf8mb4_bin") : &default_where_collation();
}

WhereCompiler::Typed WhereCompiler::compare_texts(WhereOp op, const Typed& left, const Typed& right, uint32_t at) {
  const WhereCollation* collation = nullptr;
  bool left_is_bytes = left.type == SqlType::kBytes, right_is_bytes = right.type == SqlType::kBytes;
  if (left_is_bytes || right_is_bytes) {
    const Typed& other = left_is_bytes ? right : left;
    bool fits = other.type == SqlType::kBytes || other.is_literal;
    const Typed& bytes = left_is_bytes ? left : right;
    if (!fits || (bytes.is_bits && other.type == SqlType::kText)) {
      return fail(at, fmt::format("{} cannot be compared with {}: bytes of a character set are no text", describe(left), describe(right)));
    }
    collation = where_collation(uint16_t{63});
  } else {
    collation = common_collation(left, right, at);
  }
  if (!error_.ok()) return Typed();
  WhereStep step;
  step.code = Code::kCompareText;
  step.op = op;
  step.at = at;
  step.collation = collation;
  step.args = {left.step, right.step};
  return emit_truth(std::move(step), (left.nullable || right.nullable) && op != WhereOp::kNullSafeEqual);
}

// The shortest number that reads back as the double; itself where that is no DECIMAL.
WhereCompiler::Typed WhereCompiler::double_as_decimal(const Typed& in) {
  const WhereStep& step = step_of(in);
  if (step.constant.is_null) return in;
  std::string digits;
  append_double(step.constant.d, false, digits);
  WhereStep out;
  out.type = SqlType::kDecimal;
  out.at = in.at;
  bool whole = false;
  if (!leading_decimal(digits, out.constant.decimal, whole) || out.constant.decimal.scale > 30) return in;
  out.scale = out.constant.decimal.scale;
  return emit(std::move(out), {});
}

WhereCompiler::Typed WhereCompiler::bits_as_int(const Typed& bits) {
  const std::string& bytes = step_of(bits).text;
  if (bytes.size() > 8) return fail(bits.at, "the literal has more than 64 bits");
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return constant_int(bits.at, static_cast<int64_t>(value), true);
}

// ---- texts beside numbers

// The literal as the number it is compared with; a text that is no number is refused.
WhereCompiler::Typed WhereCompiler::literal_as_number(const Typed& text, const Typed& other) {
  std::string digits = step_of(text).text;
  int64_t integer = 0;
  bool is_unsigned = false;
  bool is_integer = whole_integer(digits, integer, is_unsigned);
  if (other.kind == Kind::kYear && trimmed(digits).size() != 4) {
    return fail(text.at, fmt::format("{} is compared with years of four digits", describe(other)));
  }
  // A server takes the text as an exact number only beside a column itself, and beside an integer only a whole one; else
  // both become doubles.
  bool is_exact = is_oms() || (other.column >= 0 && other.type != SqlType::kDouble);
  if (is_integer && is_exact) return constant_int(text.at, integer, is_unsigned);
  WhereStep number;
  bool whole = false;
  if (is_exact && whole_number(digits) && leading_decimal(digits, number.constant.decimal, whole) && whole) {
    Decimal rounded;
    bool is_whole = round_decimal(number.constant.decimal, 0, rounded) && compare_decimal(rounded, number.constant.decimal) == 0;
    if (is_oms() || other.type == SqlType::kDecimal || is_whole) {
      number.type = SqlType::kDecimal;
      number.at = text.at;
      number.scale = number.constant.decimal.scale;
      return emit(std::move(number), {});
    }
  }
  if (!whole_number(digits)) return fail(text.at, fmt::format("'{}' is no number, {} is compared with numbers", digits, describe(other)));
  return text;
}

WhereCompiler::Typed WhereCompiler::compare_text_with_number(WhereOp op, Typed text, Typed number, bool text_is_left, uint32_t at) {
  bool is_label = text.kind == Kind::kEnum || text.kind == Kind::kSet;
  if (is_label && step_of(text).code == Code::kLoadLabel) {
    text = label_as_int(text);
  } else if (text.is_literal) {
    text = literal_as_number(text, number);
    if (!error_.ok()) return Typed();
  }
  if (is_number(text) && is_number(number)) {
    return text_is_left ? compare_numbers(op, std::move(text), std::move(number), at)
                        : compare_numbers(op, std::move(number), std::move(text), at);
  }
  if (is_oms() && number.type == SqlType::kDouble) return fail(at, "FLOAT and DOUBLE are not compared in dialect \"oms\"");
  Code code = is_oms() ? Code::kCompareDecimal : Code::kCompareDouble;
  text = is_oms() ? to_decimal(std::move(text)) : to_double(std::move(text));
  number = is_oms() ? to_decimal(std::move(number)) : to_double(std::move(number));
  return text_is_left ? compare_as(code, op, text, number, at) : compare_as(code, op, number, text, at);
}

// ---- dates and times

WhereCompiler::Typed WhereCompiler::literal_as_moment(const Typed& text, const Typed& other) {
  std::string value = step_of(text).text;
  if (other.type == SqlType::kTime && other.column < 0)
    return fail(text.at, "write TIME'…' here: beside an expression a server compares this as text");
  if (is_oms() && other.kind == Kind::kTimestamp) return oms_timestamp(text);
  return moment(value, other.type == SqlType::kTime ? SqlType::kTime : SqlType::kDateTime, text.at);
}

// 'YYYY-MM-DD HH:MM:SS[ ±HH:MM]', +08:00 without an offset, or seconds since 1970: as UTC.
WhereCompiler::Typed WhereCompiler::oms_timestamp(const Typed& literal) {
  const WhereStep& step = step_of(literal);
  int64_t seconds = 0;
  uint64_t micros = 0;
  if (literal.type == SqlType::kInt) {
    seconds = step.constant.i;
    if (seconds < 0 || seconds > 253402300799) return fail(literal.at, "no second of the years 1970 to 9999");
  } else {
    std::string text = step.text;
    int64_t offset = kOmsOffsetSeconds;
    size_t sign = text.find_first_of("+-", std::min<size_t>(10, text.size()));
    if (sign != std::string::npos) {
      int hours = 0, minutes = 0;
      const char* p = text.data() + sign + 1;
      bool fits = text.size() == sign + 6 && p[2] == ':' && std::from_chars(p, p + 2, hours).ptr == p + 2 &&
                  std::from_chars(p + 3, p + 5, minutes).ptr == p + 5 && hours <= 14 && minutes < 60;
      if (!fits) return fail(literal.at, fmt::format("'{}' has no offset like +08:00", text));
      offset = (hours * 3600 + minutes * 60) * (text[sign] == '-' ? -1 : 1);
      text.resize(sign);
      while (!text.empty() && text.back() == ' ') text.pop_back();
    }
    Typed wall = moment(text, SqlType::kDateTime, literal.at);
    if (!error_.ok()) return Typed();
    auto packed = static_cast<uint64_t>(step_of(wall).constant.i);
    if (packed == 0) return wall;
    TimeParts clock = datetime_time(packed);
    seconds = days_from_civil(datetime_date(packed)) * 86400 + clock.hour * 3600 + clock.minute * 60 + clock.second - offset;
    micros = clock.microsecond;
  }
  int64_t days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
  auto rest = static_cast<unsigned>(seconds - days * 86400);
  WhereStep out;
  out.at = literal.at;
  out.type = SqlType::kDateTime;
  out.scale = 6;
  out.constant.i =
      static_cast<int64_t>(pack_datetime(civil_from_days(days), {rest / 3600, rest / 60 % 60, rest % 60, static_cast<unsigned>(micros)}));
  return emit(std::move(out), {});
}

WhereCompiler::Typed WhereCompiler::compare_moments(WhereOp op, Typed left, Typed right, uint32_t at) {
  for (auto [side, other] : {std::pair{&left, &right}, std::pair{&right, &left}}) {
    if (!is_moment(*other)) continue;
    bool is_seconds = is_oms() && other->kind == Kind::kTimestamp && side->type == SqlType::kInt && side->is_constant;
    if (side->is_literal || is_seconds) *side = is_seconds ? oms_timestamp(*side) : literal_as_moment(*side, *other);
    if (!error_.ok()) return Typed();
    if (is_moment(*side)) continue;
    const char* hint = side->type == SqlType::kText ? "CAST the text AS DATETIME" : "write it as a text like '2026-01-31 12:00:00'";
    return fail(at, fmt::format("{} cannot be compared with {}: {}", describe(*other), describe(*side), hint));
  }
  if ((left.type == SqlType::kTime) != (right.type == SqlType::kTime)) {
    return fail(at, fmt::format("{} cannot be compared with {}: the day is missing", describe(left), describe(right)));
  }
  return compare_as(Code::kCompareInt, op, left, right, at);
}

}  // namespace tailrace
