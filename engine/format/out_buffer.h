// OutBuffer: raw memory at the end of a caller's string. Not thread-safe.
//
// It owns `out` until finish(): the string is kept longer than what was written, so that bytes go to raw memory. The
// string's capacity and size survive between uses, so a reused string is neither allocated nor cleared again.
#pragma once
#include <cstring>
#include <string>
#include <string_view>

namespace tailrace {

class OutBuffer {
 public:
  explicit OutBuffer(std::string& out);

  void raw(std::string_view text) {
    char* to = reserve(text.size());
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    at_ = to + text.size();
  }
  void raw(char c) {
    char* to = reserve(1);
    *to = c;
    at_ = to + 1;
  }
  // Room for `bytes` more; the caller writes there and gives the new end to `advance`.
  char* reserve(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) grow(bytes);
    return at_;
  }
  void advance(char* end) noexcept { at_ = end; }
  // Cuts the string to what was written.
  void finish() { out_.resize(static_cast<size_t>(at_ - out_.data())); }

 protected:
  ~OutBuffer() = default;

 private:
  void grow(size_t bytes);
  std::string& out_;

 protected:
  char* at_;

 private:
  char* end_;
};

}  // namespace tailrace
