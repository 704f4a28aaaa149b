// HookChunk: the row images of one chunk of a batch that the functions of the rules see, and what they said. The images
// are copies: the event keeps its own rows until it is rewritten. One thread; memory is kept from chunk to chunk.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "event/event_batch.h"
#include "rule/rule_host.h"

namespace tailrace {

// A row that a function gave to one of the `outputs`.
struct EmittedRow {
  uint32_t image;   // that `map` was given; of `row`: the event's first one
  uint32_t output;  // number in RuleSpec::outputs
  int32_t cell;     // first of the row
  uint32_t width;
  uint64_t key_hash;  // of an output with a key
};

class HookChunk {
 public:
  static constexpr uint32_t kMaxRowsPerImage = 1000;

  void clear() noexcept {
    events_.clear();
    runs_.clear();
    emitted_.clear();
    verdicts_.clear();
    images_ = 0;
    cells_used_ = 0;
  }
  bool empty() const noexcept { return runs_.empty(); }

  struct Place {
    int32_t event;   // index for event()
    uint32_t image;  // first image of the event
  };
  Place add(const EventBatch& batch, uint32_t index, const RulePlan& plan) {
    return add(batch, index, plan.id, static_cast<uint32_t>(plan.work_columns.size()), plan.added);
  }
  // `plan`: number for the host. Rows get the `added` cells behind their own.
  Place add(const EventBatch& batch, uint32_t index, uint32_t plan, uint32_t width, const std::vector<Value>& added) {
    const ChangeEvent& event = batch.events[index];
    auto here = static_cast<uint32_t>(events_.size());
    bool goes_on = !runs_.empty() && runs_.back().plan == plan && last_index_ + 1 == index;
    if (!goes_on) runs_.push_back({plan, here, 0, images_, 0, static_cast<uint32_t>(cells_used_), width});
    last_index_ = index;
    // Written in place: a copy from the stack would wait for its narrow stores.
    HookEvent& hooked = events_.emplace_back();
    hooked.event = index;
    hooked.op = static_cast<uint8_t>(event.op);
    hooked.is_dropped = 0;
    hooked.row_is_done = 0;
    hooked.route = nullptr;
    hooked.ts_us = batch.txns[event.txn].commit_time_us;
    Place place{static_cast<int32_t>(here), images_};
    hooked.before = event.before.empty() ? -1 : add_image(event.before, width, added);
    hooked.after = event.after.empty() ? -1 : add_image(event.after, width, added);
    ++runs_.back().events;
    runs_.back().images = images_ - runs_.back().first_image;
    return place;
  }

  // `map` is not asked about an image that a filter dropped.
  void drop_image(uint32_t image) noexcept { verdicts_[image] = static_cast<uint8_t>(ImageVerdict::kDrop); }

  // The first failure, if any.
  std::optional<HookFailure> run(RuleHost& host, EventBatch& batch);
  // The same, or with `serialize`, a run of neighbours at a time, and how long each took.
  using Took = std::function<void(const HookRun& run, int64_t ns)>;
  std::optional<HookFailure> run_timed(RuleHost& host, EventBatch& batch, bool serialize, const Took& took);

  Result<OnRuleError> on_error(RuleHost& host, EventBatch& batch, const Status& failure, std::string_view hook, OnRuleError policy) {
    return host.on_error(view(batch), failure, hook, policy);
  }
  // Marks the event of a failure, so that the next run goes on behind it. Its rows for `outputs` are gone.
  void fail(uint32_t event, uint32_t first_image);
  // The same with `serialize`.
  std::optional<HookFailure> serialize(RuleHost& host, EventBatch& batch);

  // For the host while it runs. A new row of absent cells; -1 beyond the limit of one image.
  int32_t emit(uint32_t image, const OutputRule& rule, uint32_t output);
  // After its cells were written: absent ones become NULL. The first NOT NULL or key column without a value, or -1.
  int32_t close(const OutputRule& rule);
  Value* cells() noexcept { return cells_.get(); }

  // After the run. Rows of an image, in the order they were given.
  bool has_emitted() const noexcept { return !emitted_.empty(); }
  std::span<const EmittedRow> emitted(uint32_t image) const noexcept;
  Row emitted_cells(const EmittedRow& row) noexcept { return {cells_.get() + row.cell, row.width}; }

  size_t event_count() const noexcept { return events_.size(); }
  const HookEvent& event(int32_t at) const noexcept { return events_[static_cast<size_t>(at)]; }
  bool keeps(uint32_t image) const noexcept { return verdicts_[image] == static_cast<uint8_t>(ImageVerdict::kKeep); }
  Row image(int32_t cell, const RulePlan& plan) noexcept { return {cells_.get() + cell, plan.work_columns.size()}; }

 private:
  int32_t add_image(Row row, size_t width, const std::vector<Value>& added) {
    if (cells_used_ + width > cell_capacity_) grow(cells_used_ + width);
    Value* to = cells_.get() + cells_used_;
    std::memcpy(to, row.data(), row.size_bytes());
    for (size_t i = 0; i < added.size(); ++i) to[row.size() + i] = added[i];
    auto at = static_cast<int32_t>(cells_used_);
    cells_used_ += width;
    ++images_;
    verdicts_.push_back(static_cast<uint8_t>(ImageVerdict::kPending));
    return at;
  }
  void grow(size_t needed);
  void sort_emitted();
  HookBatch view(EventBatch& batch);

  std::vector<HookEvent> events_;
  std::vector<HookRun> runs_;
  std::vector<uint8_t> verdicts_;
  std::vector<EmittedRow> emitted_;
  uint32_t emitted_of_image_ = 0;
  std::unique_ptr<Value[]> cells_;
  size_t cell_capacity_ = 0;
  size_t cells_used_ = 0;
  uint32_t images_ = 0;
  uint32_t last_index_ = 0;
};

}  // namespace tailrace
