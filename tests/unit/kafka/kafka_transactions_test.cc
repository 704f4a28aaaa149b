// The sink with Kafka transactions, against a real broker: the mock cluster shows aborted records to everybody.
#include <chrono>
#include <thread>

#include "sink/kafka_sink_transactions.h"
#include "unit/catch.h"
#include "unit/kafka/kafka_fixture.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

Checkpoint at(uint64_t rows) { return {{"mysql", "gtid=0-1-" + std::to_string(rows)}, 1'700'000'000'000'000, "", rows}; }

struct Transactional : SinkUnderTest {
  SinkContext context;
  Transactional(const std::string& address, const std::string& topic, const std::string& job, std::map<std::string, std::string> more = {})
      : SinkUnderTest(address, options(topic, std::move(more))) {
    context.job_id = job;
    context.serializer = &format;
  }
  static std::map<std::string, std::string> options(const std::string& topic, std::map<std::string, std::string> more) {
    more.insert({{"topic", topic}, {"transactions", "true"}, {"commit_every", "10m"}});
    return more;
  }
  Status open() {
    if (!made.ok()) return made;
    return sink->open(context, acks);
  }
  Status write_with(const EventBatch& batch, std::optional<Checkpoint> checkpoint) {
    return sink->write({&batch, std::move(checkpoint)}, {});
  }
};

}  // namespace

TEST_CASE("a checkpoint's record reads back as it was") {
  Checkpoint checkpoint = at(7);
  checkpoint.snapshot_state = R"({"tables":{"shop.a\"b":"done"}})";
  checkpoint.position.text = "gtid=;file=bin.000001;offset=4";
  auto back = checkpoint_from_record(checkpoint_to_record(checkpoint));
  REQUIRE(back.status().to_string() == "ok");
  CHECK(back->position == checkpoint.position);
  CHECK(back->snapshot_state == checkpoint.snapshot_state);
  CHECK(back->rows == 7);
  CHECK(back->commit_time_us == checkpoint.commit_time_us);
}

TEST_CASE("a record that is no checkpoint is a named error") {
  for (const char* text : {"", "{", "[]", "null", "{}", R"({"version":2})", R"({"version":1,"source":3})",
                           R"({"version":1,"source":"mysql","position":"x","commit_time_us":0,"snapshot":"","rows":"many"})"}) {
    auto read = checkpoint_from_record(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.status().code() == ErrorCode::kSinkMismatch);
  }
}

TEST_CASE("an option of transactions without transactions is refused") {
  SinkUnderTest under("127.0.0.1:9", {{"commit_every", "1s"}});
  REQUIRE_FALSE(under.made.ok());
  CHECK(under.made.detail() == "sink.commit_every goes with sink.transactions = true");
}

TEST_CASE("real broker: rows are seen, and acknowledged, when their checkpoint is committed") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("orders"), job = fresh("job");
  Table table("orders");
  {
    Transactional under(address, topic, job);
    REQUIRE(under.open().to_string() == "ok");
    CHECK_FALSE(under.sink->stored_checkpoint()->has_value());
    REQUIRE(under.write_with(table.batch(1, 0, 10), at(10)).to_string() == "ok");
    CHECK(under.acks.sequences().empty());
    REQUIRE(under.sink->flush({}).to_string() == "ok");
    CHECK(under.acks.sequences() == std::vector<uint64_t>{1});
    REQUIRE(under.write_with(table.batch(2, 10, 5), at(15)).ok());  // never flushed: dies with the object
  }
  Transactional again(address, topic, job);
  again.context.job_has_started = true;
  REQUIRE(again.open().to_string() == "ok");
  auto stored = again.sink->stored_checkpoint();
  REQUIRE(stored->has_value());
  CHECK((*stored)->position.text == "gtid=0-1-10");
  REQUIRE(again.write_with(table.batch(3, 10, 5), at(15)).ok());
  REQUIRE(again.sink->flush({}).ok());
  CHECK(consume(address, topic, 1, 15).size() == 15);
}

TEST_CASE("real broker: half of a source transaction is never committed") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("orders"), job = fresh("job");
  Table table("orders");
  Transactional under(address, topic, job, {{"commit_bytes", "1"}});
  REQUIRE(under.open().to_string() == "ok");
  REQUIRE(under.write_with(table.batch(1, 0, 10), at(10)).ok());  // past commit_bytes: committed
  REQUIRE(under.acks.sequences() == std::vector<uint64_t>{1});
  REQUIRE(under.write_with(table.batch(2, 10, 10), std::nullopt).ok());  // its transaction goes on
  REQUIRE(under.sink->flush({}).ok());
  CHECK(under.acks.sequences() == std::vector<uint64_t>{1});
  CHECK(consume(address, topic, 1, 10).size() == 10);  // consume looks for one too many
  REQUIRE(under.write_with(table.batch(3, 20, 10), at(30)).ok());
  CHECK(under.acks.sequences() == std::vector<uint64_t>{1, 2, 3});
  CHECK(consume(address, topic, 1, 30).size() == 30);
}

TEST_CASE("real broker: a second process of the job fences the first") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("orders"), job = fresh("job");
  Table table("orders");
  Transactional first(address, topic, job), second(address, topic, job);
  REQUIRE(first.open().to_string() == "ok");
  REQUIRE(first.write_with(table.batch(1, 0, 3), at(3)).ok());
  REQUIRE(second.open().to_string() == "ok");
  REQUIRE(second.write_with(table.batch(1, 0, 3), at(3)).ok());
  REQUIRE(second.sink->flush({}).to_string() == "ok");
  Status status = first.sink->flush({});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkFenced);
  CHECK(first.acks.sequences().empty());
  CHECK(consume(address, topic, 1, 3).size() == 3);
}

TEST_CASE("real broker: a job that has delivered finds its checkpoint, or does not begin") {
  std::string address = broker();
  if (address.empty()) return;
  Transactional under(address, fresh("orders"), fresh("job"));
  under.context.job_has_started = true;
  Status status = under.open();
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkMismatch);
  CHECK(places(status)["topic"].starts_with("tailrace.checkpoint.job-"));
}

TEST_CASE("real broker: a shared checkpoint topic keeps the jobs apart") {
  std::string address = broker();
  if (address.empty()) return;
  std::string topic = fresh("orders"), shared = fresh("checkpoints"), one = fresh("job"), other = fresh("job");
  Table table("orders");
  for (int round = 0; round < 2; ++round) {
    for (const std::string& job : {one, other}) {
      Transactional under(address, topic, job, {{"checkpoint_topic", shared}});
      REQUIRE(under.open().to_string() == "ok");
      auto stored = under.sink->stored_checkpoint();
      REQUIRE(stored->has_value() == (round == 1));
      if (round == 1) CHECK((*stored)->rows == (job == one ? 1u : 2u));
      REQUIRE(under.write_with(table.batch(1, 0, 1), at(job == one ? 1 : 2)).ok());
      REQUIRE(under.sink->flush({}).ok());
    }
  }
}
