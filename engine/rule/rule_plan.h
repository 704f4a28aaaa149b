// RulePlan: what a rule set does with one version of one source table, compiled once. Immutable; shared by the stage
// that made it.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/change_event.h"
#include "event/schema.h"
#include "rule/native_function.h"
#include "rule/rule_spec.h"
#include "rule/where_program.h"

namespace tailrace {

// One column of the output row.
struct ColumnStep {
  enum class Action : uint8_t { kCopy, kNative, kConstant };
  Action action = Action::kCopy;
  uint16_t from = 0;                        // kCopy, kNative: column of the working row
  const NativeFunction* native = nullptr;   // kNative: of the RuleSpec
  Value constant = Value::null();           // kConstant: text lives in RuleOutput::texts
};

// An OutputTable with the texts of its constants, so that they live as long as the batches that show them.
struct RuleOutput : OutputTable {
  std::deque<std::string> texts;
};

struct RulePlan {
  const TableRule* rule = nullptr;          // null: no pattern matched
  std::shared_ptr<const RuleOutput> output;  // null: the table is dropped
  bool is_dropped() const noexcept { return output == nullptr; }
  // The row that `row` and `map` see: the source's columns, then those the entry adds.
  std::vector<Column> work_columns;
  std::vector<Value> added;                 // values of the added columns before `map`
  std::vector<ColumnStep> steps;            // one per output column; empty = the working row as it is
  int map = -1, row = -1;
  std::shared_ptr<const WhereProgram> where;  // over the source's columns; null: every row
  bool may_merge = false;                   // other tables can go to the same target
  uint32_t id = 0;                          // given by the stage
  bool has_hooks() const noexcept { return map >= 0 || row >= 0; }
};

// Compiles the plan of a table. Failures carry the table and name the entry.
Result<RulePlan> make_rule_plan(const RuleSpec& spec, const SchemaRef& source);

}  // namespace tailrace
