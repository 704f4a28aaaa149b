// Text of a geometry as MySQL stores it.
#pragma once
#include <string>
#include <string_view>

namespace tailrace {

// Appends "SRID=4326;POINT(1 2)", without the SRID when it is 0. `stored`: SRID (4 bytes, little-endian) and WKB.
// False when it is none; what was appended is then of no use.
[[nodiscard]] bool append_ewkt(std::string_view stored, std::string& out);

}  // namespace tailrace
