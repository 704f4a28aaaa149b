#include "mysql/column_default.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "event/time_parse.h"
#include "mysql/charset.h"
#include "mysql/sql_tokens.h"

namespace tailrace {
namespace {

using Default = Column::Default;

// MariaDB's 'quoted' literal; false when it is anything else.
bool unquote(std::string_view text, std::string& out) {
  if (text.size() < 2 || text.front() != '\'' || text.back() != '\'') return false;
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\'') {
      if (++i == text.size() || text[i] != '\'') return false;
    } else if (c == '\\') {
      if (++i == text.size()) return false;
      switch (text[i]) {
        case '0': c = '\0'; break;
        case 'n': c = '\n'; break;
        case 'r': c = '\r'; break;
        case '\\': break;
        default: return false;
      }
    }
    out.push_back(c);
  }
  return true;
}

bool is_number(std::string_view text) {
  size_t digits = 0;
  for (char c : text) {
    bool digit = c >= '0' && c <= '9';
    digits += digit;
    if (!digit && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E') return false;
  }
  return digits > 0;
}

// b'101'
bool read_bits(std::string_view text, uint64_t& out) {
  if (text.size() < 4 || text.substr(0, 2) != "b'" || text.back() != '\'') return false;
  text = text.substr(2, text.size() - 3);
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), out, 2);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

template <class T>
bool read_number(std::string_view text, T& out) {
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

bool read_double(const Column& column, std::string_view text, Value& out) {
  // The catalogue prints a FLOAT with six digits: more were cut.
  constexpr size_t kFloatDigits = 6;
  double value = 0;
  if (!read_number(text, value)) return false;
  if (column.type_name != "float") {
    out = Value::of_double(value);
    return true;
  }
  size_t digits = 0;
  for (char c : text.substr(0, text.find_first_of("eE"))) digits += c >= '0' && c <= '9';
  if (digits >= kFloatDigits) return false;
  out = Value::of_float(std::strtof(std::string(text).c_str(), nullptr));
  return true;
}

bool read_decimal(const Column& column, std::string_view digits, Value& out, std::string& text) {
  size_t point = digits.find('.');
  size_t scale = point == std::string_view::npos ? 0 : digits.size() - point - 1;
  if (!is_number(digits) || scale != column.scale || digits.find_first_of("eE+") != std::string_view::npos) return false;
  text = digits;
  out = Value::of_text(Kind::kDecimal, text.data(), static_cast<uint32_t>(text.size()), column.scale);
  return true;
}

bool read_labels(const Column& column, std::string_view labels, Value& out) {
  auto number_of = [&](std::string_view label) {
    for (size_t i = 0; i < column.labels.size(); ++i) {
      if (column.labels[i] == label) return i + 1;
    }
    return size_t{0};
  };
  if (column.kind == Kind::kEnum) {
    size_t number = number_of(labels);
    out = Value::of_bits(Kind::kEnum, number);
    return number != 0;
  }
  uint64_t bits = 0;
  while (!labels.empty()) {
    size_t comma = labels.find(',');
    size_t number = number_of(labels.substr(0, comma));
    if (number == 0) return false;
    bits |= uint64_t{1} << (number - 1);
    labels = comma == std::string_view::npos ? std::string_view() : labels.substr(comma + 1);
  }
  out = Value::of_bits(Kind::kSet, bits);
  return true;
}

bool text_value(const Column& column, Value& out, std::string& text) {
  if (column.kind == Kind::kBytes && column.type_name == "binary") {
    if (text.size() > column.length) return false;
    text.resize(column.length, '\0');
  }
  if (column.type_name == "char") text.resize(text.find_last_not_of(' ') + 1);
  out = Value::of_text(column.kind, text.data(), static_cast<uint32_t>(text.size()));
  return true;
}

// What the server stores when a NOT NULL column without a default is left out.
bool implicit_value(const Column& column, Value& out, std::string& text) {
  switch (column.kind) {
    case Kind::kInt: out = Value::of_int(0); return true;
    case Kind::kUint: out = Value::of_uint(0); return true;
    case Kind::kDouble: out = column.type_name == "float" ? Value::of_float(0) : Value::of_double(0); return true;
    case Kind::kDecimal: return read_decimal(column, column.scale ? "0." + std::string(column.scale, '0') : "0", out, text);
    case Kind::kText:
      if (column.type_name == "inet4" || column.type_name == "inet6" || column.type_name == "uuid") return false;
      return text_value(column, out, text);
    case Kind::kBytes: return text_value(column, out, text);
    case Kind::kJson: text = "null"; return text_value(column, out, text);
    case Kind::kDate:
    case Kind::kYear:
    case Kind::kBit:
    case Kind::kSet: out = Value::of_bits(column.kind, 0); return true;
    case Kind::kTime:
    case Kind::kDateTime:
    case Kind::kTimestamp: out = Value::of_bits(column.kind, 0, column.scale); return true;
    case Kind::kEnum: out = Value::of_bits(Kind::kEnum, 1); return true;
    case Kind::kGeometry:
    case Kind::kAbsent:
    case Kind::kNull: return false;
  }
  return false;
}

// The DEFAULT clause of a column's definition, from behind the column's name to the next column.
void read_definition(Column& column, SqlTokens& tokens) {
  Default kind = Default::kUnknown;
  std::string text;
  int depth = 0;
  bool nullable = true, says_default = false;
  SqlToken last;
  while (!tokens.at_end() && !(depth == 0 && (tokens.peek().is_mark(',') || tokens.peek().is_mark(')')))) {
    SqlToken token = tokens.next();
    if (token.is_mark('(')) ++depth;
    if (token.is_mark(')')) --depth;
    if (depth != 0) continue;
    if (token.is("NULL") && last.is("NOT")) nullable = false;
    bool other = token.is("AUTO_INCREMENT") || token.is("AS") || token.is("SERIAL") || token.is("REFERENCES");
    bool is_default = token.is("DEFAULT");
    last = std::move(token);
    if (other) return;
    if (!is_default) continue;
    says_default = true;
    bool minus = tokens.accept_mark('-');
    SqlToken value = tokens.next();
    if (!minus && value.is("NULL")) {
      kind = Default::kNull;
    } else if (!minus && value.kind == SqlToken::Kind::kString && value.raw.front() == '\'' && !is_number(value.text)) {
      kind = Default::kText;
      text = value.text;
    } else if (value.kind == SqlToken::Kind::kNumber && !tokens.peek().is_mark('.') &&
               (column.kind == Kind::kInt || column.kind == Kind::kUint)) {
      kind = Default::kText;
      text = (minus ? "-" : "") + value.text;
    } else {
      return;  // an expression, or a form that the server would first make its own
    }
  }
  if (nullable != column.nullable) return;  // by a key, or by a later statement
  if (!says_default && column.kind != Kind::kTimestamp) kind = nullable ? Default::kNull : Default::kImplicit;
  column.default_kind = kind;
  column.default_text = std::move(text);
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    return lower(x) == lower(y);
  });
}

}  // namespace

