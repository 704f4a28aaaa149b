#include "rule/rule_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "rule/node_reader.h"
#include "rule/plan_builder.h"

namespace tailrace {
namespace {

// Where the functions of the entry may send rows besides.
Status add_outputs(RulePlan& plan, const RuleSpec& spec, const SchemaRef& source, const PlanContext& context) {
  for (const OutputRule& rule : spec.outputs) {
    if (rule.name == plan.output->schema->qualified_name()) {
      return load_error(fmt::format("tables[\"{}\"]: its rows go to {} as those of outputs[\"{}\"] do; give it another `to`",
                                    plan.rule->key, rule.name, rule.name))
          .with("table", source->qualified_name());
    }
    auto schema = std::make_shared<TableSchema>();
    schema->schema_id = next_schema_id();
    schema->database = rule.database;
    schema->table = rule.table;
    schema->columns = rule.columns;
    schema->primary_key = rule.key;
    auto output = std::make_shared<RuleOutput>();
    output->source = source;
    output->schema = std::move(schema);
    output->key_is_explicit = true;
    output->origins.assign(rule.columns.size(), -1);
    auto message = MessagePlan::make(rule.message, *output, context.capture);
    if (!message.ok()) {
      return Status(message.status().code(), fmt::format("outputs[\"{}\"]: {}", rule.name, message.status().detail()))
          .with("table", source->qualified_name());
    }
    if (context.takes_messages) output->message = std::move(message).value();
    plan.outputs.push_back(std::move(output));
  }
  return Status();
}

}  // namespace

Result<RulePlan> make_rule_plan(const RuleSpec& spec, const SchemaRef& source, const PlanContext& context) {
  TAILRACE_TRY(const TableRule* rule, match_table(spec, source->database, source->table));
  RulePlan plan;
  plan.rule = rule;
  if (!rule && spec.fallback == RuleSpec::Default::kStop) {
    return Status(ErrorCode::kRuleLoad, fmt::format("no pattern of `tables` matches {}, and default is \"stop\"", source->qualified_name()))
        .with("table", source->qualified_name());
  }
  if (rule && rule->action == TableRule::Action::kFunction) {
    auto made = context.make_entry(*rule, *source);
    if (!made.ok()) return std::move(made).status().with("table", source->qualified_name());
    plan.made_rule = std::make_shared<const TableRule>(std::move(made).value());
    plan.rule = rule = plan.made_rule.get();
  }
  std::shared_ptr<const TableRule> made_rule = plan.made_rule;
  if (rule ? rule->action == TableRule::Action::kDrop : spec.fallback == RuleSpec::Default::kDrop) return plan;
  if (!rule || rule->action == TableRule::Action::kKeep) {
    auto output = std::make_shared<RuleOutput>();
    output->source = source;
    output->schema = source;
    plan.output = output;
    return plan;
  }
  if (context.new_columns && (rule->map >= 0 || rule->row >= 0)) {
    TAILRACE_TRY(std::vector<ColumnRule> added, context.new_columns(*rule, *source));
    if (!added.empty()) {
      auto copy = std::make_shared<TableRule>(*rule);
      copy->columns.insert(copy->columns.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
      made_rule = std::move(copy);
      rule = made_rule.get();
    }
  }
  TAILRACE_TRY(plan, build_plan(*rule, source, context));
  plan.made_rule = std::move(made_rule);
  if (plan.has_hooks()) TAILRACE_OK(add_outputs(plan, spec, source, context));
  plan.is_simple =
      plan.outputs.empty() && !plan.output->message && plan.computed.empty() && plan.deletes == DeleteRule::Action::kApply &&
      std::none_of(plan.steps.begin(), plan.steps.end(), [](const ColumnStep& step) { return step.action == ColumnStep::Action::kMeta; });
  return plan;
}

}  // namespace tailrace
