// SqlTokens: cuts SQL text into words, names, strings, numbers and punctuation. Comments vanish, but the inside of
// version comments (/*!50100 … */, /*M! … */) counts. Views point into the text; no copies but for quoted names.
#pragma once
#include <string>
#include <string_view>

namespace tailrace {

// How a text is to be read. `version` decides which version comments count, as the server that ran the text decided:
// 101119 for MariaDB 10.11.19, 90704 for MySQL 9.7.4; 0 = all of them count.
struct SqlReading {
  bool ansi_quotes = false;  // "x" is a name
  bool no_backslash_escapes = false;
  bool is_mariadb = false;
  uint32_t version = 0;
};

// A to Z as a to z; what is not ASCII stays.
std::string lower_ascii(std::string_view text);

struct SqlToken {
  enum class Kind : uint8_t { kEnd, kWord, kName, kString, kNumber, kPunctuation };
  Kind kind = Kind::kEnd;
  std::string_view raw;
  std::string text;  // unquoted; words as written

  bool is(std::string_view word) const;  // an unquoted word, in any case
  bool is_mark(char c) const { return kind == Kind::kPunctuation && raw.size() == 1 && raw[0] == c; }
  bool is_name() const { return kind == Kind::kWord || kind == Kind::kName; }
};

class SqlTokens {
 public:
  SqlTokens(std::string_view sql, bool ansi_quotes) : SqlTokens(sql, SqlReading{ansi_quotes, false, false, 0}) {}
  SqlTokens(std::string_view sql, const SqlReading& reading) : sql_(sql), reading_(reading) { advance(); }
  const SqlToken& peek() const { return token_; }
  SqlToken next();
  bool accept(std::string_view word);  // takes the word if it is next
  bool accept_mark(char c);
  bool at_end() const { return token_.kind == SqlToken::Kind::kEnd; }
  size_t offset() const { return start_; }  // of the next token in the text

 private:
  void advance();
  void skip_blanks();
  bool counts(std::string_view comment, size_t& opening) const;
  void skip_comment();
  void quoted(char quote);

  std::string_view sql_;
  size_t at_ = 0;
  size_t start_ = 0;
  SqlReading reading_;
  SqlToken token_;
};

}  // namespace tailrace
