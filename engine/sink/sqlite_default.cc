// The value that existing rows get when a column is added, read from the statement. Only what is certain:
// literals and MySQL's implicit defaults; expressions, time zones and the like are left to a person.
#include <charconv>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "event/value_text.h"
#include "sink/sqlite_layout.h"
#include "sqlite/database.h"

namespace tailrace::sqlite_layout {
namespace {

struct Token {
  enum class Type : uint8_t { kWord, kName, kString, kNumber, kMark } type;
  std::string text;  // words in lower case; names and strings without quotes
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// False when the text cannot be cut into tokens for sure.
bool tokenize(std::string_view sql, std::vector<Token>& out) {
  for (size_t i = 0; i < sql.size();) {
    char c = sql[i];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++i;
    } else if (c == '#' || sql.substr(i, 3) == "-- ") {
      i = std::min(sql.find('\n', i), sql.size());
    } else if (sql.substr(i, 2) == "/*") {
      if (sql.substr(i, 3) == "/*!" || sql.substr(i, 4) == "/*M!") return false;
      size_t end = sql.find("*/", i + 2);
      if (end == std::string_view::npos) return false;
      i = end + 2;
    } else if (c == '\'' || c == '"' || c == '`') {
      std::string text;
      for (++i;; ++i) {
        if (i >= sql.size()) return false;
        if (sql[i] == '\\' && c != '`') return false;  // its meaning depends on sql_mode
        if (sql[i] == c) {
          if (i + 1 < sql.size() && sql[i + 1] == c) ++i;
          else break;
        }
        text += sql[i];
      }
      ++i;
      // "…" is a string, or a name under ANSI_QUOTES: taken as neither.
      Token::Type type = c == '`' ? Token::Type::kName : c == '\'' ? Token::Type::kString : Token::Type::kMark;
      out.push_back({type, type == Token::Type::kMark ? "\"" : text});
    } else if ((c >= '0' && c <= '9') || (c == '.' && i + 1 < sql.size() && sql[i + 1] >= '0' && sql[i + 1] <= '9')) {
      size_t start = i;
      while (i < sql.size() && (is_word(sql[i]) || sql[i] == '.')) ++i;
      out.push_back({Token::Type::kNumber, std::string(sql.substr(start, i - start))});
    } else if (is_word(c)) {
      size_t start = i;
      while (i < sql.size() && is_word(sql[i])) ++i;
      out.push_back({Token::Type::kWord, lower(std::string(sql.substr(start, i - start)))});
    } else {
      out.push_back({Token::Type::kMark, std::string(1, c)});
      ++i;
    }
  }
  return true;
}

bool is(const Token& token, std::string_view text) {
  return (token.type == Token::Type::kWord || token.type == Token::Type::kMark) && token.text == text;
}

// The tokens that define `column` in an ALTER TABLE … ADD; empty when not found once and only once.
std::span<const Token> definition_of(const std::vector<Token>& tokens, const std::string& column) {
  std::span<const Token> found;
  std::string name = lower(column);
  for (size_t i = 3; i < tokens.size(); ++i) {
    bool named = (tokens[i].type == Token::Type::kName || tokens[i].type == Token::Type::kWord) && lower(tokens[i].text) == name;
    const Token& before = tokens[i - 1];
    bool introduced = is(before, "add") || is(before, "column") || is(before, "exists") || is(before, "(") || is(before, ",");
    if (!named || !introduced || i + 1 >= tokens.size() || tokens[i + 1].type != Token::Type::kWord) continue;
    if (!found.empty()) return {};
    int depth = 0;
    size_t end = i + 1;
    for (; end < tokens.size(); ++end) {
      if (is(tokens[end], "(")) ++depth;
      if (is(tokens[end], ")") && --depth < 0) break;
      if ((is(tokens[end], ",") && depth == 0) || is(tokens[end], ";")) break;
    }
    found = std::span<const Token>(tokens).subspan(i + 1, end - i - 1);
  }
  return found;
}

bool all_digits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

bool matches_shape(std::string_view text, std::string_view shape) {  // 0 stands for a digit
  if (text.size() != shape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == '0' ? !digit : text[i] != shape[i]) return false;
  }
  return true;
}

std::string fraction_zeros(uint8_t scale) { return scale ? "." + std::string(scale, '0') : ""; }

std::optional<std::string> integer_literal(const Column& column, bool negative, const std::string& digits) {
  if (!all_digits(digits)) return std::nullopt;
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (column.kind == Kind::kYear && (negative || (magnitude != 0 && magnitude < 1901))) return std::nullopt;
  if (negative && (column.is_unsigned || magnitude > 9223372036854775807u)) return std::nullopt;
  if (magnitude > 9223372036854775807u) {
    if (!column.is_unsigned) return std::nullopt;
    return "'" + std::to_string(magnitude) + "'";
  }
  return (negative && magnitude ? "-" : "") + std::to_string(magnitude);
}

std::optional<std::string> decimal_literal(const Column& column, bool negative, const std::string& text) {
  size_t point = text.find('.');
  std::string whole = text.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : text.substr(point + 1);
  if ((whole.empty() && fraction.empty()) || (!whole.empty() && !all_digits(whole)) || (!fraction.empty() && !all_digits(fraction)) ||
      fraction.size() > column.scale) {
    return std::nullopt;
  }
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  if (whole.size() + column.scale > column.length) return std::nullopt;
  if (whole.empty()) whole = "0";
  fraction.append(column.scale - fraction.size(), '0');
  bool zero = whole == "0" && fraction.find_first_not_of('0') == std::string::npos;
  return "'" + std::string(negative && !zero ? "-" : "") + whole + (column.scale ? "." + fraction : "") + "'";
}

std::optional<std::string> literal_of(const Column& column, bool negative, const Token& value) {
  bool number = value.type == Token::Type::kNumber;
  bool text = value.type == Token::Type::kString;
  if (!number && !text) return std::nullopt;
  std::string digits = value.text;
  if (text && !digits.empty() && digits[0] == '-') {
    negative = true;
    digits.erase(0, 1);
  }
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kYear: return integer_literal(column, negative, digits);
    case Kind::kBit: return number ? integer_literal(column, negative, digits) : std::nullopt;
    case Kind::kDecimal: return decimal_literal(column, negative, digits);
    case Kind::kDouble: {
      char* end = nullptr;
      double parsed = std::strtod(digits.c_str(), &end);
      if (digits.empty() || *end || digits.find_first_not_of("0123456789.eE+-") != std::string::npos) return std::nullopt;
      bool is_float = column.type_name == "float";
      if (is_float) parsed = static_cast<double>(std::strtof(digits.c_str(), nullptr));
      std::string shortest;
      append_double(negative ? -parsed : parsed, is_float, shortest);
      if (shortest.find_first_of(".e") == std::string::npos) shortest += ".0";
      return shortest;
    }
    case Kind::kText: {
      if (!text && !all_digits(digits)) return std::nullopt;
      std::string body = (negative ? "-" : "") + digits;
      if (column.type_name == "char") body.erase(body.find_last_not_of(' ') + 1);
      else if (column.type_name != "varchar") return std::nullopt;
      return sqlite::quote_text(body);
    }
    case Kind::kEnum:
      for (const std::string& label : column.labels) {
        if (text && label == value.text) return sqlite::quote_text(label);
      }
      return std::nullopt;
    case Kind::kDate: return text && matches_shape(value.text, "0000-00-00") ? std::optional(sqlite::quote_text(value.text)) : std::nullopt;
    case Kind::kTime:
      if (!text || !matches_shape(value.text, "00:00:00")) return std::nullopt;
      return sqlite::quote_text(value.text + fraction_zeros(column.scale));
    case Kind::kDateTime:
      if (!text || !matches_shape(value.text, "0000-00-00 00:00:00")) return std::nullopt;
      return sqlite::quote_text(value.text + fraction_zeros(column.scale));
    default: return std::nullopt;
  }
}

