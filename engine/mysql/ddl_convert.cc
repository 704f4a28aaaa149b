// ALTER TABLE … CONVERT TO CHARACTER SET: what it makes of the columns that are there, and of those that the same statement
// changes.
#include <fmt/format.h>

#include <algorithm>

#include "mysql/charset.h"
#include "mysql/collation.h"
#include "mysql/ddl_labels.h"
#include "mysql/ddl_type.h"
#include "mysql/type_info.h"

namespace tailrace {
namespace {

uint64_t largest(std::string_view type) {
  if (type.substr(0, 4) == "tiny") return 255;
  if (type.substr(0, 6) == "medium") return (1U << 24) - 1;
  if (type.substr(0, 4) == "long") return 0xFFFFFFFF;
  return 65535;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}
bool is_blob(std::string_view type) { return ends_with(type, "text") || ends_with(type, "blob"); }

// The first number in the parentheses of a type: the M of FLOAT(M,D), the width of an INT(7).
uint64_t first_number(std::string_view type_text, uint64_t otherwise) {
  size_t at = type_text.find('(');
  if (at == std::string_view::npos) return otherwise;
  uint64_t out = 0;
  for (++at; at < type_text.size() && type_text[at] >= '0' && type_text[at] <= '9'; ++at)
    out = out * 10 + static_cast<uint64_t>(type_text[at] - '0');
  return out;
}

uint64_t characters_of(std::string_view text) {
  return static_cast<uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// What MySQL takes for the length of a column in characters: of a blob its bytes, of anything else what it takes to print it.
uint64_t printed_length(const Column& column) {
  constexpr uint64_t kLongestOfOthers = 26;  // 2000-01-01 00:00:00.000000
  const std::string& type = column.type_name;
  if (type == "json" || column.kind == Kind::kGeometry) return largest("longblob");
  if (is_blob(type)) return largest(type);
  if (type == "vector") return 4 * first_number(column.type_text, 2048);
  if (type == "char" || type == "varchar" || type == "binary" || type == "varbinary" || type == "bit") return column.length;
  if (type == "decimal") return column.length + (column.scale ? 1U : 0U) + (column.is_unsigned ? 0U : 1U);
  uint64_t longest = 0, all = 0;
  for (const std::string& label : column.labels) {
    longest = std::max(longest, characters_of(label));
    all += characters_of(label) + 1;
  }
  if (column.kind == Kind::kEnum) return longest;
  if (column.kind == Kind::kSet) return all - 1;
  bool is_number = type == "float" || type == "double" || ends_with(type, "int");
  return is_number ? first_number(column.type_text, kLongestOfOthers) : kLongestOfOthers;
}

uint64_t bytes_per_character(const Column& column) {
  if (column.type_name == "json") return 4;
  return column.charset ? charset_of_collation(column.charset)->max_bytes : 1;
}

Status convert_label_column(Column& column, uint16_t collation, const DdlContext& context) {
  auto lost = [&] {
    return Status(ErrorCode::kSchemaMissing, fmt::format("labels of `{}` whose bytes are not known in another character set", column.name));
  };
  bool as_they_are = charset_name_of_collation(collation) == charset_name_of_collation(column.charset);
  if (collation == kBinaryCollation && !as_they_are) {
    if (!std::all_of(column.labels.begin(), column.labels.end(), [](const std::string& label) { return is_ascii(label); })) return lost();
    if (!charset_of_collation(column.charset)->ascii_compatible) return lost();
    as_they_are = true;
    if (!context.is_mariadb) collation = 0;  // as its catalogue has it
  }
  if (!as_they_are) {
    auto converted = convert_labels(column.labels, column.charset, collation, context.is_mariadb);
    if (!converted) return lost();
    column.labels = std::move(converted->labels);
    column.type_text = column.type_name + "(";
    for (const std::string& label : converted->shown) {
      if (column.type_text.back() != '(') column.type_text += ',';
      column.type_text += quoted_label(label);
    }
    column.type_text += ')';
  }
  column.charset = collation;
  return Status();
}

}  // namespace

Status convert_column(Column& column, uint16_t collation, const DdlContext& context) {
  bool labels = column.kind == Kind::kEnum || column.kind == Kind::kSet;
  if ((!labels && column.kind != Kind::kText) || column.charset == 0 || column.charset == kBinaryCollation) return Status();
  if (labels) return convert_label_column(column, collation, context);
  ColumnClause clause;
  clause.name = column.name;
  clause.nullable = column.nullable;
  clause.generated = column.generated;
  clause.stored = column.generated && !column.is_virtual;
  TypeClause& type = clause.type;
  type.word = column.type_name;
  type.compressed = column.type_text.find("COMPRESSED") != std::string::npos;
  if (column.type_name == "char" || column.type_name == "varchar") {
    type.numbers = {column.length};
  } else {
    // As many characters as before must fit.
    uint64_t characters = largest(column.type_name) / charset_of_collation(column.charset)->max_bytes;
    uint64_t bytes = characters * charset_of_collation(collation)->max_bytes;
    type.word = blob_type(bytes, true);
  }
  Column::Default default_kind = column.default_kind;
  std::string default_text = std::move(column.default_text);
  TAILRACE_TRY(column, make_column(clause, collation, context));
  column.default_kind = default_kind;
  column.default_text = std::move(default_text);
  return Status();
}

Result<Column> change_converted_column(const Column& before, const ColumnClause& clause, uint16_t outer, uint16_t converted,
                                       const DdlContext& context) {
  TAILRACE_TRY(Column made, make_converted_column(clause, outer, converted, context));
  bool sized_anew = !context.is_mariadb && clause.type.numbers.empty() && is_blob(made.type_name) && made.type_name.substr(0, 4) != "long";
  if (!sized_anew) return made;
  uint64_t bytes = printed_length(before) / bytes_per_character(before) * bytes_per_character(made);
  ColumnClause sized = clause;
  sized.type.word = blob_type(bytes, ends_with(clause.type.word, "text"));
  return make_converted_column(sized, outer, converted, context);
}

}  // namespace tailrace
