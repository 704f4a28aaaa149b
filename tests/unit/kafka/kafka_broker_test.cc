// The sink against a real broker, named by TAILRACE_KAFKA=host:port.
#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "format/full_image_format.h"
#include "unit/catch.h"
#include "unit/kafka/kafka_fixture.h"

using namespace tailrace;
using namespace tailrace::test;

TEST_CASE("real broker: topics are made as told, every row arrives once, in order per key") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("orders");
  SinkUnderTest under(address, {{"topic", topic}, {"topic_partitions", "3"}});
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  constexpr int kBatches = 40, kRows = 500, kIds = 97;
  for (int i = 0; i < kBatches; ++i) {
    REQUIRE(under.write(table.batch(static_cast<uint64_t>(i), i * kRows, kRows, 100, kIds)).ok());
  }
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences().size() == kBatches);
  auto messages = consume(address, topic, 3, kBatches * kRows);
  REQUIRE(messages.size() == kBatches * kRows);
  std::map<std::string, int> last;
  std::map<int32_t, int> per_partition;
  for (const Message& message : messages) {
    int number = std::stoi(nlohmann::json::parse(message.value)["payload"]["after"]["t"].get<std::string>());
    auto [it, is_new] = last.emplace(message.key, number);
    if (!is_new) {
      REQUIRE(it->second == number - kIds);  // the row before it under the same key
      it->second = number;
    }
    ++per_partition[message.partition];
  }
  CHECK(last.size() == kIds);
  CHECK(per_partition.size() == 3);
}

TEST_CASE("real broker: a missing topic is an error when none may be made") {
  std::string address = broker();
  if (address.empty()) return;
  SinkUnderTest under(address, {{"topic", fresh("absent")}, {"create_topics", "false"}});
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(Table("orders").batch(1, 0, 1));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkWrite);
  CHECK(status.detail().find("create_topics") != std::string::npos);
}

TEST_CASE("real broker: why it cannot make a topic is told") {
  std::string address = broker();
  if (address.empty()) return;
  SinkUnderTest under(address, {{"topic", fresh("wide")}, {"topic_replication", "77"}});
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(Table("orders").batch(1, 0, 1));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkWrite);
  CHECK(status.detail().find("eplication") != std::string::npos);
}

TEST_CASE("real broker: a message over the broker's limit fails with its place") {
  std::string address = broker();
  if (address.empty()) return;
  SinkUnderTest under(address, {{"topic", fresh("large")}, {"max_message_bytes", "8MiB"}, {"compression", "none"}});
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(Table("orders").batch(1, 5, 1, 3'000'000));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkTooLarge);
  CHECK(status.detail().find("the topic takes 1048588 (its max.message.bytes)") != std::string::npos);
  CHECK(places(status)["key"] == "5");
  CHECK(under.acks.sequences().empty());
}

TEST_CASE("real broker: a statement reaches every partition, without a key") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("ddl");
  SinkUnderTest under(address, {{"topic", topic}, {"topic_partitions", "2"}});
  FullImageFormat format({});
  SinkContext context;
  context.serializer = &format;
  REQUIRE(under.sink->open(context, under.acks).ok());
  REQUIRE(under.write(Table("orders").ddl(1, "ALTER TABLE orders ADD c INT")).ok());
  REQUIRE(under.sink->flush({}).ok());
  auto messages = consume(address, topic, 2, 2);
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].partition != messages[1].partition);
  for (const Message& message : messages) {
    CHECK_FALSE(message.has_key);
    CHECK(nlohmann::json::parse(message.value)["allMetaData"]["ddlType"] == "ALTER_TABLE");
  }
}

