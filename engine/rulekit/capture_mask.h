// Masks of a capture: what must not reach the disk. Text, digits and bytes become others of the same shape, the same
// everywhere for the same value.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "event/schema.h"

namespace tailrace {

enum class MaskAction : uint8_t { kDrop, kNull, kFake };

struct CaptureMask {
  std::string pattern;  // "email" in every table, or "shop.user_*.email"
  MaskAction action = MaskAction::kDrop;
};

// "email=fake", "shop.user_*.card=drop", "note=null".
Result<CaptureMask> parse_capture_mask(std::string_view text);
bool mask_matches(std::string_view pattern, const TableSchema& table, const Column& column);
// Whether `fake` knows values of this kind: text, bytes, integers, DECIMAL.
bool can_fake(const Column& column);
// REQUIRES: can_fake.
Value fake_value(const Value& value, const Column& column, Arena& arena);

}  // namespace tailrace
