#include "mysql/decimal.h"

#include <string>
#include <vector>

#include "unit/catch.h"

using namespace tailrace;

namespace {
std::string text_of(std::vector<uint8_t> packed, unsigned precision, unsigned scale) {
  REQUIRE(packed.size() == decimal_size(precision, scale));
  char out[kDecimalTextMax];
  return std::string(out, decimal_to_text(packed.data(), precision, scale, out));
}
}  // namespace

// The example of the server's own documentation: 1234567890.1234 as DECIMAL(14,4).
TEST_CASE("Packed decimals read as documented") {
  CHECK(text_of({0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2}, 14, 4) == "1234567890.1234");
  CHECK(text_of({0x7E, 0xF2, 0x04, 0xC7, 0x2D, 0xFB, 0x2D}, 14, 4) == "-1234567890.1234");
}

TEST_CASE("Zero has no sign and leading zeros are cut") {
  CHECK(text_of({0x80, 0x00}, 3, 1) == "0.0");
  CHECK(text_of({0x7F, 0xFF}, 3, 1) == "0.0");  // what would be minus zero
  CHECK(text_of({0x80, 0x05}, 3, 1) == "0.5");
  CHECK(text_of({0x7F, 0xFA}, 3, 1) == "-0.5");
  CHECK(text_of({0x85}, 1, 0) == "5");
  CHECK(text_of({0xB2}, 2, 2) == "0.50");  // no whole digits at all
}

TEST_CASE("A group beyond its digits is refused") {
  CHECK(text_of({0xE4}, 2, 0).empty());                    // 100 in two digits
  CHECK(text_of({0xBB, 0x9A, 0xCA, 0x00}, 9, 0).empty());  // 10^9 in nine
}
