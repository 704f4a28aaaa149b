// A row filter or column expression compiled for one table version: typed steps over its cells. WhereProgram is immutable
// and shared; WhereRun evaluates it and belongs to one thread. Evaluation allocates nothing once its scratch has grown.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"
#include "rule/decimal.h"
#include "rule/where_collation.h"
#include "rule/where_parser.h"
#include "rule/where_predicate.h"

namespace tailrace {

// kDate and kDateTime are both Value's packed datetime, a date at midnight. kOpaque: JSON, geometry; only IS NULL.
enum class SqlType : uint8_t { kNull, kInt, kDecimal, kDouble, kText, kBytes, kDate, kDateTime, kTime, kOpaque };

struct SqlCell {
  bool is_null;
  union {
    int64_t i;  // kInt (the bits of a uint64_t where the step is unsigned), kDate, kDateTime, kTime
    double d;
  };
  std::string_view text;
  Decimal decimal;
};

struct WhereStep {
  enum class Code : uint8_t {
    kConstant,
    kLoad,
    kLoadLabel,
    kIntToDecimal,
    kToDouble,
    kTextToDecimal,
    kToText,
    kIntOp,
    kDecimalOp,
    kDoubleOp,
    kNegate,
    kInvert,
    kAbs,
    kCompareInt,
    kCompareDecimal,
    kCompareDouble,
    kCompareText,
    kLike,
    kAnd,
    kOr,
    kXor,
    kNot,
    kTruth,
    kIsNull,
    kIsTrue,
    kIsFalse,
    kAnyEqual,
    kConcat,
    kSubstr,
    kReplace,
    kCoalesce,
    kCharLength,
    kCutText,
    kRoundDecimal,
    kToInt,
    kTextToMoment,
    kToDate,
    kToTime
  };
  Code code = Code::kConstant;
  WhereOp op = WhereOp::kNull;    // kIntOp …: which; comparisons: which
  SqlType type = SqlType::kNull;  // of the result
  SqlType from = SqlType::kNull;  // conversions, kTruth: of the operand
  bool is_unsigned = false;       // of the result
  bool left_unsigned = false, right_unsigned = false;
  bool negated = false;        // kIsNull, kIsTrue, kIsFalse
  bool stops_at_null = false;  // kAnd where NULL and false are one
  bool special = false;        // kConcat: NULL counts as nothing; kTextToDecimal: a text that is no number is an error
  uint8_t scale = 0;
  uint16_t column = 0;
  uint32_t length = 0;
  uint32_t at = 0;  // place in the text
  std::vector<uint32_t> args;
  const WhereCollation* collation = nullptr;
  char escape = 0;
  SqlCell constant{};
  std::string text;  // behind constant.text
};

class WhereProgram {
 public:
  // `table`: for errors. `is_filter`: the result must be a truth value.
  static Result<std::shared_ptr<const WhereProgram>> compile(const WhereNode& root, const WhereSource& source,
                                                             std::span<const Column> columns, std::string_view table, bool is_filter);
  // Columns it reads, ascending.
  const std::vector<uint16_t>& reads() const noexcept { return reads_; }
  // What the expression gives, as a column: type, scale, nullable.
  const Column& result() const noexcept { return result_; }
  const WhereSource& source() const noexcept { return source_; }

 private:
  friend class WhereCompiler;
  friend class WherePredicates;
  friend class WhereRun;
  std::vector<WhereStep> steps_;
  std::vector<WherePredicate> predicates_;  // of a filter: the root's is the last
  uint32_t root_ = 0;
  bool is_final_ = false;  // constants can be read where they are
  std::vector<Column> columns_;
  std::vector<uint16_t> reads_;
  Column result_;
  WhereSource source_;
};

class WhereRun {
 public:
  enum class Verdict : uint8_t { kNo, kYes, kFailed };
  // `other`: the event's other image, for cells that `row` lacks; null = none. After kFailed see error().
  Verdict test(const WhereProgram& program, const Value* row, const Value* other = nullptr);
  // The expression's value as a cell of result(); text is copied to the arena. False: see error().
  [[nodiscard]] bool value(const WhereProgram& program, const Value* row, const Value* other, Arena& arena, Value& out);
  Status error() const { return error_; }

 private:
  friend class WhereCompiler;
  enum Truth : int { kFalse = 0, kTrue = 1, kUnknown = 2 };

  void begin(const WhereProgram& program, const Value* row, const Value* other);
  bool check_columns();
  bool miss(uint16_t column);
  const Value& cell(uint16_t column) const {
    const Value& own = row_[column];
    return own.is_absent() && other_ ? other_[column] : own;
  }
  void fail(const WhereStep& step, std::string message);
  Truth truth(uint32_t at);
  Truth judge(const WherePredicate& test);
  Truth judge_cell(const WherePredicate& test);
  Truth compare(const WhereStep& step, uint32_t left, uint32_t right);
  // Where the value is: `own`, or the constant itself.
  const SqlCell& value_of(uint32_t at, SqlCell& own) {
    const WhereStep& step = program_->steps_[at];
    if (step.code == WhereStep::Code::kConstant && program_->is_final_) return step.constant;
    value(at, own);
    return own;
  }
  void value(uint32_t at, SqlCell& out) {
    compute(at, out);
    if (failed_) out.is_null = true;  // what is there may be half made
  }
  void compute(uint32_t at, SqlCell& out);
  void load(const WhereStep& step, SqlCell& out);
  void load_label(const WhereStep& step, SqlCell& out);
  void convert(const WhereStep& step, SqlCell& out);
  void arithmetic(const WhereStep& step, SqlCell& out);
  void int_arithmetic(const WhereStep& step, const SqlCell& a, const SqlCell& b, SqlCell& out);
  void decimal_arithmetic(const WhereStep& step, const SqlCell& a, const SqlCell& b, SqlCell& out);
  void double_arithmetic(const WhereStep& step, const SqlCell& a, const SqlCell& b, SqlCell& out);
  void text_function(const WhereStep& step, SqlCell& out);
  void to_int(const WhereStep& step, SqlCell& out);
  void to_moment(const WhereStep& step, SqlCell& out);
  std::string_view text_of(const SqlCell& cell, const WhereStep& step);
  char* scratch(size_t bytes);

  const WhereProgram* program_ = nullptr;
  const Value* row_ = nullptr;
  const Value* other_ = nullptr;
  bool failed_ = false;
  Status error_;
  // Text made during one evaluation; blocks stay.
  std::vector<std::pair<std::unique_ptr<char[]>, size_t>> blocks_;
  size_t block_ = 0, used_ = 0;
};

// Numbers at the begin of a text, as a server reads them: blanks, sign, digits; what follows does not count.
double leading_double(std::string_view text) noexcept;
// `whole`: nothing but the number, and blanks around it. False, with the nearest there is, when it does not fit.
bool leading_decimal(std::string_view text, Decimal& out, bool& whole) noexcept;

}  // namespace tailrace
