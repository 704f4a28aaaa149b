#include "rule/row_rewriter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "event/value_text.h"
#include "rule/event_place.h"
#include "rule/source_trail.h"
#include "rule/value_write.h"

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

namespace {

// Cuts an update in two: the event becomes its delete, the insert is returned. REQUIRES: a whole image after it.
ChangeEvent cut(ChangeEvent& event) {
  ChangeEvent second = event;
  second.op = Op::kInsert;
  second.before = Row();
  event.op = Op::kDelete;
  event.after = Row();
  return second;
}

// The place of a failure when the rows have the layout of the output already.
Status at_output(Status status, const std::string& version, const EventBatch& batch, const ChangeEvent& event, const RuleOutput& output) {
  ChangeEvent shown = event;
  shown.table = output.schema.get();
  status = std::move(status).with("rule", version).with("table", output.source->qualified_name());
  return at_event(std::move(status), version, batch, shown);
}

}  // namespace

// Gives the event the layout and place of its output.
inline Status RowRewriter::lay_out(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks) {
  const RulePlan& plan = fate.entry->plan;
  if (event.op != Op::kTruncate && (fate.was_judged() || !plan.steps.empty())) TAILRACE_OK(finish_rows(batch, event, fate, hooks));
  if (plan.output->key_is_explicit) TAILRACE_OK(check_key(batch, event, plan));
  event.table = plan.output->schema.get();
  event.output = plan.output.get();
  return Status();
}

inline Status RowRewriter::rewrite_one(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks) {
  if (fate.hook_event != Fate::kKeepAsIs) {
    const RulePlan& plan = fate.entry->plan;
    bool is_said = plan.row >= 0 && fate.hook_event >= 0 && hooks.event(fate.hook_event).route;
    if (!plan.is_simple || is_said) return rewrite_event(batch, event, fate, hooks);
    if (fate.was_judged() && !derive_op(event, fate, hooks)) return Status();
    TAILRACE_OK(lay_out(batch, event, fate, hooks));
    if (event.op == Op::kUpdate && key_changed(event)) {
      made_ = 0;
      said_ = nullptr;
      return add_main(batch, event, plan);
    }
  }
  if (&batch.events[kept_] != &event) batch.events[kept_] = event;
  ++kept_;
  return Status();
}

Status RowRewriter::rewrite(EventBatch& batch, size_t begin, const std::vector<Fate>& fates, HookChunk& hooks) {
  std::vector<ChangeEvent>& events = batch.events;
  // Neighbours are of one table mostly, and counted together.
  PlanEntry* counted = nullptr;
  size_t first = begin, made = kept_ + splits_.size();
  auto count_up_to = [&](size_t end) {
    if (!counted) return;
    counted->counts.in.add(end - first);
    counted->counts.out.add(kept_ + splits_.size() - made);
  };
  for (size_t i = begin; i < begin + fates.size(); ++i) {
    const Fate& fate = fates[i - begin];
    if (fate.entry != counted) {
      count_up_to(i);
      counted = fate.entry;
      first = i;
      made = kept_ + splits_.size();
    }
    if (fate.hook_event == Fate::kDrop) continue;
    if (!tracks()) {
      TAILRACE_OK(rewrite_one(batch, events[i], fate, hooks));
      continue;
    }
    index_ = static_cast<uint32_t>(i);
    size_t kept = kept_, splits = splits_.size();
    Status status = rewrite_one(batch, events[i], fate, hooks);
    if (!status.ok()) {
      if (!failed_) return status;
      kept_ = kept;
      splits_.resize(splits);
      if (fate.entry) fate.entry->counts.errors.add(1);
      TAILRACE_OK((*failed_)(std::move(status), static_cast<uint32_t>(i)));
    }
    origins_.resize(kept_, static_cast<uint32_t>(i));
    split_origins_.resize(splits_.size(), static_cast<uint32_t>(i));
  }
  count_up_to(begin + fates.size());
  return Status();
}

// What happened at the source, also behind other files of a chain.
void RowRewriter::set_meta(const EventBatch& batch, const ChangeEvent& event) {
  meta_ = {&batch, event.txn, event.ordinal, event.op, event.table, version_};
  if (!trail_) return;
  const ChangeEvent& source = trail_->source_of(index_);
  meta_.op = source.op;
  meta_.table = source.table;
  meta_.ordinal = source.ordinal;
  meta_.rule = trail_->version;
}

