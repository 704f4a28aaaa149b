// Operators of the grammar, and where a filter stands in its file.
#include "rule/where_parser.h"

#include "event/value_text.h"
#include "rule/where_collation.h"
#include "rule/where_grammar.h"

namespace tailrace {
namespace {

using Node = WhereGrammar::Node;

constexpr size_t kMaxText = 64 * 1024;

struct Binary {
  std::string_view symbol, word;
  WhereOp op;
  int level;  // binds tighter the higher
};

}  // namespace

Result<WhereGrammar::Node> WhereGrammar::parse() {
  if (source_.text.size() > kMaxText) return where_error(source_, 0, fmt::format("longer than {} bytes", kMaxText));
  advance();
  Node root = expression();
  if (!error_.ok()) return error_;
  if (root && !at(Kind::kEnd)) root = fail(fmt::format("`{}` is not expected here", shown(token_)));
  if (!root) return error_.ok() ? where_error(source_, 0, "not understood") : error_;
  return root;
}

// expr: OR
Node WhereGrammar::expression() {
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

Node WhereGrammar::exclusive() {
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

Node WhereGrammar::conjunction() {
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

Node WhereGrammar::negation() {
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
Node WhereGrammar::truth_test() {
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

Node WhereGrammar::comparison() { return compare_rest(predicate()); }

Node WhereGrammar::compare_rest(Node left) {
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

Node WhereGrammar::predicate() {
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

Node WhereGrammar::in_list(Node left, uint32_t place) {
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

Node WhereGrammar::like(Node left, uint32_t place) {
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

Node WhereGrammar::binary(int level) {
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

Node WhereGrammar::unary() {
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

Result<std::unique_ptr<WhereNode>> parse_where(const WhereSource& source, const WhereOptions& options) {
  return WhereGrammar(source, options).parse();
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
