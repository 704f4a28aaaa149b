// RowRewriter: second pass of the rule stage. Applies what the hooks said, gives rows the layout of their output, and
// derives the operations that leave. One thread.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "rule/fan_out.h"
#include "rule/hook_chunk.h"
#include "rule/rule_stage.h"
#include "rule/stage_plans.h"

namespace tailrace {

// What becomes of one event of the batch; filled before the hooks run.
struct Fate {
  static constexpr int32_t kNoHooks = -1;
  static constexpr int32_t kDrop = -2;
  static constexpr int32_t kKeepAsIs = -3;
  PlanEntry* entry = nullptr;
  int32_t hook_event = kNoHooks;                   // index into the hook events of the chunk, or one of the above
  uint32_t image = 0;                              // first image of the event
  bool drops_before = false, drops_after = false;  // the filter's word on the images
  // A filter or a function may have changed what becomes of the event.
  bool was_judged() const noexcept { return hook_event >= 0 || drops_before || drops_after; }
};

// Cells that a partial image of an update leaves out, from the image before. REQUIRES: images of one layout.
void complete_after(const ChangeEvent& event);

class SourceTrail;

class RowRewriter {
 public:
  // All outlive it; `trail` is null where the stage is none of a chain.
  RowRewriter(const RuleSet& rules, StagePlans& plans, RuleStats& stats, const SourceTrail* trail)
      : version_(rules.version), trail_(trail), plans_(plans), stats_(stats), fan_out_(rules.spec) {}

  // `failed`: what to do when an event cannot be rewritten; null: the first failure is returned. With it the rows of the
  // source stay as they are, and origins() is kept; so it is in a chain.
  using Failed = std::function<Status(Status, uint32_t index)>;
  void begin_batch(const Failed* failed) {
    splits_.clear();
    split_origins_.clear();
    origins_.clear();
    kept_ = 0;
    failed_ = failed;
  }
  // Rewrites the events of one chunk and moves those that stay to the front of the batch. REQUIRES: chunks in order.
  Status rewrite(EventBatch& batch, size_t begin, const std::vector<Fate>& fates, HookChunk& hooks);
  // After the last chunk: cuts the batch to what stays, with the events that were added.
  void end_batch(EventBatch& batch);
  // Per event of the batch that is left: index of the source's event.
  const std::vector<uint32_t>& origins() const noexcept { return origins_; }
  void move_origin(size_t from, size_t to) noexcept { origins_[to] = origins_[from]; }

 private:
  Status rewrite_one(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks);
  Status rewrite_event(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks);
  Status lay_out(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks);
  Status send_elsewhere(EventBatch& batch, ChangeEvent& event, PlanEntry& entry);
  Status add_main(EventBatch& batch, ChangeEvent& event, const RulePlan& plan);
  Status add_deleted(EventBatch& batch, ChangeEvent& event, const RulePlan& plan);
  Status put(EventBatch& batch, ChangeEvent& event, const EventRoute* said);
  Result<bool> goes_elsewhere(EventBatch& batch, const ChangeEvent& event, const RuleOutput& output);
  bool derive_op(ChangeEvent& event, const Fate& fate, const HookChunk& hooks);
  Status check_key(const EventBatch& batch, const ChangeEvent& event, const RulePlan& plan) const;
  Status finish_rows(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks);
  // Where the output row may be written: over the source's, unless that is still wanted.
  Row place_for(Row source) const noexcept { return failed_ ? Row() : source; }
  Row project_work(EventBatch& batch, const RulePlan& plan, Row work, Row place);
  Row project(EventBatch& batch, const RulePlan& plan, Row in, Row place);
  Value convert(EventBatch& batch, const RulePlan& plan, uint16_t from, size_t to, const Value& value);
  void compute(EventBatch& batch, const RulePlan& plan, Row out);
  void compute_sql(EventBatch& batch, const RulePlan& plan, Row in);

  void set_meta(const EventBatch& batch, const ChangeEvent& event);
  bool tracks() const noexcept { return failed_ || trail_; }

  const std::string& version_;
  const SourceTrail* const trail_;
  StagePlans& plans_;
  RuleStats& stats_;
  FanOut fan_out_;
  size_t kept_ = 0;                                     // where the next event goes, over the whole batch
  std::vector<std::pair<size_t, ChangeEvent>> splits_;  // events that go behind the one at an index
  const Failed* failed_ = nullptr;
  std::vector<uint32_t> origins_, split_origins_;
  // Of the source event that is being rewritten.
  uint32_t index_ = 0;
  MetaSource meta_{};
  const RowSaid* said_ = nullptr;   // by `row`
  uint32_t made_ = 0;               // events it has become so far
  Status fault_;                    // of a column that is computed
  std::vector<ChangeEvent> extra_;  // rows for `outputs`
  WhereRun sql_;
  std::vector<Value> sql_values_;  // of the row that is laid out, by RulePlan::sql
  std::string scratch_;
};

}  // namespace tailrace
