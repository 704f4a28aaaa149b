#include "rule/hook_chunk.h"

#include <algorithm>
#include <chrono>
#include <functional>

namespace tailrace {
namespace {

uint64_t hash_of(const Value& value) {
  uint64_t payload = has_text_payload(value.kind) ? std::hash<std::string_view>()(value.text()) : value.u;
  return (payload ^ static_cast<uint64_t>(value.kind)) * 0x9E3779B97F4A7C15ull;
}

}  // namespace

std::optional<HookFailure> HookChunk::run(RuleHost& host, EventBatch& batch) {
  auto failure = host.run(view(batch));
  sort_emitted();
  return failure;
}

// `row` runs over a whole run of events before `map` does.
void HookChunk::sort_emitted() {
  auto earlier = [](const EmittedRow& a, const EmittedRow& b) { return a.image < b.image; };
  if (!std::is_sorted(emitted_.begin(), emitted_.end(), earlier)) std::stable_sort(emitted_.begin(), emitted_.end(), earlier);
}

std::optional<HookFailure> HookChunk::run_timed(RuleHost& host, EventBatch& batch, bool serialize, const Took& took) {
  std::optional<HookFailure> failure;
  for (size_t i = 0; i < runs_.size() && !failure; ++i) {
    HookBatch one = view(batch);
    one.runs += i;
    one.run_count = 1;
    auto began = std::chrono::steady_clock::now();
    failure = serialize ? host.serialize(one) : host.run(one);
    took(runs_[i], std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count());
  }
  if (!serialize) sort_emitted();
  return failure;
}

void HookChunk::fail(uint32_t event, uint32_t first_image) {
  HookEvent& failed = events_[event];
  failed.is_dropped = 1;
  failed.row_is_done = 1;
  uint32_t end = first_image + (failed.before >= 0) + (failed.after >= 0);
  for (uint32_t i = first_image; i < end; ++i) verdicts_[i] = static_cast<uint8_t>(ImageVerdict::kRowDropped);
  std::erase_if(emitted_, [&](const EmittedRow& row) { return row.image >= first_image && row.image < end; });
}

HookBatch HookChunk::view(EventBatch& batch) {
  return {&batch, this, cells_.get(), events_.data(), verdicts_.data(), runs_.data(), static_cast<uint32_t>(runs_.size())};
}

std::optional<HookFailure> HookChunk::serialize(RuleHost& host, EventBatch& batch) { return host.serialize(view(batch)); }

int32_t HookChunk::emit(uint32_t image, const OutputRule& rule, uint32_t output) {
  bool same_image = !emitted_.empty() && emitted_.back().image == image;
  emitted_of_image_ = same_image ? emitted_of_image_ + 1 : 1;
  if (emitted_of_image_ > kMaxRowsPerImage) return -1;
  size_t width = rule.columns.size();
  if (cells_used_ + width > cell_capacity_) grow(cells_used_ + width);
  auto at = static_cast<int32_t>(cells_used_);
  std::fill_n(cells_.get() + at, width, Value::absent());
  cells_used_ += width;
  emitted_.push_back({image, output, at, static_cast<uint32_t>(width), 0});
  return at;
}

int32_t HookChunk::close(const OutputRule& rule) {
  EmittedRow& row = emitted_.back();
  Value* cells = cells_.get() + row.cell;
  for (size_t i = 0; i < rule.columns.size(); ++i) {
    if (!cells[i].is_absent()) continue;
    if (!rule.columns[i].nullable) return static_cast<int32_t>(i);
    cells[i] = Value::null();
  }
  for (uint16_t at : rule.key) {
    if (cells[at].is_null()) return at;
    row.key_hash = row.key_hash * 31 + hash_of(cells[at]);
  }
  return -1;
}

std::span<const EmittedRow> HookChunk::emitted(uint32_t image) const noexcept {
  auto less = [](const EmittedRow& row, uint32_t wanted) { return row.image < wanted; };
  auto first = std::lower_bound(emitted_.begin(), emitted_.end(), image, less);
  auto last = std::lower_bound(first, emitted_.end(), image + 1, less);
  return {first, last};
}

void HookChunk::grow(size_t needed) {
  size_t capacity = cell_capacity_ ? cell_capacity_ * 2 : 16384;
  while (capacity < needed) capacity *= 2;
  std::unique_ptr<Value[]> larger(new Value[capacity]);
  if (cells_used_) std::memcpy(larger.get(), cells_.get(), cells_used_ * sizeof(Value));
  cells_ = std::move(larger);
  cell_capacity_ = capacity;
}

}  // namespace tailrace
