// Parts of JSON documents by path, in the text itself: nothing is built, so numbers keep their digits and what is not
// touched its bytes. Paths are MySQL's without wildcards: $.a."b c"[0]. Pure; thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tailrace {

struct JsonStep {
  bool is_index = false;
  std::string key;
  uint32_t index = 0;
};
using JsonPath = std::vector<JsonStep>;

Result<JsonPath> parse_json_path(std::string_view text);

enum class JsonFound : uint8_t { kYes, kNo, kNoJson };
// The text of the value at the path.
JsonFound find_json(std::string_view document, const JsonPath& path, std::string_view& value);
// The document with `value`, which is JSON, at the path: in place of what is there, or added to its object or at the end
// of its array. kNo: there is nothing to add it to.
JsonFound set_json(std::string_view document, const JsonPath& path, std::string_view value, std::string& out);
// The document without the value at the path; the path has a step. kNo: there is none.
JsonFound remove_json(std::string_view document, const JsonPath& path, std::string& out);
// What a JSON text says when it is a string; the text itself otherwise. False: no JSON string.
bool append_unquoted(std::string_view value, std::string& out);
std::string quote_json(std::string_view text);

}  // namespace tailrace
