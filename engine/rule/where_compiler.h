// WhereCompiler: gives the parsed tree of a row filter its types, by the rules of its dialect, and refuses what could
// come out otherwise than at the server. Used once per (filter, table version).
#pragma once
#include <string>
#include <string_view>

#include "rule/where_program.h"

namespace tailrace {

class WhereCompiler {
 public:
  WhereCompiler(WhereProgram& program, std::string_view table) : program_(program), table_(table) {}
  Status compile(const WhereNode& root, bool is_filter);

 private:
  // A step and what is known of its values.
  struct Typed {
    uint32_t step = 0, at = 0;
    SqlType type = SqlType::kNull;
    bool is_unsigned = false, is_constant = false, nullable = true;
    bool is_truth = false;     // 0, 1 or NULL
    bool is_literal = false;   // a text that takes the form the other side wants
    bool is_bits = false;      // x'…'
    bool is_quotient = false;  // a / b itself
    int column = -1;           // a column itself, not an expression
    Kind kind = Kind::kNull;   // of that column
    uint8_t scale = 0;
    uint32_t precision = 0;                     // digits, characters, bytes; 0 = not known
    uint16_t charset = 0;                       // number of the column's collation
    const WhereCollation* collation = nullptr;  // of COLLATE
  };

  bool is_oms() const { return program_.source_.dialect == WhereDialect::kOms; }
  static bool is_number(const Typed& t) { return t.type == SqlType::kInt || t.type == SqlType::kDecimal || t.type == SqlType::kDouble; }
  static bool is_moment(const Typed& t) { return t.type == SqlType::kDate || t.type == SqlType::kDateTime || t.type == SqlType::kTime; }
  Typed fail(uint32_t at, const std::string& message, ErrorCode code = ErrorCode::kRuleLoad);
  std::string describe(const Typed& typed) const;

  Typed emit(WhereStep step, Typed like);
  Typed emit_truth(WhereStep step, bool nullable);
  Typed emit_null_truth(uint32_t at);
  void fold(Typed& typed);
  void stop_at_null(uint32_t at);
  Typed constant_int(uint32_t at, int64_t value, bool is_unsigned);
  Typed constant_null(uint32_t at, SqlType type);
  const WhereStep& step_of(const Typed& typed) const { return program_.steps_[typed.step]; }

  Typed expression(const WhereNode& node);
  Typed literal(const WhereNode& node);
  Typed moment(const std::string& text, SqlType type, uint32_t at);
  Typed column(const WhereNode& node);
  Typed collate(const WhereNode& node);
  Typed truth(Typed in);
  Typed close(Typed in);
  Typed logic(const WhereNode& node);
  Typed negate_if(bool negated, Typed in, uint32_t at);
  Typed is_test(const WhereNode& node);
  Typed in_list(const WhereNode& node);
  Typed between(const WhereNode& node);
  Typed like(const WhereNode& node);

  // where_compare.cc
  Typed comparison(WhereOp op, Typed left, Typed right, uint32_t at);
  Typed compare_as(WhereStep::Code code, WhereOp op, const Typed& left, const Typed& right, uint32_t at);
  Typed compare_numbers(WhereOp op, Typed left, Typed right, uint32_t at);
  Typed compare_texts(WhereOp op, const Typed& left, const Typed& right, uint32_t at);
  Typed compare_moments(WhereOp op, Typed left, Typed right, uint32_t at);
  Typed compare_text_with_number(WhereOp op, Typed text, Typed number, bool text_is_left, uint32_t at);
  Typed literal_as_moment(const Typed& text, const Typed& other);
  Typed oms_timestamp(const Typed& literal);
  Typed literal_as_number(const Typed& text, const Typed& other);
  Typed double_as_decimal(const Typed& in);
  Typed bits_as_int(const Typed& bits);
  const WhereCollation* collation_of(const Typed& typed);
  const WhereCollation* combine(const Typed& left, const Typed& right, uint32_t at);
  void take_collation(Typed& whole, const Typed& part, uint32_t at);
  const WhereCollation* common_collation(const Typed& left, const Typed& right, uint32_t at);

  // where_arithmetic.cc
  Typed to_decimal(Typed in);
  Typed to_double(Typed in);
  Typed to_text(Typed in);
  Typed label_as_int(const Typed& label);
  Typed number_of(Typed in, uint32_t at, std::string_view what);
  Typed unary(const WhereNode& node);
  Typed arithmetic(WhereOp op, Typed left, Typed right, uint32_t at);
  Typed call(const WhereNode& node);
  Typed coalesce(const WhereNode& node, std::vector<Typed> args);
  Typed cast(const WhereNode& node);
  Status set_result(const Typed& out);

  WhereProgram& program_;
  std::string table_;
  Status error_;
};

}  // namespace tailrace
