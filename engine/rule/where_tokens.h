// Tokens of a row filter. Views live as long as the text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace {

struct WhereToken {
  enum class Kind : uint8_t { kEnd, kWord, kQuotedName, kInteger, kDecimal, kDouble, kText, kBits, kOption, kSymbol, kBad };
  Kind kind = Kind::kEnd;
  uint32_t at = 0;
  std::string text;  // words as written; texts unescaped; kBits: the bytes; kBad: why
  // kWord: is it this keyword?
  bool is(std::string_view upper) const noexcept;
  bool is_symbol(std::string_view symbol) const noexcept { return kind == Kind::kSymbol && text == symbol; }
};

class WhereTokens {
 public:
  explicit WhereTokens(std::string_view text) : text_(text) {}
  WhereToken next();

 private:
  WhereToken quoted(char quote);
  WhereToken number();
  WhereToken bits(char base);
  WhereToken bad(std::string why);
  WhereToken take(WhereToken::Kind kind, size_t from, size_t to);
  bool skip_blanks(std::string& why);

  std::string_view text_;
  size_t at_ = 0;
  uint32_t begin_ = 0;
};

}  // namespace tailrace
