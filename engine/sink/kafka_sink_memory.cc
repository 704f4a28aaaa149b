#include "sink/kafka_sink_memory.h"

#include <cstring>
#include <utility>

namespace tailrace {
namespace {

constexpr size_t kBlockBytes = 64 * 1024;
constexpr size_t kLargeBytes = kBlockBytes / 4;  // has memory of its own, so that less of a block stays empty

}  // namespace

KafkaMemory::Block KafkaMemory::take() {
  std::unique_ptr<char[]> block;
  {
    std::lock_guard lock(free_->mutex);
    if (!free_->blocks.empty()) {
      block = std::move(free_->blocks.back());
      free_->blocks.pop_back();
    } else {
      free_->blocks.reserve(++made_);  // so that giving back never allocates
    }
  }
  if (!block) block.reset(new char[kBlockBytes]);
  return Block(block.release(), [free = free_](char* back) {
    std::lock_guard lock(free->mutex);
    free->blocks.emplace_back(back);
  });
}

const char* KafkaMemory::keep(std::vector<Block>& held, std::string_view bytes) {
  char* to = nullptr;
  if (bytes.size() > kLargeBytes) {
    to = held.emplace_back(new char[bytes.size()]).get();
  } else {
    if (!current_ || bytes.size() > kBlockBytes - used_) {
      current_.reset();
      current_ = take();
      used_ = 0;
    }
    if (held.empty() || held.back() != current_) held.push_back(current_);
    to = current_.get() + used_;
    used_ += bytes.size();
  }
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to;
}

}  // namespace tailrace
