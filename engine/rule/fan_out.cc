#include "rule/fan_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "event/value_text.h"

namespace tailrace {
namespace {

Row keep(Row row, EventBatch& batch) {
  Row out = batch.new_row(row.size());
  std::memcpy(out.data(), row.data(), row.size_bytes());
  return out;
}

// Rows of a copy are numbered within their chunk only; where a row is added for good, its key numbers it.
uint64_t ordinal_of(const ChangeEvent& event) {
  if (event.op != Op::kRead || event.table->primary_key.empty()) return event.ordinal;
  return std::hash<std::string>()(describe_key(*event.table, event.after));
}

}  // namespace

bool FanOut::collect(const ChangeEvent& event, uint32_t first_image, const HookChunk& hooks) {
  before_.clear();
  after_.clear();
  uint32_t image = first_image;
  for (auto [row, side] : {std::pair{event.before, &before_}, std::pair{event.after, &after_}}) {
    if (row.empty()) continue;
    auto rows = hooks.emitted(image++);
    side->assign(rows.begin(), rows.end());
    auto by_output = [](const EmittedRow& a, const EmittedRow& b) { return a.output < b.output; };
    std::stable_sort(side->begin(), side->end(), by_output);
  }
  return !before_.empty() || !after_.empty();
}

bool FanOut::same_key(const EmittedRow& a, const EmittedRow& b, HookChunk& hooks) const {
  if (a.output != b.output || a.key_hash != b.key_hash) return false;
  Row x = hooks.emitted_cells(a), y = hooks.emitted_cells(b);
  const std::vector<uint16_t>& key = spec_.outputs[a.output].key;
  return std::all_of(key.begin(), key.end(), [&](uint16_t at) { return identical(x[at], y[at]); });
}

const EmittedRow* FanOut::partner(const EmittedRow& row, const Side& side, HookChunk& hooks) const {
  for (const EmittedRow& other : side) {
    if (same_key(row, other, hooks)) return &other;
  }
  return nullptr;
}

Status FanOut::check_duplicates(const Side& side, const RulePlan& plan, HookChunk& hooks) const {
  for (size_t i = 0; i < side.size(); ++i) {
    const EmittedRow& row = side[i];
    if (spec_.outputs[row.output].append) continue;
    for (size_t k = i + 1; k < side.size() && side[k].output == row.output; ++k) {
      if (!same_key(row, side[k], hooks)) continue;
      return Status(ErrorCode::kRuleOutput,
                    fmt::format("map() gave {} two rows with the key {} for one image", spec_.outputs[row.output].name,
                                describe_key(*plan.outputs[row.output]->schema, hooks.emitted_cells(row))));
    }
  }
  return Status();
}

Status FanOut::diff(const ChangeEvent& event, const RulePlan& plan, EventBatch& batch, HookChunk& hooks, std::vector<ChangeEvent>& out) {
  TAILRACE_OK(check_duplicates(before_, plan, hooks));
  TAILRACE_OK(check_duplicates(after_, plan, hooks));
  auto add = [&](Op op, uint32_t output, Row before, Row after) {
    ChangeEvent made;
    made.op = op;
    made.txn = event.txn;
    made.ordinal = spec_.outputs[output].append ? ordinal_of(event) : event.ordinal;
    made.output = plan.outputs[output].get();
    made.table = made.output->schema.get();
    made.before = before;
    made.after = after;
    out.push_back(made);
  };
  Op arrives = event.op == Op::kRead ? Op::kRead : Op::kInsert;
  size_t b = 0, a = 0;
  for (uint32_t output = 0; b < before_.size() || a < after_.size(); ++output) {
    bool appends = spec_.outputs[output].append;
    for (; b < before_.size() && before_[b].output == output; ++b) {
      const EmittedRow& row = before_[b];
      if (appends) {
        add(arrives, output, Row(), keep(hooks.emitted_cells(row), batch));
      } else if (!partner(row, after_, hooks)) {
        add(Op::kDelete, output, keep(hooks.emitted_cells(row), batch), Row());
      }
    }
    for (; a < after_.size() && after_[a].output == output; ++a) {
      const EmittedRow& row = after_[a];
      Row now = hooks.emitted_cells(row);
      const EmittedRow* was = appends ? nullptr : partner(row, before_, hooks);
      if (!was) {
        add(arrives, output, Row(), keep(now, batch));
      } else if (Row then = hooks.emitted_cells(*was); !identical(then, now)) {
        add(Op::kUpdate, output, keep(then, batch), keep(now, batch));
      }
    }
  }
  return Status();
}

void FanOut::truncate(const ChangeEvent& event, const RulePlan& plan, bool in_copy, std::vector<ChangeEvent>& out) const {
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    if (spec_.outputs[i].append && !in_copy) continue;
    ChangeEvent made;
    made.op = Op::kTruncate;
    made.txn = event.txn;
    made.ordinal = event.ordinal;
    made.output = plan.outputs[i].get();
    made.table = made.output->schema.get();
    out.push_back(made);
  }
}

}  // namespace tailrace