SchemaRef without_defaults(const TableSchema& schema) {
  auto out = std::make_shared<TableSchema>(schema);
  for (Column& column : out->columns) {
    column.default_kind = Default::kUnknown;
    column.default_text.clear();
  }
  return out;
}

SchemaRef with_defaults_of(const TableSchema* before, const TableSchema& after, std::string_view statement, bool ansi_quotes) {
  auto out = std::make_shared<TableSchema>(after);
  for (Column& column : out->columns) {
    column.default_kind = Default::kUnknown;
    column.default_text.clear();
    size_t named = 0;
    bool defined = false;
    SqlTokens tokens(statement, ansi_quotes);
    bool creates = tokens.peek().is("CREATE");
    for (SqlToken last; !tokens.at_end();) {
      SqlToken token = tokens.next();
      bool is_name = token.is_name() || token.raw.front() == '"';
      if (is_name && same_name(token.text, column.name)) {
        ++named;
        // In the place of a definition: after "(" or "," of CREATE, after ADD [COLUMN] of ALTER.
        bool starts = creates ? last.is_mark('(') || last.is_mark(',') : last.is("ADD") || last.is("COLUMN");
        bool typed = same_name(tokens.peek().text, column.type_name) || tokens.peek().is("JSON") || tokens.peek().is("INTEGER");
        if (starts && named == 1 && typed) {
          read_definition(column, tokens);
          defined = true;
        }
      }
      last = std::move(token);
    }
    if (named > 1 && defined) defined = creates;  // a key may name it again, in CREATE only
    if (defined) continue;
    column.default_kind = Default::kUnknown;
    column.default_text.clear();
    int at = before && named == 0 ? before->find_column(column.name) : -1;
    if (at < 0) continue;
    const Column& old = before->columns[static_cast<size_t>(at)];
    if (old.type_text != column.type_text || old.nullable != column.nullable) continue;
    column.default_kind = old.default_kind;
    column.default_text = old.default_text;
  }
  return out;
}

