#include "event/start_point.h"

#include "unit/catch.h"

using namespace tailrace;
using Kind = StartPoint::Kind;

namespace {
StartPoint point(const std::string& text) {
  auto parsed = parse_start_point(text);
  INFO(text);
  REQUIRE(parsed.ok());
  return *parsed;
}
}  // namespace

TEST_CASE("The forms of a start point") {
  CHECK(point("").kind == Kind::kNow);
  CHECK(point("now").kind == Kind::kNow);
  CHECK(point("earliest").kind == Kind::kEarliest);
  CHECK(point("gtid=0-1-42,7-2-5").position == "gtid=0-1-42,7-2-5");
  CHECK(point("gtid=3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag:7").kind == Kind::kPosition);
  CHECK(point("file=binlog.000042;offset=1234").position == "file=binlog.000042;offset=1234");
  CHECK(point("gtid=;file=b.1;offset=4;server=9").kind == Kind::kPosition);
  CHECK(point("binlog.000042:1234").position == "file=binlog.000042;offset=1234");
  CHECK(point("my-bin.log.7:6000000000").position == "file=my-bin.log.7;offset=6000000000");
}

// Expected numbers are those of GNU date: date -u -d TEXT +%s.
TEST_CASE("A time is taken with its zone") {
  struct Case {
    const char* text;
    int64_t us;
  };
  for (const Case& c : {Case{"2026-11-25T08:00:00Z", 1795593600'000000}, Case{"2026-11-25T08:00Z", 1795593600'000000},
                        Case{"2026-11-25 10:00:00+02:00", 1795593600'000000}, Case{"2026-11-25T02:30:00-0530", 1795593600'000000},
                        Case{"2026-11-25T08:00:00.25Z", 1795593600'250000}, Case{"2024-02-29T23:59:59Z", 1709251199'000000},
                        Case{"1970-01-01T00:00:00Z", 0}, Case{"2000-03-01T00:00:00+00", 951868800'000000}}) {
    INFO(c.text);
    CHECK(point(c.text).kind == Kind::kTime);
    CHECK(point(c.text).time_us == c.us);
  }
  for (const char* text : {"2026-11-25T08:00:00Z", "1999-12-31T23:59:59Z", "2024-02-29T00:00:00.000001Z"}) {
    CHECK(utc_text(point(text).time_us) == text);
  }
}

TEST_CASE("A start that is not understood names the forms there are") {
  for (const char* text : {"yesterday", "2026-11-25T08:00:00", "2026-11-25", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z",
                           "2026-11-25T08:00:00Zulu", "2026-11-25T08:00:00+2", "binlog.000042", "binlog.000042:", "binlog.000042:x",
                           "binlog:42", "/logs/binlog.000042:4", "offset=4", "file=", "gtid", "position=4", "gtid=1-1-1;when=now"}) {
    INFO(text);
    auto parsed = parse_start_point(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.status().code() == ErrorCode::kConfigBadValue);
    CHECK(parsed.status().detail().find("binlog.000042:1234") != std::string::npos);
  }
  auto zoneless = parse_start_point("2026-11-25T08:00:00");
  CHECK(zoneless.status().detail().find("no time zone") != std::string::npos);
}
