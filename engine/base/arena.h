// Bump allocator for the values of one batch. Not thread-safe; memory lives until the arena is destroyed or
// reset, so every pointer handed out has the lifetime of the batch that owns the arena.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace tailrace {

class Arena {
 public:
  explicit Arena(size_t first_block = 16 * 1024) : next_block_(first_block) {}
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;

  void* allocate(size_t bytes, size_t align = 8) {
    auto at = reinterpret_cast<uintptr_t>(cursor_);
    size_t pad = (align - at % align) % align;
    if (bytes + pad > static_cast<size_t>(end_ - cursor_)) return allocate_slow(bytes);
    char* result = cursor_ + pad;
    cursor_ = result + bytes;
    return result;
  }
  template <class T>
  T* allocate_array(size_t n) {
    return static_cast<T*>(allocate(n * sizeof(T), alignof(T)));
  }
  const char* copy(std::string_view text) {
    char* to = static_cast<char*>(allocate(text.size(), 1));
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    return to;
  }
  size_t bytes() const noexcept { return bytes_; }

 private:
  void* allocate_slow(size_t bytes) {
    size_t size = next_block_;
    if (bytes + 16 > size) {
      size = bytes + 16;
    } else if (next_block_ < 256 * 1024) {
      next_block_ *= 2;
    }
    blocks_.push_back(std::unique_ptr<char[]>(new char[size]));
    bytes_ += size;
    char* block = blocks_.back().get();
    auto at = reinterpret_cast<uintptr_t>(block);
    size_t pad = (16 - at % 16) % 16;
    cursor_ = block + pad + bytes;
    end_ = block + size;
    return block + pad;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* cursor_ = nullptr;
  char* end_ = nullptr;
  size_t next_block_;
  size_t bytes_ = 0;
};

}  // namespace tailrace
