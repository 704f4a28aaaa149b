// LookupSpec: what a rule file declares of a lookup, a table that its functions read by key: `lookups`. Immutable.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/schema.h"
#include "rule/rule_node.h"

namespace tailrace {

struct LookupSpec {
  std::string name;
  bool is_sqlite = false;
  std::string path;                     // as given; relative to the folder of the rule file
  std::string sql;                      // of a SQLite file
  std::string key;                      // column
  std::map<std::string, Column> types;  // of the columns that have one given
  uint64_t max_bytes = 64u << 20;       // text and table
};

// By name.
Result<std::vector<LookupSpec>> parse_lookups(const RuleNode& node);

}  // namespace tailrace
