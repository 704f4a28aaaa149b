#include "rule/where_tokens.h"

namespace tailrace {
namespace {

using Kind = WhereToken::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  char up = upper(c);
  return up >= 'A' && up <= 'F' ? up - 'A' + 10 : -1;
}

}  // namespace

bool WhereToken::is(std::string_view word) const noexcept {
  if (kind != Kind::kWord || text.size() != word.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (upper(text[i]) != word[i]) return false;
  }
  return true;
}

WhereToken WhereTokens::bad(std::string why) {
  at_ = text_.size();
  WhereToken out;
  out.kind = Kind::kBad;
  out.at = begin_;
  out.text = std::move(why);
  return out;
}

WhereToken WhereTokens::take(Kind kind, size_t from, size_t to) {
  at_ = to;
  WhereToken out;
  out.kind = kind;
  out.at = begin_;
  out.text = std::string(text_.substr(from, to - from));
  return out;
}

// Blanks and comments. False: a comment without an end.
bool WhereTokens::skip_blanks(std::string& why) {
  while (at_ < text_.size()) {
    char c = text_[at_];
    std::string_view rest = text_.substr(at_);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
    } else if (c == '#' || rest.starts_with("-- ") || rest.starts_with("--\n") || rest == "--") {
      size_t end = text_.find('\n', at_);
      at_ = end == std::string_view::npos ? text_.size() : end + 1;
    } else if (rest.starts_with("/*")) {
      size_t end = text_.find("*/", at_ + 2);
      if (end == std::string_view::npos) {
        begin_ = static_cast<uint32_t>(at_);
        why = "a comment has no end";
        return false;
      }
      at_ = end + 2;
    } else {
      break;
    }
  }
  return true;
}

WhereToken WhereTokens::next() {
  std::string why;
  if (!skip_blanks(why)) return bad(why);
  begin_ = static_cast<uint32_t>(at_);
  if (at_ == text_.size()) return take(Kind::kEnd, at_, at_);
  char c = text_[at_];
  char following = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if ((upper(c) == 'X' || upper(c) == 'B') && following == '\'') return bits(upper(c));
  if (c == '0' && (following == 'x' || following == 'b')) return bits(upper(following));
  if (is_digit(c) || (c == '.' && is_digit(following))) return number();
  if (c == '\'' || c == '"' || c == '`') return quoted(c);
  if (c == ':') {
    size_t end = at_ + 1;
    while (end < text_.size() && is_word(text_[end])) ++end;
    if (end == at_ + 1) return bad("a name is missing behind `:`");
    return take(Kind::kOption, at_ + 1, end);
  }
  if (is_word(c)) {
    size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return take(Kind::kWord, at_, end);
  }
  for (std::string_view symbol : {"<=>", "<=", ">=", "<>", "!=", "<<", ">>", "&&", "||"}) {
    if (text_.substr(at_).starts_with(symbol)) return take(Kind::kSymbol, at_, at_ + symbol.size());
  }
  if (std::string_view("=<>+-*/%^&|~!(),.").find(c) != std::string_view::npos) return take(Kind::kSymbol, at_, at_ + 1);
  return bad(std::string("`") + c + "` is not understood");
}

WhereToken WhereTokens::number() {
  size_t end = at_;
  auto digits = [&] {
    while (end < text_.size() && is_digit(text_[end])) ++end;
  };
  Kind kind = Kind::kInteger;
  digits();
  if (end < text_.size() && text_[end] == '.') {
    kind = Kind::kDecimal;
    ++end;
    digits();
  }
  if (end < text_.size() && upper(text_[end]) == 'E') {
    size_t power = end + 1;
    if (power < text_.size() && (text_[power] == '+' || text_[power] == '-')) ++power;
    if (power < text_.size() && is_digit(text_[power])) {
      end = power;
      digits();
      kind = Kind::kDouble;
    }
  }
  if (end < text_.size() && is_word(text_[end]))
    return bad("a number is followed by letters; write names that begin with a digit in backticks");
  return take(kind, at_, end);
}

// x'ff', 0xff, b'101', 0b101: the bytes.
WhereToken WhereTokens::bits(char base) {
  bool is_quoted = text_[at_ + 1] == '\'';
  size_t end = at_ + 2;
  std::string digits;
  while (end < text_.size() && (is_quoted ? text_[end] != '\'' : is_word(text_[end]))) digits.push_back(text_[end++]);
  if (is_quoted && end++ >= text_.size()) return bad("a quote has no end");
  unsigned width = base == 'X' ? 4 : 1;
  if (base == 'X' && is_quoted && digits.size() % 2) return bad("x'…' has an odd number of digits");
  while (digits.size() * width % 8) digits.insert(digits.begin(), '0');
  std::string bytes;
  unsigned value = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = hex_digit(digits[i]);
    if (digit < 0 || (base == 'B' && digit > 1)) return bad(std::string("`") + digits[i] + "` is no digit of this literal");
    value = value << width | static_cast<unsigned>(digit);
    if ((i + 1) * width % 8 == 0) {
      bytes.push_back(static_cast<char>(value));
      value = 0;
    }
  }
  WhereToken out = take(Kind::kBits, at_, end);
  out.text = bytes;
  return out;
}

WhereToken WhereTokens::quoted(char quote) {
  std::string value;
  size_t i = at_ + 1;
  for (; i < text_.size(); ++i) {
    char c = text_[i];
    if (c == quote) {
      if (i + 1 < text_.size() && text_[i + 1] == quote) {
        value.push_back(quote);
        ++i;
        continue;
      }
      break;
    }
    if (c == '\\' && quote != '`' && i + 1 < text_.size()) {
      c = text_[++i];
      switch (c) {
        case '0': value.push_back('\0'); break;
        case 'b': value.push_back('\b'); break;
        case 'n': value.push_back('\n'); break;
        case 'r': value.push_back('\r'); break;
        case 't': value.push_back('\t'); break;
        case 'Z': value.push_back('\x1a'); break;
        case '%':
        case '_':  // kept for LIKE
          value.push_back('\\');
          value.push_back(c);
          break;
        default: value.push_back(c); break;
      }
      continue;
    }
    value.push_back(c);
  }
  if (i >= text_.size()) return bad("a quote has no end");
  WhereToken out = take(quote == '`' ? Kind::kQuotedName : Kind::kText, at_, i + 1);
  out.text = std::move(value);
  return out;
}

}  // namespace tailrace
