#include "mysql/charset.h"

#include <utility>

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
  CHECK(utf8_of("latin1", "h\xE9\x80") == "h\xC3\xA9\xE2\x82\xAC");  // 0x80 is the euro sign
  CHECK(utf8_of("latin1", "\x81") == "\xC2\x81");                    // a hole of cp1252
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

TEST_CASE("Small character sets of old days") {
  CHECK(utf8_of("armscii8", "\xB2\xFE") == "\xD4\xB1\xE2\x80\x99");
  CHECK(utf8_of("geostd8", "\xC0\xFD") == "\xE1\x83\x90\xE2\x84\x96");
  CHECK(utf8_of("keybcs2", "\x80\xA8") == "\xC4\x8C\xC5\xA1");
  CHECK(utf8_of("swe7", "[$}") == "\xC3\x84$\xC3\xA5");  // not a superset of ASCII
}

// The system's tables know characters for these, the servers do not and show '?'.
TEST_CASE("Codes that the servers know no character for are refused") {
  for (auto [charset, code] : {std::pair("cp1256", "\x8A"),
                               {"greek", "\xA4"},
                               {"big5", "\xC7\xFD"},
                               {"sjis", "\x87\x40"},
                               {"ujis", "\xAD\xA1"},
                               {"ujis", "\x8F\xF3\xF3"}}) {
    CAPTURE(charset);
    CHECK(utf8_of(charset, code) == "refused");
  }
  CHECK(utf8_of("big5", "\xA1\x5A") == "\xEF\xBF\xBD");  // theirs is U+FFFD
  CHECK(utf8_of("ujis", "\x8F\xA2\xB7") == "~");
  CHECK(utf8_of("gb18030", "\x82\x35\x90\x37") == "\xE9\xBE\xB4");
}

TEST_CASE("Invalid bytes can be replaced, one mark a character or stray byte") {
  auto replaced = [](const char* charset, const std::string& in) {
    std::string out;
    append_utf8_replacing(*find_charset(charset), in, out);
    return out;
  };
  const std::string kMark = "\xEF\xBF\xBD";
  CHECK(replaced("utf8mb4", "a\xFF\xC3\xA9\xED\xA0\x80z") == "a" + kMark + "\xC3\xA9" + kMark + kMark + kMark + "z");
  CHECK(replaced("utf8mb4", "\xF0\x9F\x98\x80\xF0\x9F") == "\xF0\x9F\x98\x80" + kMark + kMark);
  CHECK(replaced("ascii", "a\x80") == "a" + kMark);
  CHECK(replaced("cp1256", "a\x8Az") == "a" + kMark + "z");
  CHECK(replaced("gbk", "\xC4\xE3\xA2\xABz\xC4") == "\xE4\xBD\xA0" + kMark + "z" + kMark);
  CHECK(replaced("sjis", "\x87\x40\xB1") == kMark + "\xEF\xBD\xB1");
  CHECK(replaced("utf16", "\x00\x41\xD8\x00\x00\x42\x00"s) == "A" + kMark + "B" + kMark);
  CHECK(replaced("utf16", "\xD8\x3D\xDE\x00"s) == "\xF0\x9F\x98\x80");
  CHECK(replaced("utf32", "\x00\x11\x00\x00\x00\x00\x00\x41"s) == kMark + "A");
}

TEST_CASE("Bytes that are not text are refused") {
  CHECK(utf8_of("utf8mb4", "a\xC0\x80") == "refused");     // overlong
  CHECK(utf8_of("utf8mb4", "\xED\xA0\x80") == "refused");  // surrogate
  CHECK(utf8_of("utf8mb4", "\xE4\xBD") == "refused");      // cut
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
  CHECK(charset_of_collation(17)->codec == TextCodec::kUnknown);  // swe7
}
