#include "rule/row_rewriter.h"

#include <fmt/format.h>

#include <cstring>

#include "rule/event_place.h"

namespace tailrace {
namespace {

bool key_changed(const ChangeEvent& event) {
  for (uint16_t index : event.table->primary_key) {
    const Value& after = event.after[index];
    if (!after.is_absent() && !identical(event.before[index], after)) return true;
  }
  return false;
}

// An update that becomes an insert needs every column; a partial image takes the rest from the before image. The first
// column that is in neither, or -1.
int lacking_column(const ChangeEvent& event) {
  for (size_t i = 0; i < event.after.size(); ++i) {
    if (event.after[i].is_absent() && event.before[i].is_absent()) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

void complete_after(const ChangeEvent& event) {
  for (size_t i = 0; i < event.after.size(); ++i) {
    if (event.after[i].is_absent()) event.after[i] = event.before[i];
  }
}

Status RowRewriter::rewrite(EventBatch& batch, size_t begin, const std::vector<Fate>& fates, HookChunk& hooks) {
  std::vector<ChangeEvent>& events = batch.events;
  for (size_t i = begin; i < begin + fates.size(); ++i) {
    const Fate& fate = fates[i - begin];
    if (fate.hook_event == Fate::kDrop) continue;
    if (fate.hook_event != Fate::kKeepAsIs) {
      ChangeEvent& event = events[i];
      const RulePlan& plan = fate.entry->plan;
      if (!derive_op(event, fate, hooks)) continue;
      if (event.op != Op::kTruncate) TAILRACE_OK(finish_rows(batch, event, fate, hooks));
      if (plan.output->key_is_explicit) TAILRACE_OK(check_key(batch, event, plan));
      event.table = plan.output->schema.get();
      event.output = plan.output.get();
      // An image that cannot be completed stays an update: the sink moves the row, with what it has of it.
      if (event.op == Op::kUpdate && key_changed(event) && lacking_column(event) < 0) {
        complete_after(event);
        ChangeEvent second = event;
        second.op = Op::kInsert;
        second.before = Row();
        second.sub_ordinal = 1;
        event.op = Op::kDelete;
        event.after = Row();
        splits_.push_back({kept_, second});
      }
    }
    if (kept_ != i) events[kept_] = events[i];
    ++kept_;
  }
  return Status();
}

// Puts the added events behind their first, moving each event at most once.
void RowRewriter::end_batch(EventBatch& batch) {
  std::vector<ChangeEvent>& events = batch.events;
  size_t from = kept_;
  events.resize(kept_ + splits_.size());
  size_t to = events.size();
  for (size_t s = splits_.size(); s-- > 0;) {
    while (from > splits_[s].first + 1) events[--to] = events[--from];
    events[--to] = splits_[s].second;
  }
}

// Applies the verdicts of the filter and the hooks. False: the event is dropped.
bool RowRewriter::derive_op(ChangeEvent& event, const Fate& fate, const HookChunk& hooks) {
  bool before = !event.before.empty() && !fate.drops_before;
  bool after = !event.after.empty() && !fate.drops_after;
  if (fate.hook_event >= 0) {
    if (hooks.event(fate.hook_event).is_dropped) {
      stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (fate.entry->plan.map >= 0) {
      uint32_t image = fate.image;
      before = !event.before.empty() && hooks.keeps(image++);
      after = !event.after.empty() && hooks.keeps(image++);
    }
  }
  if (event.op == Op::kTruncate) return true;
  if (!before && !after) {
    stats_.dropped_map.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (event.op == Op::kUpdate && !before) event.op = Op::kInsert;
  if (event.op == Op::kUpdate && !after) event.op = Op::kDelete;
  return true;
}

// A key that an entry gives must have a value in every row: NULL identifies nothing.
Status RowRewriter::check_key(const EventBatch& batch, const ChangeEvent& event, const RulePlan& plan) const {
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
                        version_, batch, event);
      }
      if (!image[index].is_null()) continue;
      return at_event(Status(ErrorCode::kRuleWrite, fmt::format("column {} of the key of {} is NULL", target.columns[index].name,
                                                                target.qualified_name())),
                      version_, batch, event);
    }
  }
  return Status();
}

Status RowRewriter::finish_rows(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks) {
  const RulePlan& plan = fate.entry->plan;
  bool crossed = !event.before.empty() && !event.after.empty() && event.op != Op::kUpdate;
  if (fate.hook_event >= 0 && plan.map >= 0) {
    const HookEvent& hooked = hooks.event(fate.hook_event);
    if (hooked.before >= 0) event.before = project_work(batch, plan, hooks.image(hooked.before, plan), event.before);
    if (hooked.after >= 0) event.after = project_work(batch, plan, hooks.image(hooked.after, plan), event.after);
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
                      version_, batch, event);
    }
    complete_after(event);
    event.before = Row();
  } else {
    event.after = Row();
  }
  return Status();
}

Row RowRewriter::project_work(EventBatch& batch, const RulePlan& plan, Row work, Row place) {
  if (!plan.steps.empty()) return project(batch, plan, work, place);
  if (place.size() < work.size()) place = batch.new_row(work.size());
  std::memcpy(place.data(), work.data(), work.size_bytes());
  return place.first(work.size());
}

// Writes the output row into `place` if it fits there, else into the arena. `in` may be `place`: steps that read
// come first and never read behind their own index.
Row RowRewriter::project(EventBatch& batch, const RulePlan& plan, Row in, Row place) {
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

}  // namespace tailrace
