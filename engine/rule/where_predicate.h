// WherePredicate: what of a row filter can be told from the cells as they lie in the row: a column beside constants, and
// what joins such conditions. Made of the steps of a WhereProgram when it is compiled, and says what they say; a condition
// of another form stays a step. Immutable, part of its program.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "event/value.h"
#include "rule/where_collation.h"

namespace tailrace {

struct WherePredicate {
  enum class Code : uint8_t {
    kStep,  // as `step` says
    kSigned,
    kUnsigned,
    kDate,
    kDouble,
    kDecimal,  // the cell's order beside `i` or `d`
    kBytesEqual,
    kTextEqual,
    kTextOrder,
    kLike,   // the cell's text beside `text`
    kLabel,  // `i` has a bit per index of an ENUM that fits
    kIsNull,
    kAnd,
    kOr,
    kNot,
    kIsTrue,
    kIsFalse
  };
  static constexpr uint8_t kLess = 1, kEqual = 2, kGreater = 4;

  Code code = Code::kStep;
  Kind kind = Kind::kNull;     // of the cell; NULL aside, others are left to the step
  uint8_t orders = 0;          // that make it true: kLess | …
  uint8_t scale = 0;           // kDecimal: digits behind the point of `i`
  bool negated = false;        // kIsNull, kIsTrue, kIsFalse
  bool null_is_false = false;  // `<=>` with a value
  bool stops_at_null = false;  // kAnd
  char escape = 0;             // kLike
  uint16_t column = 0;
  uint32_t step = 0;
  union {
    int64_t i = 0;
    double d;
  };
  const WhereCollation* collation = nullptr;
  std::string text;            // kTextEqual: in capitals; where blanks at the end do not count, without them
  std::vector<uint32_t> args;  // of what joins others
};

// The integer that these digits are when they have `scale` digits behind the point. False: more than 18 digits.
bool scaled_digits(std::string_view digits, unsigned scale, int64_t& out) noexcept;

enum class TextEquality : uint8_t { kDifferent, kEqual, kUnclear };
// Both case-insensitive orders agree on printable ASCII; other characters leave it unclear. `wanted` as in a predicate.
TextEquality equal_in_capitals(std::string_view text, std::string_view wanted, bool pads) noexcept;
// Can `text` be the other side of that?
bool has_capitals_form(std::string_view text) noexcept;

class WhereProgram;

// Turns the steps of a program into predicates, the root's last.
class WherePredicates {
 public:
  explicit WherePredicates(const WhereProgram& program) : program_(program) {}
  std::vector<WherePredicate> make();

 private:
  uint32_t add(uint32_t step);
  WherePredicate of(uint32_t step);
  WherePredicate comparison(uint32_t step, WherePredicate out) const;
  WherePredicate text_comparison(uint32_t step, WherePredicate out, uint32_t cell, uint32_t constant, bool is_turned) const;

  const WhereProgram& program_;
  std::vector<WherePredicate> made_;
};

}  // namespace tailrace
