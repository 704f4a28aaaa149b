// Arithmetic, functions and casts of the row filter: their types.
#include <fmt/format.h>

#include <algorithm>

#include "base/options.h"
#include "rule/where_compiler.h"

namespace tailrace {
namespace {

using Code = WhereStep::Code;

constexpr uint32_t kIntDigits = 20;

uint32_t digits_of(SqlType type, uint32_t precision) { return type == SqlType::kInt ? kIntDigits : precision ? precision : 65; }

}  // namespace

WhereCompiler::Typed WhereCompiler::to_decimal(Typed in) {
  if (in.type == SqlType::kDecimal || in.type == SqlType::kNull || !error_.ok()) return in;
  WhereStep step;
  step.code = in.type == SqlType::kInt ? Code::kIntToDecimal : Code::kTextToDecimal;
  step.special = is_oms();
  step.from = in.type;
  step.type = SqlType::kDecimal;
  step.at = in.at;
  step.left_unsigned = in.is_unsigned;
  step.args = {in.step};
  Typed like;
  like.precision = in.type == SqlType::kInt ? kIntDigits : 65;
  Typed out = emit(std::move(step), like);
  out.nullable = in.nullable;
  return out;
}

WhereCompiler::Typed WhereCompiler::to_double(Typed in) {
  if (in.type == SqlType::kDouble || in.type == SqlType::kNull || !error_.ok()) return in;
  WhereStep step;
  step.code = Code::kToDouble;
  step.from = in.type;
  step.type = SqlType::kDouble;
  step.at = in.at;
  step.left_unsigned = in.is_unsigned;
  step.args = {in.step};
  Typed out = emit(std::move(step), {});
  out.nullable = in.nullable;
  return out;
}

WhereCompiler::Typed WhereCompiler::to_text(Typed in) {
  if (in.type == SqlType::kText || in.type == SqlType::kNull || !error_.ok()) return in;
  if (in.type == SqlType::kDouble || in.type == SqlType::kOpaque || in.type == SqlType::kBytes) {
    return fail(in.at, fmt::format("{} as text is not supported", describe(in)));
  }
  if (in.kind == Kind::kBit) return fail(in.at, fmt::format("{} as text is not supported", describe(in)));
  WhereStep step;
  step.code = Code::kToText;
  step.from = in.type;
  step.type = SqlType::kText;
  step.at = in.at;
  step.left_unsigned = in.is_unsigned;
  step.scale = in.scale;
  step.length = in.kind == Kind::kYear ? 4 : 0;
  step.args = {in.step};
  Typed like;
  like.precision = in.type == SqlType::kDecimal ? digits_of(in.type, in.precision) + 3 : 26;
  Typed out = emit(std::move(step), like);
  out.nullable = in.nullable;
  return out;
}

WhereCompiler::Typed WhereCompiler::label_as_int(const Typed& label) {
  WhereStep step;
  step.code = Code::kLoad;
  step.type = SqlType::kInt;
  step.is_unsigned = true;
  step.at = label.at;
  step.column = static_cast<uint16_t>(label.column);
  Typed like;
  like.column = label.column;
  like.kind = label.kind;
  Typed out = emit(std::move(step), like);
  out.nullable = label.nullable;
  return out;
}

// What arithmetic takes: numbers, with OMS also texts that are numbers.
WhereCompiler::Typed WhereCompiler::number_of(Typed in, uint32_t at, std::string_view what) {
  if (!error_.ok() || in.type == SqlType::kNull) return in;
  if (in.is_bits) return bits_as_int(in);
  if (is_oms() && in.type == SqlType::kDouble) return fail(at, "FLOAT and DOUBLE are not computed with in dialect \"oms\"");
  if (is_number(in)) return in;
  if (is_oms() && in.type == SqlType::kText) return to_decimal(std::move(in));
  const char* hint =
      in.type == SqlType::kText ? "; a server would take it as a DOUBLE: write CAST(… AS DECIMAL(p,s)), SIGNED or DOUBLE" : "";
  return fail(in.at, fmt::format("{} of {} is not supported{}", what, describe(in), hint));
}

WhereCompiler::Typed WhereCompiler::unary(const WhereNode& node) {
  Typed in = number_of(expression(*node.args[0]), node.at, node.op == WhereOp::kNegate ? "`-`" : "`~`");
  if (!error_.ok()) return Typed();
  if (in.type == SqlType::kNull) return constant_null(node.at, SqlType::kInt);
  // A server makes a DECIMAL of a constant that is negative, or beyond BIGINT, before it negates it.
  bool is_negative = node.op == WhereOp::kNegate && in.is_constant && in.type == SqlType::kInt && !step_of(in).constant.is_null &&
                     step_of(in).constant.i < 0;
  if (is_negative && !(in.is_unsigned && step_of(in).constant.i == INT64_MIN)) in = to_decimal(std::move(in));
  if (node.op == WhereOp::kInvert && in.type != SqlType::kInt)
    return fail(node.at, fmt::format("`~` of {} is not supported; CAST it AS SIGNED", describe(in)));
  WhereStep step;
  step.code = node.op == WhereOp::kInvert ? Code::kInvert : Code::kNegate;
  step.type = in.type;
  step.at = node.at;
  step.scale = in.scale;
  step.left_unsigned = in.is_unsigned;
  step.is_unsigned = node.op == WhereOp::kInvert;
  step.args = {in.step};
  Typed like;
  like.scale = in.scale;
  like.precision = in.precision;
  Typed out = emit(std::move(step), like);
  out.nullable = in.nullable;
  return out;
}

WhereCompiler::Typed WhereCompiler::arithmetic(WhereOp op, Typed left, Typed right, uint32_t at) {
  left = number_of(std::move(left), at, "arithmetic");
  right = number_of(std::move(right), at, "arithmetic");
  if (!error_.ok()) return Typed();
  bool nullable = left.nullable || right.nullable;
  if (left.type == SqlType::kNull || right.type == SqlType::kNull) return constant_null(at, SqlType::kInt);
  bool is_bits = op >= WhereOp::kBitAnd && op <= WhereOp::kShiftRight;
  bool is_integer = left.type == SqlType::kInt && right.type == SqlType::kInt;
  if (is_bits && !is_integer) {
    return fail(at, fmt::format("bit operations are for integers; CAST {} AS SIGNED", describe(left.type == SqlType::kInt ? right : left)));
  }
  WhereStep step;
  step.op = op;
  step.at = at;
  step.left_unsigned = left.is_unsigned;
  step.right_unsigned = right.is_unsigned;
  step.type = SqlType::kInt;
  Typed like;
  if (left.type == SqlType::kDouble || right.type == SqlType::kDouble) {
    if (op == WhereOp::kIntegerDivide) return fail(at, "DIV of a DOUBLE is not supported; CAST it AS DECIMAL");
    left = to_double(std::move(left));
    right = to_double(std::move(right));
    step.code = Code::kDoubleOp;
    step.type = SqlType::kDouble;
  } else if (is_integer && op != WhereOp::kDivide) {
    step.code = Code::kIntOp;
    step.is_unsigned = is_bits || left.is_unsigned || (op != WhereOp::kModulo && right.is_unsigned);
  } else {
    uint32_t whole_left = digits_of(left.type, left.precision) - left.scale,
             whole_right = digits_of(right.type, right.precision) - right.scale;
    uint32_t scale = op == WhereOp::kMultiply ? left.scale + right.scale
                     : op == WhereOp::kDivide ? left.scale + 4u
                                              : std::max(left.scale, right.scale);
    uint32_t whole = op == WhereOp::kMultiply ? whole_left + whole_right
                     : op == WhereOp::kDivide ? whole_left + right.scale
                                              : std::max(whole_left, whole_right) + 1;
    like.scale = static_cast<uint8_t>(std::min(scale, 30u));
    like.precision = std::min(whole + like.scale, 65u);
    left = to_decimal(std::move(left));
    right = to_decimal(std::move(right));
    step.code = Code::kDecimalOp;
    step.type = op == WhereOp::kIntegerDivide ? SqlType::kInt : SqlType::kDecimal;
    step.is_unsigned = op == WhereOp::kIntegerDivide && (step.left_unsigned || step.right_unsigned);
    if (op == WhereOp::kIntegerDivide) like.scale = 0;
    step.scale = like.scale;
  }
  step.args = {left.step, right.step};
  Typed out = emit(std::move(step), like);
  out.is_quotient = op == WhereOp::kDivide;
  out.nullable = nullable || op == WhereOp::kDivide || op == WhereOp::kModulo || op == WhereOp::kIntegerDivide;
  return out;
}

// ---- functions

WhereCompiler::Typed WhereCompiler::call(const WhereNode& node) {
  struct Function {
    std::string_view name;
    Code code;
    size_t least, most;
    int numbers_from;  // arguments from here on are integers
  };
  static constexpr Function kFunctions[] = {{"concat", Code::kConcat, 1, 64, 64},
                                            {"substr", Code::kSubstr, 2, 3, 1},
                                            {"substring", Code::kSubstr, 2, 3, 1},
                                            {"replace", Code::kReplace, 3, 3, 64},
                                            {"coalesce", Code::kCoalesce, 1, 64, 64},
                                            {"ifnull", Code::kCoalesce, 2, 2, 64},
                                            {"char_length", Code::kCharLength, 1, 1, 64},
                                            {"abs", Code::kAbs, 1, 1, 64},
                                            {"mod", Code::kIntOp, 2, 2, 64}};
  auto found = std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const Function& f) { return f.name == node.text; });
  if (found == std::end(kFunctions)) {
    std::vector<std::string> names;
    for (const Function& f : kFunctions) names.emplace_back(f.name);
    std::string near = nearest_name(node.text, names);
    return fail(node.at,
                fmt::format("function `{}` is not supported{}", node.text,
                            near.empty() ? std::string("; there are CAST, CONCAT, SUBSTR, REPLACE, COALESCE, IFNULL, CHAR_LENGTH, ABS, MOD")
                                         : fmt::format(" (did you mean `{}`?)", near)));
  }
  if (node.args.size() < found->least || node.args.size() > found->most) {
    return fail(node.at, fmt::format("`{}` takes {} argument{}", node.text,
                                     found->least == found->most ? fmt::format("{}", found->least)
                                                                 : fmt::format("{} to {}", found->least, found->most),
                                     found->most == 1 ? "" : "s"));
  }
  std::vector<Typed> args;
  for (const auto& arg : node.args) {
    args.push_back(expression(*arg));
    if (!error_.ok()) return Typed();
  }
  if (found->code == Code::kIntOp) return arithmetic(WhereOp::kModulo, args[0], args[1], node.at);
  if (found->code == Code::kCoalesce) return coalesce(node, std::move(args));
  WhereStep step;
  step.code = found->code;
  step.at = node.at;
  bool nullable = false;
  Typed like;
  if (found->code == Code::kAbs) {
    Typed in = number_of(args[0], node.at, "ABS");
    if (!error_.ok()) return Typed();
    if (in.type == SqlType::kNull) return constant_null(node.at, SqlType::kInt);
    step.type = in.type;
    step.is_unsigned = in.is_unsigned;
    step.left_unsigned = in.is_unsigned;
    step.scale = like.scale = in.scale;
    like.precision = in.precision;
    step.args = {in.step};
    Typed out = emit(std::move(step), like);
    out.nullable = in.nullable;
    return out;
  }
  step.type = found->code == Code::kCharLength ? SqlType::kInt : SqlType::kText;
  if (found->code == Code::kConcat && is_oms()) step.special = true;
  for (size_t i = 0; i < args.size(); ++i) {
    Typed arg = args[i];
    nullable |= arg.nullable;
    if (static_cast<int>(i) >= found->numbers_from) {
      if (arg.type != SqlType::kInt && arg.type != SqlType::kNull)
        return fail(arg.at, fmt::format("`{}` takes an integer here, not {}", node.text, describe(arg)));
    } else {
      arg = to_text(std::move(arg));
      if (!error_.ok()) return Typed();
      if (step.type == SqlType::kText) take_collation(like, arg, node.at);
      if (!error_.ok()) return Typed();
      like.precision = found->code == Code::kConcat ? (arg.precision && (i == 0 || like.precision) ? like.precision + arg.precision : 0)
                       : found->code == Code::kSubstr && i == 0 ? arg.precision
                                                                : like.precision;
    }
    step.args.push_back(arg.step);
  }
  if (found->code == Code::kReplace || found->code == Code::kCharLength) like.precision = 0;
  Typed out = emit(std::move(step), like);
  out.nullable = nullable && !(found->code == Code::kConcat && is_oms() &&
                               std::any_of(args.begin(), args.end(), [](const Typed& a) { return !a.nullable; }));
  return out;
}

