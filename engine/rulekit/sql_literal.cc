#include "rulekit/sql_literal.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "event/value_text.h"
#include "rule/value_write.h"

namespace tailrace {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unhex(std::string_view digits, std::string& out) {
  if (digits.size() % 2 != 0) return false;
  for (size_t i = 0; i < digits.size(); i += 2) {
    int high = hex_digit(digits[i]);
    int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return true;
}

struct Literal {
  enum class Form : uint8_t { kNumber, kText, kBytes };
  Form form = Form::kText;
  std::string text;
};

// "-12.5", "1e+300": the tokens of a number stand without blanks between them.
bool take_number(SqlTokens& tokens, std::string& out) {
  size_t end = std::string::npos;
  for (;;) {
    const SqlToken& token = tokens.peek();
    bool adjoins = end == std::string::npos || end == tokens.offset();
    bool is_sign = token.is_mark('-') || token.is_mark('+');
    bool takes_sign = out.empty() || out.back() == 'e' || out.back() == 'E';
    bool is_digits =
        token.kind == SqlToken::Kind::kNumber || (token.kind == SqlToken::Kind::kWord && token.raw[0] >= '0' && token.raw[0] <= '9');
    if (!adjoins || !(is_digits || token.is_mark('.') || (is_sign && takes_sign))) break;
    out += token.raw;
    end = tokens.offset() + token.raw.size();
    tokens.next();
  }
  if (out.starts_with('+')) out.erase(0, 1);
  return out.find_first_of("0123456789") != std::string::npos;
}

bool take_literal(SqlTokens& tokens, Literal& out) {
  SqlToken::Kind kind = tokens.peek().kind;
  if (kind == SqlToken::Kind::kString) {
    out.text = tokens.next().text;
    return true;
  }
  if (tokens.peek().is("x")) {
    tokens.next();
    out.form = Literal::Form::kBytes;
    return tokens.peek().kind == SqlToken::Kind::kString && unhex(tokens.next().text, out.text);
  }
  if (tokens.peek().is("TRUE") || tokens.peek().is("FALSE")) {
    out.form = Literal::Form::kNumber;
    out.text = tokens.next().is("TRUE") ? "1" : "0";
    return true;
  }
  out.form = Literal::Form::kNumber;
  return take_number(tokens, out.text);
}

WriteFault write_double(const std::string& text, const Column& column, Value& out) {
  char* end = nullptr;
  bool is_float = column.type_name == "float";
  double number = is_float ? static_cast<double>(std::strtof(text.c_str(), &end)) : std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0) return WriteFault::kForm;
  if (!std::isfinite(number)) return WriteFault::kRange;
  out = is_float ? Value::of_float(static_cast<float>(number)) : Value::of_double(number);
  return WriteFault::kNone;
}

}  // namespace

Status read_literal(SqlTokens& tokens, const Column& column, Arena& arena, Value& out) {
  auto fail = [&](std::string_view text, WriteFault fault) {
    return Status(ErrorCode::kRuleCase, fmt::format("column `{}`: {}: {}", column.name, text, describe_fault(fault, column)));
  };
  if (tokens.accept("NULL")) {
    out = Value::null();
    return column.nullable ? Status() : fail("NULL", WriteFault::kNull);
  }
  if (tokens.accept("ABSENT")) {
    out = Value::absent();
    return {};
  }
  Literal literal;
  std::string next(tokens.peek().raw);
  if (!take_literal(tokens, literal)) {
    return Status(ErrorCode::kRuleCase, fmt::format("column `{}`: expected a number, a quoted text, x'hex', NULL or ABSENT{}", column.name,
                                                    next.empty() ? "" : " at `" + next + "`"));
  }
  WriteFault fault = WriteFault::kNone;
  out = Value::absent();
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit: fault = write_decimal(out, column, literal.text, arena); break;
    case Kind::kDecimal: fault = write_decimal(out, column, literal.text, arena); break;
    case Kind::kDouble: fault = write_double(literal.text, column, out); break;
    default:
      if (literal.form == Literal::Form::kNumber && column.kind != Kind::kText && column.kind != Kind::kJson) {
        return fail(literal.text, WriteFault::kType);
      }
      fault = write_text(out, column, literal.text, arena);
  }
  return fault == WriteFault::kNone ? Status() : fail(literal.text, fault);
}

void append_quoted(std::string_view text, std::string& out) {
  out.push_back('\'');
  for (char c : text) {
    switch (c) {
      case '\'': out += "''"; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\0': out += "\\0"; break;
      case '\x1a': out += "\\Z"; break;
      default: out.push_back(c);
    }
  }
  out.push_back('\'');
}

void append_name(std::string_view name, std::string& out) {
  auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$'; };
  bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name) plain = plain && is_word(c);
  if (plain) {
    out += name;
    return;
  }
  out.push_back('`');
  for (char c : name) {
    if (c == '`') out.push_back('`');
    out.push_back(c);
  }
  out.push_back('`');
}

void append_literal(const Value& value, const Column& column, std::string& out) {
  switch (value.kind) {
    case Kind::kNull: out += "NULL"; return;
    case Kind::kAbsent: out += "ABSENT"; return;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit:
    case Kind::kDouble:
    case Kind::kDecimal: append_text(value, column, out); return;
    case Kind::kBytes:
    case Kind::kGeometry: {
      static constexpr char kDigits[] = "0123456789abcdef";
      out += "x'";
      for (char c : value.text()) {
        out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
        out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
      }
      out.push_back('\'');
      return;
    }
    case Kind::kText:
    case Kind::kJson: append_quoted(value.text(), out); return;
    default: append_quoted(to_text(value, column), out);
  }
}

}  // namespace tailrace
