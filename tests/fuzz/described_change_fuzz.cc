// Changes described in JSON: whatever a file of conformance cases holds becomes a message or a named error.
#include <nlohmann/json.hpp>

#include "app/described_change.h"
#include "fuzz/fuzz.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto made = encode_described(text);
  if (!made.ok()) {
    FUZZ_CHECK(made.status().code() == ErrorCode::kFormatChange || made.status().code() == ErrorCode::kFormatValue ||
               made.status().code() == ErrorCode::kConfigBadValue || made.status().code() == ErrorCode::kConfigUnknownKey ||
               made.status().code() == ErrorCode::kConfigMissing);
    return 0;
  }
  if (made->skip) return 0;
  auto described = nlohmann::json::parse(text, nullptr, false);
  const auto& options = described["options"];
  auto encoding = options.is_object() ? options.find("encoding") : options.end();
  bool binary = encoding != options.end() && (*encoding == "binary" || *encoding == "confluent");
  if (binary) return 0;
  FUZZ_CHECK(nlohmann::json::accept(made->value));
  return 0;
}
