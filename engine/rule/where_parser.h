// The text of a row filter (`where = [[…]]`) or a column expression (`sql[[…]]`), parsed into a tree. SQL's grammar of
// expressions and MySQL's precedence; what the engine does not evaluate exactly as a server does is refused here or by
// where_compile, by name and place. Pure; the tree is immutable once parsed.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace tailrace {

// Whose rules hold for NULL, trailing blanks and numbers written as text.
enum class WhereDialect : uint8_t { kMysql, kOms };

using WhereOptions = std::map<std::string, std::variant<bool, double, std::string>>;

struct WhereSource {
  std::string text;
  WhereDialect dialect = WhereDialect::kMysql;
  std::string name = "where";  // how errors call it
  std::string file;            // "" = not known where the text stands
  uint32_t line = 0;           // of its first character
};

enum class WhereOp : uint8_t {
  kNull,
  kInteger,
  kDecimal,
  kDouble,
  kText,
  kBits,
  kDate,
  kTime,
  kDateTime,
  kColumn,  // leaves
  kNegate,
  kInvert,
  kNot,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kIntegerDivide,
  kModulo,
  kBitAnd,
  kBitOr,
  kBitXor,
  kShiftLeft,
  kShiftRight,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kNullSafeEqual,
  kAnd,
  kOr,
  kXor,
  kIsNull,
  kIsTrue,
  kIsFalse,
  kIn,
  kBetween,
  kLike,
  kCall,
  kCast,
  kCollate
};

enum class WhereCast : uint8_t { kChar, kDecimal, kDouble, kSigned, kUnsigned, kDate, kTime, kDateTime };

struct WhereNode {
  WhereOp op = WhereOp::kNull;
  uint32_t at = 0;           // place in the text
  uint32_t height = 1;       // of the tree below
  bool negated = false;      // IS NOT, NOT IN, NOT BETWEEN, NOT LIKE
  std::string text;          // literal, name of the column, function (lower case) or collation; LIKE: escape
  bool is_unsigned = false;  // kInteger
  int64_t integer = 0;       // kInteger
  WhereCast cast = WhereCast::kChar;
  uint32_t length = 0;  // CAST: characters, precision or fraction digits
  uint32_t scale = 0;
  bool has_length = false;
  std::vector<std::unique_ptr<WhereNode>> args;  // kAnd, kOr: two or more
};

// `options`: values of `:name`.
Result<std::unique_ptr<WhereNode>> parse_where(const WhereSource& source, const WhereOptions& options);

// "rules/shop.lua:9: where: message", or without a place of its own "where: message, at `…`".
Status where_error(const WhereSource& source, uint32_t at, const std::string& message, ErrorCode code = ErrorCode::kRuleLoad);
// Fills file and line: the first place in `file_text` behind `after` where the text stands.
void locate_where(WhereSource& source, std::string_view file_name, std::string_view file_text, std::string_view after);

}  // namespace tailrace
