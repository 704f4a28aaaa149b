// Messages that are larger than their topic takes, by policy; and the throttle. Against the client library's mock brokers.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "unit/catch.h"
#include "unit/kafka/kafka_fixture.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

constexpr size_t kLarge = 3'000'000;

// Three rows, the second one with a text of kLarge characters.
EventBatch one_large(const Table& table) {
  EventBatch batch = table.batch(1, 0, 3);
  std::string text(kLarge, 'x');
  batch.events[1].after[1] = Value::of_text(Kind::kText, batch.arena.copy(text), static_cast<uint32_t>(text.size()));
  return batch;
}

std::string header_of(const std::string& brokers, const std::string& topic, int64_t offset, const char* name) {
  char text[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), text, sizeof text);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  rd_kafka_consume_start(handle, 0, offset);
  std::string found = "(none)";
  if (rd_kafka_message_t* message = rd_kafka_consume(handle, 0, 10'000)) {
    rd_kafka_headers_t* headers = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    if (!rd_kafka_message_headers(message, &headers) && !rd_kafka_header_get_last(headers, name, &value, &size)) {
      found.assign(static_cast<const char*>(value), size);
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consume_stop(handle, 0);
  rd_kafka_topic_destroy(handle);
  rd_kafka_destroy(client);
  return found;
}

}  // namespace

TEST_CASE("a message over the limit ends the job, with table, key and position") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap());
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(one_large(Table("orders")));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkTooLarge);
  CHECK(status.detail().find("sink.max_message_bytes is 1000000") != std::string::npos);
  auto at = places(status);
  CHECK(at["topic"] == "shop.orders");
  CHECK(at["table"] == "shop.orders");
  CHECK(at["key"] == "1");
  CHECK(at["position"] == "txn-1:1");
}

TEST_CASE("oversized = dead_letter sets the row aside and sends the others") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"oversized", "dead_letter"}});
  std::vector<Status> kept;
  SinkContext context;
  context.serializer = &under.format;
  context.set_aside = [&](const Status& why, const EventBatch&, const ChangeEvent& event) {
    CHECK(event.after[0].i == 1);
    kept.push_back(why);
    return Status();
  };
  REQUIRE(under.sink->open(context, under.acks).to_string() == "ok");
  REQUIRE(under.write(one_large(Table("orders"))).to_string() == "ok");
  REQUIRE(under.sink->flush({}).ok());
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].code() == ErrorCode::kSinkTooLarge);
  auto messages = consume(cluster.bootstrap(), "shop.orders", 1, 2);
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].key == "0");
  CHECK(messages[1].key == "2");
  CHECK(under.acks.sequences() == std::vector<uint64_t>{1});
}

TEST_CASE("oversized = dead_letter without a place for them is an error") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"oversized", "dead_letter"}});
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(one_large(Table("orders")));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kConfigBadValue);
  REQUIRE(status.cause());
  CHECK(status.cause()->code() == ErrorCode::kSinkTooLarge);
}

TEST_CASE("oversized = claim_check puts the message into a file and sends its name") {
  std::string address = broker(), topic = fresh("large");
  if (address.empty()) return;
  auto folder = std::filesystem::temp_directory_path() / ("tailrace-claims-" + std::to_string(getpid()));
  for (int round = 0; round < 2; ++round) {  // the second finds the file
    SinkUnderTest under(address, {{"topic", topic}, {"oversized", "claim_check"}, {"claim_check_folder", folder.string()}});
    REQUIRE(under.open().to_string() == "ok");
    REQUIRE(under.write(one_large(Table("orders"))).to_string() == "ok");
    REQUIRE(under.sink->flush({}).ok());
  }
  auto messages = consume(address, topic, 1, 6);
  REQUIRE(messages.size() == 6);
  CHECK(messages[1].key == "1");
  CHECK(messages[1].value == messages[4].value);
  auto claim = nlohmann::json::parse(messages[1].value)["claim_check"];
  CHECK(header_of(address, topic, 1, "tailrace.claim_check") == claim["file"]);
  CHECK(header_of(address, topic, 2, "tailrace.claim_check") == "(none)");
  std::ifstream in(folder / claim["file"].get<std::string>(), std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  CHECK(text.size() == claim["bytes"]);
  CHECK(nlohmann::json::parse(text)["payload"]["after"]["t"].get<std::string>().size() == kLarge);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / topic)) files += entry.is_regular_file();
  CHECK(files == 1);
  std::filesystem::remove_all(folder);
}

