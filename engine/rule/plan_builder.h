// The plan of one entry for one table: its columns, key and steps. Internal to the module; make_rule_plan calls it.
#pragma once
#include "base/status.h"
#include "rule/rule_plan.h"

namespace tailrace {

// `rule` outlives the plan.
Result<RulePlan> build_plan(const TableRule& rule, const SchemaRef& source, const PlanContext& context);

}  // namespace tailrace