// No source of ours has such statements (OMS: DROP INDEX of an Oracle-mode tenant).
TEST_CASE("real broker: a statement that names no table goes to all topics that were written to") {
  std::string address = broker();
  if (address.empty()) return;
  for (const char* partition : {"hash", "table", "one"}) {
    INFO(partition);
    std::string prefix = fresh("nameless");
    std::map<std::string, std::string> options{{"topic", prefix + ".{table}"}, {"topic_partitions", "3"}, {"partition", partition}};
    bool is_one = std::string_view(partition) == "one";
    if (is_one) options["partition_number"] = "1";
    SinkUnderTest under(address, options);
    FullImageFormat format({});
    SinkContext context;
    context.serializer = &format;
    REQUIRE(under.sink->open(context, under.acks).ok());
    EventBatch nameless = Table("a").ddl(3, "DROP INDEX i");
    nameless.events[0].table = nullptr;
    {
      SinkUnderTest none(address, options);
      REQUIRE(none.sink->open(context, none.acks).ok());
      Status status = none.write(nameless);
      REQUIRE_FALSE(status.ok());
      CHECK(status.code() == ErrorCode::kSinkWrite);
      CHECK(status.detail() == "a statement names no table, and this run has sent to no topic yet: DROP INDEX i");
    }
    REQUIRE(under.write(Table("a").batch(1, 0, 1)).ok());
    REQUIRE(under.write(Table("b").batch(2, 0, 1)).ok());
    REQUIRE(under.write(nameless).ok());
    REQUIRE(under.sink->flush({}).ok());
    CHECK(under.acks.sequences() == std::vector<uint64_t>{1, 2, 3});
    for (const char* table : {".a", ".b"}) {
      std::vector<int32_t> places;
      for (const Message& message : consume(address, prefix + table, 3, is_one ? 2 : 4)) {
        if (!message.has_key) places.push_back(message.partition);
      }
      std::sort(places.begin(), places.end());
      CHECK(places == (is_one ? std::vector<int32_t>{1} : std::vector<int32_t>{0, 1, 2}));
    }
  }
}

TEST_CASE("real broker: a table stays in one partition, with its statements") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("by-table");
  SinkUnderTest under(address, {{"topic", topic}, {"topic_partitions", "5"}, {"partition", "table"}});
  FullImageFormat format({});
  SinkContext context;
  context.serializer = &format;
  REQUIRE(under.sink->open(context, under.acks).ok());
  Table table("orders");
  REQUIRE(under.write(table.batch(1, 0, 50)).ok());
  REQUIRE(under.write(table.ddl(2, "ALTER TABLE orders ADD c INT")).ok());
  REQUIRE(under.sink->flush({}).ok());
  auto messages = consume(address, topic, 5, 51);
  REQUIRE(messages.size() == 51);
  for (const Message& message : messages) CHECK(message.partition == messages[0].partition);
  CHECK_FALSE(messages.back().has_key);
}

TEST_CASE("real broker: everything goes to the one partition named, which the topic must have") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("one");
  std::map<std::string, std::string> options{{"topic", topic}, {"topic_partitions", "3"}, {"partition", "one"}, {"partition_number", "2"}};
  SinkUnderTest under(address, options);
  REQUIRE(under.open().to_string() == "ok");
  REQUIRE(under.write(Table("orders").batch(1, 0, 20)).ok());
  REQUIRE(under.write(Table("keyless", false).batch(2, 0, 5)).ok());
  REQUIRE(under.sink->flush({}).ok());
  for (const Message& message : consume(address, topic, 3, 25)) CHECK(message.partition == 2);
  options["partition_number"] = "3";
  SinkUnderTest beyond(address, options);
  REQUIRE(beyond.open().to_string() == "ok");
  Status status = beyond.write(Table("orders").batch(1, 0, 1));
  REQUIRE_FALSE(status.ok());
  CHECK(status.detail() == "sink.partition_number is 3, and the topic has 3 partition(s)");
}

TEST_CASE("a partition number without partition = one is refused") {
  SinkUnderTest under("127.0.0.1:9", {{"partition_number", "1"}});
  REQUIRE_FALSE(under.made.ok());
  CHECK(under.made.detail().find("sink.partition_number") == 0);
}