void set_column_default(Column& column, std::string_view text, std::string_view extra, bool is_mariadb) {
  column.default_text.clear();
  bool none = text.data() == nullptr;
  if (column.generated || extra.find("auto_increment") != std::string_view::npos) {
    column.default_kind = Default::kUnknown;
  } else if (!is_mariadb) {
    bool computed = extra.find("DEFAULT_GENERATED") != std::string_view::npos;
    column.default_kind = computed ? Default::kComputed : !none ? Default::kText : column.nullable ? Default::kNull : Default::kImplicit;
    if (column.default_kind == Default::kText) column.default_text = text;
  } else if (none) {
    column.default_kind = Default::kImplicit;
  } else if (text == "NULL") {
    column.default_kind = Default::kNull;
  } else if (unquote(text, column.default_text)) {
    column.default_kind = Default::kText;
  } else {
    uint64_t bits = 0;
    bool literal = is_number(text) || read_bits(text, bits);
    column.default_kind = literal ? Default::kText : Default::kComputed;
    column.default_text = literal ? text : std::string_view();
  }
}

bool default_value(const Column& column, Value& out, std::string& text) {
  std::string_view given = column.default_text;
  switch (column.default_kind) {
    case Default::kUnknown:
    case Default::kComputed: return false;
    case Default::kNull: out = Value::null(); return true;
    case Default::kImplicit: return implicit_value(column, out, text);
    case Default::kText: break;
  }
  // The catalogue is kept in three-byte UTF-8: what it cannot hold is a question mark there.
  if (given.find('?') != std::string_view::npos || !is_utf8(given)) return false;
  switch (column.kind) {
    case Kind::kInt: {
      int64_t value = 0;
      if (!read_number(given, value)) return false;
      out = Value::of_int(value);
      return true;
    }
    case Kind::kUint:
    case Kind::kYear: {
      uint64_t value = 0;
      if (!read_number(given, value)) return false;
      out = column.kind == Kind::kUint ? Value::of_uint(value) : Value::of_bits(Kind::kYear, value);
      return true;
    }
    case Kind::kDouble: return read_double(column, given, out);
    case Kind::kDecimal: return read_decimal(column, given, out, text);
    case Kind::kText: text = given; return text_value(column, out, text);
    case Kind::kBytes:
      // MySQL's catalogue prints bytes in hex and ends them at the first zero byte.
      if (!is_ascii(given) || given.substr(0, 2) == "0x" || (given.empty() && column.type_name == "binary")) return false;
      text = given;
      return text_value(column, out, text);
    case Kind::kDate: {
      uint64_t value = 0;
      if (!parse_date_text(given, value)) return false;
      out = Value::of_bits(Kind::kDate, value);
      return true;
    }
    case Kind::kTime: {
      out = Value::of_bits(Kind::kTime, 0, column.scale);
      return parse_time_text(given, column.scale, out.i);
    }
    case Kind::kDateTime: {
      out = Value::of_bits(Kind::kDateTime, 0, column.scale);
      return parse_datetime_text(given, column.scale, out.u);
    }
    case Kind::kTimestamp: {
      out = Value::of_bits(Kind::kTimestamp, 0, column.scale);
      return parse_timestamp_text(given, column.scale, out.i);
    }
    case Kind::kBit: {
      uint64_t bits = 0;
      if (!read_bits(given, bits)) return false;
      out = Value::of_bits(Kind::kBit, bits);
      return true;
    }
    case Kind::kEnum:
    case Kind::kSet: return read_labels(column, given, out);
    case Kind::kJson:
    case Kind::kGeometry:
    case Kind::kAbsent:
    case Kind::kNull: return false;
  }
  return false;
}

}  // namespace tailrace
