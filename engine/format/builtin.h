// The message formats of this build.
#pragma once
#include <span>
#include <string_view>

#include "format/message_format.h"

namespace tailrace {

std::span<const FormatInfo* const> builtin_formats();
// By name, case-insensitive; null if there is none.
const FormatInfo* find_format(std::string_view name);

}  // namespace tailrace