WhereCompiler::Typed WhereCompiler::coalesce(const WhereNode& node, std::vector<Typed> args) {
  SqlType type = SqlType::kNull;
  bool nullable = true;
  bool any_unsigned = false, any_signed = false;
  for (const Typed& arg : args) {
    if (arg.type == SqlType::kNull) continue;
    nullable &= arg.nullable;
    if (arg.type == SqlType::kInt) (arg.is_unsigned ? any_unsigned : any_signed) = true;
    if (type == SqlType::kNull || type == arg.type) {
      type = arg.type;
      continue;
    }
    Typed known;
    known.type = type;
    bool both_numbers = is_number(known) && is_number(arg);
    if (!both_numbers || arg.is_bits) return fail(arg.at, fmt::format("`{}` mixes {} with other types", node.text, describe(arg)));
    type = type == SqlType::kDouble || arg.type == SqlType::kDouble ? SqlType::kDouble : SqlType::kDecimal;
  }
  if (type == SqlType::kNull) return constant_null(node.at, SqlType::kNull);
  if (any_unsigned && any_signed) return fail(node.at, fmt::format("`{}` mixes UNSIGNED with signed integers: CAST them alike", node.text));
  WhereStep step;
  step.code = Code::kCoalesce;
  step.type = type;
  step.is_unsigned = type == SqlType::kInt && any_unsigned;
  step.at = node.at;
  Typed like;
  bool first = true;
  for (Typed& arg : args) {
    if (arg.type == SqlType::kOpaque || arg.is_bits)
      return fail(arg.at, fmt::format("`{}` of {} is not supported", node.text, describe(arg)));
    if (type == SqlType::kDecimal) arg = to_decimal(std::move(arg));
    if (type == SqlType::kDouble) arg = to_double(std::move(arg));
    if (type == SqlType::kText && arg.type == SqlType::kText) take_collation(like, arg, node.at);
    if (!error_.ok()) return Typed();
    like.scale = std::max(like.scale, arg.scale);
    like.precision = first ? arg.precision : like.precision && arg.precision ? std::max(like.precision, arg.precision) : 0;
    first = first && arg.type == SqlType::kNull;
    step.args.push_back(arg.step);
  }
  step.scale = like.scale;
  Typed out = emit(std::move(step), like);
  out.nullable = nullable;
  return out;
}

