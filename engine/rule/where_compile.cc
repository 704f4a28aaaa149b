#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/options.h"
#include "event/time_parse.h"
#include "event/value_text.h"
#include "rule/where_compiler.h"

namespace tailrace {

using Code = WhereStep::Code;

Result<std::shared_ptr<const WhereProgram>> WhereProgram::compile(const WhereNode& root, const WhereSource& source,
                                                                  std::span<const Column> columns, std::string_view table, bool is_filter) {
  auto program = std::make_shared<WhereProgram>();
  program->source_ = source;
  program->columns_.assign(columns.begin(), columns.end());
  WhereCompiler compiler(*program, table);
  TAILRACE_OK(compiler.compile(root, is_filter));
  for (WhereStep& step : program->steps_) step.constant.text = step.text;
  program->is_final_ = true;
  if (is_filter) program->predicates_ = WherePredicates(*program).make();
  return std::shared_ptr<const WhereProgram>(std::move(program));
}

Status WhereCompiler::compile(const WhereNode& root, bool is_filter) {
  Typed out = expression(root);
  if (is_filter) out = truth(std::move(out));
  if (!error_.ok()) return error_;
  if (is_filter) stop_at_null(out.step);
  program_.root_ = out.step;
  std::sort(program_.reads_.begin(), program_.reads_.end());
  program_.reads_.erase(std::unique(program_.reads_.begin(), program_.reads_.end()), program_.reads_.end());
  return set_result(out);
}

// Where only the truth counts, a server does not look behind a NULL of AND; nor does it fail on what is there.
void WhereCompiler::stop_at_null(uint32_t at) {
  WhereStep& step = program_.steps_[at];
  if (step.code != Code::kAnd && step.code != Code::kOr) return;
  step.stops_at_null = step.code == Code::kAnd;
  for (uint32_t arg : step.args) stop_at_null(arg);
}

WhereCompiler::Typed WhereCompiler::fail(uint32_t at, const std::string& message, ErrorCode code) {
  if (error_.ok()) error_ = where_error(program_.source_, at, message, code);
  return Typed();
}

WhereCompiler::Typed WhereCompiler::emit(WhereStep step, Typed like) {
  bool foldable = step.code != Code::kLoad && step.code != Code::kLoadLabel && step.code != Code::kConstant;
  like.nullable = step.code == Code::kConstant ? step.constant.is_null : false;
  for (uint32_t arg : step.args) {
    const WhereStep& operand = program_.steps_[arg];
    if (operand.code != Code::kConstant) foldable = false;
  }
  like.type = step.type;
  like.at = step.at;
  like.is_unsigned = step.is_unsigned;
  like.step = static_cast<uint32_t>(program_.steps_.size());
  program_.steps_.push_back(std::move(step));
  like.is_constant = program_.steps_.back().code == Code::kConstant;
  if (foldable && error_.ok()) fold(like);
  return like;
}

// A step over constants is computed once, here.
void WhereCompiler::fold(Typed& typed) {
  WhereRun run;
  run.begin(program_, nullptr, nullptr);
  SqlCell cell{};
  run.value(typed.step, cell);
  if (run.failed_) {
    error_ = run.error();
    return;
  }
  WhereStep constant;
  constant.type = typed.type;
  constant.is_unsigned = typed.is_unsigned;
  constant.at = typed.at;
  constant.scale = program_.steps_[typed.step].scale;
  constant.constant = cell;
  constant.text = cell.text;
  program_.steps_[typed.step] = std::move(constant);
  typed.is_constant = true;
}

WhereCompiler::Typed WhereCompiler::constant_int(uint32_t at, int64_t value, bool is_unsigned) {
  WhereStep step;
  step.type = SqlType::kInt;
  step.at = at;
  step.is_unsigned = is_unsigned;
  step.constant.i = value;
  return emit(std::move(step), {});
}

WhereCompiler::Typed WhereCompiler::constant_null(uint32_t at, SqlType type) {
  WhereStep step;
  step.type = type;
  step.at = at;
  step.constant.is_null = true;
  return emit(std::move(step), {});
}

WhereCompiler::Typed WhereCompiler::expression(const WhereNode& node) {
  if (!error_.ok()) return Typed();
  switch (node.op) {
    case WhereOp::kNull: return constant_null(node.at, SqlType::kNull);
    case WhereOp::kInteger: return constant_int(node.at, node.integer, node.is_unsigned);
    case WhereOp::kDecimal:
    case WhereOp::kDouble:
    case WhereOp::kText:
    case WhereOp::kBits:
    case WhereOp::kDate:
    case WhereOp::kTime:
    case WhereOp::kDateTime: return literal(node);
    case WhereOp::kColumn: return column(node);
    case WhereOp::kNegate:
    case WhereOp::kInvert: return unary(node);
    case WhereOp::kNot:
    case WhereOp::kAnd:
    case WhereOp::kOr:
    case WhereOp::kXor: return logic(node);
    case WhereOp::kIsNull:
    case WhereOp::kIsTrue:
    case WhereOp::kIsFalse: return is_test(node);
    case WhereOp::kIn: return in_list(node);
    case WhereOp::kBetween: return between(node);
    case WhereOp::kLike: return like(node);
    case WhereOp::kCall: return call(node);
    case WhereOp::kCast: return cast(node);
    case WhereOp::kCollate: return collate(node);
    default: break;
  }
  bool compares = node.op >= WhereOp::kEqual && node.op <= WhereOp::kNullSafeEqual;
  Typed left = expression(*node.args[0]);
  Typed right = expression(*node.args[1]);
  if (!error_.ok()) return Typed();
  return compares ? close(comparison(node.op, std::move(left), std::move(right), node.at))
                  : arithmetic(node.op, std::move(left), std::move(right), node.at);
}

WhereCompiler::Typed WhereCompiler::literal(const WhereNode& node) {
  WhereStep step;
  step.at = node.at;
  Typed like;
  switch (node.op) {
    case WhereOp::kDecimal:
      step.type = SqlType::kDecimal;
      if (!parse_decimal(node.text, step.constant.decimal)) return fail(node.at, fmt::format("`{}` is no number", node.text));
      like.scale = step.constant.decimal.scale;
      like.precision = static_cast<uint32_t>(node.text.size());
      step.scale = like.scale;
      break;
    case WhereOp::kDouble: {
      step.type = SqlType::kDouble;
      const char* end = node.text.data() + node.text.size();
      if (std::from_chars(node.text.data(), end, step.constant.d).ec != std::errc()) {
        return fail(node.at, fmt::format("`{}` is out of the range of a double", node.text));
      }
      break;
    }
    case WhereOp::kText:
      step.type = SqlType::kText;
      step.text = node.text;
      like.is_literal = true;
      like.precision = static_cast<uint32_t>(count_characters(node.text));
      break;
    case WhereOp::kBits:
      step.type = SqlType::kBytes;
      step.text = node.text;
      like.is_bits = true;
      like.precision = static_cast<uint32_t>(node.text.size());
      break;
    default: {
      Typed text;
      text.at = node.at;
      SqlType type = node.op == WhereOp::kDate ? SqlType::kDate : node.op == WhereOp::kTime ? SqlType::kTime : SqlType::kDateTime;
      return moment(node.text, type, node.at);
    }
  }
  return emit(std::move(step), like);
}

WhereCompiler::Typed WhereCompiler::moment(const std::string& text, SqlType type, uint32_t at) {
  WhereStep step;
  step.at = at;
  step.type = type;
  uint64_t bits = 0;
  size_t dot = text.find('.');
  step.scale = static_cast<uint8_t>(dot == std::string::npos ? 0 : text.size() - dot - 1);
  bool is_date_only = text.size() == 10;
  if (type == SqlType::kTime) {
    if (!parse_time_text(text, 6, step.constant.i)) {
      return fail(at, fmt::format("'{}' is no time; write '[-]HH:MM:SS[.ffffff]'", text));
    }
  } else if (is_date_only ? parse_date_text(text, bits) : type == SqlType::kDateTime && parse_datetime_text(text, 6, bits)) {
    uint64_t packed = is_date_only ? bits << 41 : bits;
    if (packed && !is_real_date(datetime_date(packed))) return fail(at, fmt::format("'{}' is no date of the calendar", text));
    step.constant.i = static_cast<int64_t>(packed);
  } else {
    return fail(at, type == SqlType::kDate ? fmt::format("'{}' is no date; write 'YYYY-MM-DD'", text)
                                           : fmt::format("'{}' is no point in time; write 'YYYY-MM-DD[ HH:MM:SS[.ffffff]]'", text));
  }
  Typed like;
  like.scale = step.scale;
  return emit(std::move(step), like);
}

WhereCompiler::Typed WhereCompiler::column(const WhereNode& node) {
  const std::vector<Column>& columns = program_.columns_;
  auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == node.text; });
  if (found == columns.end() && !is_oms()) {
    auto same = [&](const Column& c) {
      return c.name.size() == node.text.size() && std::equal(c.name.begin(), c.name.end(), node.text.begin(), [](char a, char b) {
               return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
             });
    };
    found = std::find_if(columns.begin(), columns.end(), same);
  }
  if (found == columns.end()) {
    std::vector<std::string> names;
    for (const Column& c : columns) names.push_back(c.name);
    std::string near = nearest_name(node.text, names);
    return fail(
        node.at,
        fmt::format("unknown column `{}` in {}{}", node.text, table_, near.empty() ? "" : fmt::format(" (did you mean `{}`?)", near)),
        ErrorCode::kRuleColumn);
  }
  const Column& c = *found;
  WhereStep step;
  step.code = Code::kLoad;
  step.at = node.at;
  step.column = static_cast<uint16_t>(found - columns.begin());
  Typed like;
  like.column = step.column;
  like.kind = c.kind;
  like.scale = c.scale;
  like.precision = c.length;
  switch (c.kind) {
    case Kind::kInt: step.type = SqlType::kInt; break;
    case Kind::kUint:
    case Kind::kBit:
    case Kind::kYear:
      step.type = SqlType::kInt;
      step.is_unsigned = true;
      break;
    case Kind::kDouble: step.type = SqlType::kDouble; break;
    case Kind::kDecimal: step.type = SqlType::kDecimal; break;
    case Kind::kText:
    case Kind::kEnum:
    case Kind::kSet:
      step.type = SqlType::kText;
      like.charset = c.charset;
      if (c.kind != Kind::kText) step.code = Code::kLoadLabel;
      break;
    case Kind::kBytes: step.type = SqlType::kBytes; break;
    case Kind::kDate: step.type = SqlType::kDate; break;
    case Kind::kDateTime:
    case Kind::kTimestamp: step.type = SqlType::kDateTime; break;
    case Kind::kTime: step.type = SqlType::kTime; break;
    default: step.type = SqlType::kOpaque; break;
  }
  step.scale = c.scale;
  program_.reads_.push_back(step.column);
  Typed out = emit(std::move(step), like);
  out.nullable = c.nullable;
  return out;
}

