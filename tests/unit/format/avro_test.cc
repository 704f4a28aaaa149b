// Expected bytes: the Avro specification's own examples; expected texts: what ST_AsText prints.
#include "format/avro_writer.h"
#include "format/ewkt.h"
#include "unit/catch.h"

using namespace tailrace;

namespace {

std::string unhex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return out;
}
std::string ewkt(std::string_view hex) {
  std::string out;
  return append_ewkt(unhex(hex), out) ? out : "refused";
}

}  // namespace

TEST_CASE("Avro: zigzag numbers, strings, doubles") {
  auto encoded = [](auto write) {
    std::string out;
    AvroWriter avro(out);
    write(avro);
    avro.finish();
    return out;
  };
  for (auto [value, hex] : {std::pair<int64_t, const char*>(0, "00"),
                            {-1, "01"},
                            {1, "02"},
                            {-2, "03"},
                            {-64, "7f"},
                            {64, "8001"},
                            {INT64_MAX, "feffffffffffffffff01"},
                            {INT64_MIN, "ffffffffffffffffff01"}}) {
    CHECK(encoded([&, v = value](AvroWriter& avro) { avro.integer(v); }) == unhex(hex));
  }
  CHECK(encoded([](AvroWriter& avro) { avro.text("foo"); }) ==
        "\x06"
        "foo");
  CHECK(encoded([](AvroWriter& avro) { avro.real(1.0); }) == unhex("000000000000f03f"));
  CHECK(encoded([](AvroWriter& avro) { avro.text(std::string(5000, 'x')); }).size() == 5002);
}

TEST_CASE("geometries as EWKT") {
  CHECK(ewkt("0000000001"
             "01000000"
             "000000000000f03f"
             "0000000000000040") == "POINT(1 2)");
  CHECK(ewkt("e610000001"
             "01000000"
             "000000000000f03f"
             "0000000000000040") == "SRID=4326;POINT(1 2)");
  CHECK(ewkt("0000000000"
             "00000001"
             "3ff0000000000000"
             "4000000000000000") == "POINT(1 2)");  // big-endian
  CHECK(ewkt("0000000001"
             "02000000"
             "02000000"
             "0000000000000000"
             "0000000000000000"
             "000000000000f03f"
             "000000000000f0bf") == "LINESTRING(0 0,1 -1)");
  CHECK(ewkt("0000000001"
             "04000000"
             "01000000"
             "01"
             "01000000"
             "000000000000e03f"
             "000000000000f03f") == "MULTIPOINT((0.5 1))");
  CHECK(ewkt("0000000001"
             "07000000"
             "00000000") == "GEOMETRYCOLLECTION EMPTY");
  CHECK(ewkt("0000000001"
             "07000000"
             "01000000"
             "01"
             "01000000"
             "000000000000f03f"
             "0000000000000040") == "GEOMETRYCOLLECTION(POINT(1 2))");
  for (const char* hex : {"", "00000000", "0000000002", "000000000101000000", "00000000010800000000000000",
                          "0000000001010000000000000000000000000000000000000000",   // a byte too many
                          "000000000101000000000000000000f07f0000000000000000"}) {  // infinity
    INFO(hex);
    CHECK(ewkt(hex) == "refused");
  }
  std::string deep("\0\0\0\0", 4);
  for (int i = 0; i < 100'000; ++i) deep += unhex("010700000001000000");
  std::string out;
  CHECK_FALSE(append_ewkt(deep, out));
}
