#include "rule/where_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/options.h"
#include "event/value_text.h"
#include "rule/where_collation.h"
#include "rule/where_tokens.h"

namespace tailrace {
namespace {

using Node = std::unique_ptr<WhereNode>;
using Kind = WhereToken::Kind;

constexpr int kMaxDepth = 100;        // of parentheses and prefixes
constexpr uint32_t kMaxHeight = 500;  // of the tree: a + b + c … is one side deep
constexpr size_t kMaxText = 64 * 1024;

// Words that name no column without backticks, as the grammar below or the server's needs them.
constexpr std::string_view kReserved[] = {
    "AND", "AS",   "BETWEEN", "BINARY", "BY",    "CASE",   "CAST",     "CHAR", "COLLATE", "CONVERT", "CURRENT_TIMESTAMP",
    "DIV", "ELSE", "EXISTS",  "FALSE",  "FROM",  "IN",     "INTERVAL", "IS",   "LIKE",    "MATCH",   "MOD",
    "NOT", "NULL", "OR",      "REGEXP", "RLIKE", "SELECT", "THEN",     "TRUE", "WHEN",    "XOR"};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// One level of MySQL's grammar per function; each gives null after a failure, which is kept in error_.
class Parser {
 public:
  Parser(const WhereSource& source, const WhereOptions& options) : source_(source), options_(options), tokens_(source.text) {}

  Result<Node> parse() {
    if (source_.text.size() > kMaxText) return where_error(source_, 0, fmt::format("longer than {} bytes", kMaxText));
    advance();
    Node root = expression();
    if (!error_.ok()) return error_;
    if (root && !at(Kind::kEnd)) root = fail(fmt::format("`{}` is not expected here", shown(token_)));
    if (!root) return error_.ok() ? where_error(source_, 0, "not understood") : error_;
    return root;
  }

 private:
  static std::string shown(const WhereToken& token) {
    if (token.kind == Kind::kEnd) return "the end";
    if (token.kind == Kind::kText) return "'" + token.text + "'";
    return token.kind == Kind::kOption ? ":" + token.text : token.text;
  }

  std::nullptr_t fail(std::string message) { return fail(token_.at, std::move(message)); }
  std::nullptr_t fail(uint32_t at, std::string message) {
    if (error_.ok()) error_ = where_error(source_, at, message);
    return nullptr;
  }
  void advance() {
    token_ = tokens_.next();
    if (token_.kind == Kind::kBad) fail(token_.text);
  }
  bool at(Kind kind) const { return token_.kind == kind; }
  bool take(std::string_view word) {
    if (!token_.is(word)) return false;
    advance();
    return true;
  }
  bool take_symbol(std::string_view symbol) {
    if (!token_.is_symbol(symbol)) return false;
    advance();
    return true;
  }
  bool expect(std::string_view symbol) {
    if (take_symbol(symbol)) return true;
    fail(fmt::format("`{}` expected, found `{}`", symbol, shown(token_)));
    return false;
  }

  Node make(WhereOp op, uint32_t at, Node a = nullptr, Node b = nullptr, Node c = nullptr) {
    auto node = std::make_unique<WhereNode>();
    node->op = op;
    node->at = at;
    for (Node* arg : {&a, &b, &c}) {
      if (*arg) add(*node, std::move(*arg));
    }
    return node;
  }
  void add(WhereNode& node, Node arg) {
    node.height = std::max(node.height, arg->height + 1);
    if (node.height > kMaxHeight) fail(node.at, "nested too deeply");
    node.args.push_back(std::move(arg));
  }
  // a AND b AND c is one node of three.
  Node chain(WhereOp op, uint32_t at, Node left, Node right, bool left_is_chain) {
    if (!left_is_chain) return make(op, at, std::move(left), std::move(right));
    add(*left, std::move(right));
    return left;
  }

  struct Depth {
    explicit Depth(int& depth) : depth_(depth) { ++depth_; }
    ~Depth() { --depth_; }
    int& depth_;
  };

  // expr: OR
  Node expression() {
    Depth depth(depth_);
    if (depth_ > kMaxDepth) return fail("nested too deeply");
    Node left = exclusive();
    bool is_chain = false;
    while (left) {
      if (token_.is_symbol("||")) return fail("`||` is OR on some servers and concatenation on others: write OR or CONCAT(…)");
      uint32_t place = token_.at;
      if (!take("OR")) return left;
      Node right = exclusive();
      if (!right) return nullptr;
      left = chain(WhereOp::kOr, place, std::move(left), std::move(right), is_chain);
      is_chain = true;
    }
    return left;
  }

  Node exclusive() {
    Node left = conjunction();
    while (left) {
      uint32_t place = token_.at;
      if (!take("XOR")) return left;
      Node right = conjunction();
      if (!right) return nullptr;
      left = make(WhereOp::kXor, place, std::move(left), std::move(right));
    }
    return left;
  }

