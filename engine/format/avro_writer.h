// AvroWriter: appends values in Avro's binary encoding to a caller's string. Not thread-safe. See OutBuffer.
#pragma once
#include <cstdint>

#include "format/out_buffer.h"

namespace tailrace {

// int and long: zigzag, seven bits a byte, at most ten bytes. Returns the end.
inline char* put_zigzag(char* to, int64_t value) noexcept {
  uint64_t zigzag = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (zigzag >= 0x80) {
    *to++ = static_cast<char>(zigzag | 0x80);
    zigzag >>= 7;
  }
  *to++ = static_cast<char>(zigzag);
  return to;
}

class AvroWriter : public OutBuffer {
 public:
  using OutBuffer::OutBuffer;
  // Also counts, lengths and numbers of union branches.
  void integer(int64_t value) { advance(put_zigzag(reserve(10), value)); }
  // bytes and string.
  void text(std::string_view bytes) {
    integer(static_cast<int64_t>(bytes.size()));
    raw(bytes);
  }
  void real(double value) {
    char* to = reserve(sizeof value);
    std::memcpy(to, &value, sizeof value);  // little-endian, as this machine
    advance(to + sizeof value);
  }
};

}  // namespace tailrace
