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

void SqlTokens::skip_blanks() {
  while (at_ < sql_.size()) {
    std::string_view rest = sql_.substr(at_);
    if (is_blank(rest[0])) {
      ++at_;
    } else if (rest[0] == '#' || (rest.substr(0, 2) == "--" && (rest.size() == 2 || is_blank(rest[2])))) {
      size_t end = rest.find('\n');
      at_ = end == std::string_view::npos ? sql_.size() : at_ + end + 1;
    } else if (rest.substr(0, 3) == "/*!" || rest.substr(0, 4) == "/*M!") {
      at_ += rest[2] == '!' ? 3 : 4;
      while (at_ < sql_.size() && is_digit(sql_[at_])) ++at_;
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
  bool escapes = quote != '`' && !(quote == '"' && ansi_quotes_);
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
      token_.text.push_back(e == 'n' ? '\n' : e == 't' ? '\t' : e == 'r' ? '\r' : e == '0' ? '\0' : e);
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
  if (c == '`' || (c == '"' && ansi_quotes_)) {
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
