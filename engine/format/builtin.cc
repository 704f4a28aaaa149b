#include "format/builtin.h"

#include <algorithm>

namespace tailrace {

#define TAILRACE_BUILTIN(symbol) extern const FormatInfo symbol;
#include "builtin_format.inc"
#undef TAILRACE_BUILTIN

std::span<const FormatInfo* const> builtin_formats() {
  static const FormatInfo* const table[] = {
#define TAILRACE_BUILTIN(symbol) &symbol,
#include "builtin_format.inc"
#undef TAILRACE_BUILTIN
  };
  return table;
}

const FormatInfo* find_format(std::string_view name) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  for (const FormatInfo* info : builtin_formats()) {
    if (std::equal(info->name.begin(), info->name.end(), name.begin(), name.end(), [&](char a, char b) { return lower(a) == lower(b); })) {
      return info;
    }
  }
  return nullptr;
}

}  // namespace tailrace
