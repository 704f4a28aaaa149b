#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <exception>

#include "rule/event_place.h"
#include "rule/failure_policy.h"
#include "rule/hook_chunk.h"
#include "rule/row_rewriter.h"
#include "rule/rule_host.h"
#include "rule/rule_memory.h"
#include "rule/source_trail.h"
#include "rule/stage_plans.h"
#include "rule/statement_rules.h"

namespace tailrace {
namespace {

constexpr size_t kChunk = 256;        // without a host
constexpr uint64_t kTimedEvery = 64;  // batches

// Of the first ones more, for a job of few; but not the very first, when nothing is compiled yet.
bool is_timed(uint64_t batch) { return batch < kTimedEvery ? std::has_single_bit(batch) : batch % kTimedEvery == 1; }

int64_t ns_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count();
}

class PlannedStage final : public RuleStage {
 public:
  PlannedStage(std::shared_ptr<const RuleSet> rules, std::unique_ptr<RuleHost> host, const RuleStageConfig& config)
      : rules_(std::move(rules)),
        plans_(*rules_, host.get(), config),
        statements_(*rules_, plans_, stats_, host.get(), config),
        rewriter_(*rules_, plans_, stats_, config.trail),
        trail_(config.trail),
        own_failures_(config, stats_),
        failures_(trail_ ? trail_->failures : own_failures_),
        host_(std::move(host)),
        chunk_(host_ ? host_->chunk_events() : kChunk) {
    if (rules_->spec.memory.ordered) memory_ = std::make_unique<RuleMemory>(rules_->spec.memory);
  }

  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) override {
    TAILRACE_TRY(PlanEntry * entry, plans_.find(source));
    return std::shared_ptr<const OutputTable>(entry->plan.output);
  }

  Status run(EventBatch& batch) override {
    try {
      Status status = run_batch(batch);
      // Whoever gave it up has told so; what it made is not delivered.
      if (given_up_.load(std::memory_order_acquire)) {
        status = Status(ErrorCode::kRuleBudget, "the rules came back after the job had been ended").with("rule", rules_->version);
      }
      if (!status.ok()) stats_.errors.fetch_add(1, std::memory_order_relaxed);
      return status;
    } catch (const std::bad_alloc&) {
      return Status(ErrorCode::kOutOfMemory, "in the rule stage");
    } catch (const std::exception& error) {
      return Status(ErrorCode::kInternal, std::string("in the rule stage: ") + error.what());
    }
  }

  std::vector<std::string> unmatched(const std::vector<SchemaRef>& tables) const override {
    std::vector<std::string> names;
    for (const TableRule& rule : rules_->spec.tables) {
      bool matched = std::any_of(tables.begin(), tables.end(), [&](const SchemaRef& table) {
        auto found = match_table(rules_->spec, table->database, table->table);
        return !found.ok() || *found == &rule;
      });
      if (!matched) names.push_back(rule.key);
    }
    return names;
  }
  std::string version() const override { return rules_->version; }
  RuleSource source() const override { return rules_->source(); }
  std::vector<SchemaRef> tables() const override { return plans_.tables(); }
  const RuleStats& stats() const override { return stats_; }
  RuleMemory* memory() override { return memory_.get(); }
  std::vector<RuleNote> notes() const override { return host_ ? host_->notes() : std::vector<RuleNote>(); }
  std::optional<HookPlace> place() const override { return host_ ? host_->place() : std::nullopt; }
  std::vector<TableRuleCounts> counts() const override {
    std::vector<TableRuleCounts> out = plans_.counts();
    out.emplace_back().add(native_);
    return out;
  }
  void give_up() override { given_up_.store(true, std::memory_order_release); }

