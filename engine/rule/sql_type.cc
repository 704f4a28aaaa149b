#include "rule/sql_type.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <string>
#include <vector>

namespace tailrace {
namespace {

struct TypeRow {
  std::string_view name;
  Kind kind;
  // Arguments in parentheses: 0 none, 1 optional length, 2 required length, 3 precision and scale, 4 fraction digits,
  // 5 labels, 6 optional display width of an integer
  int arguments;
  uint32_t default_length;
};
constexpr TypeRow kTypes[] = {
    {"tinyint", Kind::kInt, 6, 0},
    {"smallint", Kind::kInt, 6, 0},
    {"mediumint", Kind::kInt, 6, 0},
    {"int", Kind::kInt, 6, 0},
    {"bigint", Kind::kInt, 6, 0},
    {"float", Kind::kDouble, 0, 0},
    {"double", Kind::kDouble, 0, 0},
    {"decimal", Kind::kDecimal, 3, 10},
    {"char", Kind::kText, 1, 1},
    {"varchar", Kind::kText, 2, 0},
    {"tinytext", Kind::kText, 0, 0},
    {"text", Kind::kText, 0, 0},
    {"mediumtext", Kind::kText, 0, 0},
    {"longtext", Kind::kText, 0, 0},
    {"binary", Kind::kBytes, 1, 1},
    {"varbinary", Kind::kBytes, 2, 0},
    {"tinyblob", Kind::kBytes, 0, 0},
    {"blob", Kind::kBytes, 0, 0},
    {"mediumblob", Kind::kBytes, 0, 0},
    {"longblob", Kind::kBytes, 0, 0},
    {"json", Kind::kJson, 0, 0},
    {"date", Kind::kDate, 0, 0},
    {"time", Kind::kTime, 4, 0},
    {"datetime", Kind::kDateTime, 4, 0},
    {"timestamp", Kind::kTimestamp, 4, 0},
    {"year", Kind::kYear, 0, 0},
    {"bit", Kind::kBit, 1, 1},
    {"enum", Kind::kEnum, 5, 0},
    {"set", Kind::kSet, 5, 0},
};

class TypeReader {
 public:
  explicit TypeReader(std::string_view text) : text_(text) {}
  std::string word() {
    skip_space();
    std::string out;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) {
      out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text_[at_++]))));
    }
    return out;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool number(uint32_t& out) {
    skip_space();
    auto result = std::from_chars(text_.data() + at_, text_.data() + text_.size(), out);
    if (result.ec != std::errc()) return false;
    at_ = static_cast<size_t>(result.ptr - text_.data());
    return true;
  }
  bool label(std::string& out) {
    if (!take('\'')) return false;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '\'') {
        if (at_ >= text_.size() || text_[at_] != '\'') return true;
        ++at_;
      }
      out.push_back(c);
    }
    return false;
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  std::string_view text_;
  size_t at_ = 0;
};

Status bad_type(std::string_view text, std::string_view why) {
  return Status(ErrorCode::kRuleLoad, fmt::format("`{}` is no column type: {}", text, why));
}

}  // namespace

Result<Column> parse_sql_type(std::string_view text) {
  TypeReader in(text);
  std::string name = in.word();
  if (name == "integer") name = "int";
  if (name == "numeric") name = "decimal";
  const TypeRow* row = nullptr;
  for (const TypeRow& known : kTypes) {
    if (known.name == name) row = &known;
  }
  if (!row) return bad_type(text, fmt::format("type `{}` is not known", name));

  Column out;
  out.type_name = name;
  out.kind = row->kind;
  out.length = row->default_length;
  out.charset = row->kind == Kind::kText || row->kind == Kind::kEnum || row->kind == Kind::kSet ? 45 : row->kind == Kind::kBytes ? 63 : 0;
  std::string arguments;
  bool has_arguments = in.take('(');
  if (has_arguments && row->arguments == 0) return bad_type(text, fmt::format("{} takes no length", name));
  if (!has_arguments && (row->arguments == 2 || row->arguments == 5)) {
    return bad_type(text, fmt::format("{} needs an argument in parentheses", name));
  }
  if (has_arguments) {
    uint32_t first = 0, second = 0;
    if (row->arguments == 5) {
      do {
        std::string label;
        if (!in.label(label)) return bad_type(text, "labels are written 'a','b'");
        out.labels.push_back(label);
      } while (in.take(','));
    } else {
      if (!in.number(first)) return bad_type(text, "a number is missing in the parentheses");
      arguments = fmt::format("({})", first);
      if (row->arguments == 3) {
        if (in.take(',') && !in.number(second)) return bad_type(text, "the scale is no number");
        if (first < 1 || first > 65 || second > 30 || second > first) return bad_type(text, "precision or scale out of range");
        out.length = first;
        out.scale = static_cast<uint8_t>(second);
      } else if (row->arguments == 4) {
        if (first > 6) return bad_type(text, "at most 6 fraction digits");
        out.scale = static_cast<uint8_t>(first);
      } else if (row->arguments != 6) {
        uint32_t limit = row->kind == Kind::kBit ? 64 : name == "char" || name == "binary" ? 255 : 65535;
        if (first > limit || (row->kind == Kind::kBit && first == 0)) return bad_type(text, "length out of range");
        out.length = first;
      }
    }
    if (!in.take(')')) return bad_type(text, "`)` is missing");
  }
  std::string word;
  while (!(word = in.word()).empty()) {
    if (word == "unsigned" && (row->kind == Kind::kInt || row->kind == Kind::kUint) && !out.is_unsigned) {
      out.is_unsigned = true;
      out.kind = Kind::kUint;
    } else if (word == "not" && in.word() == "null") {
      out.nullable = false;
    } else if (word != "null") {
      return bad_type(text, fmt::format("`{}` is not understood", word));
    }
  }
  if (!in.at_end()) return bad_type(text, "something follows the type");

  // Rendered anew, so that equal types have equal text.
  if (row->kind == Kind::kDecimal) {
    arguments = fmt::format("({},{})", out.length, out.scale);
  } else if (!out.labels.empty()) {
    arguments = "(";
    for (size_t i = 0; i < out.labels.size(); ++i) {
      if (i) arguments += ",";
      arguments += "'";
      for (char c : out.labels[i]) arguments.append(c == '\'' ? 2 : 1, c);
      arguments += "'";
    }
    arguments += ")";
  } else if (arguments.empty() && row->default_length) {
    arguments = fmt::format("({})", row->default_length);
  }
  out.type_text = name + arguments + (out.is_unsigned ? " unsigned" : "");
  return out;
}

}  // namespace tailrace
