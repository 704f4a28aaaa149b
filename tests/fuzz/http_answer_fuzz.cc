// Answers of a schema registry: what is whole stays the same whatever follows, and nothing is made up.
#include "format/http_client.h"
#include "fuzz/fuzz.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto last = parse_http_answer(text, true);
  FUZZ_CHECK(!last || last->body.size() <= size);
  for (size_t received = 0; received <= size; received += 1 + size / 64) {
    auto early = parse_http_answer(text.substr(0, received), false);
    if (!early) continue;
    FUZZ_CHECK(last && last->status == early->status && last->body == early->body);
  }
  return 0;
}