 private:
  Status run_batch(EventBatch& batch) {
    running_ = &batch;
    is_timed_ = !batch.events.empty() && is_timed(batches_++);
    std::chrono::steady_clock::time_point began;
    if (is_timed_) began = std::chrono::steady_clock::now();
    functions_ns_ = 0;
    plans_.begin_batch();
    rewriter_.begin_batch(begin_failures(batch));
    if (rules_->spec.txn >= 0) TAILRACE_OK(judge_transactions(batch));
    size_t events_in = batch.events.size();
    size_t ticked = 0;  // transactions whose time has been told
    for (size_t begin = 0, end = 0; begin < events_in; begin = end) {
      end = std::min(begin + chunk_, events_in);
      if (rules_->spec.memory.tick >= 0) TAILRACE_OK(tick(batch, ticked, begin, end));
      fates_.assign(end - begin, Fate());
      hooks_.clear();
      for (size_t i = begin; i < end; ++i) TAILRACE_OK(classify(batch, i, fates_[i - begin]));
      if (!hooks_.empty()) TAILRACE_OK(run_hooks(batch, begin));
      TAILRACE_OK(rewriter_.rewrite(batch, begin, fates_, hooks_));
    }
    if (rules_->spec.memory.tick >= 0) TAILRACE_OK(tick_up_to(batch, ticked, batch.txns.size()));
    rewriter_.end_batch(batch);
    if (plans_.has_serialize()) TAILRACE_OK(serialize(batch));
    if (tracks()) TAILRACE_OK(end_failures(batch));
    stats_.events_in.fetch_add(events_in, std::memory_order_relaxed);
    stats_.events_out.fetch_add(batch.events.size(), std::memory_order_relaxed);
    if (is_timed_) {
      native_.hook_events.add(events_in);
      native_.hook_ns.add(static_cast<uint64_t>(std::max<int64_t>(0, ns_since(began) - functions_ns_)));
    }
    return Status();
  }

  // Source time as the events from `begin` on come; `end` moves to the first one before which it must tick again.
  Status tick(const EventBatch& batch, size_t& ticked, size_t begin, size_t& end) {
    if (batch.is_snapshot) return Status();
    TAILRACE_OK(tick_up_to(batch, ticked, batch.events[begin].txn + 1));
    size_t next = ticked;
    for (size_t i = begin + 1; i < end; ++i) {
      for (; next <= batch.events[i].txn; ++next) {
        if (!memory_->is_tick_due(batch.txns[next].commit_time_us)) continue;
        end = i;
        return Status();
      }
    }
    return Status();
  }

  Status tick_up_to(const EventBatch& batch, size_t& ticked, size_t end) {
    if (batch.is_snapshot) return Status();
    for (; ticked < end; ++ticked) {
      int64_t now_us = batch.txns[ticked].commit_time_us;
      if (memory_->is_tick_due(now_us)) {
        Status status = host_->tick(now_us);
        if (!status.ok()) return std::move(status).with("rule", rules_->version).with("gtid", batch.txns[ticked].id);
      }
      memory_->pass(now_us);
    }
    return Status();
  }

  // Which transactions `txn` drops whole. One that was begun in an earlier batch keeps its verdict.
  Status judge_transactions(const EventBatch& batch) {
    dropped_txns_.assign(batch.txns.size(), 0);
    if (batch.is_snapshot) return Status();
    for (size_t i = 0; i < batch.txns.size(); ++i) {
      const Transaction& txn = batch.txns[i];
      if (txn.begins_here) {
        TAILRACE_TRY(bool keeps, host_->keeps(txn));
        dropped_txns_[i] = !keeps;
      } else {
        dropped_txns_[i] = txn.id == open_dropped_;
      }
      if (!txn.ends_here) open_dropped_ = dropped_txns_[i] ? txn.id : "";
    }
    return Status();
  }

