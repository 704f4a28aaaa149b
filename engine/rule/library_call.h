// Functions of the rule library that work on texts: json, time and hash.uint. Called from scripts with canonical texts.
// Pure; thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace {

// Numbers shared with rules/lib.
enum class LibraryFunction : int32_t { kJsonGet = 1, kJsonSet, kJsonRemove, kEpochUs, kFromEpochUs, kTrunc, kShift, kHashUint, kJsonQuote };
// What `out` holds.
enum class LibraryResult : int32_t { kText, kNil, kError, kNumber, kTrue, kFalse };

// Arguments as the function has them; missing ones are empty. An error's text is a sentence without the function's name.
LibraryResult call_library(LibraryFunction function, std::string_view a, std::string_view b, std::string_view c, std::string& out);

// Microseconds since 1970 UTC of a date or point in time in canonical text. False: no such text, or a zero or partial date.
bool epoch_us_of(std::string_view text, int64_t& out) noexcept;
// 0 <= x < n, even over all inputs. REQUIRES: n > 0.
uint64_t hash_uint(uint64_t n, std::string_view data);

}  // namespace tailrace
