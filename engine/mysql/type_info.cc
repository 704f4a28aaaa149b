#include "mysql/type_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace tailrace {
namespace {

struct TypeRow {
  std::string_view name;
  Kind kind;
  bool has_characters = false;
};
constexpr TypeRow kTypes[] = {
    {"tinyint", Kind::kInt},
    {"smallint", Kind::kInt},
    {"mediumint", Kind::kInt},
    {"int", Kind::kInt},
    {"bigint", Kind::kInt},
    {"float", Kind::kDouble},
    {"double", Kind::kDouble},
    {"decimal", Kind::kDecimal},
    {"bit", Kind::kBit},
    {"year", Kind::kYear},
    {"date", Kind::kDate},
    {"time", Kind::kTime},
    {"datetime", Kind::kDateTime},
    {"timestamp", Kind::kTimestamp},
    {"char", Kind::kText, true},
    {"varchar", Kind::kText, true},
    {"tinytext", Kind::kText, true},
    {"text", Kind::kText, true},
    {"mediumtext", Kind::kText, true},
    {"longtext", Kind::kText, true},
    {"binary", Kind::kBytes},
    {"varbinary", Kind::kBytes},
    {"tinyblob", Kind::kBytes},
    {"blob", Kind::kBytes},
    {"mediumblob", Kind::kBytes},
    {"longblob", Kind::kBytes},
    {"enum", Kind::kEnum, true},
    {"set", Kind::kSet, true},
    {"json", Kind::kJson},
    {"geometry", Kind::kGeometry},
    {"point", Kind::kGeometry},
    {"linestring", Kind::kGeometry},
    {"polygon", Kind::kGeometry},
    {"multipoint", Kind::kGeometry},
    {"multilinestring", Kind::kGeometry},
    {"multipolygon", Kind::kGeometry},
    {"geometrycollection", Kind::kGeometry},
    {"geomcollection", Kind::kGeometry},
    {"uuid", Kind::kText},
    {"inet4", Kind::kText},
    {"inet6", Kind::kText},
    {"vector", Kind::kBytes},
};

struct Synonym {
  std::string_view word, name;
};
constexpr Synonym kSynonyms[] = {
    {"integer", "int"},      {"int1", "tinyint"},        {"int2", "smallint"},  {"int3", "mediumint"},   {"int4", "int"},
    {"int8", "bigint"},      {"middleint", "mediumint"}, {"bool", "tinyint"},   {"boolean", "tinyint"},  {"dec", "decimal"},
    {"numeric", "decimal"},  {"fixed", "decimal"},       {"number", "decimal"}, {"real", "double"},      {"float4", "float"},
    {"float8", "double"},    {"character", "char"},      {"nchar", "char"},     {"nvarchar", "varchar"}, {"varcharacter", "varchar"},
    {"varchar2", "varchar"}, {"clob", "longtext"},       {"raw", "varbinary"},  {"serial", "bigint"},
};

Status unknown(std::string_view name, std::string_view type_text, std::string_view why) {
  return Status(ErrorCode::kSchemaType, fmt::format("type '{}': {}", type_text, why)).with("column", std::string(name));
}

// Words outside of parentheses, lower case, without comments.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (std::isalnum(c) || c == '_') {
      word.push_back(static_cast<char>(std::tolower(c)));
      continue;
    }
    if (!word.empty()) words.push_back(std::exchange(word, {}));
    if (c == '(') {
      char quote = 0;
      for (++i; i < text.size(); ++i) {
        if (quote) {
          if (text[i] == '\\') ++i;
          else if (text[i] == quote) quote = 0;
        } else if (text[i] == '\'' || text[i] == '"') {
          quote = text[i];
        } else if (text[i] == ')') {
          break;
        }
      }
    } else if (c == '/' && i + 1 < text.size() && text[i + 1] == '*') {
      size_t end = text.find("*/", i + 2);
      if (end == std::string_view::npos) break;
      i = end + 1;
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

// The numbers of "(10,2)"; empty when there are no parentheses. False: not numbers.
bool numbers_of(std::string_view text, std::vector<uint64_t>& out) {
  size_t open = text.find('(');
  if (open == std::string_view::npos) return true;
  size_t close = text.find(')', open);
  if (close == std::string_view::npos) return false;
  std::string_view rest = text.substr(open + 1, close - open - 1);
  while (true) {
    while (!rest.empty() && std::isspace(static_cast<unsigned char>(rest.front()))) rest.remove_prefix(1);
    uint64_t number = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc()) return false;
    out.push_back(number);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    while (!rest.empty() && std::isspace(static_cast<unsigned char>(rest.front()))) rest.remove_prefix(1);
    if (rest.empty()) return true;
    if (rest.front() != ',') return false;
    rest.remove_prefix(1);
  }
}

}  // namespace