  // First pass: what to do with each event; images for the hooks.
  Status classify(EventBatch& batch, size_t index, Fate& fate) {
    ChangeEvent& event = batch.events[index];
    if (rules_->spec.txn >= 0 && event.op != Op::kHeartbeat && event.txn < dropped_txns_.size() && dropped_txns_[event.txn]) {
      stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
      fate.hook_event = Fate::kDrop;
      return Status();
    }
    switch (event.op) {
      case Op::kHeartbeat: fate.hook_event = Fate::kKeepAsIs; return Status();
      case Op::kSchemaChange: return statements_.classify(batch, index, fate);
      default: break;
    }
    if (!event.table) return Status(ErrorCode::kInternal, "an event without table reached the rules");
    auto planned = plans_.find(batch, event.table);
    if (!planned.ok()) return at_event(std::move(planned).status(), rules_->version, batch, event);
    PlanEntry* entry = *planned;
    fate.entry = entry;
    const RulePlan& plan = entry->plan;
    bool op_taken = !plan.rule || (plan.rule->ops >> static_cast<unsigned>(event.op) & 1);
    if (plan.is_dropped() || !op_taken) {
      auto& counter = plan.is_dropped() ? stats_.dropped_table : stats_.dropped_row;
      counter.fetch_add(1, std::memory_order_relaxed);
      if (!plan.is_dropped()) entry->counts.dropped_ops.add(1);
      fate.hook_event = Fate::kDrop;
      return Status();
    }
    plans_.use_output(batch, *entry);
    if (event.op == Op::kTruncate) {
      return statements_.truncate(batch, index, *entry, fate);
    }
    TAILRACE_OK(check_images(batch, event));
    if (plan.where) {
      Status status = filter(batch, event, plan, fate);
      if (!status.ok()) {
        fate.hook_event = Fate::kDrop;
        entry->counts.errors.add(1);
        return leave_out(std::move(status), "where", batch, static_cast<uint32_t>(index));
      }
      if (fate.hook_event == Fate::kDrop) {
        entry->counts.dropped_where.add(1);
        return Status();
      }
    }
    if (plan.has_hooks()) {
      HookChunk::Place place = hooks_.add(batch, static_cast<uint32_t>(index), plan);
      fate.hook_event = place.event;
      fate.image = place.image;
      if (fate.drops_before) hooks_.drop_image(place.image);
      if (fate.drops_after) hooks_.drop_image(place.image + (event.before.empty() ? 0 : 1));
    }
    return Status();
  }

  // Both images of an event against the entry's `where`.
  Status filter(const EventBatch& batch, const ChangeEvent& event, const RulePlan& plan, Fate& fate) {
    bool keeps[2] = {false, false};
    for (bool is_after : {false, true}) {
      Row image = is_after ? event.after : event.before;
      if (image.empty()) continue;
      // What an update's image after it leaves out did not change.
      const Value* other = is_after && !event.before.empty() ? event.before.data() : nullptr;
      WhereRun::Verdict verdict = where_.test(*plan.where, image.data(), other);
      if (verdict == WhereRun::Verdict::kFailed) {
        std::string hook = fmt::format("where, {} image of {}", is_after ? "after" : "before", op_name(event.op));
        return at_event(where_.error().with("hook", hook), rules_->version, batch, event);
      }
      keeps[is_after] = verdict == WhereRun::Verdict::kYes;
    }
    if (!keeps[0] && !keeps[1]) {
      stats_.dropped_where.fetch_add(1, std::memory_order_relaxed);
      fate.hook_event = Fate::kDrop;
      return Status();
    }
    fate.drops_before = !event.before.empty() && !keeps[0];
    fate.drops_after = !event.after.empty() && !keeps[1];
    // The row comes into view: what its partial image leaves out is what it held before. `map` is to see it whole.
    if (fate.drops_before && !event.after.empty()) complete_after(event);
    return Status();
  }

  Status check_images(const EventBatch& batch, const ChangeEvent& event) const {
    size_t width = event.table->columns.size();
    bool needs_before = event.op == Op::kUpdate || event.op == Op::kDelete;
    bool needs_after = event.op != Op::kDelete;
    if (event.before.size() == (needs_before ? width : 0) && event.after.size() == (needs_after ? width : 0)) return Status();
    return at_event(Status(ErrorCode::kInternal, "row images do not fit their table and operation"), rules_->version, batch, event);
  }

  std::optional<HookFailure> call_hooks(EventBatch& batch, size_t begin) {
    if (!is_timed_) return hooks_.run(*host_, batch);
    return hooks_.run_timed(*host_, batch, false, [&](const HookRun& run, int64_t ns) {
      uint32_t index = hooks_.event(static_cast<int32_t>(run.first_event)).event;
      PlanCounts& counts = fates_[index - begin].entry->counts;
      counts.hook_events.add(run.events);
      counts.hook_ns.add(static_cast<uint64_t>(ns));
      functions_ns_ += ns;
    });
  }

  Status run_hooks(EventBatch& batch, size_t begin) {
    while (auto failure = call_hooks(batch, begin)) {
      if (failure->hook == "batch") return Status(failure->code, failure->message).with("rule", rules_->version);
      uint32_t index = hooks_.event(static_cast<int32_t>(failure->event)).event;
      const ChangeEvent& event = batch.events[index];
      std::string hook = failure->hook;
      if (hook == "map") {
        hook = fmt::format("map, {} image of {}", failure->is_after ? "after" : "before", op_name(event.op));
      }
      Status status = at_event(Status(failure->code, failure->message).with("hook", hook), rules_->version, batch, event);
      Fate& fate = fates_[index - begin];
      fate.entry->counts.errors.add(1);
      TAILRACE_OK(leave_out(std::move(status), failure->hook, batch, index));
      hooks_.fail(failure->event, fate.image);
      fate.hook_event = Fate::kDrop;
    }
    return Status();
  }