Status RowRewriter::rewrite_event(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks) {
  const RulePlan& plan = fate.entry->plan;
  made_ = 0;
  set_meta(batch, event);
  said_ = fate.hook_event >= 0 ? hooks.event(fate.hook_event).route : nullptr;
  extra_.clear();
  if (fate.hook_event >= 0 && hooks.has_emitted() && fan_out_.collect(event, fate.image, hooks)) {
    Status made = fan_out_.diff(event, plan, batch, hooks, extra_);
    if (!made.ok()) return at_event(std::move(made), version_, batch, event);
  }
  if (event.op == Op::kTruncate && plan.map >= 0) fan_out_.truncate(event, plan, batch.is_snapshot, extra_);
  if (derive_op(event, fate, hooks)) {
    TAILRACE_OK(lay_out(batch, event, fate, hooks));
    if (said_ && !said_->to.empty()) TAILRACE_OK(send_elsewhere(batch, event, *fate.entry));
    TAILRACE_OK(add_main(batch, event, plan));
  }
  for (ChangeEvent& row : extra_) {
    plans_.use_output(batch, *fate.entry, row.output);
    const auto& output = *static_cast<const RuleOutput*>(row.output);
    bool moves = false;
    if (row.op == Op::kUpdate && output.message && output.message->routes_by_row()) {
      TAILRACE_TRY(moves, goes_elsewhere(batch, row, output));
    }
    if (!moves) {
      TAILRACE_OK(put(batch, row, nullptr));
      continue;
    }
    ChangeEvent second = cut(row);
    TAILRACE_OK(put(batch, row, nullptr));
    TAILRACE_OK(put(batch, second, nullptr));
  }
  return Status();
}

// To the table that `row` named, which has the layout of the plan's output.
Status RowRewriter::send_elsewhere(EventBatch& batch, ChangeEvent& event, PlanEntry& entry) {
  auto output = plans_.elsewhere(batch, entry, said_->to);
  if (!output.ok()) return at_output(std::move(output).status().with("hook", "row"), version_, batch, event, *entry.plan.output);
  event.output = *output;
  event.table = (*output)->schema.get();
  return Status();
}

Status RowRewriter::add_main(EventBatch& batch, ChangeEvent& event, const RulePlan& plan) {
  const auto& output = *static_cast<const RuleOutput*>(event.output);
  // An image that cannot be completed stays an update: the sink moves the row, with what it has of it.
  bool splits = event.op == Op::kUpdate && key_changed(event);
  if (!splits && event.op == Op::kUpdate && output.message && output.message->routes_by_row() && lacking_column(event) < 0) {
    TAILRACE_TRY(splits, goes_elsewhere(batch, event, output));
  }
  if (splits && lacking_column(event) < 0) {
    complete_after(event);
    ChangeEvent second = cut(event);
    TAILRACE_OK(add_deleted(batch, event, plan));
    return put(batch, second, said_);
  }
  if (event.op == Op::kDelete) return add_deleted(batch, event, plan);
  return put(batch, event, said_);
}

Status RowRewriter::add_deleted(EventBatch& batch, ChangeEvent& event, const RulePlan& plan) {
  if (plan.deletes == DeleteRule::Action::kDrop) {
    stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
    return Status();
  }
  if (plan.deletes == DeleteRule::Action::kSet) {
    event.op = Op::kUpdate;
    event.after = batch.new_row(event.before.size());
    std::copy(event.before.begin(), event.before.end(), event.after.begin());
    for (const auto& [at, step] : plan.delete_set) {
      event.after[at] = step.action == ColumnStep::Action::kMeta ? meta_value(step.meta, meta_, batch.arena) : step.constant;
    }
  }
  return put(batch, event, said_);
}

Result<bool> RowRewriter::goes_elsewhere(EventBatch& batch, const ChangeEvent& event, const RuleOutput& output) {
  auto moves = output.message->moves(event.before, event.after, meta_, batch.arena, scratch_);
  if (!moves.ok()) return at_output(std::move(moves).status(), version_, batch, event, output);
  return moves;
}

