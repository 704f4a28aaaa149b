// The sink against the client library's own mock brokers: failures on demand.
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "sink/kafka_sink_producer.h"
#include "unit/catch.h"
#include "unit/kafka/kafka_fixture.h"

using namespace tailrace;
using namespace tailrace::test;
using Sequences = std::vector<uint64_t>;

TEST_CASE("messages carry key, value and id, and are acknowledged batch by batch in order") {
  MockCluster cluster;
  cluster.topic("shop.orders", 4);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  CHECK(under.sink->caps().wants_records);
  Table table("orders");
  for (uint64_t i = 1; i <= 5; ++i) REQUIRE(under.write(table.batch(i, static_cast<int64_t>(i) * 100, 20)).ok());
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences() == Sequences{1, 2, 3, 4, 5});
  CHECK(under.acks.failures().empty());
  auto messages = consume(cluster.bootstrap(), "shop.orders", 4, 100);
  REQUIRE(messages.size() == 100);
  std::map<std::string, int32_t> partitions;
  for (const Message& message : messages) {
    auto after = nlohmann::json::parse(message.value)["payload"]["after"];
    CHECK(message.key == std::to_string(after["id"].get<int64_t>()));
    partitions[message.key] = message.partition;
    int64_t id = after["id"];
    CHECK(message.id == "txn-" + std::to_string(id / 100) + ":" + std::to_string(id % 100));
  }
  CHECK(partitions.size() == 100);
  // Kafka's own default partitioner, computed apart: (murmur2(key) & 0x7fffffff) % 4.
  CHECK(partitions["100"] == 1);
  CHECK(partitions["101"] == 2);
  CHECK(partitions["300"] == 2);
}

TEST_CASE("acknowledgements come while nobody writes") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  REQUIRE(under.write(Table("orders").batch(7, 1, 3)).ok());
  CHECK(under.acks.wait_for([](auto& sequences, auto&) { return sequences == Sequences{7}; }));
}

TEST_CASE("what comes alone does not wait for linger") {
  MockCluster cluster;
  cluster.topic("shop.orders", 3);
  SinkUnderTest under(cluster.bootstrap(), {{"linger", "20s"}});
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  for (uint64_t i = 1; i <= 3; ++i) {  // the second and third find the polling thread asleep
    REQUIRE(under.write(table.batch(i, static_cast<int64_t>(i), 1)).ok());
    CHECK(under.acks.wait_for([&](auto& sequences, auto&) { return sequences.size() == i; }, 10));
  }
}

TEST_CASE("a batch without messages is acknowledged after those before it") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  cluster.rtt(200);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  REQUIRE(under.write(table.batch(1, 1, 3)).ok());
  REQUIRE(under.write(table.batch(2, 0, 0)).ok());
  CHECK(under.acks.sequences().empty());
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences() == Sequences{1, 2});
}

TEST_CASE("a broker down at the start is a named error in time") {
  SinkUnderTest under("127.0.0.1:1", {{"connect_timeout", "1s"}});
  Status status;
  int64_t took = elapsed_ms([&] { status = under.open(); });
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkConnect);
  CHECK(status.retry() == Retry::kTransient);
  CHECK(status.detail().find("127.0.0.1:1") != std::string::npos);
  CHECK(took >= 900);
  CHECK(took < 2500);
  CHECK(elapsed_ms([&] { under.sink.reset(); }) < 500);
}

TEST_CASE("abandon ends the wait for the first broker") {
  SinkUnderTest under("127.0.0.1:1", {{"connect_timeout", "60s"}});
  Status status;
  std::atomic<bool> opening{false};
  std::thread opener([&] {
    opening = true;
    status = under.open();
  });
  while (!opening) std::this_thread::yield();
  int64_t took = elapsed_ms([&] {
    under.sink->abandon();
    opener.join();
  });
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kJobAborted);
  CHECK(took < 500);
}

