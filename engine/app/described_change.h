// A change described in JSON, as the conformance cases have it, to a message: for the conformance suite, the command
// `tailrace format` and Python. The members are in docs/formats.md. Thread-safe.
#pragma once
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

struct DescribedMessage {
  bool skip = false;  // the format has no message for this change
  bool has_key = false;
  std::string key, value;
};

// `change`: {"format", "options", "table", "change"}; other members are not looked at. FMT-0002 says what is wrong with it.
Result<DescribedMessage> encode_described(std::string_view change);

}  // namespace tailrace
