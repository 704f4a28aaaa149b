// A schema registry of Confluent's kind, asked once when a format is made.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tailrace {

// Registers the Avro schema under the subject, or finds it there; its number. `url`: http://[user:password@]host[:port][/path].
// FMT-0004 when the registry cannot be reached or refuses; CFG-0003 when the URL is none, or https. Blocks for some seconds at most.
Result<uint32_t> register_schema(std::string_view url, std::string_view subject, std::string_view schema);

}  // namespace tailrace
