#include "mysql/json_binary.h"

#include "unit/catch.h"

using namespace tailrace;
using namespace std::string_literals;

namespace {
std::string text_of(const std::string& document) {
  std::string out;
  Status status = append_json_binary(document, out);
  return status.ok() ? out : "failed " + std::string(error_info(status.code()).text);
}
std::string of_double(double value) {
  std::string out;
  append_json_double(value, out);
  return out;
}
}  // namespace

TEST_CASE("JSON scalars") {
  CHECK(text_of("") == "null");
  CHECK(text_of("\x04\x00"s) == "null");
  CHECK(text_of("\x04\x01"s) == "true");
  CHECK(text_of("\x05\xFE\xFF"s) == "-2");
  CHECK(text_of("\x06\xFE\xFF"s) == "65534");
  CHECK(text_of("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s) == "18446744073709551615");
  CHECK(text_of("\x0C\x05h\"\n\x01\\"s) == R"("h\"\n\u0001\\")");
}

TEST_CASE("JSON containers with inline and stored values") {
  // {"a": 1, "b": [true, "x"]}: count 2, size 35; keys at 18 and 19, the array at 20.
  std::string array = "\x02\x00\x0C\x00"s + "\x04\x01\x00"s + "\x0C\x0A\x00"s + "\x01x"s;
  std::string object =
      "\x00\x02\x00\x20\x00"s + "\x12\x00\x01\x00"s + "\x13\x00\x01\x00"s + "\x05\x01\x00"s + "\x02\x14\x00"s + "ab"s + array;
  CHECK(text_of(object) == R"({"a": 1, "b": [true, "x"]})");
  CHECK(text_of("\x00\x00\x00\x04\x00"s) == "{}");
  CHECK(text_of("\x02\x00\x00\x04\x00"s) == "[]");
}

TEST_CASE("Opaque JSON values print as the server prints them") {
  // 10^64 - 1 in a DECIMAL(65,0) is stored in eight groups of nine digits.
  std::string groups = "\x80\x00\x00\x09"s;
  for (int i = 0; i < 7; ++i) groups += "\x3B\x9A\xC9\xFF"s;
  CHECK(text_of("\x0F\xF6\x22\x48\x00"s + groups) == std::string(64, '9'));
  CHECK(text_of("\x0F\xF6\x26\x52\x00\x80"s + std::string(35, '\0')) == "failed SRC-0008");
  CHECK(text_of("\x0F\xF6\x04\x03\x01\x80\x05"s) == "0.5");
  CHECK(text_of("\x0F\x0F\x03\x00\x11\x22"s) == R"("base64:type15:ABEi")");
  // 2020-01-02: ((2020 * 13 + 1) << 5 | 2) << 17 << 24
  uint64_t date = ((2020ULL * 13 + 1) << 5 | 2) << 41;
  std::string bytes(reinterpret_cast<const char*>(&date), 8);
  CHECK(text_of("\x0F\x0A\x08"s + bytes) == R"("2020-01-02")");
  CHECK(text_of("\x0F\x0C\x08"s + bytes) == R"("2020-01-02 00:00:00.000000")");
}

TEST_CASE("JSON doubles that are not finite and times that are none are damage") {
  auto opaque = [](char type, uint64_t packed) {
    return text_of("\x0F"s + type + "\x08"s + std::string(reinterpret_cast<const char*>(&packed), 8));
  };
  auto of_bits = [](uint64_t bits) { return text_of("\x0B"s + std::string(reinterpret_cast<const char*>(&bits), 8)); };
  CHECK(of_bits(0x7FF0000000000000) == "failed SRC-0008");
  CHECK(of_bits(0xFFF8000000000001) == "failed SRC-0008");
  CHECK(opaque(0x0B, 838ULL << 36) == R"("838:00:00.000000")");
  CHECK(opaque(0x0B, 839ULL << 36) == "failed SRC-0008");
  CHECK(opaque(0x0B, 60ULL << 24) == "failed SRC-0008");  // second 60
  CHECK(opaque(0x0B, 1000000) == "failed SRC-0008");      // a full second of fraction
  CHECK(opaque(0x0C, (2020ULL * 13 << 22 | 24 << 12) << 24) == "failed SRC-0008");
}

// The left sides are what SELECT CAST(… AS JSON) shows.
TEST_CASE("Doubles in JSON") {
  CHECK(of_double(1) == "1.0");
  CHECK(of_double(-0.0) == "-0.0");
  CHECK(of_double(1e14) == "100000000000000.0");
  CHECK(of_double(1e15) == "1e15");
  CHECK(of_double(1234567890123456.0) == "1.234567890123456e15");
  CHECK(of_double(-3041355761719626.5) == "-3041355761719626.5");
  CHECK(of_double(1e-15) == "0.000000000000001");
  CHECK(of_double(1e-16) == "1e-16");
  CHECK(of_double(-2.5e300) == "-2.5e300");
  CHECK(of_double(0.1) == "0.1");
}

TEST_CASE("Damaged JSON is an error, never a read past its end") {
  std::string array = "\x02\x00\x0C\x00"s + "\x04\x01\x00"s + "\x0C\x0A\x00"s + "\x01x"s;
  std::string object =
      "\x00\x02\x00\x20\x00"s + "\x12\x00\x01\x00"s + "\x13\x00\x01\x00"s + "\x05\x01\x00"s + "\x02\x14\x00"s + "ab"s + array;
  for (size_t n = 1; n < object.size(); ++n) CHECK(text_of(object.substr(0, n)) == "failed SRC-0008");
  for (size_t i = 0; i < object.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = object;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      (void)text_of(std::string(damaged));  // any outcome but a crash
    }
  }
  // An array that contains itself.
  CHECK(text_of("\x02\x01\x00\x08\x00\x02\x00\x00"s) == "failed SRC-0008");
}