  // Of the table that a row to be written as a message came from; null when it is not planned any more.
  PlanCounts* counts_of(const ChangeEvent& event) {
    auto entry = plans_.find(static_cast<const RuleOutput*>(event.output)->source);
    return entry.ok() ? &(*entry)->counts : nullptr;
  }

  std::optional<HookFailure> call_serialize(EventBatch& batch) {
    if (!is_timed_) return hooks_.serialize(*host_, batch);
    return hooks_.run_timed(*host_, batch, true, [&](const HookRun& run, int64_t ns) {
      functions_ns_ += ns;
      PlanCounts* counts = counts_of(batch.events[hooks_.event(static_cast<int32_t>(run.first_event)).event]);
      if (!counts) return;
      counts->serialize_events.add(run.events);
      counts->serialize_ns.add(static_cast<uint64_t>(ns));
    });
  }

  // The messages that functions write, of the events as they leave.
  Status serialize(EventBatch& batch) {
    std::vector<ChangeEvent>& events = batch.events;
    static const std::vector<Value> kNone;
    for (size_t begin = 0; begin < events.size(); begin += chunk_) {
      size_t end = std::min(begin + chunk_, events.size());
      hooks_.clear();
      for (size_t i = begin; i < end; ++i) {
        const ChangeEvent& event = events[i];
        if (event.op > Op::kRead || !event.output) continue;
        const auto* output = static_cast<const RuleOutput*>(event.output);
        if (!output->message || output->message->serialize() < 0) continue;
        hooks_.add(batch, static_cast<uint32_t>(i), message_number(*output), static_cast<uint32_t>(event.table->columns.size()), kNone);
      }
      if (hooks_.empty()) continue;
      while (auto failure = call_serialize(batch)) {
        if (failure->hook == "batch") return Status(failure->code, failure->message).with("rule", rules_->version);
        uint32_t index = hooks_.event(static_cast<int32_t>(failure->event)).event;
        const ChangeEvent& event = events[index];
        Status status = at_event(Status(failure->code, failure->message).with("hook", failure->hook), rules_->version, batch, event);
        if (PlanCounts* counts = counts_of(event)) counts->errors.add(1);
        if (failures_.stops()) return status;
        uint32_t origin = rewriter_.origins()[index];
        if (!failures_.left_out(root_of(origin), event)) TAILRACE_OK(leave_out(std::move(status), "serialize", batch, origin));
        hooks_.fail(failure->event, 0);
      }
      for (size_t i = 0; i < hooks_.event_count(); ++i) {
        const HookEvent& hooked = hooks_.event(static_cast<int32_t>(i));
        if (hooked.is_dropped) silent_.push_back(hooked.event);
      }
    }
    if (!silent_.empty()) remove_silent(events);
    return Status();
  }

