// JsonWriter: appends JSON tokens to a caller's string without building a document. Not thread-safe.
//
// It owns `out` until finish(): the string is kept longer than what was written, so that tokens go to raw memory.
// The string's capacity survives between uses, so a reused string is not allocated again.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tailrace {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out);

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
  void number(int64_t value);
  void number(uint64_t value);
  // Shortest digits that read back the same. False for NaN and infinities, which JSON does not have.
  [[nodiscard]] bool number(double value, bool is_float32);
  // Quoted and escaped. False when the text is not UTF-8; what was written is then of no use.
  [[nodiscard]] bool string(std::string_view text);
  [[nodiscard]] bool string_body(std::string_view text);  // without the quotes
  // Room for `bytes` more; the caller writes there and gives the new end to `advance`.
  char* reserve(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) grow(bytes);
    return at_;
  }
  void advance(char* end) noexcept { at_ = end; }
  void base64(std::string_view bytes);     // quoted
  void hex(std::string_view bytes);        // quoted, upper case
  // Cuts the string to what was written.
  void finish() { out_.resize(static_cast<size_t>(at_ - out_.data())); }

 private:
  void grow(size_t bytes);
  std::string& out_;
  char* at_;
  char* end_;
};

char* put_base64(char* to, std::string_view bytes) noexcept;  // REQUIRES: room for base64_size
constexpr size_t base64_size(size_t bytes) noexcept { return (bytes + 2) / 3 * 4; }
// Length of the UTF-8 sequence at `at` (1..4), or 0 if it is not one. REQUIRES: at < end.
size_t utf8_sequence(const unsigned char* at, const unsigned char* end) noexcept;
// The text as a JSON string, for parts made once per table. Bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace tailrace