Result<std::vector<std::string>> labels_of_type(std::string_view text) {
  auto bad = [&] { return Status(ErrorCode::kSchemaType, fmt::format("type '{}': labels cannot be read", text)); };
  std::vector<std::string> labels;
  size_t at = text.find('(');
  if (at == std::string_view::npos) return bad();
  ++at;
  while (true) {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    if (at >= text.size() || (text[at] != '\'' && text[at] != '"')) return bad();
    char quote = text[at++];
    std::string label;
    for (;; ++at) {
      if (at >= text.size()) return bad();
      if (text[at] == quote) {
        if (at + 1 >= text.size() || text[at + 1] != quote) break;
        ++at;
        label.push_back(quote);
      } else if (text[at] == '\\' && at + 1 < text.size()) {
        char c = text[++at];
        label.push_back(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c == '0' ? '\0' : c == 'b' ? '\b' : c == 'Z' ? '\x1a' : c);
      } else {
        label.push_back(text[at]);
      }
    }
    ++at;
    labels.push_back(std::move(label));
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    if (at < text.size() && text[at] == ')') return labels;
    if (at >= text.size() || text[at] != ',') return bad();
    ++at;
  }
}

Result<Column> column_from_type(std::string_view name, std::string_view type_text, bool nullable, uint16_t collation_id,
                                bool json_is_type) {
  std::vector<std::string> words = words_of(type_text);
  if (words.empty()) return unknown(name, type_text, "no type");
  auto has = [&](std::string_view word) { return std::find(words.begin() + 1, words.end(), word) != words.end(); };

  std::string base = words[0];
  if (base == "national" && words.size() > 1) base = words[1];
  if (base == "long") base = words.size() > 1 && words[1] == "varbinary" ? "mediumblob" : "mediumtext";
  const bool is_serial = base == "serial";
  for (const Synonym& synonym : kSynonyms) {
    if (base == synonym.word) base = synonym.name;
  }
  if (base == "char" && has("varying")) base = "varchar";
  if (base == "json" && !json_is_type) base = "longtext";
  if ((base == "char" || base == "varchar") && has("byte")) base = base == "char" ? "binary" : "varbinary";

  auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeRow& row) { return row.name == base; });
  if (type == std::end(kTypes)) return unknown(name, type_text, "not known to this engine");

  Column column;
  column.name = std::string(name);
  column.type_text = std::string(type_text);
  column.type_name = base;
  column.kind = type->kind;
  column.nullable = nullable && !is_serial;
  column.charset = type->has_characters ? collation_id : 0;
  // CHARACTER SET binary turns character types into byte types; the server prints them so, people may not.
  bool is_binary = false;
  for (size_t i = 1; i + 1 < words.size(); ++i) {
    bool names_charset = words[i] == "charset" || (words[i] == "set" && words[i - 1] == "character");
    is_binary |= names_charset && words[i + 1] == "binary";
  }
  if (is_binary && column.kind == Kind::kText && type->has_characters) {
    column.kind = Kind::kBytes;
    column.charset = kBinaryCollation;
  }
  if (column.kind == Kind::kBytes || column.kind == Kind::kGeometry) column.charset = kBinaryCollation;

  if (column.kind == Kind::kEnum || column.kind == Kind::kSet) {
    auto labels = labels_of_type(type_text);
    if (!labels.ok()) return std::move(labels).status().with("column", std::string(name));
    column.labels = std::move(labels).value();
    return column;
  }
  std::vector<uint64_t> numbers;
  if (!numbers_of(type_text, numbers)) return unknown(name, type_text, "its lengths cannot be read");
  uint64_t first = numbers.empty() ? 0 : numbers[0];
  switch (column.kind) {
    case Kind::kInt:
      // ZEROFILL makes a column unsigned.
      column.is_unsigned = has("unsigned") || has("zerofill") || is_serial;
      if (column.is_unsigned) column.kind = Kind::kUint;
      break;
    case Kind::kDouble:
      column.is_unsigned = has("unsigned") || has("zerofill");
      if (column.type_name == "float" && numbers.size() == 1 && first > 24) column.type_name = "double";
      break;
    case Kind::kDecimal:
      column.is_unsigned = has("unsigned") || has("zerofill");
      column.length = first ? static_cast<uint32_t>(first) : 10;
      column.scale = numbers.size() > 1 ? static_cast<uint8_t>(numbers[1]) : 0;
      if (column.length > 65 || column.scale > 38) return unknown(name, type_text, "precision out of range");
      break;
    case Kind::kTime:
    case Kind::kDateTime:
    case Kind::kTimestamp:
      if (first > 6) return unknown(name, type_text, "precision out of range");
      column.scale = static_cast<uint8_t>(first);
      break;
    case Kind::kBit:
      column.length = numbers.empty() ? 1 : static_cast<uint32_t>(first);
      if (column.length < 1 || column.length > 64) return unknown(name, type_text, "width out of range");
      break;
    case Kind::kText:
    case Kind::kBytes:
      column.length = static_cast<uint32_t>(first);
      if (numbers.empty() && (column.type_name == "char" || column.type_name == "binary")) column.length = 1;
      if (column.type_name == "vector") column.length = static_cast<uint32_t>((numbers.empty() ? 2048 : first) * 4);
      break;
    default: break;
  }
  return column;
}

}  // namespace tailrace
