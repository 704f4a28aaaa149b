// CsvReader: records of a CSV text as RFC 4180 has it, with the line of each. Fields are what stands between commas, or in
// quotes, where a quote is written twice. Lines end in LF or CRLF; a byte order mark ahead of the first is left out. One
// thread; the text outlives it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tailrace {

struct CsvField {
  std::string text;
  bool is_quoted = false;
};

class CsvReader {
 public:
  // `name`: of the text in errors, which are RULE-0101 with name:line.
  CsvReader(std::string_view text, std::string name) : rest_(text), name_(std::move(name)) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }
  // The next record; false: there is none. Lines without anything are left out.
  Result<bool> next(std::vector<CsvField>& out);
  uint32_t line() const noexcept { return line_; }  // where the last record begins
  Status fail(const std::string& detail) const;     // about it

 private:
  Status read_quoted(std::string& out);

  std::string_view rest_;
  std::string name_;
  uint32_t line_ = 0, next_line_ = 1;
};

}  // namespace tailrace
