// KafkaMemory: where the values of messages lie until they are reported. Blocks of one size, used again: pieces of many sizes
// that another thread frees leave the heap in holes, and it grows with time. keep is called by the delivery thread alone; a
// block comes back on whichever thread lets the last reference go, also after this object.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace tailrace {

class KafkaMemory {
 public:
  using Block = std::shared_ptr<char[]>;

  // A copy of `bytes`, there for as long as `held` is; batches that follow one another share blocks.
  const char* keep(std::vector<Block>& held, std::string_view bytes);
  size_t blocks_made() const noexcept { return made_; }

 private:
  struct Free {
    std::mutex mutex;
    std::vector<std::unique_ptr<char[]>> blocks;  // with room for all that were made
  };
  Block take();

  std::shared_ptr<Free> free_ = std::make_shared<Free>();
  Block current_;
  size_t used_ = 0;  // of it
  size_t made_ = 0;
};

}  // namespace tailrace
