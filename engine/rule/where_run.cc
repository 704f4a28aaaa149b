#include <fmt/format.h>

#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstring>

#include "event/value_text.h"
#include "rule/where_program.h"

namespace tailrace {
namespace {

using Code = WhereStep::Code;

// Microseconds since 1970 as the packed wall clock of UTC; 0 is the zero timestamp.
int64_t packed_utc(int64_t micros) {
  if (micros == 0) return 0;
  int64_t seconds = micros / 1000000;
  int64_t rest = micros % 1000000;
  if (rest < 0) rest += 1000000, --seconds;
  int64_t days = seconds / 86400;
  int64_t clock = seconds % 86400;
  if (clock < 0) clock += 86400, --days;
  auto s = static_cast<unsigned>(clock);
  return static_cast<int64_t>(pack_datetime(civil_from_days(days), {s / 3600, s / 60 % 60, s % 60, static_cast<unsigned>(rest)}));
}

int order_of_integers(int64_t a, bool a_unsigned, int64_t b, bool b_unsigned) {
  if (a_unsigned != b_unsigned) {
    if (a_unsigned && a < 0) return 1;  // above the other's range
    if (b_unsigned && b < 0) return -1;
  } else if (a_unsigned) {
    auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    return x < y ? -1 : x > y;
  }
  return a < b ? -1 : a > b;
}

bool holds(WhereOp op, int order) {
  switch (op) {
    case WhereOp::kEqual:
    case WhereOp::kNullSafeEqual: return order == 0;
    case WhereOp::kNotEqual: return order != 0;
    case WhereOp::kLess: return order < 0;
    case WhereOp::kLessEqual: return order <= 0;
    case WhereOp::kGreater: return order > 0;
    default: return order >= 0;
  }
}

}  // namespace

void WhereRun::begin(const WhereProgram& program, const Value* row, const Value* other) {
  program_ = &program;
  row_ = row;
  other_ = other;
  failed_ = false;
  block_ = used_ = 0;
}

inline bool WhereRun::check_columns() {
  for (uint16_t column : program_->reads_) {
    if (cell(column).is_absent()) [[unlikely]]
      return miss(column);
  }
  return true;
}

[[gnu::cold]] bool WhereRun::miss(uint16_t column) {
  error_ = where_error(
      program_->source_, 0,
      fmt::format("column `{}` is not in this row image; log full images (binlog_row_image=FULL)", program_->columns_[column].name),
      ErrorCode::kRuleColumn);
  failed_ = true;
  return false;
}

void WhereRun::fail(const WhereStep& step, std::string message) {
  if (failed_) return;
  failed_ = true;
  error_ = where_error(program_->source_, step.at, message, ErrorCode::kRuleRuntime);
}

WhereRun::Verdict WhereRun::test(const WhereProgram& program, const Value* row, const Value* other) {
  begin(program, row, other);
  if (!check_columns()) return Verdict::kFailed;
  Truth truth_value = program.predicates_.empty() ? truth(program.root_) : judge(program.predicates_.back());
  if (failed_) return Verdict::kFailed;
  return truth_value == kTrue ? Verdict::kYes : Verdict::kNo;
}

char* WhereRun::scratch(size_t bytes) {
  while (block_ < blocks_.size() && blocks_[block_].second - used_ < bytes) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    size_t size = std::max<size_t>(bytes, 4096);
    blocks_.emplace_back(std::make_unique<char[]>(size), size);
    used_ = 0;
  }
  char* out = blocks_[block_].first.get() + used_;
  used_ += bytes;
  return out;
}

// ---- truth

