#include "rule/where_predicate.h"

#include <algorithm>
#include <array>

#include "event/value_text.h"
#include "rule/where_program.h"

namespace tailrace {
namespace {

using Code = WherePredicate::Code;
using StepCode = WhereStep::Code;

constexpr unsigned kDigits = 18;  // that any int64_t holds

constexpr std::array<int64_t, kDigits + 1> kPowers = [] {
  std::array<int64_t, kDigits + 1> out{1};
  for (size_t i = 1; i <= kDigits; ++i) out[i] = out[i - 1] * 10;
  return out;
}();

// Printable ASCII in capitals, 0 for what is not.
constexpr std::array<char, 256> kCapitals = [] {
  std::array<char, 256> out{};
  for (int c = ' '; c <= '~'; ++c) out[static_cast<size_t>(c)] = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return out;
}();

uint8_t orders_of(WhereOp op) {
  constexpr uint8_t kLess = WherePredicate::kLess, kEqual = WherePredicate::kEqual, kGreater = WherePredicate::kGreater;
  switch (op) {
    case WhereOp::kEqual:
    case WhereOp::kNullSafeEqual: return kEqual;
    case WhereOp::kNotEqual: return kLess | kGreater;
    case WhereOp::kLess: return kLess;
    case WhereOp::kLessEqual: return kLess | kEqual;
    case WhereOp::kGreater: return kGreater;
    default: return kGreater | kEqual;
  }
}

// The same with the sides changed.
uint8_t turned(uint8_t orders) {
  bool less = orders & WherePredicate::kLess, greater = orders & WherePredicate::kGreater;
  return static_cast<uint8_t>((orders & WherePredicate::kEqual) | (less ? WherePredicate::kGreater : 0) |
                              (greater ? WherePredicate::kLess : 0));
}

// The digits of a constant without their point, when there are `scale` behind it.
bool scaled_constant(const Decimal& constant, unsigned scale, int64_t& out) {
  Decimal padded;
  if (scale > kDigits || !round_decimal(constant, scale, padded)) return false;
  if (padded.words[1] | padded.words[2] | padded.words[3] || padded.words[0] >= static_cast<uint64_t>(kPowers[kDigits])) return false;
  out = static_cast<int64_t>(padded.words[0]);
  if (padded.negative) out = -out;
  return true;
}

std::string_view without_blanks(std::string_view text) noexcept {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

bool scaled_digits(std::string_view digits, unsigned scale, int64_t& out) noexcept {
  bool is_negative = digits.starts_with('-');
  if (is_negative) digits.remove_prefix(1);
  if (digits.size() > kDigits + 1) return false;
  int64_t value = 0;
  size_t point = digits.size();
  for (size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] == '.') point = i + 1;
    else value = value * 10 + (digits[i] - '0');
  }
  size_t behind = digits.size() - point;
  if (behind > scale || digits.size() + (scale - behind) > kDigits) return false;
  value *= kPowers[scale - behind];
  out = is_negative ? -value : value;
  return true;
}

bool has_capitals_form(std::string_view text) noexcept {
  for (char c : text) {
    if (!kCapitals[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

TextEquality equal_in_capitals(std::string_view text, std::string_view wanted, bool pads) noexcept {
  size_t common = std::min(text.size(), wanted.size());
  size_t i = 0;
  for (; i < common; ++i) {
    char c = kCapitals[static_cast<unsigned char>(text[i])];
    if (c != wanted[i]) return c ? TextEquality::kDifferent : TextEquality::kUnclear;
  }
  if (i < wanted.size()) return TextEquality::kDifferent;
  for (; i < text.size(); ++i) {
    if (pads && text[i] == ' ') continue;
    return kCapitals[static_cast<unsigned char>(text[i])] ? TextEquality::kDifferent : TextEquality::kUnclear;
  }
  return TextEquality::kEqual;
}

std::vector<WherePredicate> WherePredicates::make() {
  add(program_.root_);
  return std::move(made_);
}

uint32_t WherePredicates::add(uint32_t step) {
  WherePredicate made = of(step);
  made.step = step;
  made_.push_back(std::move(made));
  return static_cast<uint32_t>(made_.size() - 1);
}

WherePredicate WherePredicates::of(uint32_t at) {
  const WhereStep& step = program_.steps_[at];
  WherePredicate out;
  switch (step.code) {
    case StepCode::kAnd: out.code = Code::kAnd; break;
    case StepCode::kOr:
    case StepCode::kAnyEqual: out.code = Code::kOr; break;
    case StepCode::kNot: out.code = Code::kNot; break;
    case StepCode::kIsTrue: out.code = Code::kIsTrue; break;
    case StepCode::kIsFalse: out.code = Code::kIsFalse; break;
    case StepCode::kIsNull: {
      const WhereStep& operand = program_.steps_[step.args[0]];
      if (operand.code != StepCode::kLoad && operand.code != StepCode::kLoadLabel) return out;
      out.code = Code::kIsNull;
      out.column = operand.column;
      out.negated = step.negated;
      return out;
    }
    case StepCode::kCompareInt:
    case StepCode::kCompareDouble:
    case StepCode::kCompareDecimal:
    case StepCode::kCompareText:
    case StepCode::kLike: return comparison(at, std::move(out));
    default: return out;
  }
  out.negated = step.negated;
  out.stops_at_null = step.stops_at_null;
  for (uint32_t arg : step.args) out.args.push_back(add(arg));
  return out;
}

WherePredicate WherePredicates::comparison(uint32_t at, WherePredicate out) const {
  const WhereStep& step = program_.steps_[at];
  auto is_constant = [&](size_t side) {
    const WhereStep& operand = program_.steps_[step.args[side]];
    return operand.code == StepCode::kConstant && !operand.constant.is_null;
  };
  bool is_turned = is_constant(0);
  if (!is_turned && !is_constant(1)) return out;
  const WhereStep& cell = program_.steps_[step.args[is_turned ? 1 : 0]];
  const WhereStep& beside = program_.steps_[step.args[is_turned ? 0 : 1]];
  if (cell.code != StepCode::kLoad && cell.code != StepCode::kLoadLabel) return out;
  const Column& column = program_.columns_[cell.column];
  out.column = cell.column;
  out.kind = column.kind;
  out.orders = is_turned ? turned(orders_of(step.op)) : orders_of(step.op);
  out.null_is_false = step.op == WhereOp::kNullSafeEqual;
  if (step.code == StepCode::kCompareText || step.code == StepCode::kLike) {
    return text_comparison(at, std::move(out), step.args[is_turned ? 1 : 0], step.args[is_turned ? 0 : 1], is_turned);
  }
  int64_t constant = beside.constant.i;
  switch (column.kind) {
    case Kind::kInt:
      if (step.code != StepCode::kCompareInt || (beside.is_unsigned && constant < 0)) break;  // above any cell
      out.code = Code::kSigned;
      out.i = constant;
      break;
    case Kind::kUint:
    case Kind::kBit:
    case Kind::kYear:
      if (step.code != StepCode::kCompareInt || (!beside.is_unsigned && constant < 0)) break;
      out.code = Code::kUnsigned;
      out.i = constant;
      break;
    case Kind::kTime:
    case Kind::kDateTime:
    case Kind::kDate:
      if (step.code != StepCode::kCompareInt) break;
      out.code = column.kind == Kind::kDate ? Code::kDate : Code::kSigned;
      out.i = constant;
      break;
    case Kind::kTimestamp: {
      auto packed = static_cast<uint64_t>(constant);
      if (step.code != StepCode::kCompareInt || packed == 0 || !is_real_date(datetime_date(packed))) break;
      TimeParts clock = datetime_time(packed);
      int64_t seconds = days_from_civil(datetime_date(packed)) * 86400 + clock.hour * 3600 + clock.minute * 60 + clock.second;
      if (seconds <= 0) break;  // the zero timestamp is below all others
      out.code = Code::kSigned;
      out.i = seconds * 1000000 + clock.microsecond;
      break;
    }
    case Kind::kDouble:
      if (step.code != StepCode::kCompareDouble) break;
      out.code = Code::kDouble;
      out.d = beside.constant.d;
      break;
    case Kind::kDecimal:
      out.scale = std::max(column.scale, beside.constant.decimal.scale);
      if (step.code != StepCode::kCompareDecimal || !scaled_constant(beside.constant.decimal, out.scale, out.i)) break;
      out.code = Code::kDecimal;
      break;
    default: break;
  }
  return out;
}

WherePredicate WherePredicates::text_comparison(uint32_t at, WherePredicate out, uint32_t cell, uint32_t constant, bool is_turned) const {
  const WhereStep& step = program_.steps_[at];
  const std::string& text = program_.steps_[constant].text;
  bool is_like = step.code == StepCode::kLike;
  if (is_like && is_turned) return out;  // 'x' LIKE column
  out.collation = step.collation;
  out.escape = step.escape;
  if (program_.steps_[cell].code == StepCode::kLoadLabel) {
    const std::vector<std::string>& labels = program_.columns_[out.column].labels;
    if (out.kind != Kind::kEnum || labels.size() > 62) return out;
    uint64_t fitting = 0;
    for (size_t i = 0; i <= labels.size(); ++i) {
      std::string_view label = i == 0 ? std::string_view() : std::string_view(labels[i - 1]);
      bool fits = is_like ? like_text(*step.collation, label, text, step.escape)
                          : out.orders >> (compare_text(*step.collation, label, text) + 1) & 1;
      if (fits) fitting |= uint64_t{1} << i;
    }
    out.code = Code::kLabel;
    out.i = static_cast<int64_t>(fitting);
    out.scale = static_cast<uint8_t>(labels.size());
    return out;
  }
  if (out.kind != Kind::kText && out.kind != Kind::kBytes) return out;
  out.text = text;
  constexpr uint8_t kOrdered = WherePredicate::kLess | WherePredicate::kGreater;
  bool is_equality = out.orders == WherePredicate::kEqual || out.orders == kOrdered;
  if (is_like) {
    out.code = Code::kLike;
  } else if (!is_equality) {
    out.code = Code::kTextOrder;
  } else if (step.collation->order == WhereCollation::Order::kBytes) {
    out.code = Code::kBytesEqual;
    if (step.collation->pads) out.text = without_blanks(text);
  } else if (has_capitals_form(text)) {
    out.code = Code::kTextEqual;
    if (step.collation->pads) out.text = without_blanks(text);
    for (char& c : out.text) c = kCapitals[static_cast<unsigned char>(c)];
  } else {
    out.code = Code::kTextOrder;
  }
  return out;
}

// A column beside constants. Always inlined: a filter is mostly this, for each image.
[[gnu::always_inline]] inline WhereRun::Truth WhereRun::judge_cell(const WherePredicate& test) {
  if (test.code == Code::kStep) return truth(test.step);
  const Value& in = cell(test.column);
  if (test.code == Code::kIsNull) return in.is_null() != test.negated ? kTrue : kFalse;
  if (in.kind != test.kind) {
    if (in.is_null()) return test.null_is_false ? kFalse : kUnknown;
    return truth(test.step);
  }
  auto of_order = [&test](auto a, auto b) { return test.orders >> (a < b ? 0 : a == b ? 1 : 2) & 1 ? kTrue : kFalse; };
  auto of_equality = [&test](bool is_equal) { return is_equal == ((test.orders & WherePredicate::kEqual) != 0) ? kTrue : kFalse; };
  switch (test.code) {
    case Code::kSigned: return of_order(in.i, test.i);
    case Code::kUnsigned: return of_order(in.u, static_cast<uint64_t>(test.i));
    case Code::kDate: return of_order(static_cast<int64_t>(in.u << 41), test.i);
    case Code::kDouble: return of_order(in.d, test.d);
    case Code::kDecimal: {
      int64_t digits = 0;
      if (!scaled_digits(in.text(), test.scale, digits)) break;
      return of_order(digits, test.i);
    }
    case Code::kBytesEqual: {
      std::string_view text = test.collation->pads ? without_blanks(in.text()) : in.text();
      return of_equality(text == test.text);
    }
    case Code::kTextEqual: {
      std::string_view text = in.text();
      if (!text.empty() && !test.text.empty()) {  // most texts differ at once
        char first = kCapitals[static_cast<unsigned char>(text[0])];
        if (first && first != test.text[0]) return of_equality(false);
      }
      TextEquality equality = equal_in_capitals(text, test.text, test.collation->pads);
      if (equality == TextEquality::kUnclear) break;
      return of_equality(equality == TextEquality::kEqual);
    }
    case Code::kTextOrder: return of_order(compare_text(*test.collation, in.text(), test.text), 0);
    case Code::kLike: return like_text(*test.collation, in.text(), test.text, test.escape) ? kTrue : kFalse;
    case Code::kLabel:
      if (in.u > test.scale) break;
      return static_cast<uint64_t>(test.i) >> in.u & 1 ? kTrue : kFalse;
    default: break;
  }
  return truth(test.step);
}

WhereRun::Truth WhereRun::judge(const WherePredicate& test) {
  switch (test.code) {
    case Code::kAnd:
    case Code::kOr: {
      Truth stop = test.code == Code::kAnd ? kFalse : kTrue;
      Truth out = stop == kTrue ? kFalse : kTrue;
      for (uint32_t arg : test.args) {
        const WherePredicate& part = program_->predicates_[arg];
        Truth operand = part.args.empty() ? judge_cell(part) : judge(part);
        if (operand == stop || (operand == kUnknown && test.stops_at_null)) return stop;
        if (operand == kUnknown) out = kUnknown;
      }
      return out;
    }
    case Code::kNot: {
      Truth operand = judge(program_->predicates_[test.args[0]]);
      return operand == kUnknown ? kUnknown : operand == kTrue ? kFalse : kTrue;
    }
    case Code::kIsTrue: return (judge(program_->predicates_[test.args[0]]) == kTrue) != test.negated ? kTrue : kFalse;
    case Code::kIsFalse: return (judge(program_->predicates_[test.args[0]]) == kFalse) != test.negated ? kTrue : kFalse;
    default: return judge_cell(test);
  }
}

}  // namespace tailrace
