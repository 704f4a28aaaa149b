#include "rule/statement_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "rule/event_place.h"

namespace tailrace {

Status StatementRules::truncate(EventBatch& batch, size_t index, const PlanEntry& entry, Fate& fate) {
  if (batch.is_snapshot) return Status();
  TAILRACE_OK(judge(batch, index, &entry, nullptr, fate));
  if (fate.hook_event == Fate::kDrop) return Status();
  const ChangeEvent& event = batch.events[index];
  const RulePlan& plan = entry.plan;
  if (plan.deletes == DeleteRule::Action::kDrop) {
    stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
    fate.hook_event = Fate::kDrop;
    return Status();
  }
  std::string why;
  if (plan.deletes == DeleteRule::Action::kSet) {
    why = "and `deletes` keeps its rows at the target";
  } else if (!entry.elsewhere.empty() || (plan.row >= 0 && rules_.spec.rows_name_targets)) {
    why = "and `row` sends events of it to tables that ev.to names";
  } else if (plan.may_merge || plans_.sources(plan.output->schema->qualified_name()) >= 2) {
    why = fmt::format("which shares {} with other tables", plan.output->schema->qualified_name());
  } else if (plan.map >= 0 && !plan.outputs.empty() && !fills_outputs_alone(*plan.rule, *event.table)) {
    why = "and other tables may have rows in the `outputs` that its map fills";
  }
  if (why.empty()) return Status();
  return at_event(Status(ErrorCode::kSchemaChange, fmt::format("TRUNCATE of {}, {}", event.table->qualified_name(), why)), rules_.version,
                  batch, event);
}

bool StatementRules::fills_outputs_alone(const TableRule& rule, const TableSchema& table) const {
  return rule.is_single(table.qualified_name()) &&
         std::none_of(rules_.spec.tables.begin(), rules_.spec.tables.end(),
                      [&](const TableRule& other) { return other.key != rule.key && (other.map >= 0 || other.entry >= 0); });
}

Status StatementRules::classify(EventBatch& batch, size_t index, Fate& fate) {
  ChangeEvent& event = batch.events[index];
  fate.hook_event = Fate::kKeepAsIs;
  PlanEntry* before = nullptr;
  PlanEntry* after = nullptr;
  bool is_there_after = event.new_schema && *event.new_schema;
  if (event.table) {
    auto found = plans_.find(batch, event.table);
    // Rules that were corrected for the table after the statement need not fit the one before it.
    if (!found.ok() && !is_there_after) return at_event(std::move(found).status(), rules_.version, batch, event);
    before = found.ok() ? *found : nullptr;
  }
  if (is_there_after) {
    auto found = plans_.find(*event.new_schema);
    if (!found.ok()) return judge_unfit(batch, index, before, found.status(), fate);
    after = *found;
  }
  if (!before && !after) return Status();
  bool before_kept = before && !before->plan.is_dropped();
  bool after_kept = after && !after->plan.is_dropped();
  if (!before_kept && !after_kept) {
    stats_.dropped_table.fetch_add(1, std::memory_order_relaxed);
    fate.hook_event = Fate::kDrop;
    return Status();
  }
  TAILRACE_OK(judge(batch, index, before_kept ? before : nullptr, after_kept ? after : nullptr, fate));
  if (fate.hook_event == Fate::kDrop) return Status();
  if (before && after && before_kept != after_kept) {
    return at_event(Status(ErrorCode::kSchemaChange, fmt::format("{} became {}, and the rules take only one of the two",
                                                                 before->plan.is_dropped() ? event.table->qualified_name()
                                                                                           : before->plan.output->source->qualified_name(),
                                                                 (*event.new_schema)->qualified_name())),
                    rules_.version, batch, event);
  }
  if (before_kept) plans_.use_output(batch, *before);
  if (after_kept) {
    plans_.use_output(batch, *after);
    batch.schemas.push_back(after->plan.output->schema);
    event.new_schema = &batch.schemas.back();
  }
  const RuleOutput* output = before_kept ? before->plan.output.get() : after->plan.output.get();
  event.output = output;
  if (event.table) event.table = output->schema.get();
  return Status();
}

Status StatementRules::judge_unfit(EventBatch& batch, size_t index, const PlanEntry* before, const Status& why, Fate& fate) {
  const ChangeEvent& event = batch.events[index];
  const TableSchema& table = **event.new_schema;
  bool before_kept = before && !before->plan.is_dropped();
  if (!batch.is_snapshot) {
    DdlGuard::Outputs outputs{before_kept ? before->plan.output.get() : nullptr, nullptr, {}, &table, &why};
    if (before_kept) outputs.others = others(*outputs.before, static_cast<uint32_t>(index));
    TAILRACE_OK(ask_guard(batch, index, outputs, fate));
    if (fate.hook_event == Fate::kDrop) return Status();
  }
  if (event.sql.empty()) return at_event(why, rules_.version, batch, event);
  Status status(why.code(), fmt::format("{}. The table is so since the source ran: {}. The job goes on when the rules fit it: correct "
                                        "the file and run the job again, or give it another with tailrace rule swap",
                                        why.detail(), event.sql));
  for (const auto& [key, value] : why.context()) status = std::move(status).with(key, value);
  status = std::move(status).with("statement", std::string(event.sql)).with("table", table.qualified_name());
  return at_event(std::move(status), rules_.version, batch, event);
}

Status StatementRules::judge(EventBatch& batch, size_t index, const PlanEntry* before, const PlanEntry* after, Fate& fate) {
  if (batch.is_snapshot) return Status();
  DdlGuard::Outputs outputs{before ? before->plan.output.get() : nullptr, after ? after->plan.output.get() : nullptr, {}};
  outputs.others = others(outputs.before ? *outputs.before : *outputs.after, static_cast<uint32_t>(index));
  return ask_guard(batch, index, outputs, fate);
}

Status StatementRules::ask_guard(EventBatch& batch, size_t index, const DdlGuard::Outputs& outputs, Fate& fate) {
  StatementTrail* trail = trail_ ? &trail_->statement(static_cast<uint32_t>(index)) : nullptr;
  TAILRACE_TRY(DdlGuard::Verdict verdict, guard_.judge(batch, batch.events[index], outputs, trail));
  if (verdict == DdlGuard::Verdict::kSend) return Status();
  stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
  fate.hook_event = Fate::kDrop;
  return Status();
}

std::vector<SchemaRef> StatementRules::others(const OutputTable& output, uint32_t index) const {
  if (!trail_ || !trail_->is_last) return plans_.others(output);
  trail_->meet_up_to(trail_->root_of(index));
  const ChangeEvent& source = trail_->source_of(index);
  const TableSchema& table = source.table ? *source.table : **source.new_schema;
  return trail_->targets.others(output.schema->qualified_name(), table.qualified_name());
}

}  // namespace tailrace
