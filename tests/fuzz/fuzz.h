// What the fuzz targets share. A target is `LLVMFuzzerTestOneInput` over bytes of any length and content; it is linked
// with libFuzzer, or with corpus_main.cc that runs the committed inputs.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// A property that does not hold ends the run like a crash, so that the input is kept.
#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace tailrace::fuzz {

// Takes an input apart; gives zeros and short views where it ends.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  uint8_t u8() {
    std::string_view byte = bytes(1);
    return byte.empty() ? 0 : static_cast<uint8_t>(byte[0]);
  }
  uint16_t u16() {
    unsigned low = u8();
    return static_cast<uint16_t>(low | u8() << 8);
  }
  std::string_view bytes(size_t n) {
    std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return bytes(rest_.size()); }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace tailrace::fuzz
