// WhereGrammar: the recursive descent over the text of one filter; where_parser has its operators, where_operands what stands
// between them. Lives for one parse. Internal to the module.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "rule/where_parser.h"
#include "rule/where_tokens.h"

namespace tailrace {

// One level of MySQL's grammar per function; each gives null after a failure, which is kept in error_.
class WhereGrammar {
 public:
  using Node = std::unique_ptr<WhereNode>;

  WhereGrammar(const WhereSource& source, const WhereOptions& options) : source_(source), options_(options), tokens_(source.text) {}

  Result<Node> parse();

 private:
  using Kind = WhereToken::Kind;
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
  static constexpr int kMaxDepth = 100;        // of parentheses and prefixes
  static constexpr uint32_t kMaxHeight = 500;  // of the tree: a + b + c … is one side deep

  // Operators, the loosest first.
  Node expression();
  Node exclusive();
  Node conjunction();
  Node negation();
  Node truth_test();
  Node comparison();
  Node compare_rest(Node left);
  Node predicate();
  Node in_list(Node left, uint32_t place);
  Node like(Node left, uint32_t place);
  Node binary(int level);
  Node unary();

  // Operands.
  Node primary();
  Node simple();
  Node leaf(WhereOp op);
  Node number(std::string sign, uint32_t place);
  Node number_node(Kind kind, std::string text, uint32_t place);
  Node option();
  Node column();
  Node word();
  Node call(const WhereToken& name);
  Node cast();
  bool small_number(uint32_t& out);

  const WhereSource& source_;
  const WhereOptions& options_;
  WhereTokens tokens_;
  WhereToken token_;
  Status error_;
  int depth_ = 0;
};

}  // namespace tailrace
