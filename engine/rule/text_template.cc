#include "rule/text_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "rule/node_reader.h"

namespace tailrace {
namespace {

using Part = TextTemplate::Part;

Result<Part> parse_placeholder(std::string_view inside, const std::string& where, bool takes_columns) {
  Part part;
  size_t end = inside.find_first_of(":|");
  std::string name(inside.substr(0, end));
  if (name.empty()) return load_error(where + ": {} names nothing");
  if (name == "db" || name == "table") {
    part.kind = name == "db" ? Part::Kind::kDb : Part::Kind::kTable;
  } else if (!takes_columns) {
    return load_error(
        fmt::format("{}: {{{}}} is not known here; {{db}} and {{table}} are{}", where, name, did_you_mean(name, {"db", "table"})));
  } else if (name.starts_with("meta.")) {
    auto field = find_meta(std::string_view(name).substr(5));
    if (!field) {
      return load_error(fmt::format("{}: meta has no `{}`{}", where, name.substr(5), did_you_mean(name.substr(5), meta_names())));
    }
    part.kind = Part::Kind::kMeta;
    part.meta = *field;
  } else {
    part.kind = Part::Kind::kColumn;
    part.text = name;
  }
  if (end != std::string_view::npos && inside[end] == ':') {
    if (part.kind != Part::Kind::kDb && part.kind != Part::Kind::kTable) {
      return load_error(fmt::format("{}: {{{}}}: only {{db:pattern}} and {{table:pattern}} take a pattern", where, inside));
    }
    part.pattern = inside.substr(end + 1);
    if (part.pattern.empty()) return load_error(fmt::format("{}: {{{}}}: the pattern is empty", where, inside));
    return part;
  }
  while (end != std::string_view::npos) {
    inside.remove_prefix(end + 1);
    end = inside.find('|');
    auto filter = parse_filter(inside.substr(0, end));
    if (!filter.ok()) return load_error(fmt::format("{}: {{{}}}: {}", where, name, filter.status().detail()));
    part.filters.push_back(std::move(filter).value());
  }
  return part;
}

}  // namespace

Result<TextTemplate> TextTemplate::parse(const std::string& text, const std::string& where, bool takes_columns) {
  TextTemplate out;
  out.text = text;
  auto literal = [&](std::string_view piece) {
    if (piece.empty()) return;
    if (out.parts.empty() || out.parts.back().kind != Part::Kind::kLiteral) out.parts.emplace_back();
    out.parts.back().text += piece;
  };
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t at = rest.find_first_of("{}");
    literal(rest.substr(0, at));
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at);
    if (rest.size() > 1 && rest[1] == rest[0]) {
      literal(rest.substr(0, 1));
      rest.remove_prefix(2);
      continue;
    }
    size_t end = rest[0] == '{' ? rest.find('}') : std::string_view::npos;
    if (end == std::string_view::npos) {
      return load_error(fmt::format("{}: unmatched brace in \"{}\"; a brace itself is written twice", where, text));
    }
    TAILRACE_TRY(Part part, parse_placeholder(rest.substr(1, end - 1), where, takes_columns));
    out.parts.push_back(std::move(part));
    rest.remove_prefix(end + 1);
  }
  return out;
}

bool TextTemplate::names_table() const noexcept {
  return std::any_of(parts.begin(), parts.end(),
                     [](const Part& part) { return part.kind == Part::Kind::kTable && part.pattern.empty() && part.filters.empty(); });
}

bool TextTemplate::has_columns() const noexcept {
  return std::any_of(parts.begin(), parts.end(),
                     [](const Part& part) { return part.kind == Part::Kind::kColumn || part.kind == Part::Kind::kMeta; });
}

void BoundTemplate::add_literal(std::string text) {
  if (text.empty()) return;
  if (parts_.empty() || parts_.back().kind != PartKind::kLiteral) parts_.push_back({PartKind::kLiteral, "", 0, MetaField::kGtid, {}});
  parts_.back().text += text;
}

Result<BoundTemplate> BoundTemplate::bind(const TextTemplate& from, const TableSchema& source, const TableSchema& columns,
                                          const PatternCapture& capture) {
  BoundTemplate out;
  static const Column kName = meta_column(MetaField::kTable);
  for (const TextTemplate::Part& part : from.parts) {
    switch (part.kind) {
      case PartKind::kLiteral: out.add_literal(part.text); break;
      case PartKind::kDb:
      case PartKind::kTable: {
        std::string name = part.kind == PartKind::kDb ? source.database : source.table;
        if (!part.pattern.empty()) {
          if (!capture) return Status(ErrorCode::kInternal, "a template with a pattern, and nobody to match it");
          TAILRACE_TRY(name, capture(name, part.pattern));
        }
        std::string text;
        Value value = Value::of_text(Kind::kText, name.data(), static_cast<uint32_t>(name.size()));
        FilterFault fault = append_filtered(part.filters, value, kName, text);
        if (fault != FilterFault::kNone) {
          return load_error(fmt::format("{{{}}} {}", part.kind == PartKind::kDb ? "db" : "table", describe_fault(fault)));
        }
        out.add_literal(std::move(text));
        break;
      }
      case PartKind::kMeta:
        out.parts_.push_back({part.kind, "meta." + meta_names()[static_cast<size_t>(part.meta)], 0, part.meta, part.filters});
        break;
      case PartKind::kColumn: {
        int at = columns.find_column(part.text);
        if (at < 0) {
          std::vector<std::string> names{"db", "table"};
          for (const Column& column : columns.columns) names.push_back(column.name);
          return Status(ErrorCode::kRuleColumn, fmt::format("{{{}}}: {} has no such column{}", part.text, columns.qualified_name(),
                                                            did_you_mean(part.text, names)));
        }
        out.parts_.push_back({part.kind, part.text, static_cast<uint16_t>(at), MetaField::kGtid, part.filters});
        break;
      }
    }
  }
  if (out.is_constant() && !out.parts_.empty()) out.literal_ = out.parts_[0].text;
  return out;
}

BoundTemplate::Fault BoundTemplate::append(Row row, Row other, const TableSchema& columns, const MetaSource& meta, Arena& arena,
                                           std::string& out) const {
  for (const Part& part : parts_) {
    FilterFault fault = FilterFault::kNone;
    if (part.kind == PartKind::kLiteral) {
      out += part.text;
    } else if (part.kind == PartKind::kMeta) {
      fault = append_filtered(part.filters, meta_value(part.meta, meta, arena), meta_column(part.meta), out);
    } else {
      const Value& own = row[part.column];
      const Value& value = own.is_absent() && !other.empty() ? other[part.column] : own;
      fault = append_filtered(part.filters, value, columns.columns[part.column], out);
    }
    if (fault != FilterFault::kNone) return {fault, part.text};
  }
  return {};
}

}  // namespace tailrace