WhereRun::Truth WhereRun::compare(const WhereStep& step, uint32_t left, uint32_t right) {
  SqlCell own_a, own_b;
  const SqlCell& a = value_of(left, own_a);
  if (a.is_null && step.op != WhereOp::kNullSafeEqual) return kUnknown;
  const SqlCell& b = value_of(right, own_b);
  if (a.is_null || b.is_null) {
    if (step.op == WhereOp::kNullSafeEqual) return a.is_null && b.is_null ? kTrue : kFalse;
    return kUnknown;
  }
  int order = 0;
  switch (step.code) {
    case Code::kCompareInt: order = order_of_integers(a.i, step.left_unsigned, b.i, step.right_unsigned); break;
    case Code::kCompareDecimal: order = compare_decimal(a.decimal, b.decimal); break;
    case Code::kCompareDouble: order = a.d < b.d ? -1 : a.d > b.d; break;
    default:
      if (step.op == WhereOp::kEqual && a.text.size() == b.text.size() && a.text == b.text) return kTrue;
      order = compare_text(*step.collation, a.text, b.text);
      break;
  }
  return holds(step.op, order) ? kTrue : kFalse;
}

WhereRun::Truth WhereRun::truth(uint32_t at) {
  const WhereStep& step = program_->steps_[at];
  switch (step.code) {
    case Code::kCompareInt:
    case Code::kCompareDecimal:
    case Code::kCompareDouble:
    case Code::kCompareText: return compare(step, step.args[0], step.args[1]);
    case Code::kAnd:
    case Code::kOr: {
      Truth stop = step.code == Code::kAnd ? kFalse : kTrue;
      Truth out = stop == kTrue ? kFalse : kTrue;
      for (uint32_t arg : step.args) {
        Truth operand = truth(arg);
        if (operand == stop || (operand == kUnknown && step.stops_at_null)) return stop;
        if (operand == kUnknown) out = kUnknown;
      }
      return out;
    }
    case Code::kXor: {
      Truth left = truth(step.args[0]);
      if (left == kUnknown) return kUnknown;
      Truth right = truth(step.args[1]);
      if (right == kUnknown) return kUnknown;
      return left == right ? kFalse : kTrue;
    }
    case Code::kNot: {
      Truth operand = truth(step.args[0]);
      return operand == kUnknown ? kUnknown : operand == kTrue ? kFalse : kTrue;
    }
    case Code::kIsNull: {
      SqlCell operand;
      value(step.args[0], operand);
      return operand.is_null != step.negated ? kTrue : kFalse;
    }
    case Code::kIsTrue: return (truth(step.args[0]) == kTrue) != step.negated ? kTrue : kFalse;
    case Code::kIsFalse: return (truth(step.args[0]) == kFalse) != step.negated ? kTrue : kFalse;
    case Code::kAnyEqual: {
      Truth out = kFalse;
      for (uint32_t item : step.args) {
        Truth equal = truth(item);
        if (equal == kTrue) return kTrue;
        if (equal == kUnknown) out = kUnknown;
      }
      return out;
    }
    case Code::kLike: {
      SqlCell own_text, own_pattern;
      const SqlCell& text = value_of(step.args[0], own_text);
      const SqlCell& pattern = value_of(step.args[1], own_pattern);
      if (text.is_null || pattern.is_null) return kUnknown;
      return like_text(*step.collation, text.text, pattern.text, step.escape) ? kTrue : kFalse;
    }
    case Code::kTruth: {
      SqlCell operand;
      value(step.args[0], operand);
      if (operand.is_null) return kUnknown;
      bool is_zero = step.from == SqlType::kDecimal  ? decimal_is_zero(operand.decimal)
                     : step.from == SqlType::kDouble ? operand.d == 0
                                                     : operand.i == 0;
      return is_zero ? kFalse : kTrue;
    }
    default: {
      SqlCell operand;
      compute(at, operand);
      return operand.is_null ? kUnknown : operand.i ? kTrue : kFalse;
    }
  }
}

// ---- values

void WhereRun::compute(uint32_t at, SqlCell& out) {
  const WhereStep& step = program_->steps_[at];
  out.is_null = false;
  switch (step.code) {
    case Code::kConstant:
      out = step.constant;
      out.text = step.text;
      return;
    case Code::kLoad: load(step, out); return;
    case Code::kLoadLabel: load_label(step, out); return;
    case Code::kIntToDecimal:
    case Code::kToDouble:
    case Code::kTextToDecimal:
    case Code::kToText:
    case Code::kRoundDecimal:
    case Code::kCutText: convert(step, out); return;
    case Code::kIntOp:
    case Code::kDecimalOp:
    case Code::kDoubleOp:
    case Code::kNegate:
    case Code::kInvert:
    case Code::kAbs: arithmetic(step, out); return;
    case Code::kConcat:
    case Code::kSubstr:
    case Code::kReplace:
    case Code::kCharLength: text_function(step, out); return;
    case Code::kCoalesce:
      for (uint32_t arg : step.args) {
        value(arg, out);
        if (!out.is_null) return;
      }
      return;
    case Code::kToInt: to_int(step, out); return;
    case Code::kTextToMoment:
    case Code::kToDate:
    case Code::kToTime: to_moment(step, out); return;
    default: break;
  }
  Truth result = truth(at);
  out.is_null = result == kUnknown;
  out.i = result == kTrue;
}

