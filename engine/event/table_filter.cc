#include "event/table_filter.h"

#include <fmt/format.h>

#include <algorithm>

#include "event/pattern.h"

namespace tailrace {
namespace {

bool is_system_schema(std::string_view database) {
  static constexpr std::string_view kSystem[] = {"mysql", "sys", "information_schema", "performance_schema"};
  return std::find(std::begin(kSystem), std::end(kSystem), database) != std::end(kSystem);
}

}  // namespace

Result<TableFilter> TableFilter::parse(std::span<const std::string> patterns) {
  TableFilter filter;
  for (const std::string& given : patterns) {
    std::string_view pattern = given;
    bool negative = !pattern.empty() && pattern.front() == '!';
    if (negative) pattern.remove_prefix(1);
    size_t dot = pattern.find('.');
    if (dot == std::string_view::npos || dot == 0 || dot + 1 == pattern.size()) {
      return Status(ErrorCode::kConfigBadValue,
                    fmt::format("tables: '{}': write database.table, for example \"shop.*\" or \"!shop.tmp_*\"", given));
    }
    (negative ? filter.exclude_ : filter.include_).push_back({std::string(pattern.substr(0, dot)), std::string(pattern.substr(dot + 1))});
  }
  if (filter.include_.empty()) {
    return Status(ErrorCode::kConfigBadValue, "tables: the list takes nothing; add a pattern without '!', for example \"*.*\"");
  }
  return filter;
}

bool TableFilter::any(const std::vector<Pattern>& patterns, std::string_view database, std::string_view table) {
  bool system = is_system_schema(database);
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
    bool database_matches = system ? pattern.database == database : glob_match(pattern.database, database);
    return database_matches && glob_match(pattern.table, table);
  });
}

bool TableFilter::matches(std::string_view database, std::string_view table) const {
  return any(include_, database, table) && !any(exclude_, database, table);
}

}  // namespace tailrace
