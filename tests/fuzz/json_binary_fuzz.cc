// MySQL's binary JSON: what is accepted prints as JSON, in bounded space.
#include <nlohmann/json.hpp>

#include "fuzz/fuzz.h"
#include "mysql/json_binary.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text;
  Status status = append_json_binary({reinterpret_cast<const char*>(data), size}, text);
  FUZZ_CHECK(text.size() <= 32 * size + 512);
  if (!status.ok()) {
    FUZZ_CHECK(status.code() == ErrorCode::kSourceCorrupt);
    return 0;
  }
  FUZZ_CHECK(nlohmann::json::accept(text));
  return 0;
}
