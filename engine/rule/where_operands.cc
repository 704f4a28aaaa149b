// Operands of the grammar: literals, options, columns, calls, casts.
#include <charconv>
#include <cmath>

#include "base/options.h"
#include "event/value_text.h"
#include "rule/where_collation.h"
#include "rule/where_grammar.h"

namespace tailrace {
namespace {

using Node = WhereGrammar::Node;
using Kind = WhereToken::Kind;

// Words that name no column without backticks, as the grammar below or the server's needs them.
constexpr std::string_view kReserved[] = {
    "AND", "AS",   "BETWEEN", "BINARY", "BY",    "CASE",   "CAST",     "CHAR", "COLLATE", "CONVERT", "CURRENT_TIMESTAMP",
    "DIV", "ELSE", "EXISTS",  "FALSE",  "FROM",  "IN",     "INTERVAL", "IS",   "LIKE",    "MATCH",   "MOD",
    "NOT", "NULL", "OR",      "REGEXP", "RLIKE", "SELECT", "THEN",     "TRUE", "WHEN",    "XOR"};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

}  // namespace

// A simple expression with the COLLATE behind it.
Node WhereGrammar::primary() {
  Node out = simple();
  while (out && token_.is("COLLATE")) {
    uint32_t place = token_.at;
    advance();
    if (!at(Kind::kWord) && !at(Kind::kText)) return fail("the name of a collation is missing behind COLLATE");
    out = make(WhereOp::kCollate, place, std::move(out));
    out->text = lower(token_.text);
    advance();
  }
  return out;
}

Node WhereGrammar::simple() {
  WhereToken token = token_;
  switch (token.kind) {
    case Kind::kInteger:
    case Kind::kDecimal:
    case Kind::kDouble: return number("", token.at);
    case Kind::kText:
    case Kind::kBits: return leaf(token.kind == Kind::kText ? WhereOp::kText : WhereOp::kBits);
    case Kind::kOption: return option();
    case Kind::kQuotedName: return column();
    case Kind::kWord: return word();
    case Kind::kSymbol: break;
    case Kind::kBad: return nullptr;
    case Kind::kEnd: return fail("the expression ends too early");
  }
  if (!take_symbol("(")) return fail(fmt::format("`{}` is not expected here", token.text));
  if (token_.is("SELECT")) return fail("a filter looks at one row: no subqueries");
  Node inner = expression();
  if (!inner) return nullptr;
  if (token_.is_symbol(",")) return fail("rows of values are not supported");
  return expect(")") ? std::move(inner) : nullptr;
}

Node WhereGrammar::leaf(WhereOp op) {
  Node out = make(op, token_.at);
  out->text = token_.text;
  advance();
  if (op == WhereOp::kText && at(Kind::kText)) return fail("two texts in a row: write CONCAT(…)");
  return out;
}

Node WhereGrammar::number(std::string sign, uint32_t place) {
  WhereToken token = token_;
  advance();
  return number_node(token.kind, sign + token.text, place);
}

Node WhereGrammar::number_node(Kind kind, std::string text, uint32_t place) {
  if (kind == Kind::kInteger) {
    Node out = make(WhereOp::kInteger, place);
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, out->integer).ec == std::errc()) return out;
    uint64_t large = 0;
    if (std::from_chars(text.data(), end, large).ec == std::errc()) {
      out->integer = static_cast<int64_t>(large);
      out->is_unsigned = true;
      return out;
    }
    kind = Kind::kDecimal;
  }
  Node out = make(kind == Kind::kDecimal ? WhereOp::kDecimal : WhereOp::kDouble, place);
  if (kind == Kind::kDecimal) {
    size_t begin = text[0] == '-' ? 1 : 0;
    if (text[begin] == '.') text.insert(begin, "0");
    if (text.back() == '.') text.pop_back();
    size_t dot = text.find('.');
    size_t digits = text.size() - begin - (dot != std::string::npos);
    if (digits > 65 || (dot != std::string::npos && text.size() - dot - 1 > 30)) {
      return fail(place, "a number has at most 65 digits, 30 of them behind the point");
    }
  }
  out->text = std::move(text);
  return out;
}

Node WhereGrammar::option() {
  WhereToken token = token_;
  auto found = options_.find(token.text);
  if (found == options_.end()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : options_) names.push_back(name);
    std::string near = nearest_name(token.text, names);
    return fail(fmt::format("the rule file has no readable option `{}`{}", token.text,
                            near.empty() ? "" : fmt::format(" (did you mean `:{}`?)", near)));
  }
  advance();
  if (const std::string* text = std::get_if<std::string>(&found->second)) {
    Node out = make(WhereOp::kText, token.at);
    out->text = *text;
    return out;
  }
  if (const bool* flag = std::get_if<bool>(&found->second)) {
    Node out = make(WhereOp::kInteger, token.at);
    out->integer = *flag;
    return out;
  }
  double number = std::get<double>(found->second);
  std::string digits;
  append_double(number, false, digits);
  if (!std::isfinite(number)) return fail(token.at, fmt::format("option `{}` is no finite number", token.text));
  bool is_plain = digits.find_first_of("eE") == std::string::npos;
  Kind kind = !is_plain ? Kind::kDouble : digits.find('.') == std::string::npos ? Kind::kInteger : Kind::kDecimal;
  return number_node(kind, digits, token.at);
}

