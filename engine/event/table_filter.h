// TableFilter: the tables a job takes. Patterns are `database.table` with *, ?, [a-z], [!a-z], case-sensitive; a leading
// `!` takes away: {"shop.*", "!shop.tmp_*"}. The server's own schemas (mysql, sys, information_schema,
// performance_schema) match only where a pattern names them literally. Immutable, any thread.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tailrace {

class TableFilter {
 public:
  // CFG-0003 for a pattern without a dot, an empty part, or a list that only takes away.
  static Result<TableFilter> parse(std::span<const std::string> patterns);
  bool matches(std::string_view database, std::string_view table) const;

 private:
  struct Pattern {
    std::string database, table;
  };
  static bool any(const std::vector<Pattern>& patterns, std::string_view database, std::string_view table);
  std::vector<Pattern> include_, exclude_;
};

}  // namespace tailrace