  Node conjunction() {
    Node left = negation();
    bool is_chain = false;
    while (left) {
      uint32_t place = token_.at;
      if (!take("AND") && !take_symbol("&&")) return left;
      Node right = negation();
      if (!right) return nullptr;
      left = chain(WhereOp::kAnd, place, std::move(left), std::move(right), is_chain);
      is_chain = true;
    }
    return left;
  }

  Node negation() {
    Depth depth(depth_);
    if (depth_ > kMaxDepth) return fail("nested too deeply");
    uint32_t place = token_.at;
    if (take("NOT")) {
      Node operand = negation();
      return operand ? make(WhereOp::kNot, place, std::move(operand)) : nullptr;
    }
    return truth_test();
  }

  // boolean_primary IS [NOT] {TRUE | FALSE | UNKNOWN}
  Node truth_test() {
    Node left = comparison();
    while (left && token_.is("IS")) {
      uint32_t place = token_.at;
      advance();
      bool negated = take("NOT");
      WhereOp op;
      if (take("TRUE")) op = WhereOp::kIsTrue;
      else if (take("FALSE")) op = WhereOp::kIsFalse;
      else if (take("UNKNOWN") || take("NULL")) op = WhereOp::kIsNull;
      else return fail(fmt::format("NULL, TRUE, FALSE or UNKNOWN expected behind IS, found `{}`", shown(token_)));
      left = make(op, place, std::move(left));
      left->negated = negated;
      left = compare_rest(std::move(left));
    }
    return left;
  }

  Node comparison() { return compare_rest(predicate()); }

  Node compare_rest(Node left) {
    static constexpr std::pair<std::string_view, WhereOp> kOps[] = {
        {"=", WhereOp::kEqual}, {"<=>", WhereOp::kNullSafeEqual}, {"<>", WhereOp::kNotEqual}, {"!=", WhereOp::kNotEqual},
        {"<", WhereOp::kLess},  {"<=", WhereOp::kLessEqual},      {">", WhereOp::kGreater},   {">=", WhereOp::kGreaterEqual}};
    while (left) {
      uint32_t place = token_.at;
      auto found = std::find_if(std::begin(kOps), std::end(kOps), [&](const auto& op) { return token_.is_symbol(op.first); });
      if (found == std::end(kOps)) return left;
      advance();
      Node right = predicate();
      if (!right) return nullptr;
      left = make(found->second, place, std::move(left), std::move(right));
    }
    return left;
  }

  Node predicate() {
    Depth depth(depth_);
    if (depth_ > kMaxDepth) return fail("nested too deeply");
    Node left = binary(0);
    if (!left) return nullptr;
    uint32_t place = token_.at;
    bool negated = take("NOT");
    Node out;
    if (take("IN")) {
      out = in_list(std::move(left), place);
    } else if (take("BETWEEN")) {
      Node low = binary(0);
      if (!low) return nullptr;
      if (!take("AND")) return fail(fmt::format("AND expected in BETWEEN, found `{}`", shown(token_)));
      Node high = predicate();
      if (!high) return nullptr;
      out = make(WhereOp::kBetween, place, std::move(left), std::move(low), std::move(high));
    } else if (take("LIKE")) {
      out = like(std::move(left), place);
    } else if (token_.is("REGEXP") || token_.is("RLIKE") || token_.is("SOUNDS") || token_.is("MEMBER")) {
      return fail(fmt::format("{} is not supported", shown(token_)));
    } else if (negated) {
      return fail(fmt::format("IN, BETWEEN or LIKE expected behind NOT, found `{}`", shown(token_)));
    } else {
      return left;
    }
    if (out) out->negated = negated;
    return out;
  }

  Node in_list(Node left, uint32_t place) {
    if (!expect("(")) return nullptr;
    if (token_.is("SELECT")) return fail("a filter looks at one row: no subqueries");
    Node out = make(WhereOp::kIn, place, std::move(left));
    do {
      Node item = expression();
      if (!item) return nullptr;
      add(*out, std::move(item));
    } while (take_symbol(","));
    return expect(")") ? std::move(out) : nullptr;
  }

  Node like(Node left, uint32_t place) {
    Node pattern = primary();
    if (!pattern) return nullptr;
    Node out = make(WhereOp::kLike, place, std::move(left), std::move(pattern));
    out->text = "\\";
    if (!take("ESCAPE")) return out;
    if (!at(Kind::kText)) return fail("ESCAPE takes one character in quotes");
    unsigned char first = token_.text.empty() ? 0 : static_cast<unsigned char>(token_.text[0]);
    if (token_.text.size() > 1 || first >= 0x80) return fail("ESCAPE takes one character of ASCII");
    out->text = token_.text;
    advance();
    return out;
  }

  struct Binary {
    std::string_view symbol, word;
    WhereOp op;
    int level;  // binds tighter the higher
  };

