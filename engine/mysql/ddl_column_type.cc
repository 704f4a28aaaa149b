#include <fmt/format.h>

#include <algorithm>

#include "mysql/charset.h"
#include "mysql/collation.h"
#include "mysql/ddl_labels.h"
#include "mysql/ddl_type.h"
#include "mysql/decimal.h"
#include "mysql/type_info.h"

namespace tailrace {
namespace {

struct Word {
  std::string_view word, name;
};
constexpr Word kSynonyms[] = {
    {"integer", "int"},     {"int1", "tinyint"},  {"int2", "smallint"},       {"int3", "mediumint"},
    {"int4", "int"},        {"int8", "bigint"},   {"middleint", "mediumint"}, {"dec", "decimal"},
    {"numeric", "decimal"}, {"fixed", "decimal"}, {"float4", "float"},        {"float8", "double"},
};

struct IntegerWidth {
  std::string_view name;
  unsigned with_sign, without_sign;
};
constexpr IntegerWidth kWidths[] = {{"tinyint", 4, 3}, {"smallint", 6, 5}, {"mediumint", 9, 8}, {"int", 11, 10}, {"bigint", 20, 20}};

constexpr uint64_t kLongestVarchar = 65535;

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}
bool is_text_word(std::string_view word) {
  return one_of(word, {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"});
}
std::string byte_type(std::string_view word) {
  if (word == "char") return "binary";
  if (word == "varchar") return "varbinary";
  return std::string(word.substr(0, word.size() - 4)) + "blob";
}

class Typing {
 public:
  Typing(const ColumnClause& clause, uint16_t outer, uint16_t converted, const DdlContext& context)
      : clause_(clause), type_(clause.type), context_(context), outer_(outer), converted_(converted), word_(clause.type.word) {}

  Result<Column> make() {
    if (word_ == "bool" || word_ == "boolean") {
      word_ = "tinyint";
      numbers_ = {1};
    } else {
      numbers_ = type_.numbers;
    }
    if (word_ == "real") word_ = context_.real_as_float ? "float" : "double";
    for (const Word& synonym : kSynonyms) {
      if (word_ == synonym.word) word_ = synonym.name;
    }
    bool of_maria_json = word_ == "json" && context_.is_mariadb;
    if (of_maria_json) word_ = "longtext";
    if (is_text_word(word_)) {
      if (type_.bytes && word_ != "enum" && word_ != "set") {
        word_ = byte_type(word_);
      } else {
        TAILRACE_OK(choose_collation(of_maria_json));
      }
    }
    std::string text = word_text();
    if (type_.is_unsigned || type_.zerofill) {
      if (one_of(word_, {"tinyint", "smallint", "mediumint", "int", "bigint", "float", "double", "decimal"})) {
        text += " unsigned";
        if (type_.zerofill) text += " zerofill";
      }
    }
    if (type_.compressed) text += " /*M!100301 COMPRESSED*/";
    auto column = column_from_type(clause_.name, text, nullable(), collation_);
    if (!column.ok()) return column;
    column->generated = clause_.generated;
    column->is_virtual = clause_.generated && !clause_.stored;
    set_default(*column);
    return column;
  }

 private:
  bool nullable() const {
    if (clause_.primary || clause_.auto_increment) return false;
    if (clause_.nullable) return *clause_.nullable;
    bool modern = context_.version >= (context_.is_mariadb ? 101000U : 80000U) || context_.version == 0;
    return word_ != "timestamp" || context_.explicit_timestamps.value_or(modern);
  }

  // As set_column_default has it from the catalogue.
  void set_default(Column& column) const {
    using Kept = Column::Default;
    switch (clause_.default_kind) {
      case ColumnClause::Default::kNone: column.default_kind = column.nullable ? Kept::kNull : Kept::kImplicit; break;
      case ColumnClause::Default::kNull: column.default_kind = Kept::kNull; break;
      case ColumnClause::Default::kComputed: column.default_kind = Kept::kComputed; break;
      case ColumnClause::Default::kNotFollowed: column.default_kind = Kept::kUnknown; break;
      case ColumnClause::Default::kLiteral:
        column.default_kind = Kept::kText;
        column.default_text = clause_.default_text;
        if (column.kind == Kind::kDecimal && column.scale > 0) {
          size_t point = column.default_text.find('.');
          if (point == std::string::npos) {
            point = column.default_text.size();
            column.default_text += '.';
          }
          size_t digits = column.default_text.size() - point - 1;
          if (digits < column.scale) column.default_text.append(column.scale - digits, '0');
        }
        break;
    }
    // Without explicit_defaults_for_timestamp the server makes defaults of its own.
    bool own = column.kind == Kind::kTimestamp && clause_.default_kind == ColumnClause::Default::kNone && !column.nullable;
    if (column.generated || clause_.auto_increment || own) column.default_kind = Kept::kUnknown;
  }

  Status choose_collation(bool of_maria_json) {
    if (of_maria_json && type_.charset.empty()) {
      collation_ = converted_ ? converted_ : 46;  // utf8mb4_bin
      return Status();
    }
    CharsetClause charset = type_.charset;
    if (type_.national && charset.charset.empty()) charset.charset = "utf8mb3";
    collation_ = resolve_charset(charset, outer_, context_);
    if (converted_ != 0 && collation_ != 0 && collation_ != kBinaryCollation) collation_ = converted_;
    // BINARY belongs to a character set that is named, and goes with it in a conversion. In MySQL it goes before a collation.
    bool binary = type_.binary && (converted_ == 0 || charset.charset.empty()) && (charset.collation.empty() || !context_.is_mariadb);
    if (collation_ != 0 && binary) {
      collation_ = binary_collation(charset_name_of_collation(collation_), context_.is_mariadb);
    }
    if (collation_ == 0) {
      std::string named = charset.collation.empty() ? charset.charset : charset.collation;
      return Status(ErrorCode::kSchemaMissing, named.empty()
                                                   ? fmt::format("column `{}`: the default character set is not known", clause_.name)
                                                   : fmt::format("column `{}`: character set '{}'", clause_.name, named));
    }
    bool labels = word_ == "enum" || word_ == "set";
    if (collation_ == kBinaryCollation && !labels) word_ = byte_type(word_);
    if (collation_ == kBinaryCollation && labels && !context_.is_mariadb) collation_ = 0;  // as its catalogue has it
    return Status();
  }

  uint64_t first(uint64_t otherwise) const { return numbers_.empty() ? otherwise : numbers_[0]; }
  uint64_t bytes_of(uint64_t characters) const { return characters * charset_of_collation(collation_)->max_bytes; }

  std::string word_text() {
    for (const IntegerWidth& width : kWidths) {
      if (word_ == width.name) return integer(width);
    }
    bool unsized = numbers_.empty();
    if (word_ == "float" || word_ == "double") {
      if (numbers_.size() == 2) return fmt::format("{}({},{})", word_, numbers_[0], numbers_[1]);
      if (word_ == "float" && first(0) > 24) word_ = "double";
      return word_;
    }
    if (word_ == "decimal") return fmt::format("decimal({},{})", first(0) ? first(0) : 10, numbers_.size() > 1 ? numbers_[1] : 0);
    if (word_ == "bit") return fmt::format("bit({})", first(0) ? first(0) : 1);
    if (word_ == "year") {
      if (!context_.is_mariadb && (context_.version >= 80019 || context_.version == 0)) return "year";
      return first(4) == 2 ? "year(2)" : "year(4)";
    }
    if (one_of(word_, {"time", "datetime", "timestamp"})) return first(0) ? fmt::format("{}({})", word_, first(0)) : word_;
    if (word_ == "char" || word_ == "binary") return fmt::format("{}({})", word_, first(1));
    if (word_ == "varchar" || word_ == "varbinary") {
      uint64_t bytes = word_ == "varchar" ? bytes_of(first(0)) : first(0);
      if (bytes <= kLongestVarchar || unsized) return fmt::format("{}({})", word_, first(0));
      return word_ = blob_type(bytes, word_ == "varchar");
    }
    if ((word_ == "text" || word_ == "blob") && !unsized) {
      return word_ = blob_type(word_ == "text" ? bytes_of(first(0)) : first(0), word_ == "text");
    }
    if (word_ == "enum" || word_ == "set") return labels();
    if (word_ == "vector") return fmt::format("vector({})", first(2048));
    if (word_ == "geometrycollection" || word_ == "geomcollection") {
      return context_.is_mariadb || (context_.version != 0 && context_.version < 80000) ? "geometrycollection" : "geomcollection";
    }
    return word_;
  }

  std::string integer(const IntegerWidth& width) const {
    bool no_sign = type_.is_unsigned || type_.zerofill;
    uint64_t shown = first(0) ? first(0) : no_sign ? width.without_sign : width.with_sign;
    bool prints = context_.is_mariadb || context_.version < 80019;
    if (context_.version == 0) prints = first(0) != 0;
    // Newer MySQL keeps the width for what may be a boolean, and where zeros are filled in.
    if (!prints) prints = type_.zerofill || (word_ == "tinyint" && first(0) == 1 && !no_sign);
    return prints ? fmt::format("{}({})", word_, shown) : word_;
  }

  std::string labels() const {
    std::string out = word_ + "(";
    for (std::string_view label : type_.labels) {
      if (collation_ != kBinaryCollation && collation_ != 0) {
        while (!label.empty() && label.back() == ' ') label.remove_suffix(1);
      }
      if (out.back() != '(') out += ',';
      out += quoted_label(representable_label(label, collation_));
    }
    return out + ")";
  }

  const ColumnClause& clause_;
  const TypeClause& type_;
  const DdlContext& context_;
  const uint16_t outer_, converted_;
  std::string word_;
  std::vector<uint64_t> numbers_;
  uint16_t collation_ = 0;
};

}  // namespace

std::string blob_type(uint64_t bytes, bool text) {
  std::string_view prefix = bytes < 256 ? "tiny" : bytes < 65536 ? "" : bytes < (1U << 24) ? "medium" : "long";
  return fmt::format("{}{}", prefix, text ? "text" : "blob");
}

uint16_t resolve_charset(const CharsetClause& clause, uint16_t outer, const DdlContext& context) {
  std::string charset = clause.charset;
  if (charset == "default") charset.clear();
  if (charset == "utf8") charset = "utf8mb3";
  if (!clause.collation.empty()) {
    if (clause.collation == "binary") return kBinaryCollation;
    uint16_t found = collation_by_name(clause.collation, context.is_mariadb);
    if (found == 0) {  // MariaDB: "uca1400_ai_ci" belongs to the character set around it
      std::string around = charset.empty() ? charset_name_of_collation(outer) : charset;
      found = context.is_mariadb ? collation_by_name(around + "_" + clause.collation, true) : 0;
    }
    return found;
  }
  if (charset.empty()) return outer;
  if (charset == "utf8mb4" && !context.is_mariadb) {
    if (context.utf8mb4_collation) return context.utf8mb4_collation;
    return context.version >= 80000 ? 255 : 45;
  }
  static constexpr std::pair<std::string_view, uint16_t> kUnconverted[] = {
      {"armscii8", 32}, {"geostd8", 92}, {"keybcs2", 37}, {"swe7", 10}};
  for (const auto& [name, collation] : kUnconverted) {
    if (charset == name) return collation;
  }
  uint16_t own = default_collation(charset);
  for (const auto& [from, to] : context.charset_collations) {
    if (from == own) return to;
  }
  return own;
}

Result<Column> make_column(const ColumnClause& clause, uint16_t outer, const DdlContext& context) {
  return Typing(clause, outer, 0, context).make();
}

Result<Column> make_converted_column(const ColumnClause& clause, uint16_t outer, uint16_t converted, const DdlContext& context) {
  return Typing(clause, outer, converted, context).make();
}

uint32_t key_part_length(const Column& column) {
  static constexpr std::pair<std::string_view, uint32_t> kSizes[] = {{"tinyint", 1}, {"smallint", 2}, {"mediumint", 3}, {"int", 4},
                                                                     {"bigint", 8},  {"float", 4},    {"double", 8},    {"year", 1},
                                                                     {"date", 3},    {"inet4", 4},    {"inet6", 16},    {"uuid", 16}};
  for (const auto& [name, bytes] : kSizes) {
    if (column.type_name == name) return bytes;
  }
  const uint32_t fraction = (column.scale + 1U) / 2;
  const auto labels = static_cast<uint32_t>(column.labels.size());
  const uint32_t character_bytes = column.charset ? charset_of_collation(column.charset)->max_bytes : 1;
  switch (column.kind) {
    case Kind::kEnum: return (labels > 255 ? 2U : 1U) / character_bytes;  // taken for characters
    case Kind::kSet: return (labels > 32 ? 8U : (labels + 7) / 8) / character_bytes;
    case Kind::kDecimal: return static_cast<uint32_t>(decimal_size(column.length, column.scale));
    case Kind::kTime: return 3 + fraction;
    case Kind::kDateTime: return 5 + fraction;
    case Kind::kTimestamp: return 4 + fraction;
    case Kind::kBit: return (column.length + 7) / 8;
    default: return one_of(column.type_name, {"char", "varchar", "binary", "varbinary"}) ? column.length : 0;
  }
}

}  // namespace tailrace