std::optional<std::string> implicit_default(const Column& column) {
  switch (column.kind) {
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kYear:
    case Kind::kBit: return "0";
    case Kind::kDouble: return "0.0";
    case Kind::kDecimal: return "'0" + fraction_zeros(column.scale) + "'";
    case Kind::kText:
      if (column.type_name.find("char") == std::string::npos && column.type_name.find("text") == std::string::npos) {
        return std::nullopt;
      }
      return "''";
    case Kind::kBytes: {
      std::string zeros = column.type_name == "binary" ? std::string(size_t{2} * column.length, '0') : "";
      return "x'" + zeros + "'";
    }
    case Kind::kDate: return "'0000-00-00'";
    case Kind::kTime: return "'00:00:00" + fraction_zeros(column.scale) + "'";
    case Kind::kDateTime: return "'0000-00-00 00:00:00" + fraction_zeros(column.scale) + "'";
    case Kind::kEnum: return column.labels.empty() ? std::nullopt : std::optional(sqlite::quote_text(column.labels[0]));
    case Kind::kSet: return "''";
    default: return std::nullopt;
  }
}

std::optional<std::string> value_in(const Column& column, std::span<const Token> definition) {
  for (const Token& token : definition) {
    for (std::string_view word : {"auto_increment", "generated", "as", "serial", "on"}) {
      if (is(token, word)) return std::nullopt;
    }
  }
  for (size_t i = 0; i < definition.size(); ++i) {
    if (!is(definition[i], "default")) continue;
    size_t at = i + 1;
    bool negative = at < definition.size() && is(definition[at], "-");
    if (negative || (at < definition.size() && is(definition[at], "+"))) ++at;
    if (at >= definition.size()) return std::nullopt;
    if (is(definition[at], "null")) return column.nullable ? std::optional<std::string>("NULL") : std::nullopt;
    if (is(definition[at], "true") || is(definition[at], "false")) {
      return literal_of(column, false, {Token::Type::kNumber, definition[at].text == "true" ? "1" : "0"});
    }
    return literal_of(column, negative, definition[at]);
  }
  if (column.kind == Kind::kTimestamp && !column.nullable) return std::nullopt;  // may be the time of the ALTER
  return column.nullable ? std::optional<std::string>("NULL") : implicit_default(column);
}