WhereCompiler::Typed WhereCompiler::collate(const WhereNode& node) {
  Typed operand = expression(*node.args[0]);
  if (!error_.ok()) return Typed();
  const WhereCollation* collation = where_collation(node.text);
  if (!collation) {
    return fail(node.at, fmt::format("collation `{}` is not supported; {} are", node.text, where_collation_names()));
  }
  if (operand.type != SqlType::kText) return fail(node.at, fmt::format("COLLATE is for text, {} is none", describe(operand)));
  operand.collation = collation;
  operand.is_literal = false;
  return operand;
}

// ---- logic

// As a truth value: 0, 1 or NULL.
WhereCompiler::Typed WhereCompiler::truth(Typed in) {
  if (!error_.ok()) return Typed();
  if (in.is_truth) return in;
  bool is_number = in.type == SqlType::kInt || in.type == SqlType::kDecimal || in.type == SqlType::kDouble || in.type == SqlType::kNull;
  if (!is_number) return fail(in.at, fmt::format("{} is no truth value; compare it with something", describe(in)));
  WhereStep step;
  step.code = Code::kTruth;
  step.at = in.at;
  step.from = in.type;
  step.type = SqlType::kInt;
  step.args = {in.step};
  Typed out = emit(std::move(step), {});
  out.is_truth = true;
  out.nullable = in.nullable;
  return close(std::move(out));
}

