// JSON diffs of partial updates, applied to a document. Input: length of the document, the document, the diffs.
#include <nlohmann/json.hpp>

#include "fuzz/fuzz.h"
#include "mysql/json_binary.h"
#include "mysql/json_diff.h"

using namespace tailrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  std::string_view document = in.bytes(in.u16());
  std::string_view diffs = in.rest();
  std::string before, after;
  Status printed = append_json_binary(document, before);
  Status changed = append_json_changed(document, diffs, after);
  FUZZ_CHECK(after.size() <= 32 * size + 512);
  if (diffs.empty()) FUZZ_CHECK(printed.ok() == changed.ok() && (!printed.ok() || before == after));
  if (!changed.ok()) {
    FUZZ_CHECK(changed.code() == ErrorCode::kSourceCorrupt);
    return 0;
  }
  FUZZ_CHECK(nlohmann::json::accept(after));
  return 0;
}
