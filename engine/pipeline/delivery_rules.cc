// Delivery, second part: versions of the rules take over between two transactions.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/fault_point.h"
#include "pipeline/delivery.h"
#include "rule/rule_memory.h"

namespace tailrace {

// Tells the targets what becomes of them; durable on return, since the rows that follow count on it.
Status Delivery::tell(EventBatch& announcement) {
  if (announcement.events.empty()) return {};
  announcement.sequence = ++sequence_;
  announcement.boundary = position_;
  announcement.snapshot_state = snapshot_.state();
  TAILRACE_OK(hand_on(announcement));
  TAILRACE_OK(run_.parts.sink->flush(run_.abort.get_token()));
  return run_.parts.acks->failure();
}

// To what it was at the checkpoint that this run begins at: what a killed run remembered behind it is forgotten.
Status Delivery::restore_memory(const std::optional<Checkpoint>& stored) {
  if (!run_.parts.rule_state) return {};
  RuleMemory* memory = run_.parts.rules->stage().memory();
  if (!stored || !memory || !memory->spec().is_durable()) return run_.parts.rule_state->forget_all();
  TAILRACE_TRY(auto found, run_.parts.rule_state->go_back(*stored));
  return memory->restore(found);
}

// Ahead of the checkpoint itself: from here on the sink may make it durable at any time.
Status Delivery::keep_memory(const Checkpoint& at) {
  if (!run_.parts.rule_state) return {};
  RuleMemory* memory = run_.parts.rules->stage().memory();
  if (!memory || !memory->spec().is_durable()) return {};
  keeps_memory_ = true;
  return run_.parts.rule_state->keep(at, memory->take_changes());
}

Status Delivery::let_rules_pass() {
  if (!run_.parts.rules->has_later()) return {};
  EventBatch announcement;
  TAILRACE_TRY(bool began, run_.parts.rules->passed(position_, *run_.parts.source, announcement));
  if (began) forget_targets();
  return began ? tell(announcement) : Status();
}

Status Delivery::swap_rules() {
  RuleSwap* swap = run_.parts.swap;
  RuleTimeline& rules = *run_.parts.rules;
  // A table without key is copied whole, by one version; a stretch gone over again keeps the versions it had.
  if (!swap || !swap->waiting() || !at_boundary_ || rules.has_later() || snapshot_.phase() == SnapshotStage::Phase::kKeyless) return {};
  auto request = swap->take();
  if (!request) return {};
  if (Position& at = request->at; !at.text.empty()) {
    at.source_kind = position_.source_kind;
    const Source& source = *run_.parts.source;
    bool is_place = source.reached(at, at);
    if (!is_place || source.reached(position_, at)) {
      swap->answer(Status(ErrorCode::kRuleSwap, is_place
                                                    ? fmt::format("the job is at {} and has come to {} already", position_.text, at.text)
                                                    : fmt::format("{} is no position of this source", at.text)));
      return {};
    }
  }
  RuleSwapAnswer answer{rules.version(), request->stage->version(), position_, {}};
  auto changes = rules.differences(*request->stage);
  if (!changes.ok()) {
    swap->answer(std::move(changes).status());
    return {};
  }
  answer.changes = *changes;
  std::string text;
  for (const std::string& line : answer.changes) text += (text.empty() ? "" : "\n") + line;
  if (!answer.changes.empty() && !request->apply_ddl) {
    swap->answer(Status(ErrorCode::kRuleSwap, "the output schema changes: " + text));
    return {};
  }
  // Kept before the first row that it makes: a job killed now gives the same rows the same version.
  bool is_later = !request->at.text.empty();
  auto entry = request->keep(is_later ? request->at : position_, text);
  if (!entry.ok()) {
    swap->answer(std::move(entry).status());
    return {};
  }
  if (is_later) {
    answer.at = request->at;
    auto stage = std::make_shared<std::unique_ptr<RuleStage>>(std::move(request->stage));
    rules.begin_later({*entry, request->at, [stage]() -> Result<std::unique_ptr<RuleStage>> { return std::move(*stage); }, !text.empty()});
    swap->answer(std::move(answer));
    return {};
  }
  fault_point("swap");
  if (!answer.changes.empty()) {
    EventBatch announcement;
    Status told = rules.announce(*request->stage, announcement);
    if (told.ok()) told = tell(announcement);
    if (!told.ok()) {
      // The sink may have given up with it. Another run goes on from the checkpoint, by the rules that held.
      TAILRACE_OK(request->take_back(*entry));
      swap->answer(Status(ErrorCode::kRuleSwap, told.to_string()));
      std::lock_guard lock(run_.mutex);
      run_.status.again = true;
      return told;
    }
  }
  rules.take_over(std::move(request->stage));
  forget_targets();
  swap->answer(std::move(answer));
  return {};
}

}  // namespace tailrace
