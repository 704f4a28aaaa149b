// Reads little- and big-endian integers and spans from untrusted bytes. A read past the end returns zero (or an
// empty span), leaves the cursor at the end and makes failed() true: check once per structure, not per field.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tailrace {

class ByteCursor {
 public:
  ByteCursor(const void* data, size_t size) : begin_(static_cast<const uint8_t*>(data)), at_(begin_), end_(begin_ + size) {}
  explicit ByteCursor(std::string_view bytes) : ByteCursor(bytes.data(), bytes.size()) {}

  bool failed() const noexcept { return failed_; }
  bool empty() const noexcept { return at_ == end_; }
  size_t remaining() const noexcept { return static_cast<size_t>(end_ - at_); }
  size_t offset() const noexcept { return static_cast<size_t>(at_ - begin_); }
  const uint8_t* data() const noexcept { return at_; }

  uint64_t le(size_t bytes) {
    if (!need(bytes)) return 0;
    uint64_t value = 0;
    std::memcpy(&value, at_, bytes);
    at_ += bytes;
    return value;
  }
  uint64_t be(size_t bytes) {
    if (!need(bytes)) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | at_[i];
    at_ += bytes;
    return value;
  }
  uint8_t u8() { return static_cast<uint8_t>(le(1)); }
  uint16_t u16() { return static_cast<uint16_t>(le(2)); }
  uint32_t u24() { return static_cast<uint32_t>(le(3)); }
  uint32_t u32() { return static_cast<uint32_t>(le(4)); }
  uint64_t u48() { return le(6); }
  uint64_t u64() { return le(8); }
  std::string_view bytes(size_t n) {
    if (!need(n)) return {};
    std::string_view result(reinterpret_cast<const char*>(at_), n);
    at_ += n;
    return result;
  }
  std::string_view rest() { return bytes(remaining()); }
  void skip(size_t n) { (void)bytes(n); }
  // MySQL's length-encoded integer; 0xFB (NULL) and 0xFF fail.
  uint64_t lenenc() {
    uint8_t first = u8();
    if (first < 0xFB) return first;
    if (first == 0xFC) return u16();
    if (first == 0xFD) return u24();
    if (first == 0xFE) return u64();
    fail();
    return 0;
  }
  void fail() {
    failed_ = true;
    at_ = end_;
  }

 private:
  bool need(size_t n) {
    if (n <= remaining()) return true;
    fail();
    return false;
  }
  const uint8_t* begin_;
  const uint8_t* at_;
  const uint8_t* end_;
  bool failed_ = false;
};

}  // namespace tailrace