// Where the name that a DROP, CHANGE, MODIFY or RENAME concerns stands; tokens.size() for one that concerns no column.
size_t name_behind_verb(const std::vector<Token>& tokens, size_t verb) {
  size_t at = verb + 1;
  auto accept = [&](std::string_view word) {
    bool there = at < tokens.size() && tokens[at].type == Token::Type::kWord && tokens[at].text == word;
    if (there) ++at;
    return there;
  };
  bool column = accept("column");
  if (!column && is(tokens[verb], "rename")) return tokens.size();
  for (std::string_view word : {"index", "key", "primary", "foreign", "constraint", "check", "partition", "period", "system"}) {
    if (!column && accept(word)) return tokens.size();
  }
  if (accept("if")) accept("exists");
  return std::min(at, tokens.size());
}

// `name` is that of a column in lower case. A name in double quotes was not read: it may be any.
bool may_be(const Token& token, const std::string& name) {
  bool is_name = token.type == Token::Type::kName || token.type == Token::Type::kWord;
  return (is_name && lower(token.text) == name) || is(token, "\"");
}

}  // namespace

bool replaces_column(const Column& column, std::string_view ddl) {
  std::vector<Token> tokens;
  if (!tokenize(ddl, tokens)) {
    std::string text = lower(std::string(ddl));
    auto has = [&](std::string_view word) { return text.find(word) != std::string::npos; };
    return has("drop") || has("change") || has("rename") || (column.generated && has("modify"));
  }
  std::string name = lower(column.name);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].type != Token::Type::kWord) continue;
    bool change = is(tokens[i], "change"), modify = is(tokens[i], "modify");
    if (!change && !modify && !is(tokens[i], "drop") && !is(tokens[i], "rename")) continue;
    size_t at = name_behind_verb(tokens, i);
    if (at >= tokens.size() || !may_be(tokens[at], name)) continue;
    if (!change && !modify) return true;
    if (column.generated) return true;
    bool stays = modify || (at + 1 < tokens.size() && !is(tokens[at + 1], "\"") && may_be(tokens[at + 1], name));
    if (!stays) return true;
  }
  return false;
}

bool drops_duplicates(std::string_view ddl) {
  std::vector<Token> tokens;
  if (!tokenize(ddl, tokens)) {
    std::string text = lower(std::string(ddl));
    auto has = [&](std::string_view word) { return text.find(word) != std::string::npos; };
    return has("ignore") && (has("unique") || has("primary"));
  }
  bool ignore = false;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].type != Token::Type::kWord) continue;
    if (i < 4 && is(tokens[0], "alter") && is(tokens[i], "ignore")) ignore = true;
    if (ignore && (is(tokens[i], "unique") || is(tokens[i], "primary")) && !is(tokens[i - 1], "drop")) return true;
  }
  return false;
}

bool keeps_table(std::string_view ddl) {
  std::vector<Token> tokens;
  if (!tokenize(ddl, tokens) || tokens.size() < 2) return false;
  for (const Token& token : tokens) {
    if (is(token, "rename")) return false;
  }
  if (is(tokens[0], "alter")) return true;
  if (!is(tokens[0], "create") && !is(tokens[0], "drop")) return false;
  for (size_t i = 1; i < tokens.size() && i < 5; ++i) {
    if (is(tokens[i], "index")) return true;
  }
  return false;
}

AddedValue value_of_added(const Column& column, std::string_view ddl) {
  std::vector<Token> tokens;
  if (column.generated || !tokenize(ddl, tokens)) return {};
  auto definition = definition_of(tokens, column.name);
  if (definition.empty()) return {AddedValue::State::kNotNamed, ""};
  auto literal = value_in(column, definition);
  if (!literal) return {};
  return {AddedValue::State::kKnown, *literal};
}

}  // namespace tailrace::sqlite_layout
