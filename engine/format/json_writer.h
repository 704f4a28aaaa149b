// JsonWriter: appends JSON tokens to a caller's string without building a document. Not thread-safe. See OutBuffer for
// the string.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "format/out_buffer.h"

namespace tailrace {

class JsonWriter : public OutBuffer {
 public:
  using OutBuffer::OutBuffer;
  void number(int64_t value);
  void number(uint64_t value);
  // Shortest digits that read back the same. False for NaN and infinities, which JSON does not have.
  [[nodiscard]] bool number(double value, bool is_float32);
  // Quoted and escaped. False when the text is not UTF-8; what was written is then of no use.
  [[nodiscard]] bool string(std::string_view text);
  [[nodiscard]] bool string_body(std::string_view text);  // without the quotes
  void base64(std::string_view bytes);                    // quoted
  void hex(std::string_view bytes);                       // quoted, upper case
  void latin1(std::string_view bytes);                    // quoted, one code point U+0000..U+00FF per byte
};

char* put_base64(char* to, std::string_view bytes) noexcept;  // REQUIRES: room for base64_size
constexpr size_t base64_size(size_t bytes) noexcept { return (bytes + 2) / 3 * 4; }
// Length of the UTF-8 sequence at `at` (1..4), or 0 if it is not one. REQUIRES: at < end.
size_t utf8_sequence(const unsigned char* at, const unsigned char* end) noexcept;
// The text as a JSON string, for parts made once per table. Bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace tailrace
