#include "format/time_zone.h"

#include "format/value_chars.h"
#include "unit/catch.h"

using namespace tailrace;

TEST_CASE("offsets of time zones") {
  for (auto [text, seconds] : {std::pair("+08:00", 28'800),
                               {"-05:30", -19'800},
                               {"+0530", 19'800},
                               {"+8", 28'800},
                               {"-11", -39'600},
                               {"UTC", 0},
                               {"Z", 0},
                               {"GMT+08:00", 28'800},
                               {"+00:00", 0}}) {
    INFO(text);
    auto zone = TimeZone::parse(text);
    REQUIRE(zone.ok());
    CHECK(zone->offset_s(0) == seconds);
  }
  for (const char* text :
       {"", "+", "+25:00", "+08:60", "8", "../etc/passwd", "/etc/passwd", "No/Where", "+08:00:00", "Asia", "Asia/", "tzdata.zi", "a\nb"}) {
    INFO(text);
    auto zone = TimeZone::parse(text);
    REQUIRE_FALSE(zone.ok());
    CHECK(zone.status().code() == ErrorCode::kConfigBadValue);
  }
}

TEST_CASE("named zones change their offset") {
  // Expected values: date -d @SECONDS with TZ set.
  auto berlin = TimeZone::parse("Europe/Berlin");
  if (!berlin.ok()) {
    WARN("skipped: this machine has no zone table");
    return;
  }
  CHECK(berlin->offset_s(1'609'459'200) == 3'600);  // 2021-01-01
  CHECK(berlin->offset_s(1'625'097'600) == 7'200);  // 2021-07-01
  CHECK(berlin->offset_s(1'616'893'199) == 3'600);  // the second before summer time
  CHECK(berlin->offset_s(1'616'893'200) == 7'200);
  auto shanghai = TimeZone::parse("Asia/Shanghai");
  REQUIRE(shanghai.ok());
  CHECK(shanghai->offset_s(1'606'233'662) == 28'800);
}

TEST_CASE("local text of timestamps") {
  char space[kValueChars];
  auto text = [&](int64_t us, const char* zone) { return std::string(space, put_local(space, us, TimeZone::parse(zone).value())); };
  CHECK(text(1'606'233'662'012'345, "+08:00") == "2020-11-25 00:01:02.012345");
  CHECK(text(1'606'233'662'500'000, "+00:00") == "2020-11-24 16:01:02.5");
  CHECK(text(-1, "+00:00") == "1969-12-31 23:59:59.999999");
  CHECK(text(1'000'000, "-05:30") == "1969-12-31 18:30:01");
  CHECK(text(0, "+08:00") == "0000-00-00 00:00:00");
}
