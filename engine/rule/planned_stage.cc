#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <unordered_map>

#include "event/value_text.h"
#include "rule/rule_host.h"
#include "rule/target_registry.h"

namespace tailrace {
namespace {

// A plan and what the stage keeps beside it.
struct PlanEntry {
  RulePlan plan;
  uint64_t batch = 0;  // last batch that was given the plan's output
};

// What becomes of one event of the batch; filled before the hooks run.
struct Fate {
  static constexpr int32_t kNoHooks = -1;
  static constexpr int32_t kDrop = -2;
  static constexpr int32_t kKeepAsIs = -3;
  PlanEntry* entry = nullptr;
  int32_t hook_event = kNoHooks;  // index into hook events, or one of the above
  uint32_t image = 0;             // first image of the event
};

// Events are taken in chunks, so that their rows and the copies the hooks see stay in the cache.
constexpr size_t kChunk = 256;

class PlannedStage final : public RuleStage {
 public:
  PlannedStage(std::shared_ptr<const RuleSet> rules, std::unique_ptr<RuleHost> host, bool sink_detects_collisions)
      : rules_(std::move(rules)), targets_(sink_detects_collisions), host_(std::move(host)) {}

  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) override {
    TAILRACE_TRY(PlanEntry * entry, plan_of(source));
    return std::shared_ptr<const OutputTable>(entry->plan.output);
  }

