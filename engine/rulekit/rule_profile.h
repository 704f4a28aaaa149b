// What rules cost per table: runs a rule file over events, one table at a time, and takes the time. Nothing is written.
#pragma once
#include <map>
#include <string>

#include "rulekit/rule_replay.h"

namespace tailrace {

struct ProfiledTable {
  std::string target;  // "" = dropped
  uint64_t in = 0, out = 0, errors = 0;
  int64_t ns = 0;  // spent in runs that did not fail
};

// By source table.
Result<std::map<std::string, ProfiledTable>> profile_rules(RuleStage& stage, const BatchSupply& next);

}  // namespace tailrace
