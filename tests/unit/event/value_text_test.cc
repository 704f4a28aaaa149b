#include "event/value_text.h"

#include <cstdlib>
#include <limits>

#include "base/status.h"
#include "unit/catch.h"

using namespace tailrace;

namespace {
std::string text(Value value, const Column& column = {}) { return to_text(value, column); }
}  // namespace

TEST_CASE("numbers have their shortest exact text") {
  CHECK(text(Value::of_int(std::numeric_limits<int64_t>::min())) == "-9223372036854775808");
  CHECK(text(Value::of_uint(std::numeric_limits<uint64_t>::max())) == "18446744073709551615");
  CHECK(text(Value::of_float(0.1f)) == "0.1");
  CHECK(text(Value::of_double(0.1)) == "0.1");
  CHECK(text(Value::of_double(0.1 + 0.2)) == "0.30000000000000004");
  CHECK(text(Value::of_double(1e300)) == "1e+300");
  CHECK(text(Value::of_double(-0.0)) == "-0");
}

// 7.038531e-26 read as a double and then made a FLOAT is the neighbour, by rounding twice.
TEST_CASE("the text of a FLOAT reads back also by way of a double") {
  auto by_double = [](float value) { return static_cast<float>(std::strtod(text(Value::of_float(value)).c_str(), nullptr)); };
  for (float value : {0x1.5c87fap-84f, 0x1.5c87fcp-84f, 0.1f, 16777216.0f, 3.4028235e38f, 1e-45f}) {
    CHECK(by_double(value) == value);
    CHECK(std::strtof(text(Value::of_float(value)).c_str(), nullptr) == value);
    CHECK(static_cast<float>(float_as_printed(value)) == value);
  }
  CHECK(text(Value::of_float(0x1.5c87fcp-84f)) == "7.0385313e-26");
}

TEST_CASE("dates and times") {
  CHECK(text(Value::of_bits(Kind::kDate, pack_date(0, 0, 0))) == "0000-00-00");
  CHECK(text(Value::of_bits(Kind::kDate, pack_date(2025, 1, 0))) == "2025-01-00");
  CHECK(text(Value::of_bits(Kind::kDate, pack_date(9999, 12, 31))) == "9999-12-31");
  CHECK(text(Value::of_bits(Kind::kDateTime, pack_datetime({2026, 11, 20}, {23, 59, 59, 120000}), 3)) == "2026-11-20 23:59:59.120");
  Value time = Value::of_bits(Kind::kTime, 0, 6);
  time.i = -(838LL * 3600 + 59 * 60 + 59) * 1000000;
  CHECK(text(time) == "-838:59:59.000000");
  Value stamp = Value::of_bits(Kind::kTimestamp, 0, 0);
  CHECK(text(stamp) == "0000-00-00 00:00:00");
  stamp.i = 1609430437000000;  // date -u -d @1609430437
  CHECK(text(stamp) == "2020-12-31 16:00:37");
  CHECK(days_from_civil({1970, 1, 1}) == 0);
  CHECK(days_from_civil({2000, 3, 1}) == 11017);
  CHECK(civil_from_days(11017).month == 3);
  CHECK(!is_real_date({2023, 2, 29}));
  CHECK(is_real_date({2024, 2, 29}));
}

TEST_CASE("labels") {
  Column column;
  column.labels = {"a", "b", "c"};
  CHECK(text(Value::of_bits(Kind::kEnum, 2), column) == "b");
  CHECK(text(Value::of_bits(Kind::kEnum, 0), column).empty());
  CHECK(text(Value::of_bits(Kind::kSet, 5), column) == "a,c");
}

TEST_CASE("a schema survives its stored form") {
  TableSchema schema;
  schema.database = "shop";
  schema.table = "t";
  schema.primary_key = {0};
  Column column;
  column.name = "e";
  column.kind = Kind::kEnum;
  column.labels = {"x", "ü"};
  column.charset = 45;
  schema.columns.push_back(column);
  auto back = schema_from_json(schema_to_json(schema));
  REQUIRE(back.ok());
  CHECK((*back)->columns[0].labels == schema.columns[0].labels);
  CHECK((*back)->columns[0].charset == 45);
  CHECK((*back)->primary_key == schema.primary_key);
  CHECK(!schema_from_json("{}").ok());
}
