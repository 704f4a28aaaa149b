#include "mysql/charset.h"

#include "unit/catch.h"

using namespace tailrace;
using namespace std::string_literals;

namespace {
std::string utf8_of(const char* charset, const std::string& in) {
  const Charset* found = find_charset(charset);
  REQUIRE(found);
  std::string out;
  return append_utf8(*found, in, out) ? out : "refused";
}
}  // namespace

// Expected: SELECT CONVERT(CONVERT(x'…' USING charset) USING utf8mb4) on a server.
TEST_CASE("Text becomes UTF-8") {
  CHECK(utf8_of("latin1", "h\xE9\x80") == "h\xC3\xA9\xE2\x82\xAC");   // 0x80 is the euro sign
  CHECK(utf8_of("latin1", "\x81") == "\xC2\x81");                     // a hole of cp1252
  CHECK(utf8_of("gbk", "\xC4\xE3") == "\xE4\xBD\xA0");
  CHECK(utf8_of("sjis", "\x83\x65") == "\xE3\x83\x86");
  CHECK(utf8_of("big5", "\xA7\x41") == "\xE4\xBD\xA0");
  CHECK(utf8_of("cp1251", "\xCF") == "\xD0\x9F");
  CHECK(utf8_of("utf16", "\x4F\x60\xD8\x3D\xDE\x00"s) == "\xE4\xBD\xA0\xF0\x9F\x98\x80");
  CHECK(utf8_of("utf16le", "\x60\x4F"s) == "\xE4\xBD\xA0");
  CHECK(utf8_of("ucs2", "\x4F\x60"s) == "\xE4\xBD\xA0");
  CHECK(utf8_of("utf32", "\x00\x01\xF6\x00"s) == "\xF0\x9F\x98\x80");
  CHECK(utf8_of("gb18030", "\x81\x30\x81\x30") == "\xC2\x80");
}

TEST_CASE("Bytes that are not text are refused") {
  CHECK(utf8_of("utf8mb4", "a\xC0\x80") == "refused");          // overlong
  CHECK(utf8_of("utf8mb4", "\xED\xA0\x80") == "refused");       // surrogate
  CHECK(utf8_of("utf8mb4", "\xE4\xBD") == "refused");           // cut
  CHECK(utf8_of("utf8mb4", "\xF5\x80\x80\x80") == "refused");
  CHECK(utf8_of("ascii", "\x80") == "refused");
  CHECK(utf8_of("ucs2", "\x4F") == "refused");
  CHECK(utf8_of("utf16", "\xD8\x3D"s) == "refused");
  CHECK(utf8_of("gbk", "\xC4") == "refused");
}

TEST_CASE("Collations name their charset") {
  CHECK(charset_of_collation(45)->name == "utf8mb4");
  CHECK(charset_of_collation(255)->name == "utf8mb4");   // utf8mb4_0900_ai_ci
  CHECK(charset_of_collation(2304)->name == "utf8mb4");  // uca1400 of MariaDB
  CHECK(charset_of_collation(1032)->name == "latin1");   // latin1_swedish_nopad_ci
  CHECK(charset_of_collation(8)->name == "latin1");
  CHECK(charset_of_collation(63)->codec == TextCodec::kBinary);
  CHECK(charset_of_collation(0)->codec == TextCodec::kUnknown);
  CHECK(charset_of_collation(10)->codec == TextCodec::kUnknown);  // swe7
}