// ---- CAST

WhereCompiler::Typed WhereCompiler::cast(const WhereNode& node) {
  Typed in = expression(*node.args[0]);
  if (!error_.ok()) return Typed();
  if (in.type == SqlType::kOpaque) return fail(in.at, fmt::format("CAST of {} is not supported", describe(in)));
  if (in.is_bits) return fail(in.at, "CAST of a literal of bits is not supported");
  // As a number, a label is its place.
  bool to_number = node.cast == WhereCast::kDecimal || node.cast == WhereCast::kDouble || node.cast == WhereCast::kSigned ||
                   node.cast == WhereCast::kUnsigned;
  bool is_label = (in.kind == Kind::kEnum || in.kind == Kind::kSet) && in.column >= 0 && in.type == SqlType::kText;
  if (to_number && is_label) in = label_as_int(in);
  WhereStep step;
  step.at = node.at;
  step.from = in.type;
  step.left_unsigned = in.is_unsigned;
  step.args = {in.step};
  Typed like;
  auto refuse = [&](std::string_view type) { return fail(node.at, fmt::format("CAST of {} AS {} is not supported", describe(in), type)); };
  bool is_null = in.type == SqlType::kNull;
  switch (node.cast) {
    case WhereCast::kChar: {
      if (is_null) return constant_null(node.at, SqlType::kText);
      Typed text = to_text(in);
      if (!error_.ok() || !node.has_length) {
        text.is_literal = false;
        return text;
      }
      step.code = Code::kCutText;
      step.type = SqlType::kText;
      step.length = node.length;
      step.args = {text.step};
      like = text;
      like.is_literal = false;
      like.is_constant = false;
      like.column = -1;
      like.precision = node.length;
      break;
    }
    case WhereCast::kDecimal: {
      if (is_null) return constant_null(node.at, SqlType::kDecimal);
      if (in.type != SqlType::kInt && in.type != SqlType::kDecimal && in.type != SqlType::kText) return refuse("DECIMAL");
      Typed number = to_decimal(in);
      step.code = Code::kRoundDecimal;
      step.type = SqlType::kDecimal;
      step.length = node.length;
      step.scale = like.scale = static_cast<uint8_t>(node.scale);
      like.precision = node.length;
      step.args = {number.step};
      break;
    }
    case WhereCast::kDouble:
      if (is_oms()) return refuse("DOUBLE in dialect \"oms\"");
      if (is_null) return constant_null(node.at, SqlType::kDouble);
      if (!is_number(in) && in.type != SqlType::kText) return refuse("DOUBLE");
      in = to_double(in);
      in.column = -1;
      return in;
    case WhereCast::kSigned:
    case WhereCast::kUnsigned:
      if (is_null) return constant_null(node.at, SqlType::kInt);
      if (!is_number(in) && in.type != SqlType::kText) return refuse(node.cast == WhereCast::kSigned ? "SIGNED" : "UNSIGNED");
      if (in.is_quotient)
        return fail(node.at,
                    "a server rounds this quotient to an integer before it has rounded it: write DIV, or CAST it AS DECIMAL(p,s) first");
      step.code = Code::kToInt;
      step.type = SqlType::kInt;
      step.is_unsigned = node.cast == WhereCast::kUnsigned;
      break;
    case WhereCast::kDate:
    case WhereCast::kDateTime:
    case WhereCast::kTime: {
      SqlType type = node.cast == WhereCast::kDate ? SqlType::kDate : node.cast == WhereCast::kTime ? SqlType::kTime : SqlType::kDateTime;
      const char* name = type == SqlType::kDate ? "DATE" : type == SqlType::kTime ? "TIME" : "DATETIME";
      if (is_null) return constant_null(node.at, type);
      if (in.type != SqlType::kText && !is_moment(in)) return refuse(name);
      if (in.type == SqlType::kTime && type != SqlType::kTime) return refuse(name);
      if (in.type == SqlType::kDate && type == SqlType::kTime) return refuse(name);
      if (is_moment(in) && type != SqlType::kDate && in.scale > node.length) {
        return fail(node.at, fmt::format("CAST of {} would round: write {}({})", describe(in), name, in.scale));
      }
      step.code = in.type == SqlType::kText ? Code::kTextToMoment
                  : type == SqlType::kDate  ? Code::kToDate
                  : type == SqlType::kTime  ? Code::kToTime
                                            : Code::kToDate;
      step.type = type;
      step.scale = like.scale = static_cast<uint8_t>(type == SqlType::kDate ? 0 : node.length);
      break;
    }
  }
  if (!error_.ok()) return Typed();
  Typed out = emit(std::move(step), like);
  out.nullable = in.nullable || in.type == SqlType::kText;
  return out;
}

