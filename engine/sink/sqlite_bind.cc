#include "sink/sqlite_bind.h"

#include <limits>

#include "event/value_text.h"

namespace tailrace {
void bind_value(sqlite::Statement& s, int at, const Value& value, const Column& column, std::string& scratch) {
  switch (value.kind) {
    case Kind::kAbsent:
    case Kind::kNull: return s.bind_null(at);
    case Kind::kInt: return s.bind_int(at, value.i);
    case Kind::kYear: return s.bind_int(at, static_cast<int64_t>(value.u));
    case Kind::kUint:
    case Kind::kBit:
      if (value.u <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return s.bind_int(at, static_cast<int64_t>(value.u));
      }
      break;  // digits
    case Kind::kDouble: return s.bind_double(at, value.flags & kFloat32 ? float_as_printed(static_cast<float>(value.d)) : value.d);
    case Kind::kDecimal:
    case Kind::kText:
    case Kind::kJson: return s.bind_text(at, value.text());
    case Kind::kBytes:
    case Kind::kGeometry: return s.bind_blob(at, value.text());
    case Kind::kEnum:
      if (value.u == 0 || value.u > column.labels.size()) break;
      return s.bind_text(at, column.labels[value.u - 1]);
    default: break;
  }
  scratch.clear();
  append_text(value, column, scratch);
  s.bind_text(at, scratch);
}

}  // namespace tailrace
