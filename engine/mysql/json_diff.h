// JSON diffs of PARTIAL_UPDATE_ROWS: what an update in place changed in a document. No shared state.
#pragma once
#include <string>
#include <string_view>

#include "base/status.h"
#include "mysql/json_tree.h"

namespace tailrace {

// Appends the text of `document` after the diffs, as a SELECT prints it. kSourceCorrupt when the diffs are malformed or
// do not apply to this document.
Status append_json_changed(std::string_view document, std::string_view diffs, std::string& out);

// `$.a."b c"[3][last-1]` to its legs; names point into `text` or, where it has escapes, into `unescaped`. False: not a
// path to one place.
[[nodiscard]] bool parse_json_path(std::string_view text, JsonPath& legs, std::deque<std::string>& unescaped);

}  // namespace tailrace