TEST_CASE("a broker that goes away in mid-stream is waited for; nothing is lost, doubled or reordered") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  REQUIRE(under.write(table.batch(1, 0, 50)).ok());
  REQUIRE(under.sink->flush({}).ok());
  cluster.down();
  REQUIRE(under.write(table.batch(2, 50, 50)).ok());

  std::stop_source stop;
  std::chrono::steady_clock::time_point asked;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    asked = std::chrono::steady_clock::now();
    stop.request_stop();
  });
  Status status = under.sink->flush(stop.get_token());
  auto answered = std::chrono::steady_clock::now();
  stopper.join();
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kJobAborted);
  CHECK(answered - asked < std::chrono::milliseconds(100));
  CHECK(under.acks.sequences() == Sequences{1});

  cluster.up();
  REQUIRE(under.write(table.batch(3, 100, 50)).ok());
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences() == Sequences{1, 2, 3});
  CHECK(under.acks.failures().empty());
  auto messages = consume(cluster.bootstrap(), "shop.orders", 1, 150);
  REQUIRE(messages.size() == 150);
  for (size_t i = 0; i < 150; ++i) CHECK(messages[i].key == std::to_string(i));
}

TEST_CASE("errors that pass are tried again") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  cluster.produce_errors(
      {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT});
  REQUIRE(under.write(Table("orders").batch(1, 0, 10)).ok());
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences() == Sequences{1});
  CHECK(consume(cluster.bootstrap(), "shop.orders", 1, 10).size() == 10);
}

TEST_CASE("a message over the own limit is refused with its place") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"max_message_bytes", "10000"}});
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(Table("orders").batch(3, 42, 1, 20'000));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkTooLarge);
  auto at = places(status);
  CHECK(at["topic"] == "shop.orders");
  CHECK(at["table"] == "shop.orders");
  CHECK(at["key"] == "42");
  CHECK(at["position"] == "txn-3:0");
  CHECK(under.sink->flush({}).code() == ErrorCode::kSinkTooLarge);
  CHECK(under.acks.sequences().empty());
}

TEST_CASE("a message that the broker refuses fails the sink with its place") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  cluster.produce_errors({RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  REQUIRE(under.write(Table("orders").batch(9, 42, 1)).ok());
  REQUIRE(under.acks.wait_for([](auto&, auto& failures) { return !failures.empty(); }));
  Status status = under.acks.failures()[0];
  CHECK(status.code() == ErrorCode::kSinkTooLarge);
  CHECK(status.detail().find("payload") == std::string::npos);  // no row data besides the key
  auto at = places(status);
  CHECK(at["topic"] == "shop.orders");
  CHECK(at["table"] == "shop.orders");
  CHECK(at["key"] == "42");
  CHECK(at["position"] == "txn-9:0");
  CHECK_FALSE(under.write(Table("orders").batch(10, 43, 1)).ok());
  CHECK_FALSE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences().empty());
}

TEST_CASE("a topic the broker does not let us write to fails the sink") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  cluster.produce_errors({RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  REQUIRE(under.write(Table("orders").batch(1, 1, 1)).ok());
  REQUIRE(under.acks.wait_for([](auto&, auto& failures) { return !failures.empty(); }));
  CHECK(under.acks.failures()[0].code() == ErrorCode::kSinkWrite);
}

TEST_CASE("a topic that is gone is tried again, what a person must mend is not") {
  auto retry = [](int error) { return Status(undelivered_code(error), "").retry(); };
  CHECK(retry(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) == Retry::kTransient);
  CHECK(retry(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) == Retry::kTransient);
  CHECK(retry(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) == Retry::kTransient);
  CHECK(retry(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) == Retry::kOperator);
  CHECK(undelivered_code(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) == ErrorCode::kSinkTooLarge);
}

TEST_CASE("a producer that lost its place in the sequence fails the sink instead of risking order") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  cluster.produce_errors({RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER});
  REQUIRE(under.write(Table("orders").batch(1, 1, 1)).ok());
  REQUIRE(under.acks.wait_for([](auto&, auto& failures) { return !failures.empty(); }));
  CHECK(under.acks.failures()[0].code() == ErrorCode::kSinkWrite);
  CHECK(under.acks.failures().size() == 1);
  CHECK_FALSE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences().empty());
}

