#include "app/described_change.h"

#include <nlohmann/json.hpp>

#include "unit/catch.h"

using namespace tailrace;
using Json = nlohmann::ordered_json;

namespace {

Json described(const std::string& type, Json value, const std::string& format = "Default") {
  return Json{{"id", "t"},
              {"format", format},
              {"options", {{"dbType", "OB_MYSQL"}}},
              {"table", {{"tenant", nullptr}, {"db", "d"}, {"name", "t"}, {"columns", {{{"name", "c"}, {"mysql_type", type}}}}}},
              {"change", {{"op", "insert"}, {"ts_s", 1}, {"now_ms", 2000}, {"after", {{"c", std::move(value)}}}}}};
}
Json encoded(const Json& change) {
  auto made = encode_described(change.dump());
  REQUIRE(made.ok());
  return Json::parse(made->value);
}
std::string refused(const Json& change) {
  auto made = encode_described(change.dump());
  REQUIRE_FALSE(made.ok());
  return made.status().to_string();
}
Json value_of(const std::string& type, Json value, const std::string& format = "Default") {
  return encoded(described(type, std::move(value), format)).at("postStruct").at("c");
}

}  // namespace

// Expected values: the rules of the format and what MySQL prints.
TEST_CASE("values of every type") {
  CHECK(value_of("BIGINT UNSIGNED", "18446744073709551615") == 18446744073709551615u);
  CHECK(value_of("double", "4.9406564584124654e-324") == 4.9406564584124654e-324);
  CHECK(value_of("double", "-1.7976931348623157e308") == -1.7976931348623157e308);
  CHECK(value_of("year", "0000") == 0);
  CHECK(value_of("time(3)", "-838:59:59.000") == "-838:59:59.000");
  CHECK(value_of("time(3)", "23:00:00.100") == "23:00:00.1");
  CHECK(value_of("datetime(6)", "2021-02-30 10:00:00.500000") == "2021-02-30 10:00:00.500000");
  CHECK(value_of("date", "2020-00-00") == "2020-00-00");
  CHECK(value_of("bit(64)", Json{{"hex", "0000000000000100"}}) == "AQA=");
  CHECK(value_of("enum('a','it''s')", "it's") == "it's");
  CHECK(value_of("enum('a','b')", "") == "");
  CHECK(value_of("enum", "anything") == "anything");
  CHECK(value_of("set('a','b','c')", "a,c") == "a,c");
  CHECK(value_of("json", "{\"a\": [1]}") == "{\"a\": [1]}");
  CHECK(value_of("point", Json{{"hex", "00"}}) == "AA==");
  CHECK(value_of("tinyint(1)", 1) == 1);
  CHECK(value_of("varchar(3)", nullptr).is_null());
  CHECK(value_of("int(10) unsigned zerofill", "7") == 7);
}

TEST_CASE("options in both spellings, and of other formats") {
  Json change = described("int", "1");
  change["change"]["seq"] = 5;
  for (const char* name : {"sequenceEnabled", "sequence_enabled"}) {
    change["options"] = {{name, false}, {"timeZone", "+08:00"}, {"extend", Json::object()}};
    CHECK(encoded(change).at("allMetaData").at("storeDataSequence").is_null());
  }
  change["options"] = {{"sequenceEnable", false}};
  CHECK(refused(change).find("did you mean 'sequence_enabled'?") != std::string::npos);
  change = described("int", "1", "dataworks");
  change["options"] = {{"extend", {{"load_fm", "X"}, {"n", 1}}}};
  CHECK(encoded(change).at("extend") == Json({{"load_fm", "X"}, {"n", 1}}));
  change["options"] = {{"extend.load_fm", "X"}};
  CHECK(encoded(change).at("extend") == Json({{"load_fm", "X"}}));
}

TEST_CASE("the tenant belongs to OceanBase") {
  Json change = described("int", "1");
  change["table"]["tenant"] = "tn";
  CHECK(encoded(change).at("allMetaData").at("db") == "tn.d");
  change["options"]["dbType"] = "MYSQL";
  CHECK(encoded(change).at("allMetaData").at("db") == "d");
}

TEST_CASE("types of a source in Oracle mode") {
  auto oracle = [](const char* type, Json value) {
    Json change = described(type, std::move(value));
    change["options"]["dbType"] = "OB_ORACLE";
    return encoded(change).at("postStruct").at("c");
  };
  CHECK(oracle("NUMBER(10,4)", "123.4500").dump() == "123.45");
  CHECK(oracle("VARCHAR2(20)", "x") == "x");
  CHECK(oracle("TIMESTAMP(6) WITH TIME ZONE", "2020-11-25 00:01:02.012300 Asia/Shanghai") == "2020-11-25 00:01:02.0123 Asia/Shanghai");
  CHECK(oracle("DATE", "2020-11-25 00:01:02") == "2020-11-25 00:01:02");
  CHECK(oracle("RAW(2)", Json{{"hex", "00ff"}}) == "AP8=");
  CHECK(oracle("BINARY_FLOAT", "1.2222") == 1.2222);
}

TEST_CASE("what cannot be used is named") {
  Json change = described("int", "x");
  CHECK(refused(change).find("column 'c': \"x\" is no value of int") != std::string::npos);
  CHECK(refused(change).find("FMT-0002") == 0);
  CHECK(refused(change).find("case=t") != std::string::npos);
  CHECK(refused(described("int", "99999999999999999999")).find("no value of int") != std::string::npos);
  CHECK(refused(described("date", "2020-13-01")).find("no value of date") != std::string::npos);
  CHECK(refused(described("bit(8)", Json{{"hex", "0"}})).find("no value of bit") != std::string::npos);
  CHECK(refused(described("enum('a')", "b")).find("no value of enum") != std::string::npos);
  CHECK(refused(described("int", "1", "canall")).find("did you mean 'canal'?") != std::string::npos);
  CHECK(refused(described("intt", "1")).find("column 'c'") != std::string::npos);
  change = described("int", "1");
  change["change"]["op"] = "updat";
  CHECK(refused(change).find("did you mean 'update'?") != std::string::npos);
  change["change"]["op"] = "update";
  CHECK(refused(change).find("change.before is missing") != std::string::npos);
  change = described("int", "1");
  change["change"]["after"]["d"] = "1";
  CHECK(refused(change).find("no column 'd'") != std::string::npos);
  CHECK_FALSE(encode_described("[]").ok());
  CHECK_FALSE(encode_described("{").ok());
}
