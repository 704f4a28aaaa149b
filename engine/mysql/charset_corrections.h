// Where the servers map a code to another character than the system's tables do, or to none. Constant tables.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace tailrace {

struct Correction {
  uint32_t first = 0, last = 0;  // codes, big-endian
  uint32_t to = 0;               // code point of the first, the following ones follow; 0: the servers know no character
  uint32_t character(uint32_t code) const noexcept { return to == 0 || to == 0xFFFD ? to : to + code - first; }
};

// In the order of the codes; empty for most character sets.
std::span<const Correction> corrections_of(std::string_view charset) noexcept;
const Correction* find_correction(std::span<const Correction> corrections, uint32_t code) noexcept;

}  // namespace tailrace
