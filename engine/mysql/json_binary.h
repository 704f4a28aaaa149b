// MySQL's binary JSON, as stored and logged, to the text a SELECT prints. No shared state.
#pragma once
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

// Appends `{"a": 1, "b": [1, 2]}`; kSourceCorrupt when the bytes are not a document. An empty value is JSON null.
Status append_json_binary(std::string_view document, std::string& out);

// Appends a double as the server prints it inside JSON.
void append_json_double(double value, std::string& out);

}  // namespace tailrace