Node WhereGrammar::column() {
  Node out = make(WhereOp::kColumn, token_.at);
  out->text = token_.text;
  advance();
  if (token_.is_symbol(".")) return fail("columns are written without their table");
  if (at(Kind::kQuotedName) || (at(Kind::kWord) && out->text.empty())) return fail("a name is not expected here");
  return out;
}

Node WhereGrammar::word() {
  WhereToken token = token_;
  if (token.is("NULL") || token.is("TRUE") || token.is("FALSE")) {
    advance();
    Node out = make(token.is("NULL") ? WhereOp::kNull : WhereOp::kInteger, token.at);
    out->integer = token.is("TRUE");
    return out;
  }
  if (token.is("CAST")) return cast();
  for (std::string_view reserved : kReserved) {
    if (!token.is(reserved) || token.is("MOD")) continue;
    return fail(fmt::format("{} is not supported here; a column of this name is written in backticks", reserved));
  }
  bool is_moment = token.is("DATE") || token.is("TIME") || token.is("TIMESTAMP");
  advance();
  if (is_moment && at(Kind::kText)) {
    WhereOp op = token.is("DATE") ? WhereOp::kDate : token.is("TIME") ? WhereOp::kTime : WhereOp::kDateTime;
    Node out = leaf(op);
    return out;
  }
  if (take_symbol("(")) return call(token);
  if (at(Kind::kText) && !token.text.empty() && (token.text[0] == '_' || token.is("N"))) {
    return fail(token.at, "texts are UTF-8: write them without a character set");
  }
  if (token_.is_symbol(".")) return fail(token.at, "columns are written without their table");
  Node out = make(WhereOp::kColumn, token.at);
  out->text = token.text;
  return out;
}

Node WhereGrammar::call(const WhereToken& name) {
  Node out = make(WhereOp::kCall, name.at);
  out->text = lower(name.text);
  if (take_symbol(")")) return out;
  do {
    Node argument = expression();
    if (!argument) return nullptr;
    add(*out, std::move(argument));
    if (out->args.size() < 3 && (out->text == "substr" || out->text == "substring") && (take("FROM") || take("FOR"))) {
      argument = expression();
      if (!argument) return nullptr;
      add(*out, std::move(argument));
      if (take("FOR")) {
        argument = expression();
        if (!argument) return nullptr;
        add(*out, std::move(argument));
      }
    }
  } while (take_symbol(","));
  return expect(")") ? std::move(out) : nullptr;
}

// CAST(expr AS type)
Node WhereGrammar::cast() {
  uint32_t place = token_.at;
  advance();
  if (!expect("(")) return nullptr;
  Node operand = expression();
  if (!operand) return nullptr;
  if (!take("AS")) return fail(fmt::format("AS expected in CAST, found `{}`", shown(token_)));
  Node out = make(WhereOp::kCast, place, std::move(operand));
  if (take("CHAR")) out->cast = WhereCast::kChar;
  else if (take("DECIMAL")) out->cast = WhereCast::kDecimal;
  else if (take("DOUBLE")) out->cast = WhereCast::kDouble;
  else if (take("SIGNED")) out->cast = WhereCast::kSigned;
  else if (take("UNSIGNED")) out->cast = WhereCast::kUnsigned;
  else if (take("DATE")) out->cast = WhereCast::kDate;
  else if (take("TIME")) out->cast = WhereCast::kTime;
  else if (take("DATETIME")) out->cast = WhereCast::kDateTime;
  else
    return fail(
        fmt::format("CAST to `{}` is not supported; CHAR, DECIMAL, DOUBLE, SIGNED, UNSIGNED, DATE, TIME and DATETIME are", shown(token_)));
  if (out->cast == WhereCast::kSigned || out->cast == WhereCast::kUnsigned) take("INTEGER");
  if (out->cast == WhereCast::kDecimal) out->length = 10;
  if (take_symbol("(")) {
    bool takes = out->cast == WhereCast::kChar || out->cast == WhereCast::kDecimal || out->cast == WhereCast::kTime ||
                 out->cast == WhereCast::kDateTime;
    if (!takes) return fail("this type takes no length");
    if (!small_number(out->length)) return nullptr;
    out->has_length = true;
    if (out->cast == WhereCast::kDecimal && take_symbol(",") && !small_number(out->scale)) return nullptr;
    if (!expect(")")) return nullptr;
    bool is_moment = out->cast == WhereCast::kTime || out->cast == WhereCast::kDateTime;
    if (is_moment && out->length > 6) return fail("at most 6 fraction digits");
    if (out->cast == WhereCast::kDecimal && (out->length > 65 || out->scale > 30 || out->scale > out->length || !out->length)) {
      return fail("precision or scale out of range");
    }
  }
  if (token_.is("CHARACTER") || token_.is("CHARSET") || token_.is("ARRAY"))
    return fail(fmt::format("{} is not supported in CAST", token_.text));
  return expect(")") ? std::move(out) : nullptr;
}

bool WhereGrammar::small_number(uint32_t& out) {
  const char* end = token_.text.data() + token_.text.size();
  if (!at(Kind::kInteger) || std::from_chars(token_.text.data(), end, out).ec != std::errc() || out > 1000000) {
    fail("a length is missing");
    return false;
  }
  advance();
  return true;
}

}  // namespace tailrace
