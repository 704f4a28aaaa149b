#include "rule/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "rule/node_reader.h"

namespace tailrace {

Status CsvReader::fail(const std::string& detail) const { return load_error(fmt::format("{}:{}: {}", name_, line_, detail)); }

// Behind the opening quote, up to behind the closing one.
Status CsvReader::read_quoted(std::string& out) {
  for (;;) {
    size_t quote = rest_.find('"');
    if (quote == std::string_view::npos) return fail("a quoted field does not end");
    std::string_view part = rest_.substr(0, quote);
    next_line_ += static_cast<uint32_t>(std::count(part.begin(), part.end(), '\n'));
    out.append(part);
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) return Status();
    out += '"';
    rest_.remove_prefix(1);
  }
}

Result<bool> CsvReader::next(std::vector<CsvField>& out) {
  out.clear();
  while (rest_.starts_with('\n') || rest_.starts_with("\r\n")) {
    rest_.remove_prefix(rest_.front() == '\r' ? 2 : 1);
    ++next_line_;
  }
  if (rest_.empty()) return false;
  line_ = next_line_;
  for (;;) {
    CsvField& field = out.emplace_back();
    if (rest_.starts_with('"')) {
      field.is_quoted = true;
      rest_.remove_prefix(1);
      TAILRACE_OK(read_quoted(field.text));
    } else {
      size_t end = std::min(rest_.find_first_of("\",\n"), rest_.size());
      if (end < rest_.size() && rest_[end] == '"')
        return fail("a quote inside of a field without quotes: quote the field, and write its quotes twice");
      bool has_return = end > 0 && rest_[end - 1] == '\r' && (end == rest_.size() || rest_[end] == '\n');
      field.text = rest_.substr(0, end - (has_return ? 1 : 0));
      rest_.remove_prefix(end - (has_return ? 1 : 0));
    }
    if (rest_.starts_with(',')) {
      rest_.remove_prefix(1);
      continue;
    }
    if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
    if (rest_ == "\r") rest_ = {};
    if (rest_.empty()) return true;
    if (rest_.front() != '\n') return fail("text behind the closing quote of a field");
    rest_.remove_prefix(1);
    ++next_line_;
    return true;
  }
}

}  // namespace tailrace
