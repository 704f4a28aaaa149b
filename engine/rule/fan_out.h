// FanOut: the changes of the `outputs`' rows that one event brings, from the rows that its images gave: a row only before
// is deleted, one only after is inserted, one in both is updated if it differs. One thread.
#pragma once
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "rule/hook_chunk.h"
#include "rule/rule_plan.h"
#include "rule/rule_spec.h"

namespace tailrace {

class FanOut {
 public:
  explicit FanOut(const RuleSpec& spec) : spec_(spec) {}

  // Rows of the event's images; false when there are none. `first_image` is that of the event in the chunk.
  bool collect(const ChangeEvent& event, uint32_t first_image, const HookChunk& hooks);
  // The events for the rows collected, in a fixed order: by output, deletes before the others. RULE-0106 when two rows
  // of one image have the same key. `event` is the source's, as it was before it was rewritten.
  Status diff(const ChangeEvent& event, const RulePlan& plan, EventBatch& batch, HookChunk& hooks, std::vector<ChangeEvent>& out);

  // A copy of the table that begins anew takes back what it gave; at the source, TRUNCATE empties what has a key.
  void truncate(const ChangeEvent& event, const RulePlan& plan, bool in_copy, std::vector<ChangeEvent>& out) const;

 private:
  using Side = std::vector<EmittedRow>;  // by output, then as given
  const EmittedRow* partner(const EmittedRow& row, const Side& side, HookChunk& hooks) const;
  Status check_duplicates(const Side& side, const RulePlan& plan, HookChunk& hooks) const;
  bool same_key(const EmittedRow& a, const EmittedRow& b, HookChunk& hooks) const;

  const RuleSpec& spec_;
  Side before_, after_;
};

}  // namespace tailrace
