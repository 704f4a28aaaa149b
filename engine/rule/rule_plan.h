// RulePlan: what a rule set does with one version of one source table, compiled once. Immutable; shared by the stage
// that made it.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/change_event.h"
#include "event/schema.h"
#include "rule/message_plan.h"
#include "rule/native_function.h"
#include "rule/rule_spec.h"
#include "rule/where_program.h"

namespace tailrace {

// One column of the output row.
struct ColumnStep {
  enum class Action : uint8_t { kCopy, kNative, kConstant, kMeta, kTemplate, kSql, kConvert };
  Action action = Action::kCopy;
  uint16_t from = 0;                       // kCopy, kNative, kConvert: column of the working row
  const NativeFunction* native = nullptr;  // kNative: of the RuleSpec
  Value constant = Value::null();          // kConstant: text lives in RuleOutput::texts
  MetaField meta = MetaField::kGtid;       // kMeta
  uint16_t sql = 0;                        // kSql: number in RulePlan::sql
};

// A column whose text is made of other columns of the output row, when those are there.
struct ComputedColumn {
  uint16_t at = 0;
  BoundTemplate text;
};

// An OutputTable with what lives as long as the batches that show it.
struct RuleOutput : OutputTable {
  std::deque<std::string> texts;               // of constants
  std::unique_ptr<const MessagePlan> message;  // null: nothing to do per row
};

// A column that SQL makes of the working row.
struct SqlColumn {
  std::shared_ptr<const WhereProgram> program;
  Column column;  // of the output; as the expression's own, unless the rule gives a type
  bool converts = false;
};

struct RulePlan {
  const TableRule* rule = nullptr;             // null: no pattern matched
  std::shared_ptr<const TableRule> made_rule;  // behind `rule`, where a function made it or the host added columns
  std::shared_ptr<const RuleOutput> output;    // null: the table is dropped
  bool is_dropped() const noexcept { return output == nullptr; }
  // Where `map` and `row` may send rows besides: by number of RuleSpec::outputs. Empty without functions.
  std::vector<std::shared_ptr<const RuleOutput>> outputs;
  // The row that `row` and `map` see: the source's columns, then those the entry adds.
  std::vector<Column> work_columns;
  std::vector<uint16_t> as_number;       // of these: 64-bit integers that functions read as plain numbers
  std::vector<Value> added;              // values of the added columns before `map`
  std::vector<ColumnStep> steps;         // one per output column; empty = the working row as it is
  std::vector<uint16_t> moving_steps;    // those that do something when the row is written over itself
  std::vector<SqlColumn> sql;            // before the steps
  std::vector<ComputedColumn> computed;  // after the steps
  DeleteRule::Action deletes = DeleteRule::Action::kApply;
  std::vector<std::pair<uint16_t, ColumnStep>> delete_set;  // kSet: column of the output row, kConstant or kMeta
  int map = -1, row = -1;
  std::shared_ptr<const WhereProgram> where;  // over the source's columns; null: every row
  bool may_merge = false;                     // other tables can go to the same target
  // One event in gives one event out, unless its key changes, and only `row` can say something about its message.
  bool is_simple = true;
  uint32_t id = 0;  // given by the stage
  bool has_hooks() const noexcept { return map >= 0 || row >= 0; }
};

// What a plan needs besides the rules.
struct PlanContext {
  PatternCapture capture;  // may be empty when no template has a Lua pattern
  PatternReplace replace;  // may be empty when no name is made by one
  // What the function of an entry says about a table; may be empty when there is none.
  std::function<Result<TableRule>(const TableRule&, const TableSchema&)> make_entry;
  bool takes_messages = true;  // the sink; else what is said about messages is only checked
  // See RuleHost; may be empty.
  std::function<Result<std::vector<ColumnRule>>(const TableRule&, const TableSchema&)> new_columns;
};

// Compiles the plan of a table. Failures carry the table and name the entry.
Result<RulePlan> make_rule_plan(const RuleSpec& spec, const SchemaRef& source, const PlanContext& context = {});

}  // namespace tailrace
