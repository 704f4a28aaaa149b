#include "sink/kafka_sink_topics.h"

#include "unit/catch.h"

using namespace tailrace;

TEST_CASE("a template takes db and table and nothing else") {
  CHECK(check_topic_template("{db}.{table}").ok());
  CHECK(check_topic_template("all").ok());
  CHECK(check_topic_template("x-{table}-{table}").ok());
  for (const char* bad : {"", "{DB}", "{table", "a}b", "{}", "{topic}"}) {
    INFO(bad);
    Status status = check_topic_template(bad);
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kConfigBadValue);
  }
  CHECK(render_topic("{db}.{table}", "shop", "orders") == "shop.orders");
  CHECK(render_topic("x-{table}-{table}", "shop", "a") == "x-a-a");
  CHECK(render_topic("{table}", "shop", "{db}") == "{db}");  // what was filled in is not looked at again
}

TEST_CASE("names a broker cannot have are refused") {
  CHECK(check_topic_name("shop.Orders_2-x").ok());
  CHECK(check_topic_name(std::string(249, 'a')).ok());
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string(250, 'a'), std::string("a b"),
                                 std::string("käse"), std::string("a/b"), std::string("a\0b", 3), std::string("__consumer_offsets")}) {
    Status status = check_topic_name(bad);
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSinkWrite);
  }
}
