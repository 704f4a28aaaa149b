#include "mysql/gtid.h"

#include "mysql/binlog_event.h"

#include "unit/catch.h"

using namespace tailrace;

namespace {
const std::string kA = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const std::string kB = "ffffffff-0000-0000-0000-000000000001";

MysqlGtidSet set_of(const std::string& text) {
  auto set = MysqlGtidSet::parse(text);
  REQUIRE(set.ok());
  return *set;
}
LogPosition at(const std::string& text) {
  auto position = parse_log_position({"mysql", text});
  REQUIRE(position.ok());
  return *position;
}
}  // namespace

TEST_CASE("A MySQL GTID set merges intervals and keeps tags apart") {
  MysqlGtidSet set = set_of(kA + ":1-3:7, " + kB + ":tag_1:5");
  CHECK(set.text() == kA + ":1-3:7," + kB + ":tag_1:5");
  auto gtid = parse_mysql_gtid_text(kA + ":4");
  REQUIRE(gtid.ok());
  CHECK_FALSE(set.contains(*gtid));
  set.add(*gtid);
  CHECK(set.contains(*gtid));
  CHECK(set.text() == kA + ":1-4:7," + kB + ":tag_1:5");
  set.merge(set_of(kA + ":5-6"));
  CHECK(set.text() == kA + ":1-7," + kB + ":tag_1:5");
  CHECK(set.contains(set_of(kA + ":2-6")));
  CHECK_FALSE(set.contains(set_of(kB + ":5")));
  CHECK(set_of("").empty());
}

TEST_CASE("Malformed GTID texts are refused") {
  for (const std::string& text : {std::string("x"), kA, kA + ":", kA + ":0", kA + ":5-3", kA + ":1-", kA + "0:1", kA + ":9tag:1"}) {
    CAPTURE(text);
    bool is_bare = text == kA;  // a uuid without numbers is an empty entry, which the server writes for nothing executed
    CHECK(MysqlGtidSet::parse(text).ok() == is_bare);
  }
  CHECK_FALSE(MariaGtidList::parse("1-2").ok());
  CHECK_FALSE(MariaGtidList::parse("1-2-3-4").ok());
  CHECK_FALSE(parse_log_position({"mysql", "offset=4"}).ok());
  CHECK_FALSE(parse_log_position({"mysql", "file=a.1;offset=x"}).ok());
  CHECK_FALSE(parse_log_position({"mysql", ""}).ok());
}

TEST_CASE("The wire form of a set is that of COM_BINLOG_DUMP_GTID") {
  // n_sids(8) uuid(16) n_intervals(8) first(8) end(8)
  std::string expected("\x01\0\0\0\0\0\0\0", 8);
  expected += std::string("\x3e\x11\xfa\x47\x71\xca\x11\xe1\x9e\x33\xc8\x0a\xa9\x42\x95\x62", 16);
  expected += std::string("\x01\0\0\0\0\0\0\0", 8) + std::string("\x01\0\0\0\0\0\0\0", 8) + std::string("\x04\0\0\0\0\0\0\0", 8);
  CHECK(set_of(kA + ":1-3").encode() == expected);
  for (const std::string& text : {kA + ":1-3:7-9", kA + ":1-3:tag:1," + kB + ":4"}) {
    auto back = MysqlGtidSet::decode(set_of(text).encode());
    REQUIRE(back.ok());
    CHECK(back->text() == text);
  }
  CHECK_FALSE(MysqlGtidSet::decode(expected.substr(0, 30)).ok());
}

TEST_CASE("Numbers and tags that no server gives are damage, not a set that has no text") {
  std::string uuid(16, '\x3e');
  auto le = [](uint64_t v) { return std::string(reinterpret_cast<const char*>(&v), 8); };
  auto plain = [&](uint64_t first, uint64_t end) { return MysqlGtidSet::decode(le(1) + uuid + le(1) + le(first) + le(end)).ok(); };
  CHECK(plain(INT64_MAX - 1, INT64_MAX));
  CHECK_FALSE(plain(1, uint64_t{INT64_MAX} + 1));
  CHECK_FALSE(plain(5, 5));
  auto tagged = [&](const std::string& tag) {
    return MysqlGtidSet::decode(le(1 | 1 << 8 | 1ULL << 56) + uuid + static_cast<char>(tag.size() << 1) + tag + le(1) + le(1) + le(2)).ok();
  };
  CHECK(tagged("a_tag1"));
  CHECK_FALSE(tagged("Tag"));
  CHECK_FALSE(tagged("1tag"));
  CHECK_FALSE(tagged("a:1"));
  CHECK_FALSE(tagged(std::string(33, 'a')));
  auto event = [&](uint64_t number) { return parse_mysql_gtid(std::string(1, '\0') + uuid + le(number)).ok(); };
  CHECK(event(INT64_MAX - 1));
  CHECK_FALSE(event(INT64_MAX));
  CHECK_FALSE(parse_mysql_gtid_text(kA + ":9223372036854775807").ok());
}