// The next event that leaves. `said`: by `row`, goes before what the entry says.
Status RowRewriter::put(EventBatch& batch, ChangeEvent& event, const EventRoute* said) {
  if (event.op != Op::kTruncate) {
    const auto* output = static_cast<const RuleOutput*>(event.output);
    const auto& message = output->message;
    if (message) {
      bool has_after = event.op != Op::kDelete;
      auto route = message->route(has_after ? event.after : event.before, has_after ? event.before : Row(), meta_, batch.arena, scratch_);
      if (!route.ok()) return at_output(std::move(route).status(), version_, batch, event, *output);
      if (said) overlay_route(**route, *said, batch.arena);
      event.route = *route;
    } else if (said) {
      event.route = said;
    }
  }
  event.sub_ordinal = made_++;
  std::vector<ChangeEvent>& events = batch.events;
  if (event.sub_ordinal > 0) {
    splits_.push_back({kept_ - 1, event});
    return Status();
  }
  if (&events[kept_] != &event) events[kept_] = event;
  ++kept_;
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
  if (!tracks()) return;
  // The same for the origins.
  from = kept_;
  origins_.resize(events.size());
  to = events.size();
  for (size_t s = splits_.size(); s-- > 0;) {
    while (from > splits_[s].first + 1) origins_[--to] = origins_[--from];
    origins_[--to] = split_origins_[s];
  }
}

// Applies the verdicts of the filter and the hooks. False: the event is dropped.
bool RowRewriter::derive_op(ChangeEvent& event, const Fate& fate, const HookChunk& hooks) {
  bool before = !event.before.empty() && !fate.drops_before;
  bool after = !event.after.empty() && !fate.drops_after;
  if (fate.hook_event >= 0) {
    if (hooks.event(fate.hook_event).is_dropped) {
      stats_.dropped_row.fetch_add(1, std::memory_order_relaxed);
      fate.entry->counts.dropped_row.add(1);
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
    fate.entry->counts.dropped_map.add(1);
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
        return at_output(
            Status(ErrorCode::kRuleColumn, fmt::format("the row images lack column `{}`, which is part of the key of {}; log full images "
                                                       "(binlog_row_image=FULL)",
                                                       target.columns[index].name, target.qualified_name())),
            version_, batch, event, *plan.output);
      }
      if (!image[index].is_null()) continue;
      return at_output(Status(ErrorCode::kRuleWrite,
                              fmt::format("column {} of the key of {} is NULL", target.columns[index].name, target.qualified_name())),
                       version_, batch, event, *plan.output);
    }
  }
  return Status();
}

