#include "rule/hook_chunk.h"

namespace tailrace {

std::optional<HookFailure> HookChunk::run(RuleHost& host, EventBatch& batch) {
  return host.run({&batch, cells_.get(), events_.data(), verdicts_.data(), runs_.data(), static_cast<uint32_t>(runs_.size())});
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
