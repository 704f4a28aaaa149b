#include "python/json_row.h"

#include <fmt/format.h>

#include <cmath>

#include "event/value_text.h"

namespace tailrace::python {
namespace {

void append_quoted(std::string_view text, std::string& out) {
  out.push_back('"');
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

void append_base64(std::string_view bytes, std::string& out) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out.push_back('"');
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out.push_back(k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=');
  }
  out.push_back('"');
}

Status append_value(const Value& value, const Column& column, std::string& out) {
  switch (value.kind) {
    case Kind::kNull: out += "null"; return {};
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kBit:
    case Kind::kJson: append_text(value, column, out); return {};
    case Kind::kYear: fmt::format_to(std::back_inserter(out), "{}", value.u); return {};
    case Kind::kDouble:
      if (!std::isfinite(value.d)) {
        return Status(ErrorCode::kFormatValue, "JSON has no infinity and no NaN").with("column", column.name);
      }
      append_text(value, column, out);
      return {};
    case Kind::kBytes:
    case Kind::kGeometry: append_base64(value.text(), out); return {};
    case Kind::kText: append_quoted(value.text(), out); return {};
    default: append_quoted(to_text(value, column), out); return {};
  }
}

}  // namespace

Status append_json_row(const TableSchema& schema, Row row, const std::vector<uint16_t>* only, std::string& out) {
  if (row.size() != schema.columns.size()) {
    return Status(ErrorCode::kInternal, fmt::format("a row of {} values for {} columns", row.size(), schema.columns.size()))
        .with("table", schema.qualified_name());
  }
  out.push_back('{');
  bool first = true;
  auto put = [&](size_t i) -> Status {
    if (row[i].is_absent()) return {};
    if (!first) out.push_back(',');
    first = false;
    append_quoted(schema.columns[i].name, out);
    out.push_back(':');
    Status status = append_value(row[i], schema.columns[i], out);
    return status.ok() ? Status() : std::move(status).with("table", schema.qualified_name());
  };
  if (only != nullptr) {
    for (uint16_t i : *only) TAILRACE_OK(put(i));
  } else {
    for (size_t i = 0; i < row.size(); ++i) TAILRACE_OK(put(i));
  }
  out.push_back('}');
  return {};
}

}  // namespace tailrace::python
