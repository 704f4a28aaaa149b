// DdlGuard: what becomes of a statement of the log: sent on, in the target's words; skipped; or held until a person has
// decided. Owned by one stage.
#pragma once
#include <string>
#include <vector>

#include "base/status.h"
#include "event/ddl_desk.h"
#include "event/event_batch.h"
#include "rule/rule_host.h"
#include "rule/source_trail.h"

namespace tailrace {

class DdlGuard {
 public:
  enum class Verdict : uint8_t { kSend, kSkip };
  struct Outputs {
    const OutputTable* before;  // null: there was no such table, or it is not delivered
    const OutputTable* after;
    // Layouts of the other tables that go to the same target: it has their columns as well.
    std::vector<SchemaRef> others = {};
    // Set where the rules do not fit the table after the statement, which is then no output: that table, and why.
    const TableSchema* unfit = nullptr;
    const Status* why_unfit = nullptr;
  };

  // All outlive it; `host` and `desk` may be null. Without a desk nobody can be asked, and a held statement stops.
  // `writes_text`: the sink passes statements on to readers, so mapped tables need them in the target's words.
  DdlGuard(const RuleSet& rules, RuleHost* host, DdlDesk* desk, bool writes_text)
      : rules_(rules), host_(host), desk_(desk), writes_text_(writes_text) {}

  // Before the rules touch the event. May replace its text. kSchemaHeld and kSchemaChange name the statement. `trail`: what
  // the files of a chain say of it, this one's word is added; else null.
  Result<Verdict> judge(EventBatch& batch, ChangeEvent& event, const Outputs& outputs, StatementTrail* trail);

 private:
  std::string target_text(const ChangeEvent& event, Outputs outputs, uint32_t without) const;
  Result<Verdict> stop(const EventBatch& batch, const ChangeEvent& event, const StoppedDdl& statement, DdlSpec::OnDenied how);

  const RuleSet& rules_;
  RuleHost* const host_;
  DdlDesk* const desk_;
  const bool writes_text_;
  // RENAME comes as two events: the table that is gone, and the one that is there.
  const OutputTable* renamed_ = nullptr;
  std::string renamed_by_;  // transaction and statement
};

}  // namespace tailrace
