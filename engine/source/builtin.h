// The sources compiled into this build.
#pragma once
#include <span>
#include <string_view>

#include "source/source.h"

namespace tailrace {

std::span<const SourceInfo* const> builtin_sources();
// By URL scheme; null when there is none.
const SourceInfo* find_source(std::string_view scheme);

}  // namespace tailrace