Status RowRewriter::finish_rows(EventBatch& batch, ChangeEvent& event, const Fate& fate, HookChunk& hooks) {
  const RulePlan& plan = fate.entry->plan;
  bool crossed = !event.before.empty() && !event.after.empty() && event.op != Op::kUpdate;
  if (fate.hook_event >= 0 && plan.map >= 0) {
    const HookEvent& hooked = hooks.event(fate.hook_event);
    if (hooked.before >= 0) event.before = project_work(batch, plan, hooks.image(hooked.before, plan), place_for(event.before));
    if (hooked.after >= 0) event.after = project_work(batch, plan, hooks.image(hooked.after, plan), place_for(event.after));
    if (!fault_.ok()) return at_output(std::exchange(fault_, Status()), version_, batch, event, *plan.output);
  } else if (!plan.steps.empty()) {
    bool shared = event.before.data() == event.after.data();
    if (!event.before.empty()) event.before = project(batch, plan, event.before, shared ? Row() : place_for(event.before));
    if (!event.after.empty()) event.after = project(batch, plan, event.after, place_for(event.after));
    if (!fault_.ok()) return at_output(std::exchange(fault_, Status()), version_, batch, event, *plan.output);
  }
  if (!crossed) return Status();
  event.table = plan.output->schema.get();
  if (event.op == Op::kInsert) {
    if (int lacking = lacking_column(event); lacking >= 0) {
      return at_event(
          Status(ErrorCode::kRuleColumn, fmt::format("an update becomes an insert at the target, but the row images lack column "
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
  if (!plan.sql.empty()) compute_sql(batch, plan, in);
  Row out = plan.steps.size() <= place.size() ? place.first(plan.steps.size()) : batch.new_row(plan.steps.size());
  auto take = [&](size_t i) {
    const ColumnStep& step = plan.steps[i];
    switch (step.action) {
      case ColumnStep::Action::kCopy: out[i] = in[step.from]; break;
      case ColumnStep::Action::kNative:
        out[i] = apply_native(*step.native, in[step.from], plan.work_columns[step.from], batch.arena, scratch_);
        break;
      case ColumnStep::Action::kConvert: out[i] = convert(batch, plan, step.from, i, in[step.from]); break;
      case ColumnStep::Action::kConstant: out[i] = step.constant; break;
      case ColumnStep::Action::kMeta: out[i] = meta_value(step.meta, meta_, batch.arena); break;
      case ColumnStep::Action::kSql: out[i] = sql_values_[step.sql]; break;
      case ColumnStep::Action::kTemplate: break;
    }
  };
  if (out.data() == in.data()) {
    for (uint16_t i : plan.moving_steps) take(i);
  } else {
    for (size_t i = 0; i < plan.steps.size(); ++i) take(i);
  }
  if (!plan.computed.empty()) compute(batch, plan, out);
  return out;
}

// A value in the type that the rule gives its column, by way of its text.
Value RowRewriter::convert(EventBatch& batch, const RulePlan& plan, uint16_t from, size_t to, const Value& value) {
  if (value.is_absent()) return value;
  const Column& column = plan.output->schema->columns[to];
  Value cell = Value::null();
  WriteFault write = WriteFault::kNone;
  if (value.is_null()) {
    if (!column.nullable) write = WriteFault::kNull;
  } else {
    scratch_.clear();
    append_text(value, plan.work_columns[from], scratch_);
    write = write_any_text(cell, column, scratch_, batch.arena);
  }
  if (write != WriteFault::kNone && fault_.ok()) {
    fault_ = Status(ErrorCode::kRuleWrite, fmt::format("columns.{}: {}", plan.work_columns[from].name, describe_fault(write, column)));
  }
  return cell;
}

// Before the steps, which may write over the row. Of a cell that was not logged, the value is not known either.
void RowRewriter::compute_sql(EventBatch& batch, const RulePlan& plan, Row in) {
  sql_values_.assign(plan.sql.size(), Value::absent());
  for (size_t i = 0; i < plan.sql.size(); ++i) {
    const SqlColumn& sql = plan.sql[i];
    Value& cell = sql_values_[i];
    const std::vector<uint16_t>& reads = sql.program->reads();
    if (std::any_of(reads.begin(), reads.end(), [&](uint16_t column) { return in[column].is_absent(); })) continue;
    if (!sql_.value(*sql.program, in.data(), nullptr, batch.arena, cell)) {
      fault_ = sql_.error();
      return;
    }
    WriteFault write = WriteFault::kNone;
    if (cell.is_null()) {
      if (!sql.column.nullable) write = WriteFault::kNull;
    } else if (sql.converts) {
      scratch_.clear();
      append_text(cell, sql.program->result(), scratch_);
      write = write_any_text(cell, sql.column, scratch_, batch.arena);
    }
    if (write == WriteFault::kNone) continue;
    fault_ = Status(ErrorCode::kRuleWrite, fmt::format("columns.{}: {}", sql.column.name, describe_fault(write, sql.column)));
    return;
  }
}

// Columns made of the row's other columns. As in SQL, a text made of NULL is NULL; of a cell that was not logged, it is
// not known either.
void RowRewriter::compute(EventBatch& batch, const RulePlan& plan, Row out) {
  const TableSchema& target = *plan.output->schema;
  for (const ComputedColumn& computed : plan.computed) {
    const Column& column = target.columns[computed.at];
    scratch_.clear();
    BoundTemplate::Fault fault = computed.text.append(out, Row(), target, meta_, batch.arena, scratch_);
    Value& cell = out[computed.at];
    cell = fault.fault == FilterFault::kAbsent ? Value::absent() : Value::null();
    if (fault.fault == FilterFault::kAbsent || (fault.fault == FilterFault::kNull && column.nullable)) continue;
    if (fault) {
      fault_ = Status(ErrorCode::kRuleWrite, fmt::format("columns.{}: `{}` {}", column.name, fault.name, describe_fault(fault.fault)));
      return;
    }
    WriteFault write = write_any_text(cell, column, scratch_, batch.arena);
    if (write == WriteFault::kNone) continue;
    fault_ = Status(ErrorCode::kRuleWrite, fmt::format("columns.{}: {}", column.name, describe_fault(write, column)));
    return;
  }
}

}  // namespace tailrace