  // Events whose `serialize` wanted no message.
  void remove_silent(std::vector<ChangeEvent>& events) {
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      if (next < silent_.size() && silent_[next] == i) {
        ++next;
        continue;
      }
      if (kept != i) {
        events[kept] = events[i];
        if (tracks()) rewriter_.move_origin(i, kept);
      }
      ++kept;
    }
    stats_.dropped_row.fetch_add(silent_.size(), std::memory_order_relaxed);
    events.resize(kept);
    silent_.clear();
  }

  // ---- events on which a rule failed

  const RowRewriter::Failed* begin_failures(const EventBatch& batch) {
    silent_.clear();
    if (failures_.stops()) return nullptr;
    sources_ = batch.events;
    if (!trail_) failures_.begin_batch(batch);
    return &on_rewrite_failure_;
  }

  // Are events followed to those they came from?
  bool tracks() const noexcept { return trail_ || !failures_.stops(); }
  // The event of the source, by the index of an event that this stage got.
  uint32_t root_of(uint32_t index) const noexcept { return trail_ ? trail_->root_of(index) : index; }

  // Ok: the event will not leave, and the policy allows that. `index` is that of the event that this stage got.
  Status leave_out(Status failure, std::string_view hook, EventBatch& batch, uint32_t index) {
    if (failures_.stops() && rules_->spec.on_error < 0) return failure;
    const uint32_t root = root_of(index);
    if (failures_.is_left_out(root)) return Status();                                      // another event that came from it failed
    const ChangeEvent source = failures_.stops() ? batch.events[index] : sources_[index];  // a copy: events move
    OnRuleError wish = failures_.policy();
    if (rules_->spec.on_error >= 0 && source.table && source.op <= Op::kRead) {
      auto said = ask_on_error(failure, hook, batch, source);
      if (!said.ok()) return std::move(said).status().caused_by(std::move(failure));
      wish = *said;
    }
    TAILRACE_OK(failures_.settle(std::move(failure), batch, trail_ ? trail_->sources[root] : source, wish));
    failures_.leave_out(root);
    return Status();
  }

  Result<OnRuleError> ask_on_error(const Status& failure, std::string_view hook, EventBatch& batch, const ChangeEvent& source) {
    TAILRACE_TRY(PlanEntry * entry, plans_.find(batch, source.table));
    // The function sees the event as the source had it; the batch may hold something else there by now.
    batch.events.push_back(source);
    failed_event_.clear();
    failed_event_.add(batch, static_cast<uint32_t>(batch.events.size() - 1), entry->plan);
    auto said = failed_event_.on_error(*host_, batch, failure, hook, failures_.policy());
    batch.events.pop_back();
    return said;
  }

  Status end_failures(EventBatch& batch) {
    if (failures_.has_left_out()) {
      if (!trail_) TAILRACE_OK(failures_.end_batch(batch, sources_));
      remove_left_out(batch.events);
    }
    if (trail_)
      trail_->steps.assign(rewriter_.origins().begin(), rewriter_.origins().begin() + static_cast<ptrdiff_t>(batch.events.size()));
    return Status();
  }

  void remove_left_out(std::vector<ChangeEvent>& events) {
    size_t kept = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      bool is_row = events[i].op != Op::kSchemaChange && events[i].op != Op::kHeartbeat;
      if (is_row && failures_.left_out(root_of(rewriter_.origins()[i]), events[i])) continue;
      if (kept != i) {
        events[kept] = events[i];
        rewriter_.move_origin(i, kept);
      }
      ++kept;
    }
    events.resize(kept);
  }

  std::shared_ptr<const RuleSet> rules_;
  std::unique_ptr<RuleMemory> memory_;  // null: the rules are not ordered
  RuleStats stats_;
  StagePlans plans_;
  StatementRules statements_;
  RowRewriter rewriter_;
  HookChunk hooks_;
  WhereRun where_;
  std::vector<uint8_t> dropped_txns_;  // by `txn`, of the batch
  std::string open_dropped_;           // id of one that goes on in the next batch
  SourceTrail* const trail_;           // null: the stage is all there is
  FailurePolicy own_failures_;
  FailurePolicy& failures_;  // the chain's, else its own
  HookChunk failed_event_;
  EventBatch* running_ = nullptr;
  std::atomic<bool> given_up_{false};
  PlanCounts native_;  // what is not spent in functions
  uint64_t batches_ = 0;
  bool is_timed_ = false;             // this batch
  int64_t functions_ns_ = 0;          // of it
  std::vector<ChangeEvent> sources_;  // the batch as it came, unless the first failure stops
  std::vector<uint32_t> silent_;
  const RowRewriter::Failed on_rewrite_failure_ = [this](Status status, uint32_t index) {
    return leave_out(std::move(status), "columns", *running_, index);
  };
  std::vector<Fate> fates_;         // of one chunk, kept for its capacity
  std::unique_ptr<RuleHost> host_;  // after plans_: dies first, it points into them
  const size_t chunk_;              // events are taken in chunks, so that their rows and the copies the hooks see stay in the cache
};

}  // namespace

std::unique_ptr<RuleStage> make_planned_stage(std::shared_ptr<const RuleSet> rules, std::unique_ptr<RuleHost> host,
                                              const RuleStageConfig& config) {
  return std::make_unique<PlannedStage>(std::move(rules), std::move(host), config);
}

}  // namespace tailrace