TEST_CASE("a full buffer holds the writer back, in bounded memory, until stop or room") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"buffer", "1MiB"}});
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  REQUIRE(under.write(table.batch(1, 0, 1)).ok());
  REQUIRE(under.sink->flush({}).ok());
  cluster.down();
  std::stop_source stop;
  std::chrono::steady_clock::time_point asked;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    asked = std::chrono::steady_clock::now();
    stop.request_stop();
  });
  Status status;
  uint64_t written = 0;
  for (uint64_t i = 2; i < 100 && status.ok(); ++i, ++written) status = under.write(table.batch(i, 0, 100, 1000), stop.get_token());
  auto answered = std::chrono::steady_clock::now();
  stopper.join();
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kJobAborted);
  CHECK(answered - asked < std::chrono::milliseconds(100));
  CHECK(written < 15);  // of about 120 kB each
  CHECK(elapsed_ms([&] { under.sink->abandon(); }) < 500);
  CHECK(elapsed_ms([&] { under.sink.reset(); }) < 500);
  CHECK(under.acks.failures().empty());
}

TEST_CASE("a writer that waits goes on when the broker is back") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"buffer", "1MiB"}});
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  cluster.down();
  std::thread healer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cluster.up();
  });
  for (uint64_t i = 0; i < 30; ++i) REQUIRE(under.write(table.batch(i, static_cast<int64_t>(i) * 100, 100, 1000)).ok());
  healer.join();
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences().size() == 30);
  CHECK(consume(cluster.bootstrap(), "shop.orders", 1, 3000).size() == 3000);
}

TEST_CASE("rows without a key stay in one partition") {
  MockCluster cluster;
  cluster.topic("shop.log", 4);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  Table table("log", false);
  REQUIRE(under.write(table.batch(1, 0, 40)).ok());
  REQUIRE(under.sink->flush({}).ok());
  auto messages = consume(cluster.bootstrap(), "shop.log", 4, 40);
  REQUIRE(messages.size() == 40);
  for (size_t i = 0; i < 40; ++i) {
    CHECK(messages[i].partition == messages[0].partition);
    CHECK_FALSE(messages[i].has_key);
    CHECK(messages[i].id == "txn-1:" + std::to_string(i));
  }
}

TEST_CASE("the rule's topic goes before the template, and the target's names fill it") {
  MockCluster cluster;
  cluster.topic("dw-orders", 1);
  cluster.topic("special", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"topic", "dw-{table}"}});
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  EventBatch batch = table.batch(1, 0, 2);
  auto output = std::make_shared<OutputTable>();
  output->source = output->schema = table.schema;
  output->topic = "special";
  batch.outputs.push_back(output);
  batch.events[1].output = output.get();
  REQUIRE(under.write(batch).ok());
  REQUIRE(under.sink->flush({}).ok());
  CHECK(consume(cluster.bootstrap(), "dw-orders", 1, 1).size() == 1);
  CHECK(consume(cluster.bootstrap(), "special", 1, 1).size() == 1);
}

TEST_CASE("a table whose name no topic can have is refused") {
  MockCluster cluster;
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(Table("kä se").batch(1, 0, 1));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkWrite);
  CHECK(places(status)["table"] == "shop.kä se");
}

TEST_CASE("settings that cannot work are refused by name") {
  auto code = [](std::map<std::string, std::string> options, const std::string& user = "") {
    SinkUnderTest under("127.0.0.1:1", std::move(options), user);
    Status status = under.open();
    REQUIRE_FALSE(status.ok());
    return status;
  };
  CHECK(code({{"properties", "no.such.setting=1"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"properties", "no.such.setting=1"}}).detail().find("no.such.setting") != std::string::npos);
  CHECK(code({{"properties", "acks=1"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"properties", "linger.ms=5"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"properties", "nonsense"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"topic", "{tabel}"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"topic_partitions", "0"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"compression", "rar"}}).code() == ErrorCode::kConfigBadValue);
  CHECK(code({}, "u:p@").code() == ErrorCode::kConfigBadValue);
  CHECK(code({{"properties", "socket.timeout.ms=5000"}, {"connect_timeout", "100ms"}}).code() == ErrorCode::kSinkConnect);
}
