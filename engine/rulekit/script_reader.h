// ScriptReader: cuts a case file or a capture into statements, arrows and directives. Reads line by line: memory is
// bounded by the longest statement. One thread.
#pragma once
#include <cstdint>
#include <istream>
#include <string>

#include "base/status.h"

namespace tailrace {

struct ScriptItem {
  enum class Kind : uint8_t {
    kEnd,
    kStatement,  // without its semicolon
    kArrow,      // what stands behind "->"
    kOptions,    // what stands behind "options"
    kCapture     // the line "capture"
  };
  Kind kind = Kind::kEnd;
  std::string text;
  uint32_t line = 0, last_line = 0;  // from 1
};

class ScriptReader {
 public:
  explicit ScriptReader(std::istream& in) : in_(in) {}
  // RULE-0120 for a statement that has no end, and for a line that is no UTF-8 text. A byte order mark is passed over.
  Result<ScriptItem> next();

 private:
  bool next_line();
  Result<ScriptItem> statement();

  std::istream& in_;
  std::string line_;
  size_t at_ = 0;
  uint32_t number_ = 0;
  bool has_line_ = false;
  Status bad_line_;
};

}  // namespace tailrace