  Node binary(int level) {
    static constexpr Binary kOps[] = {
        {"|", "", WhereOp::kBitOr, 0},           {"&", "", WhereOp::kBitAnd, 1}, {"<<", "", WhereOp::kShiftLeft, 2},
        {">>", "", WhereOp::kShiftRight, 2},     {"+", "", WhereOp::kAdd, 3},    {"-", "", WhereOp::kSubtract, 3},
        {"*", "", WhereOp::kMultiply, 4},        {"/", "", WhereOp::kDivide, 4}, {"%", "MOD", WhereOp::kModulo, 4},
        {"", "DIV", WhereOp::kIntegerDivide, 4}, {"^", "", WhereOp::kBitXor, 5}};
    if (level > 5) return unary();
    Node left = binary(level + 1);
    while (left) {
      auto found = std::find_if(std::begin(kOps), std::end(kOps), [&](const Binary& op) {
        return op.level == level && (token_.is_symbol(op.symbol) || (!op.word.empty() && token_.is(op.word)));
      });
      if (found == std::end(kOps)) return left;
      uint32_t place = token_.at;
      advance();
      if (token_.is("INTERVAL")) return fail("INTERVAL is not supported");
      Node right = binary(level + 1);
      if (!right) return nullptr;
      left = make(found->op, place, std::move(left), std::move(right));
    }
    return left;
  }

  Node unary() {
    Depth depth(depth_);
    if (depth_ > kMaxDepth) return fail("nested too deeply");
    uint32_t place = token_.at;
    if (take_symbol("-")) {
      if (at(Kind::kInteger) || at(Kind::kDecimal) || at(Kind::kDouble)) return number("-", place);
      Node operand = unary();
      return operand ? make(WhereOp::kNegate, place, std::move(operand)) : nullptr;
    }
    if (take_symbol("+")) return unary();
    if (take_symbol("~") || take_symbol("!")) {
      WhereOp op = source_.text[place] == '~' ? WhereOp::kInvert : WhereOp::kNot;
      Node operand = unary();
      return operand ? make(op, place, std::move(operand)) : nullptr;
    }
    return primary();
  }

  // A simple expression with the COLLATE behind it.
  Node primary() {
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

  Node simple() {
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

  Node leaf(WhereOp op) {
    Node out = make(op, token_.at);
    out->text = token_.text;
    advance();
    if (op == WhereOp::kText && at(Kind::kText)) return fail("two texts in a row: write CONCAT(…)");
    return out;
  }

  Node number(std::string sign, uint32_t place) {
    WhereToken token = token_;
    advance();
    return number_node(token.kind, sign + token.text, place);
  }

  Node number_node(Kind kind, std::string text, uint32_t place) {
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

  Node option() {
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

  Node column() {
    Node out = make(WhereOp::kColumn, token_.at);
    out->text = token_.text;
    advance();
    if (token_.is_symbol(".")) return fail("columns are written without their table");
    if (at(Kind::kQuotedName) || (at(Kind::kWord) && out->text.empty())) return fail("a name is not expected here");
    return out;
  }

  Node word() {
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

  Node call(const WhereToken& name) {
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
  Node cast() {
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
      return fail(fmt::format("CAST to `{}` is not supported; CHAR, DECIMAL, DOUBLE, SIGNED, UNSIGNED, DATE, TIME and DATETIME are",
                              shown(token_)));
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

  bool small_number(uint32_t& out) {
    const char* end = token_.text.data() + token_.text.size();
    if (!at(Kind::kInteger) || std::from_chars(token_.text.data(), end, out).ec != std::errc() || out > 1000000) {
      fail("a length is missing");
      return false;
    }
    advance();
    return true;
  }

  const WhereSource& source_;
  const WhereOptions& options_;
  WhereTokens tokens_;
  WhereToken token_;
  Status error_;
  int depth_ = 0;
};

}  // namespace

Result<std::unique_ptr<WhereNode>> parse_where(const WhereSource& source, const WhereOptions& options) {
  return Parser(source, options).parse();
}

Status where_error(const WhereSource& source, uint32_t at, const std::string& message, ErrorCode code) {
  std::string_view text = source.text;
  size_t place = std::min<size_t>(at, text.size());
  if (source.line > 0) {
    auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(place), '\n');
    return Status(code, fmt::format("{}:{}: {}: {}", source.file, source.line + lines, source.name, message));
  }
  std::string near(first_characters(text.substr(place), 24));
  std::replace(near.begin(), near.end(), '\n', ' ');
  return Status(code,
                near.empty() ? fmt::format("{}: {}", source.name, message) : fmt::format("{}: {}, at `{}`", source.name, message, near));
}

void locate_where(WhereSource& source, std::string_view file_name, std::string_view file_text, std::string_view after) {
  if (source.text.empty()) return;
  size_t from = after.empty() ? 0 : file_text.find(after);
  size_t found = file_text.find(source.text, from == std::string_view::npos ? 0 : from);
  if (found == std::string_view::npos) found = file_text.find(source.text);
  if (found == std::string_view::npos) return;
  source.file = file_name;
  source.line = 1 + static_cast<uint32_t>(std::count(file_text.begin(), file_text.begin() + static_cast<std::ptrdiff_t>(found), '\n'));
}

}  // namespace tailrace
