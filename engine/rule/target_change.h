// What becomes of the targets when one version of the rules follows another.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "event/change_event.h"
#include "rule/rule_stage.h"

namespace tailrace {

struct TargetChange {
  SchemaRef source;
  std::shared_ptr<const OutputTable> before, after;  // null: the table is not delivered
  std::string sql;                                   // what the target is told; "" = nothing
  std::string text;                                  // for people
};

// Plans every table with both stages. A table that the later rules cannot take is a failure.
Result<std::vector<TargetChange>> target_changes(RuleStage& before, RuleStage& after, const std::vector<SchemaRef>& tables);

}  // namespace tailrace