  Status run(EventBatch& batch) override {
    try {
      Status status = run_batch(batch);
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
  std::vector<SchemaRef> tables() const override {
    std::map<std::string, SchemaRef> newest;
    for (const SchemaRef& table : kept_schemas_) newest[table->qualified_name()] = table;
    std::vector<SchemaRef> out;
    for (auto& [name, table] : newest) out.push_back(table);
    return out;
  }
  const RuleStats& stats() const override { return stats_; }

 private:
  Status run_batch(EventBatch& batch) {
    ++batch_;
    size_t events_in = batch.events.size();
    splits_.clear();
    size_t kept = 0;
    for (size_t begin = 0; begin < events_in; begin += kChunk) {
      size_t end = std::min(begin + kChunk, events_in);
      fates_.assign(end - begin, Fate());
      hook_events_.clear();
      runs_.clear();
      images_ = 0;
      cells_used_ = 0;
      for (size_t i = begin; i < end; ++i) TAILRACE_OK(classify(batch, i, fates_[i - begin]));
      if (!runs_.empty()) TAILRACE_OK(run_hooks(batch));
      TAILRACE_OK(rewrite(batch, begin, end, kept));
    }
    batch.events.resize(kept);
    insert_splits(batch.events);
    stats_.events_in.fetch_add(events_in, std::memory_order_relaxed);
    stats_.events_out.fetch_add(batch.events.size(), std::memory_order_relaxed);
    return Status();
  }

  // ---- plans

  Result<PlanEntry*> plan_of(const SchemaRef& source) {
    auto found = plans_.find(source->schema_id);
    if (found != plans_.end()) return found->second.get();
    auto made = make_rule_plan(rules_->spec, source);
    if (!made.ok()) return located(std::move(made).status());
    auto entry = std::make_unique<PlanEntry>();
    entry->plan = std::move(made).value();
    entry->plan.id = static_cast<uint32_t>(plans_.size());
    if (!entry->plan.is_dropped()) {
      Status merged = targets_.add(*entry->plan.output);
      if (!merged.ok()) return located(std::move(merged));
      if (entry->plan.has_hooks()) TAILRACE_OK(host_->prepare(entry->plan));
    }
    kept_schemas_.push_back(source);
    return plans_.emplace(source->schema_id, std::move(entry)).first->second.get();
  }

  Status located(Status status) const {
    return rules_->file.empty() ? status : std::move(status).with("rule", rules_->file);
  }

  // The plan of a table of the batch; consecutive events mostly share it.
  Result<PlanEntry*> plan_of(const EventBatch& batch, const TableSchema* table) {
    if (table == last_table_ && batch_ == last_batch_) return last_entry_;
    PlanEntry* entry = nullptr;
    auto found = plans_.find(table->schema_id);
    if (found != plans_.end()) {
      entry = found->second.get();
    } else {
      SchemaRef schema;
      for (const SchemaRef& candidate : batch.schemas) {
        if (candidate.get() == table) schema = candidate;
      }
      if (!schema) return Status(ErrorCode::kInternal, "a batch does not own the schema of its event").with("table", table->qualified_name());
      TAILRACE_TRY(entry, plan_of(schema));
    }
    last_table_ = table;
    last_batch_ = batch_;
    last_entry_ = entry;
    return entry;
  }

  void use_output(EventBatch& batch, PlanEntry& entry) {
    if (entry.batch == batch_) return;
    entry.batch = batch_;
    batch.outputs.push_back(entry.plan.output);
    if (entry.plan.output->schema != entry.plan.output->source) batch.schemas.push_back(entry.plan.output->schema);
  }

  // ---- first pass: what to do with each event; images for the hooks

  Status classify(EventBatch& batch, size_t index, Fate& fate) {
    ChangeEvent& event = batch.events[index];
    switch (event.op) {
      case Op::kHeartbeat:
        fate.hook_event = Fate::kKeepAsIs;
        return Status();
      case Op::kSchemaChange:
        return classify_ddl(batch, event, fate);
      default:
        break;
    }
    if (!event.table) return Status(ErrorCode::kInternal, "an event without table reached the rules");
    TAILRACE_TRY(PlanEntry * entry, plan_of(batch, event.table));
    fate.entry = entry;
    const RulePlan& plan = entry->plan;
    bool op_taken = !plan.rule || (plan.rule->ops >> static_cast<unsigned>(event.op) & 1);
    if (plan.is_dropped() || !op_taken) {
      auto& counter = plan.is_dropped() ? stats_.dropped_table : stats_.dropped_row;
      counter.fetch_add(1, std::memory_order_relaxed);
      fate.hook_event = Fate::kDrop;
      return Status();
    }
    use_output(batch, *entry);
    if (event.op == Op::kTruncate) return check_truncate(batch, event, plan);
    TAILRACE_OK(check_images(batch, event));
    if (plan.has_hooks()) add_to_run(batch, static_cast<uint32_t>(index), fate);
    return Status();
  }

  // Emptying a shared target would take the rows of the other tables with it. In a copy it means this table's rows only.
  Status check_truncate(const EventBatch& batch, const ChangeEvent& event, const RulePlan& plan) const {
    if (batch.is_snapshot) return Status();
    if (!plan.may_merge && targets_.sources(plan.output->schema->qualified_name()) < 2) return Status();
    return at_event(Status(ErrorCode::kSchemaChange,
                           fmt::format("TRUNCATE of {}, which shares {} with other tables",
                                       event.table->qualified_name(), plan.output->schema->qualified_name())),
                    batch, event);
  }

  Status check_images(const EventBatch& batch, const ChangeEvent& event) const {
    size_t width = event.table->columns.size();
    bool needs_before = event.op == Op::kUpdate || event.op == Op::kDelete;
    bool needs_after = event.op != Op::kDelete;
    if (event.before.size() == (needs_before ? width : 0) && event.after.size() == (needs_after ? width : 0)) return Status();
    return at_event(Status(ErrorCode::kInternal, "row images do not fit their table and operation"), batch, event);
  }

  Status classify_ddl(EventBatch& batch, ChangeEvent& event, Fate& fate) {
    fate.hook_event = Fate::kKeepAsIs;
    PlanEntry* before = nullptr;
    PlanEntry* after = nullptr;
    if (event.table) {
      TAILRACE_TRY(before, plan_of(batch, event.table));
    }
    if (event.new_schema && *event.new_schema) {
      TAILRACE_TRY(after, plan_of(*event.new_schema));
    }
    if (!before && !after) return Status();
    bool before_kept = before && !before->plan.is_dropped();
    bool after_kept = after && !after->plan.is_dropped();
    if (!before_kept && !after_kept) {
      stats_.dropped_table.fetch_add(1, std::memory_order_relaxed);
      fate.hook_event = Fate::kDrop;
      return Status();
    }
    if (before && after && before_kept != after_kept) {
      return at_event(Status(ErrorCode::kSchemaChange,
                             fmt::format("{} became {}, and the rules take only one of the two",
                                         before->plan.is_dropped() ? event.table->qualified_name() : before->plan.output->source->qualified_name(),
                                         (*event.new_schema)->qualified_name())),
                      batch, event);
    }
    if (before_kept) use_output(batch, *before);
    if (after_kept) {
      use_output(batch, *after);
      batch.schemas.push_back(after->plan.output->schema);
      event.new_schema = &batch.schemas.back();
    }
    const RuleOutput* output = before_kept ? before->plan.output.get() : after->plan.output.get();
    event.output = output;
    if (event.table) event.table = output->schema.get();
    return Status();
  }

  void add_to_run(const EventBatch& batch, uint32_t index, Fate& fate) {
    const ChangeEvent& event = batch.events[index];
    const RulePlan& plan = fate.entry->plan;
    auto width = static_cast<uint32_t>(plan.work_columns.size());
    auto here = static_cast<uint32_t>(hook_events_.size());
    bool goes_on = !runs_.empty() && runs_.back().plan == plan.id && last_hooked_ + 1 == index;
    if (!goes_on) runs_.push_back({plan.id, here, 0, images_, 0, static_cast<uint32_t>(cells_used_), width});
    last_hooked_ = index;
    // Written in place: a copy from the stack would wait for its narrow stores.
    HookEvent& hooked = hook_events_.emplace_back();
    hooked.event = index;
    hooked.op = static_cast<uint8_t>(event.op);
    hooked.is_dropped = 0;
    hooked.ts_us = batch.txns[event.txn].commit_time_us;
    fate.hook_event = static_cast<int32_t>(here);
    fate.image = images_;
    hooked.before = event.before.empty() ? -1 : add_image(event.before, plan);
    hooked.after = event.after.empty() ? -1 : add_image(event.after, plan);
    ++runs_.back().events;
    runs_.back().images = images_ - runs_.back().first_image;
  }

  int32_t add_image(Row row, const RulePlan& plan) {
    size_t width = plan.work_columns.size();
    if (cells_used_ + width > cell_capacity_) grow_cells(cells_used_ + width);
    Value* to = cells_.get() + cells_used_;
    std::memcpy(to, row.data(), row.size_bytes());
    for (size_t i = 0; i < plan.added.size(); ++i) to[row.size() + i] = plan.added[i];
    auto at = static_cast<int32_t>(cells_used_);
    cells_used_ += width;
    ++images_;
    return at;
  }

  void grow_cells(size_t needed) {
    size_t capacity = cell_capacity_ ? cell_capacity_ * 2 : 16384;
    while (capacity < needed) capacity *= 2;
    std::unique_ptr<Value[]> larger(new Value[capacity]);
    if (cells_used_) std::memcpy(larger.get(), cells_.get(), cells_used_ * sizeof(Value));
    cells_ = std::move(larger);
    cell_capacity_ = capacity;
  }

  // ---- hooks

  Status run_hooks(EventBatch& batch) {
    verdicts_.assign(images_, static_cast<uint8_t>(ImageVerdict::kPending));
    auto failure = host_->run({&batch, cells_.get(), hook_events_.data(), verdicts_.data(), runs_.data(),
                               static_cast<uint32_t>(runs_.size())});
    if (!failure) return Status();
    const HookEvent& hooked = hook_events_[failure->event];
    const ChangeEvent& event = batch.events[hooked.event];
    Status status(failure->code, failure->message);
    std::string hook = failure->hook;
    if (hook == "map") {
      hook = fmt::format("map, {} image of {}", failure->is_after ? "after" : "before", op_name(event.op));
    }
    return at_event(std::move(status).with("hook", hook), batch, event);
  }

  Status at_event(Status status, const EventBatch& batch, const ChangeEvent& event) const {
    status = std::move(status).with("rule", rules_->version);
    if (event.table) {
      status = std::move(status).with("table", event.table->qualified_name());
      Row row = event.after.empty() ? event.before : event.after;
      // The image of the event may already have the output's layout; the key is then not printed.
      if (row.size() == event.table->columns.size()) {
        std::string key = describe_key(*event.table, event);
        if (!key.empty()) status = std::move(status).with("key", key);
      }
    }
    if (event.txn < batch.txns.size()) {
      const Transaction& txn = batch.txns[event.txn];
      status = std::move(status).with("gtid", txn.id);
      if (!txn.file.empty()) status = std::move(status).with("position", fmt::format("{}:{}", txn.file, txn.end_offset));
    }
    return status;
  }

  // ---- second pass: operations, output rows, splits

  // `kept` is where the next event goes, counted over the whole batch.
  Status rewrite(EventBatch& batch, size_t begin, size_t end, size_t& kept) {
    std::vector<ChangeEvent>& events = batch.events;
    for (size_t i = begin; i < end; ++i) {
      const Fate& fate = fates_[i - begin];
      if (fate.hook_event == Fate::kDrop) continue;
      if (fate.hook_event != Fate::kKeepAsIs) {
        ChangeEvent& event = events[i];
        if (fate.hook_event >= 0 && !derive_op(event, fate)) continue;
        if (event.op != Op::kTruncate) TAILRACE_OK(finish_rows(batch, event, fate));
        if (fate.entry->plan.output->key_is_explicit) TAILRACE_OK(check_key(batch, event, fate.entry->plan));
        event.table = fate.entry->plan.output->schema.get();
        event.output = fate.entry->plan.output.get();
        // An image that cannot be completed stays an update: the sink moves the row, with what it has of it.
        if (event.op == Op::kUpdate && key_changed(event) && lacking_column(event) < 0) {
          complete_after(event);
          ChangeEvent second = event;
          second.op = Op::kInsert;
          second.before = Row();
          second.sub_ordinal = 1;
          event.op = Op::kDelete;
          event.after = Row();
          splits_.push_back({kept, second});
        }
      }
      if (kept != i) events[kept] = events[i];
      ++kept;
    }
    return Status();
  }

  // Applies the verdicts of the hooks. False: the event is dropped.
  bool derive_op(ChangeEvent& event, const Fate& fate) {
    if (hook_events_[static_cast<size_t>(fate.hook_event)].is_dropped) {
      stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (fate.entry->plan.map < 0) return true;
    uint32_t image = fate.image;
    auto keeps = [&](Row row) { return !row.empty() && verdicts_[image++] == static_cast<uint8_t>(ImageVerdict::kKeep); };
    bool before = keeps(event.before);
    bool after = keeps(event.after);
    if (!before && !after) {
      stats_.dropped_map.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (event.op == Op::kUpdate && !before) event.op = Op::kInsert;
    if (event.op == Op::kUpdate && !after) event.op = Op::kDelete;
    return true;
  }

  // A key that an entry gives must have a value in every row: NULL identifies nothing.
  Status check_key(const EventBatch& batch, const ChangeEvent& event, const RulePlan& plan) const {
    const TableSchema& target = *plan.output->schema;
    for (Row image : {event.before, event.after}) {
      if (image.empty()) continue;
      bool may_lack = event.op == Op::kUpdate && image.data() == event.after.data();
      for (uint16_t index : target.primary_key) {
        if (image[index].is_absent() && !may_lack) {
          return at_event(Status(ErrorCode::kRuleColumn,
                                 fmt::format("the row images lack column `{}`, which is part of the key of {}; log full images "
                                             "(binlog_row_image=FULL)",
                                             target.columns[index].name, target.qualified_name())),
                          batch, event);
        }
        if (!image[index].is_null()) continue;
        return at_event(Status(ErrorCode::kRuleWrite, fmt::format("column {} of the key of {} is NULL", target.columns[index].name,
                                                                  target.qualified_name())),
                        batch, event);
      }
    }
    return Status();
  }

  Status finish_rows(EventBatch& batch, ChangeEvent& event, const Fate& fate) {
    const RulePlan& plan = fate.entry->plan;
    bool crossed = !event.before.empty() && !event.after.empty() && event.op != Op::kUpdate;
    if (fate.hook_event >= 0 && plan.map >= 0) {
      const HookEvent& hooked = hook_events_[static_cast<size_t>(fate.hook_event)];
      if (hooked.before >= 0) event.before = project_work(batch, plan, hooked.before, event.before);
      if (hooked.after >= 0) event.after = project_work(batch, plan, hooked.after, event.after);
    } else if (!plan.steps.empty()) {
      bool shared = event.before.data() == event.after.data();
      if (!event.before.empty()) event.before = project(batch, plan, event.before, shared ? Row() : event.before);
      if (!event.after.empty()) event.after = project(batch, plan, event.after, event.after);
    }
    if (!crossed) return Status();
    event.table = plan.output->schema.get();
    if (event.op == Op::kInsert) {
      if (int lacking = lacking_column(event); lacking >= 0) {
        return at_event(Status(ErrorCode::kRuleColumn,
                               fmt::format("an update becomes an insert at the target, but the row images lack column "
                                           "`{}`; log full images (binlog_row_image=FULL)",
                                           event.table->columns[static_cast<size_t>(lacking)].name)),
                        batch, event);
      }
      complete_after(event);
      event.before = Row();
    } else {
      event.after = Row();
    }
    return Status();
  }

  Row project_work(EventBatch& batch, const RulePlan& plan, int32_t cell, Row place) {
    Row work(cells_.get() + cell, plan.work_columns.size());
    if (!plan.steps.empty()) return project(batch, plan, work, place);
    if (place.size() < work.size()) place = batch.new_row(work.size());
    std::memcpy(place.data(), work.data(), work.size_bytes());
    return place.first(work.size());
  }

  // Writes the output row into `place` if it fits there, else into the arena. `in` may be `place`: steps that read
  // come first and never read behind their own index.
  Row project(EventBatch& batch, const RulePlan& plan, Row in, Row place) {
    Row out = plan.steps.size() <= place.size() ? place.first(plan.steps.size()) : batch.new_row(plan.steps.size());
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const ColumnStep& step = plan.steps[i];
      switch (step.action) {
        case ColumnStep::Action::kCopy:
          out[i] = in[step.from];
          break;
        case ColumnStep::Action::kNative:
          out[i] = apply_native(*step.native, in[step.from], plan.work_columns[step.from], batch.arena, scratch_);
          break;
        case ColumnStep::Action::kConstant:
          out[i] = step.constant;
          break;
      }
    }
    return out;
  }

  static bool key_changed(const ChangeEvent& event) {
    for (uint16_t index : event.table->primary_key) {
      const Value& after = event.after[index];
      if (!after.is_absent() && !identical(event.before[index], after)) return true;
    }
    return false;
  }

  // An update that becomes an insert needs every column; a partial image takes the rest from the before image. The first
  // column that is in neither, or -1.
  static int lacking_column(const ChangeEvent& event) {
    for (size_t i = 0; i < event.after.size(); ++i) {
      if (event.after[i].is_absent() && event.before[i].is_absent()) return static_cast<int>(i);
    }
    return -1;
  }
  static void complete_after(const ChangeEvent& event) {
    for (size_t i = 0; i < event.after.size(); ++i) {
      if (event.after[i].is_absent()) event.after[i] = event.before[i];
    }
  }

  // Puts the second halves behind their first, moving each event at most once.
  void insert_splits(std::vector<ChangeEvent>& events) {
    if (splits_.empty()) return;
    size_t from = events.size();
    events.resize(events.size() + splits_.size());
    size_t to = events.size();
    for (size_t s = splits_.size(); s-- > 0;) {
      while (from > splits_[s].first + 1) events[--to] = events[--from];
      events[--to] = splits_[s].second;
    }
  }

  std::shared_ptr<const RuleSet> rules_;
  TargetRegistry targets_;
  std::unordered_map<uint64_t, std::unique_ptr<PlanEntry>> plans_;  // by schema_id of the source
  std::vector<SchemaRef> kept_schemas_;
  std::unique_ptr<RuleHost> host_;  // after plans_: dies first, it points into them
  RuleStats stats_;

  uint64_t batch_ = 0;
  const TableSchema* last_table_ = nullptr;
  uint64_t last_batch_ = 0;
  PlanEntry* last_entry_ = nullptr;

  // Scratch of one chunk, kept for its capacity.
  std::vector<Fate> fates_;
  std::vector<HookEvent> hook_events_;
  std::vector<HookRun> runs_;
  std::vector<uint8_t> verdicts_;
  std::vector<std::pair<size_t, ChangeEvent>> splits_;
  std::unique_ptr<Value[]> cells_;
  size_t cell_capacity_ = 0;
  size_t cells_used_ = 0;
  uint32_t images_ = 0;
  uint32_t last_hooked_ = 0;
  std::string scratch_;
};

}  // namespace

std::unique_ptr<RuleStage> make_planned_stage(std::shared_ptr<const RuleSet> rules, std::unique_ptr<RuleHost> host,
                                              bool sink_detects_collisions) {
  return std::make_unique<PlannedStage>(std::move(rules), std::move(host), sink_detects_collisions);
}

}  // namespace tailrace
