#include "format/json_writer.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "unit/catch.h"

using namespace tailrace;

namespace {

std::string written(std::string_view text) {
  std::string out;
  JsonWriter json(out);
  REQUIRE(json.string(text));
  json.finish();
  return out;
}
bool accepted(std::string_view text) {
  std::string out;
  JsonWriter json(out);
  return json.string(text);
}
std::string number(double value, bool is_float32) {
  std::string out;
  JsonWriter json(out);
  REQUIRE(json.number(value, is_float32));
  json.finish();
  return out;
}

}  // namespace

TEST_CASE("a string reads back the same wherever the special byte stands") {
  for (size_t length = 1; length <= 50; ++length) {
    for (size_t at = 0; at < length; ++at) {
      for (char c : {'"', '\\', '\n', '\0', '\x1f', '\x7f', '/'}) {
        std::string text(length, 'x');
        text[at] = c;
        std::string out = written(text);
        REQUIRE(nlohmann::json::parse(out).get<std::string>() == text);
        for (unsigned char byte : out) REQUIRE(byte >= 0x20);
      }
    }
  }
}

TEST_CASE("random UTF-8 of many lengths reads back the same") {
  std::mt19937 random(20261120);
  const std::string pieces[] = {"a", "é", "中", "😀", "\"", "\\", "\x01", "0123456789abcdef", " "};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (unsigned n = random() % 60; n-- > 0;) text += pieces[random() % std::size(pieces)];
    REQUIRE(nlohmann::json::parse(written(text)).get<std::string>() == text);
  }
}

TEST_CASE("a text of only control characters grows six times") {
  std::string text(10'000, '\x01');
  std::string out = written(text);
  REQUIRE(out.size() == 60'002);
  REQUIRE(out.substr(0, 13) == R"("\u0001\u0001)");
}

TEST_CASE("bytes that are no UTF-8 are refused at any place") {
  for (std::string bad : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xE4\xB8", "\xFF"}) {
    for (size_t before : {0, 1, 7, 15, 16, 40}) {
      CHECK_FALSE(accepted(std::string(before, 'a') + bad));
      CHECK_FALSE(accepted(std::string(before, 'a') + bad + "zzzzzzzzzzzzzzzzzzz"));
    }
  }
  CHECK(accepted("\xF4\x8F\xBF\xBF"));
  CHECK(json_quoted("a\xFF\x62") == "\"a\xEF\xBF\xBD\x62\"");
}

TEST_CASE("numbers are the shortest text that reads back") {
  CHECK(number(1.2222f, true) == "1.2222");
  CHECK(number(0.1, false) == "0.1");
  CHECK(number(100000.0, false) == "100000");
  CHECK(number(1e300, false) == "1e+300");
  CHECK(number(-0.0, false) == "-0");
  CHECK(number(5e-324, false) == "5e-324");
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    REQUIRE(std::strtod(number(value, false).c_str(), nullptr) == value);
  }
  std::string out;
  JsonWriter json(out);
  CHECK_FALSE(json.number(std::numeric_limits<double>::quiet_NaN(), false));
  CHECK_FALSE(json.number(std::numeric_limits<double>::infinity(), true));
  json.number(std::numeric_limits<int64_t>::min());
  json.raw(' ');
  json.number(std::numeric_limits<uint64_t>::max());
  json.finish();
  CHECK(out == "-9223372036854775808 18446744073709551615");
}

TEST_CASE("base64 and hex follow the vectors of RFC 4648") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (auto [bytes, text] : vectors) {
    std::string out;
    JsonWriter json(out);
    json.base64(bytes);
    json.finish();
    CHECK(out == "\"" + std::string(text) + "\"");
  }
  std::string out;
  JsonWriter json(out);
  json.hex(std::string_view("\x00\xff\x6a", 3));
  json.finish();
  CHECK(out == "\"00FF6A\"");
}

TEST_CASE("a writer reuses the string's memory") {
  std::string out;
  {
    JsonWriter json(out);
    REQUIRE(json.string(std::string(5000, 'x')));
    json.finish();
  }
  const char* memory = out.data();
  for (int i = 0; i < 10; ++i) {
    JsonWriter json(out);
    REQUIRE(json.string(std::string(4000, 'y')));
    json.finish();
    REQUIRE(out.data() == memory);
    REQUIRE(out.size() == 4002);
  }
}
