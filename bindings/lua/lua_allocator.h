// LuaAllocator: memory of one Lua state with a hard limit. Rules make and drop many short strings, so small blocks come
// from free lists by size; their slabs stay with the state. One thread at a time.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace tailrace {

class LuaAllocator {
 public:
  explicit LuaAllocator(size_t limit_bytes) : limit_(limit_bytes) {}
  ~LuaAllocator() {
    for (void* slab : slabs_) std::free(slab);
  }
  LuaAllocator(const LuaAllocator&) = delete;
  LuaAllocator& operator=(const LuaAllocator&) = delete;

  // As lua_Alloc. Null when the limit is reached.
  void* resize(void* block, size_t old_size, size_t new_size) {
    if (!block) return new_size ? take(new_size) : nullptr;
    if (new_size == 0) {
      give(block, old_size);
      return nullptr;
    }
    if (old_size <= kSmall && new_size <= kSmall && size_class(old_size) == size_class(new_size)) return block;
    if (old_size > kSmall && new_size > kSmall) return resize_large(block, old_size, new_size);
    void* moved = take(new_size);
    if (!moved) return nullptr;
    std::memcpy(moved, block, old_size < new_size ? old_size : new_size);
    give(block, old_size);
    return moved;
  }
  size_t bytes() const noexcept { return used_; }

 private:
  static constexpr size_t kSmall = 1024;
  static constexpr size_t kStep = 16;
  static constexpr size_t kSlab = 64 * 1024;
  struct Free {
    Free* next;
  };

  static size_t size_class(size_t size) { return (size + kStep - 1) / kStep; }

  void* take(size_t size) {
    if (size > kSmall) {
      if (!charge(size)) return nullptr;
      void* block = std::malloc(size);
      if (!block) used_ -= size;
      return block;
    }
    size_t index = size_class(size);
    if (Free* head = free_[index]) {
      free_[index] = head->next;
      return head;
    }
    size_t rounded = index * kStep;
    if (static_cast<size_t>(end_ - next_) < rounded && !add_slab()) return nullptr;
    char* block = next_;
    next_ += rounded;
    return block;
  }

  void give(void* block, size_t size) {
    if (size > kSmall) {
      std::free(block);
      used_ -= size;
      return;
    }
    auto* head = static_cast<Free*>(block);
    size_t index = size_class(size);
    head->next = free_[index];
    free_[index] = head;
  }

  void* resize_large(void* block, size_t old_size, size_t new_size) {
    if (new_size > old_size && !charge(new_size - old_size)) return nullptr;
    void* moved = std::realloc(block, new_size);
    if (moved && new_size < old_size) used_ -= old_size - new_size;
    if (!moved && new_size > old_size) used_ -= new_size - old_size;
    return moved;
  }

  // The rest of the current slab is lost: at most kSmall bytes of 64 KiB.
  bool add_slab() {
    if (!charge(kSlab)) return false;
    auto* slab = static_cast<char*>(std::malloc(kSlab));
    if (!slab) {
      used_ -= kSlab;
      return false;
    }
    slabs_.push_back(slab);
    next_ = slab;
    end_ = slab + kSlab;
    return true;
  }

  bool charge(size_t size) {
    if (size > limit_ || used_ > limit_ - size) return false;
    used_ += size;
    return true;
  }

  const size_t limit_;
  size_t used_ = 0;
  Free* free_[kSmall / kStep + 1] = {};
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::vector<void*> slabs_;
};

}  // namespace tailrace
