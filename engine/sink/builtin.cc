#include "sink/builtin.h"

namespace tailrace {

#define TAILRACE_BUILTIN(symbol) extern const SinkInfo symbol;
#include "builtin_sink.inc"
#undef TAILRACE_BUILTIN

std::span<const SinkInfo* const> builtin_sinks() {
#define TAILRACE_BUILTIN(symbol) &symbol,
  static constexpr const SinkInfo* kSinks[] = {
#include "builtin_sink.inc"
  };
#undef TAILRACE_BUILTIN
  return kSinks;
}

}  // namespace tailrace