void WhereRun::load(const WhereStep& step, SqlCell& out) {
  const Value& in = cell(step.column);
  switch (in.kind) {
    case Kind::kNull:
    case Kind::kAbsent: out.is_null = true; return;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kBit:
    case Kind::kYear:
    case Kind::kDateTime:
    case Kind::kTime:
    case Kind::kEnum:
    case Kind::kSet: out.i = in.i; return;
    case Kind::kDouble: out.d = in.d; return;
    case Kind::kDecimal:
      if (!parse_decimal(in.text(), out.decimal)) fail(step, "a DECIMAL has too many digits");
      return;
    case Kind::kDate: out.i = static_cast<int64_t>(in.u << 41); return;
    case Kind::kTimestamp: out.i = packed_utc(in.i); return;
    default: out.text = in.text(); return;
  }
}

void WhereRun::load_label(const WhereStep& step, SqlCell& out) {
  const Value& in = cell(step.column);
  out.is_null = in.is_null();
  if (out.is_null) return;
  const std::vector<std::string>& labels = program_->columns_[step.column].labels;
  out.text = {};
  if (in.kind == Kind::kEnum) {
    if (in.u >= 1 && in.u <= labels.size()) out.text = labels[in.u - 1];
    return;
  }
  size_t bytes = 0;
  for (const std::string& label : labels) bytes += label.size() + 1;
  char* text = scratch(bytes);
  size_t n = 0;
  for (size_t i = 0; i < labels.size() && i < 64; ++i) {
    if (!(in.u >> i & 1)) continue;
    if (n) text[n++] = ',';
    std::memcpy(text + n, labels[i].data(), labels[i].size());
    n += labels[i].size();
  }
  out.text = {text, n};
}

// ---- results

bool WhereRun::value(const WhereProgram& program, const Value* row, const Value* other, Arena& arena, Value& out) {
  begin(program, row, other);
  if (!check_columns()) return false;
  SqlCell result;
  value(program.root_, result);
  const Column& column = program.result_;
  out = Value::null();
  if (!failed_ && !result.is_null) {
    switch (column.kind) {
      case Kind::kInt: out = Value::of_int(result.i); break;
      case Kind::kUint: out = Value::of_uint(static_cast<uint64_t>(result.i)); break;
      case Kind::kDouble:
        out = column.type_name == "float" ? Value::of_float(static_cast<float>(result.d)) : Value::of_double(result.d);
        break;
      case Kind::kDecimal: {
        char digits[kDecimalTextBytes];
        Decimal rounded;
        if (!round_decimal(result.decimal, column.scale, rounded)) {
          fail(program.steps_[program.root_], "a DECIMAL has too many digits");
          break;
        }
        size_t n = format_decimal(rounded, digits);
        out = Value::of_text(Kind::kDecimal, arena.copy({digits, n}), static_cast<uint32_t>(n), column.scale);
        break;
      }
      case Kind::kDate: out = Value::of_bits(Kind::kDate, static_cast<uint64_t>(result.i) >> 41); break;
      case Kind::kDateTime: out = Value::of_bits(Kind::kDateTime, static_cast<uint64_t>(result.i), column.scale); break;
      case Kind::kTime: out = Value::of_bits(Kind::kTime, static_cast<uint64_t>(result.i), column.scale); break;
      default: out = Value::of_text(column.kind, arena.copy(result.text), static_cast<uint32_t>(result.text.size())); break;
    }
  }
  return !failed_;
}

}  // namespace tailrace
