// The sinks of this build.
#pragma once
#include <span>

#include "sink/sink.h"

namespace tailrace {

std::span<const SinkInfo* const> builtin_sinks();

}  // namespace tailrace
