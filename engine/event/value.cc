#include "event/value.h"

#include <cstring>

namespace tailrace {

bool identical(const Value& a, const Value& b) noexcept {
  if (a.kind != b.kind) return false;
  if (a.kind == Kind::kNull || a.kind == Kind::kAbsent) return true;
  if (a.scale != b.scale || a.flags != b.flags) return false;
  if (has_text_payload(a.kind)) return a.size == b.size && (a.size == 0 || std::memcmp(a.p, b.p, a.size) == 0);
  return a.u == b.u;
}

bool identical(std::span<const Value> a, std::span<const Value> b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!identical(a[i], b[i])) return false;
  }
  return true;
}

}  // namespace tailrace