// The column an expression makes.
Status WhereCompiler::set_result(const Typed& out) {
  Column& column = program_.result_;
  column.nullable = out.nullable;
  switch (out.type) {
    case SqlType::kNull:
    case SqlType::kInt:
      column.kind = out.is_unsigned ? Kind::kUint : Kind::kInt;
      column.is_unsigned = out.is_unsigned;
      column.type_name = "bigint";
      column.type_text = out.is_unsigned ? "bigint unsigned" : "bigint";
      break;
    case SqlType::kDecimal:
      column.kind = Kind::kDecimal;
      column.length = std::clamp<uint32_t>(out.precision ? out.precision : 65, std::max<uint32_t>(out.scale, 1), 65);
      column.scale = out.scale;
      column.type_name = "decimal";
      column.type_text = fmt::format("decimal({},{})", column.length, column.scale);
      break;
    case SqlType::kDouble: {
      bool is_float = out.column >= 0 && program_.columns_[static_cast<size_t>(out.column)].type_name == "float";
      column.kind = Kind::kDouble;
      column.type_name = column.type_text = is_float ? "float" : "double";
      break;
    }
    case SqlType::kText:
    case SqlType::kBytes: {
      bool is_text = out.type == SqlType::kText;
      bool sized = out.precision > 0 && out.precision <= 16383;
      column.kind = is_text ? Kind::kText : Kind::kBytes;
      column.charset = is_text ? (out.charset ? out.charset : uint16_t{45}) : uint16_t{63};
      column.length = sized ? out.precision : 0;
      column.type_name = is_text ? (sized ? "varchar" : "longtext") : (sized ? "varbinary" : "longblob");
      column.type_text = sized ? fmt::format("{}({})", column.type_name, column.length) : column.type_name;
      break;
    }
    case SqlType::kDate:
      column.kind = Kind::kDate;
      column.type_name = column.type_text = "date";
      break;
    case SqlType::kDateTime:
    case SqlType::kTime:
      column.kind = out.type == SqlType::kTime ? Kind::kTime : Kind::kDateTime;
      column.scale = out.scale;
      column.type_name = out.type == SqlType::kTime ? "time" : "datetime";
      column.type_text = out.scale ? fmt::format("{}({})", column.type_name, out.scale) : column.type_name;
      break;
    case SqlType::kOpaque: return where_error(program_.source_, out.at, fmt::format("{} cannot be the result", describe(out)));
  }
  return Status();
}

}  // namespace tailrace
