// TextFilter: what a template does to a value: "{country|lower}", "{id|bucket:16}". Immutable, any thread.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"

namespace tailrace {

struct TextFilter {
  enum class Id : uint8_t {
    kBase64,
    kBucket,
    kCsv,
    kEpochMs,
    kEpochNs,
    kEpochS,
    kEpochUs,
    kHash,
    kHex,
    kInflux,
    kJson,
    kLower,
    kOr,
    kUpper
  };
  Id id = Id::kLower;
  uint32_t buckets = 0;  // kBucket
  std::string text;      // kOr
};

// "lower", "bucket:16", "or:none". Fails with the reason, without a place.
Result<TextFilter> parse_filter(std::string_view text);

enum class FilterFault : uint8_t { kNone, kNull, kAbsent, kNotTime, kZeroTime, kNotJson };
std::string_view describe_fault(FilterFault fault) noexcept;  // "is NULL …": ends the sentence "column `x` …"

class JsonWriter;
// The value as one JSON token: numbers exact, bytes in base64, NULL and absent as null.
FilterFault write_json(const Value& value, const Column& column, JsonWriter& json);
// Appends the value's text as the filters leave it.
FilterFault append_filtered(std::span<const TextFilter> filters, const Value& value, const Column& column, std::string& out);

}  // namespace tailrace
