// StatementRules: what becomes of an event that tells of a statement: sent on with the tables that the rules make of it,
// skipped, held. Owned by one stage.
#pragma once
#include <vector>

#include "base/status.h"
#include "rule/ddl_guard.h"
#include "rule/row_rewriter.h"
#include "rule/source_trail.h"
#include "rule/stage_plans.h"

namespace tailrace {

class StatementRules {
 public:
  // All outlive it; `host` may be null.
  StatementRules(const RuleSet& rules, StagePlans& plans, RuleStats& stats, RuleHost* host, const RuleStageConfig& config)
      : rules_(rules), plans_(plans), stats_(stats), trail_(config.trail), guard_(rules, host, config.ddl, config.writes_statements) {}

  // A schema change. Gives the event the layouts of its outputs.
  Status classify(EventBatch& batch, size_t index, Fate& fate);
  // Emptying a shared target would take the rows of the other tables with it: an error. In a copy it means this table's rows
  // only.
  Status truncate(EventBatch& batch, size_t index, const PlanEntry& entry, Fate& fate);

 private:
  bool fills_outputs_alone(const TableRule& rule, const TableSchema& table) const;
  // The rules cannot be planned for the table as the statement leaves it. What they say of such statements comes first: one
  // that is held or skipped does not need the plan, only rows behind it do.
  Status judge_unfit(EventBatch& batch, size_t index, const PlanEntry* before, const Status& why, Fate& fate);
  // What the rules say of a statement, before anything is made of it.
  Status judge(EventBatch& batch, size_t index, const PlanEntry* before, const PlanEntry* after, Fate& fate);
  Status ask_guard(EventBatch& batch, size_t index, const DdlGuard::Outputs& outputs, Fate& fate);
  // Layouts of the other source tables of a target. Behind a chain these are not the tables that this file gets.
  std::vector<SchemaRef> others(const OutputTable& output, uint32_t index) const;

  const RuleSet& rules_;
  StagePlans& plans_;
  RuleStats& stats_;
  SourceTrail* const trail_;  // null: the stage is all there is
  DdlGuard guard_;
};

}  // namespace tailrace