// With OMS a predicate about NULL is false, also where it is negated inside (NOT IN, <>).
WhereCompiler::Typed WhereCompiler::close(Typed in) {
  if (!is_oms() || !in.nullable || !error_.ok()) return in;
  WhereStep step;
  step.code = Code::kIsTrue;
  step.at = in.at;
  step.args = {in.step};
  return emit_truth(std::move(step), false);
}

WhereCompiler::Typed WhereCompiler::emit_truth(WhereStep step, bool nullable) {
  step.type = SqlType::kInt;
  Typed out = emit(std::move(step), {});
  out.is_truth = true;
  out.nullable = nullable;
  return out;
}

WhereCompiler::Typed WhereCompiler::logic(const WhereNode& node) {
  WhereStep step;
  step.at = node.at;
  step.code = node.op == WhereOp::kNot   ? Code::kNot
              : node.op == WhereOp::kAnd ? Code::kAnd
              : node.op == WhereOp::kOr  ? Code::kOr
                                         : Code::kXor;
  bool nullable = false;
  for (const auto& arg : node.args) {
    Typed operand = truth(expression(*arg));
    if (!error_.ok()) return Typed();
    nullable |= operand.nullable;
    step.args.push_back(operand.step);
  }
  return emit_truth(std::move(step), nullable);
}

WhereCompiler::Typed WhereCompiler::negate_if(bool negated, Typed in, uint32_t at) {
  if (!negated || !error_.ok()) return in;
  WhereStep step;
  step.code = Code::kNot;
  step.at = at;
  step.args = {in.step};
  return emit_truth(std::move(step), in.nullable);
}

