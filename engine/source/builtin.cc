#include "source/builtin.h"

namespace tailrace {

#define TAILRACE_BUILTIN(symbol) extern const SourceInfo symbol;
#include "builtin_source.inc"
#undef TAILRACE_BUILTIN

std::span<const SourceInfo* const> builtin_sources() {
  static const SourceInfo* const kAll[] = {
#define TAILRACE_BUILTIN(symbol) &symbol,
#include "builtin_source.inc"
#undef TAILRACE_BUILTIN
  };
  return kAll;
}

const SourceInfo* find_source(std::string_view scheme) {
  for (const SourceInfo* info : builtin_sources()) {
    if (info->name == scheme) return info;
  }
  return nullptr;
}

}  // namespace tailrace
