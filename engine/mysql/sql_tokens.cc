#include "mysql/sql_tokens.h"

namespace tailrace {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_blank(char c) { return static_cast<unsigned char>(c) <= ' '; }

}  // namespace

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool SqlToken::is(std::string_view word) const {
  if (kind != Kind::kWord || raw.size() != word.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (lower(raw[i]) != lower(word[i])) return false;
  }
  return true;
}

SqlToken SqlTokens::next() {
  SqlToken token = token_;
  advance();
  return token;
}

bool SqlTokens::accept(std::string_view word) {
  if (!token_.is(word)) return false;
  advance();
  return true;
}

bool SqlTokens::accept_mark(char c) {
  if (!token_.is_mark(c)) return false;
  advance();
  return true;
}

// Does the server run what stands in this version comment? `opening`: the characters before its text.
bool SqlTokens::counts(std::string_view comment, size_t& opening) const {
  bool of_mariadb = comment[2] == 'M';
  opening = of_mariadb ? 4 : 3;
  size_t digits = 0;
  while (opening + digits < comment.size() && digits < 6 && is_digit(comment[opening + digits])) ++digits;
  if (reading_.version == 0) {
    while (opening < comment.size() && is_digit(comment[opening])) ++opening;
    return true;
  }
  uint32_t wanted = 0;
  if (digits >= 5) {
    for (size_t i = 0; i < digits; ++i) wanted = wanted * 10 + static_cast<uint32_t>(comment[opening + i] - '0');
    opening += digits;
  }
  if (of_mariadb && !reading_.is_mariadb) return false;
  // Versions of MySQL that MariaDB does not claim to be.
  if (!of_mariadb && reading_.is_mariadb && wanted >= 50700 && wanted <= 99999) return false;
  return wanted <= reading_.version;
}

// Over a comment that does not count, and those inside it.
void SqlTokens::skip_comment() {
  int depth = 0;
  while (at_ < sql_.size()) {
    if (sql_.substr(at_, 2) == "/*") {
      ++depth;
      at_ += 2;
    } else if (sql_.substr(at_, 2) == "*/") {
      at_ += 2;
      if (--depth == 0) return;
    } else {
      ++at_;
    }
  }
}

void SqlTokens::skip_blanks() {
  while (at_ < sql_.size()) {
    std::string_view rest = sql_.substr(at_);
    if (is_blank(rest[0])) {
      ++at_;
    } else if (rest[0] == '#' || (rest.substr(0, 2) == "--" && (rest.size() == 2 || is_blank(rest[2])))) {
      size_t end = rest.find('\n');
      at_ = end == std::string_view::npos ? sql_.size() : at_ + end + 1;
    } else if (size_t opening = 0; rest.substr(0, 3) == "/*!" || rest.substr(0, 4) == "/*M!") {
      if (counts(rest, opening)) at_ += opening;
      else skip_comment();
    } else if (rest.substr(0, 2) == "*/") {
      at_ += 2;
    } else if (rest.substr(0, 2) == "/*") {
      size_t end = rest.find("*/", 2);
      at_ = end == std::string_view::npos ? sql_.size() : at_ + end + 2;
    } else {
      return;
    }
  }
}

void SqlTokens::quoted(char quote) {
  bool escapes = quote != '`' && !(quote == '"' && reading_.ansi_quotes) && !reading_.no_backslash_escapes;
  size_t i = at_ + 1;
  while (i < sql_.size()) {
    char c = sql_[i];
    if (c == quote) {
      if (i + 1 < sql_.size() && sql_[i + 1] == quote) {
        token_.text.push_back(quote);
        i += 2;
        continue;
      }
      ++i;
      break;
    }
    if (c == '\\' && escapes && i + 1 < sql_.size()) {
      char e = sql_[++i];
      token_.text.push_back(e == 'n'   ? '\n'
                            : e == 't' ? '\t'
                            : e == 'r' ? '\r'
                            : e == '0' ? '\0'
                            : e == 'b' ? '\b'
                            : e == 'Z' ? '\x1a'
                                       : e);
      ++i;
      continue;
    }
    token_.text.push_back(c);
    ++i;
  }
  token_.raw = sql_.substr(at_, i - at_);
  at_ = i;
}

void SqlTokens::advance() {
  token_ = SqlToken();
  skip_blanks();
  start_ = at_;
  if (at_ >= sql_.size()) return;
  char c = sql_[at_];
  if (c == '`' || (c == '"' && reading_.ansi_quotes)) {
    token_.kind = SqlToken::Kind::kName;
    quoted(c);
    return;
  }
  if (c == '\'' || c == '"') {
    token_.kind = SqlToken::Kind::kString;
    quoted(c);
    return;
  }
  size_t end = at_;
  if (is_word(c)) {
    bool all_digits = true;
    for (; end < sql_.size() && is_word(sql_[end]); ++end) all_digits = all_digits && is_digit(sql_[end]);
    token_.kind = all_digits ? SqlToken::Kind::kNumber : SqlToken::Kind::kWord;
  } else {
    token_.kind = SqlToken::Kind::kPunctuation;
    end = at_ + 1;
  }
  token_.raw = sql_.substr(at_, end - at_);
  token_.text = std::string(token_.raw);
  at_ = end;
}

}  // namespace tailrace