TEST_CASE("oversized = claim_check: a folder that cannot be written is a named error") {
  std::string address = broker(), topic = fresh("large");
  if (address.empty()) return;
  SinkUnderTest under(address, {{"topic", topic}, {"oversized", "claim_check"}, {"claim_check_folder", "/proc/tailrace"}});
  REQUIRE(under.open().to_string() == "ok");
  Status status = under.write(one_large(Table("orders")));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkOpen);
  CHECK(places(status)["file"] == "/proc/tailrace/" + topic);
}

TEST_CASE("oversized = drop_column leaves out the largest column and says so") {
  std::string address = broker(), topic = fresh("large");
  if (address.empty()) return;
  SinkUnderTest under(address, {{"topic", topic}, {"oversized", "drop_column"}});
  REQUIRE(under.open().to_string() == "ok");
  REQUIRE(under.write(one_large(Table("orders"))).to_string() == "ok");
  REQUIRE(under.sink->flush({}).ok());
  auto messages = consume(address, topic, 1, 3);
  REQUIRE(messages.size() == 3);
  auto after = nlohmann::json::parse(messages[1].value)["payload"]["after"];
  CHECK(after["id"] == 1);
  CHECK_FALSE(after.contains("t"));
  CHECK(header_of(address, topic, 1, "tailrace.dropped") == "t");
  CHECK(nlohmann::json::parse(messages[2].value)["payload"]["after"].contains("t"));
}

TEST_CASE("oversized: options that contradict one another are refused") {
  auto refusal = [](std::map<std::string, std::string> options) {
    SinkUnderTest under("127.0.0.1:9", std::move(options));
    return under.made.ok() ? std::string("accepted") : under.made.detail();
  };
  CHECK(refusal({{"oversized", "claim_check"}}).find("sink.claim_check_folder") == 0);
  CHECK(refusal({{"claim_check_folder", "/tmp"}}).find("sink.claim_check_folder") == 0);
  CHECK(refusal({{"oversized", "drop"}}).find("oversized") != std::string::npos);
  CHECK(refusal({{"max_message_bytes", "10"}}).find("sink.max_message_bytes") == 0);
  CHECK(refusal({{"max_message_bytes", "100000"}, {"max_batch_bytes", "200000"}}).find("sink.max_batch_bytes") == 0);
  CHECK(refusal({{"throttle_rows", "-1"}}).find("sink.throttle_rows") == 0);
  CHECK(refusal({{"max_message_bytes", "100000"}}) == "accepted");
}

TEST_CASE("a throttle holds the writer back to its rate") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"throttle_rows", "1000"}});
  REQUIRE(under.open().to_string() == "ok");
  Table table("orders");
  // 100 messages go at once, the other 400 at 1,000 a second.
  int64_t took = elapsed_ms([&] { REQUIRE(under.write(table.batch(1, 0, 500)).ok()); });
  CHECK(took >= 380);
  CHECK(took < 2000);
  SinkUnderTest by_bytes(cluster.bootstrap(), {{"throttle_bytes", "1000000"}});
  REQUIRE(by_bytes.open().to_string() == "ok");
  took = elapsed_ms([&] { REQUIRE(by_bytes.write(table.batch(1, 0, 50, 10'000)).ok()); });
  CHECK(took >= 350);
  CHECK(took < 2000);
}

TEST_CASE("a stop ends the wait of a throttle") {
  MockCluster cluster;
  cluster.topic("shop.orders", 1);
  SinkUnderTest under(cluster.bootstrap(), {{"throttle_rows", "1"}});
  REQUIRE(under.open().to_string() == "ok");
  std::stop_source stop;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  Status status;
  int64_t took = elapsed_ms([&] { status = under.write(Table("orders").batch(1, 0, 100), stop.get_token()); });
  stopper.join();
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kJobAborted);
  CHECK(took < 500);
}
