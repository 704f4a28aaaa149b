// SqlTokens: cuts SQL text into words, names, strings, numbers and punctuation. Comments vanish, but the inside of
// version comments (/*!50100 … */, /*M! … */) counts. Views point into the text; no copies but for quoted names.
#pragma once
#include <string>
#include <string_view>

namespace tailrace {

struct SqlToken {
  enum class Kind : uint8_t { kEnd, kWord, kName, kString, kNumber, kPunctuation };
  Kind kind = Kind::kEnd;
  std::string_view raw;
  std::string text;     // unquoted; words as written

  bool is(std::string_view word) const;      // an unquoted word, in any case
  bool is_mark(char c) const { return kind == Kind::kPunctuation && raw.size() == 1 && raw[0] == c; }
  bool is_name() const { return kind == Kind::kWord || kind == Kind::kName; }
};

class SqlTokens {
 public:
  SqlTokens(std::string_view sql, bool ansi_quotes) : sql_(sql), ansi_quotes_(ansi_quotes) { advance(); }
  const SqlToken& peek() const { return token_; }
  SqlToken next();
  bool accept(std::string_view word);        // takes the word if it is next
  bool accept_mark(char c);
  bool at_end() const { return token_.kind == SqlToken::Kind::kEnd; }
  size_t offset() const { return start_; }   // of the next token in the text

 private:
  void advance();
  void skip_blanks();
  void quoted(char quote);

  std::string_view sql_;
  size_t at_ = 0;
  size_t start_ = 0;
  bool ansi_quotes_;
  SqlToken token_;
};

}  // namespace tailrace