TEST_CASE("A log file's name that no position can hold is damage") {
  auto rotate = [](const std::string& name) { return parse_rotate(std::string("\x04\0\0\0\0\0\0\0", 8) + name, FormatDescription()).ok(); };
  CHECK(rotate("my logs-bin.000001"));
  for (const std::string& name : {std::string(), std::string("a;b.000001"), std::string("a\n"), std::string(" a"), std::string(513, 'a')}) {
    CAPTURE(name);
    CHECK_FALSE(rotate(name));
  }
}

TEST_CASE("A MariaDB position has one GTID per domain") {
  auto list = MariaGtidList::parse("0-1-42,7-2-5,0-3-43");
  REQUIRE(list.ok());
  CHECK(list->text() == "0-3-43,7-2-5");
  CHECK(list->contains(MariaGtid{0, 1, 43}));
  CHECK_FALSE(list->contains(MariaGtid{0, 1, 44}));
  CHECK_FALSE(list->contains(MariaGtid{1, 1, 1}));
}

TEST_CASE("Positions order by what their server guarantees") {
  CHECK(at("gtid=0-1-42;file=bin.000042;offset=1234").text() == "gtid=0-1-42;file=bin.000042;offset=1234");
  CHECK(compare_log_files("bin.999999", "bin.1000000") < 0);
  CHECK(log_position_reached(at("file=b.10;offset=4"), at("file=b.9;offset=999")));
  CHECK_FALSE(log_position_reached(at("file=b.9;offset=998"), at("file=b.9;offset=999")));
  CHECK(log_position_reached(at("file=b.9;offset=999"), at("file=b.9;offset=999")));
  // Same MariaDB server: file and offset decide, also between transactions of several domains.
  CHECK_FALSE(log_position_reached(at("gtid=0-1-9;file=b.1;offset=10"), at("gtid=0-1-5;file=b.1;offset=20")));
  CHECK(log_position_reached(at("gtid=0-1-9"), at("gtid=0-1-5")));
  // MySQL: sets decide, whatever the files are called after a failover.
  CHECK(log_position_reached(at("gtid=" + kA + ":1-9;file=z.1;offset=4"), at("gtid=" + kA + ":1-5;file=b.7;offset=99")));
  CHECK_FALSE(log_position_reached(at("gtid=" + kA + ":1-4;file=b.9;offset=4"), at("gtid=" + kA + ":1-5;file=b.7;offset=99")));
}

TEST_CASE("What a MySQL set lacks of another") {
  CHECK(set_of(kA + ":1-5:9").missing(set_of(kA + ":4-12," + kB + ":t:3")).text() == kA + ":6-8:10-12," + kB + ":t:3");
  CHECK(set_of("").missing(set_of(kA + ":1-3")).text() == kA + ":1-3");
  CHECK(set_of(kA + ":1-3").missing(set_of("")).empty());
  CHECK(set_of(kA + ":1-9").missing(set_of(kA + ":2-3:7")).empty());
  CHECK(set_of(kA + ":1-9").missing(set_of(kA + ":tag:7")).text() == kA + ":tag:7");
  CHECK(set_of(kA + ":5-6").missing(set_of(kA + ":1-9")).text() == kA + ":1-4:7-9");
}

TEST_CASE("What a MariaDB server has logged is told by domain and server") {
  auto state = MariaGtidState::parse("0-1-100,0-2-110,7-1-3");
  REQUIRE(state.ok());
  CHECK(state->contains(MariaGtid{0, 1, 100}));
  CHECK(state->contains(MariaGtid{0, 1, 7}));
  CHECK_FALSE(state->contains(MariaGtid{0, 1, 105}));  // 0-2-105 took its place
  CHECK_FALSE(state->contains(MariaGtid{0, 3, 1}));
  CHECK(state->highest(0) == 110);
  CHECK(state->highest(9) == 0);
  CHECK(MariaGtidState::parse("")->highest(0) == 0);
  CHECK_FALSE(MariaGtidState::parse("0-1").ok());
}

TEST_CASE("File and offset count within the log of one server") {
  LogPosition told = at("gtid=0-1-42;file=bin.000042;offset=1234;server=7-abc");
  CHECK(told.server == "7-abc");
  CHECK(told.text() == "gtid=0-1-42;file=bin.000042;offset=1234;server=7-abc");
  CHECK(at("gtid=0-1-42;server=7").text() == "gtid=0-1-42;server=7");
  CHECK(log_position_reached(at("file=b.9;offset=9;server=1"), at("file=b.9;offset=9")));
  CHECK_FALSE(log_position_reached(at("file=b.9;offset=9;server=1"), at("file=b.8;offset=9;server=2")));
  // Of two servers only the sets tell, also with MariaDB.
  CHECK(log_position_reached(at("gtid=0-2-9;file=b.1;offset=4;server=2"), at("gtid=0-1-5;file=b.7;offset=99;server=1")));
  CHECK_FALSE(log_position_reached(at("gtid=0-1-4;file=b.9;offset=4;server=2"), at("gtid=0-1-5;file=b.7;offset=99;server=1")));
  CHECK(log_position_reached(at("gtid=0-1-4;file=b.9;offset=4;server=2"), at("gtid=;file=b.7;offset=99;server=1")));
}