WhereCompiler::Typed WhereCompiler::is_test(const WhereNode& node) {
  Typed operand = expression(*node.args[0]);
  if (node.op != WhereOp::kIsNull) operand = truth(std::move(operand));
  if (!error_.ok()) return Typed();
  WhereStep step;
  step.at = node.at;
  step.negated = node.negated;
  step.code = node.op == WhereOp::kIsNull ? Code::kIsNull : node.op == WhereOp::kIsTrue ? Code::kIsTrue : Code::kIsFalse;
  step.args = {operand.step};
  return emit_truth(std::move(step), false);
}

WhereCompiler::Typed WhereCompiler::in_list(const WhereNode& node) {
  Typed left = expression(*node.args[0]);
  WhereStep step;
  step.code = Code::kAnyEqual;
  step.at = node.at;
  bool nullable = left.nullable, has_text = false, has_number = false;
  for (size_t i = 1; i < node.args.size(); ++i) {
    Typed item = expression(*node.args[i]);
    if (!error_.ok()) return Typed();
    has_text |= item.type == SqlType::kText;
    has_number |= is_number(item);
    if (has_text && has_number) return fail(item.at, "IN mixes texts and numbers: write all items alike");
    // A server compares integers of IN by their bits.
    auto fits_both = [this](const Typed& t) { return t.is_constant && (step_of(t).constant.is_null || step_of(t).constant.i >= 0); };
    bool both_int = left.type == SqlType::kInt && item.type == SqlType::kInt && left.is_unsigned != item.is_unsigned;
    if (both_int && !fits_both(left) && !fits_both(item)) {
      return fail(item.at, "IN mixes UNSIGNED with signed integers, which a server compares by their bits: write `=` and OR");
    }
    Typed equal = comparison(WhereOp::kEqual, left, std::move(item), node.at);
    if (!error_.ok()) return Typed();
    nullable |= equal.nullable;
    step.args.push_back(equal.step);
  }
  return close(negate_if(node.negated, emit_truth(std::move(step), nullable), node.at));
}

WhereCompiler::Typed WhereCompiler::between(const WhereNode& node) {
  Typed value = expression(*node.args[0]);
  Typed low = expression(*node.args[1]);
  Typed high = expression(*node.args[2]);
  if (!error_.ok()) return Typed();
  auto is_double = [](const Typed& t) { return t.type == SqlType::kDouble; };
  bool has_constants = value.column >= 0 && low.is_constant && high.is_constant;
  if (!has_constants && (is_double(value) || is_double(low) || is_double(high))) {  // one type for all three
    for (Typed* each : {&value, &low, &high}) {
      if (is_number(*each)) *each = to_double(std::move(*each));
    }
  }
  if ((low.type == SqlType::kText) != (high.type == SqlType::kText)) {
    return fail(node.at, "BETWEEN mixes texts with other types: write both limits alike");
  }
  WhereStep step;
  step.code = Code::kAnd;
  step.at = node.at;
  Typed from = comparison(WhereOp::kGreaterEqual, value, std::move(low), node.at);
  Typed to = comparison(WhereOp::kLessEqual, value, std::move(high), node.at);
  if (!error_.ok()) return Typed();
  step.args = {from.step, to.step};
  return close(negate_if(node.negated, emit_truth(std::move(step), from.nullable || to.nullable), node.at));
}

WhereCompiler::Typed WhereCompiler::like(const WhereNode& node) {
  Typed value = expression(*node.args[0]);
  Typed pattern = expression(*node.args[1]);
  if (!error_.ok()) return Typed();
  if (pattern.type == SqlType::kNull || value.type == SqlType::kNull) return emit_null_truth(node.at);
  if (value.type == SqlType::kDouble || value.type == SqlType::kOpaque || value.is_bits) {
    return fail(value.at, fmt::format("LIKE on {} is not supported", describe(value)));
  }
  if (pattern.type != SqlType::kText && pattern.type != SqlType::kBytes) return fail(pattern.at, "the pattern of LIKE is a text");
  const WhereCollation* collation = nullptr;
  if (value.type == SqlType::kBytes || pattern.type == SqlType::kBytes) {
    collation = where_collation(uint16_t{63});
  } else {
    if (value.type != SqlType::kText) value = to_text(std::move(value));
    collation = common_collation(value, pattern, node.at);
  }
  if (!error_.ok()) return Typed();
  WhereStep step;
  step.code = Code::kLike;
  step.at = node.at;
  step.collation = collation;
  step.escape = node.text.empty() ? '\0' : node.text[0];
  step.args = {value.step, pattern.step};
  return close(negate_if(node.negated, emit_truth(std::move(step), value.nullable || pattern.nullable), node.at));
}

WhereCompiler::Typed WhereCompiler::emit_null_truth(uint32_t at) {
  Typed null = constant_null(at, SqlType::kInt);
  null.is_truth = true;
  return close(std::move(null));
}

}  // namespace tailrace
