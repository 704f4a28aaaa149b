// TextTemplate: "orders.{country|lower}". Parsed once from the rule file, bound once per table, filled per row without
// Lua. {db} and {table} are the source's names; other names are columns as the target has them, or `meta.` fields.
// {table:^(.+)_%d+$} takes the capture of a Lua pattern. {{ and }} are braces.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "rule/meta_field.h"
#include "rule/text_filter.h"

namespace tailrace {

class TextTemplate {
 public:
  struct Part {
    enum class Kind : uint8_t { kLiteral, kDb, kTable, kMeta, kColumn };
    Kind kind = Kind::kLiteral;
    std::string text;     // kLiteral; kColumn: its name
    std::string pattern;  // kDb, kTable
    MetaField meta = MetaField::kGtid;
    std::vector<TextFilter> filters;
  };
  // Fails with `where` in front. `takes_columns`: columns and meta fields are allowed.
  static Result<TextTemplate> parse(const std::string& text, const std::string& where, bool takes_columns);
  bool empty() const noexcept { return parts.empty(); }
  // Names {table} without a pattern: every table gets another text.
  bool names_table() const noexcept;
  bool has_columns() const noexcept;  // or meta fields: one text per row

  std::string text;  // as written
  std::vector<Part> parts;
};

// The first capture (else the whole match) of a Lua pattern; kRuleLoad when it does not match.
using PatternCapture = std::function<Result<std::string>(const std::string& text, const std::string& pattern)>;

class BoundTemplate {
 public:
  // Column names are looked up in `columns`. RULE-0105 for one that is not there.
  static Result<BoundTemplate> bind(const TextTemplate& from, const TableSchema& source, const TableSchema& columns,
                                    const PatternCapture& capture);
  bool is_constant() const noexcept { return parts_.empty() || (parts_.size() == 1 && parts_[0].kind == PartKind::kLiteral); }
  const std::string& constant() const noexcept { return literal_; }  // REQUIRES: is_constant

  struct Fault {
    FilterFault fault = FilterFault::kNone;
    std::string_view name;  // of the column or field
    explicit operator bool() const noexcept { return fault != FilterFault::kNone; }
  };
  // Appends the text for a row; an absent cell is taken from `other`, the event's other image, if that is not empty.
  Fault append(Row row, Row other, const TableSchema& columns, const MetaSource& meta, Arena& arena, std::string& out) const;

 private:
  using PartKind = TextTemplate::Part::Kind;
  struct Part {
    PartKind kind;
    std::string text;  // literal, or the name for messages
    uint16_t column;
    MetaField meta;
    std::vector<TextFilter> filters;
  };
  void add_literal(std::string text);

  std::vector<Part> parts_;
  std::string literal_;
};

}  // namespace tailrace
