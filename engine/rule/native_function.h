// Native functions of the rule library (mask.*, hash.*): used in `columns` without any Lua per row, and callable in
// `map`. NULL in, NULL out. Immutable after creation, so usable by any thread.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"
#include "event/value.h"
#include "rule/json_path.h"
#include "rule/rule_node.h"

namespace tailrace {

struct NativeFunction {
  enum class Id : uint8_t {
    kEmail,
    kPhone,
    kCard,
    kKeep,
    kFull,
    kNull,
    kSha256,
    kHmac,
    kBucket,
    kEpochUs,
    kEpochMs,
    kEpochS,
    kTrunc,
    kJsonGet
  };
  Id id = Id::kFull;
  std::string name;  // as the rule wrote it: "mask.email"
  uint32_t first = 0, last = 0;
  std::string with = "*";                // mask.keep: one character
  std::string secret;                    // hash: salt or key
  uint32_t buckets = 0;                  // hash.bucket
  std::string unit;                      // time.trunc
  std::shared_ptr<const JsonPath> path;  // json.get

  // Distinct inputs stay distinct, for all that is practical: fit for a key column.
  bool keeps_keys_apart() const noexcept { return id == Id::kSha256 || id == Id::kHmac; }
};

// `secrets`: the values of the rule file's `secret` options, by name.
Result<NativeFunction> make_native(const RuleNode& node, const std::map<std::string, std::string>& secrets);
// The column it makes of `in`; a failure says why it cannot be used there.
Result<Column> native_result(const NativeFunction& function, const Column& in);
// Appends the result for a text that is not NULL; false: the result is NULL. kNull must not be called.
bool native_text(const NativeFunction& function, std::string_view in, std::string& out);
// REQUIRES: native_result(function, in) is ok. `scratch` is reused between calls.
Value apply_native(const NativeFunction& function, const Value& value, const Column& in, Arena& arena, std::string& scratch);

}  // namespace tailrace
