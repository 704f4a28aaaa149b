#include "sink/kafka_sink_deliveries.h"

#include <random>
#include <thread>
#include <vector>

#include "unit/catch.h"
#include "unit/kafka/kafka_fixture.h"

using namespace tailrace;
using Sequences = std::vector<uint64_t>;

TEST_CASE("batches are acknowledged in order, each when all of it is delivered") {
  test::AckLog acks;
  KafkaDeliveries deliveries(acks);
  auto* first = deliveries.begin(1);
  deliveries.sent(first);
  deliveries.sent(first);
  auto* second = deliveries.begin(2);
  deliveries.sent(second);
  deliveries.delivered(first);
  deliveries.delivered(first);
  CHECK(acks.sequences().empty());  // not sealed: more may be sent
  deliveries.seal(second);
  deliveries.delivered(second);
  CHECK(acks.sequences().empty());  // the second may not pass the first
  CHECK_FALSE(deliveries.wait_until_empty(0, {}));
  deliveries.seal(first);
  CHECK(acks.sequences() == Sequences{1, 2});
  CHECK(deliveries.wait_until_empty(0, {}));
}

TEST_CASE("a batch without messages waits for those before it") {
  test::AckLog acks;
  KafkaDeliveries deliveries(acks);
  auto* first = deliveries.begin(1);
  deliveries.sent(first);
  deliveries.seal(first);
  deliveries.seal(deliveries.begin(2));
  CHECK(acks.sequences().empty());
  deliveries.delivered(first);
  CHECK(acks.sequences() == Sequences{1, 2});
}

TEST_CASE("a failure is told once and its batch is never acknowledged") {
  test::AckLog acks;
  KafkaDeliveries deliveries(acks);
  auto* first = deliveries.begin(1);
  deliveries.sent(first);
  deliveries.seal(first);
  deliveries.fail(Status(ErrorCode::kSinkTooLarge, "first"));
  deliveries.fail(Status(ErrorCode::kSinkWrite, "second"));
  deliveries.seal(deliveries.begin(2));
  CHECK(acks.sequences().empty());
  REQUIRE(acks.failures().size() == 1);
  CHECK(acks.failures()[0].code() == ErrorCode::kSinkTooLarge);
  CHECK(deliveries.failure().detail() == "first");
}

TEST_CASE("reports from another thread keep the order") {
  test::AckLog acks;
  KafkaDeliveries deliveries(acks);
  constexpr uint64_t kBatches = 3000;
  std::mutex mutex;
  std::vector<KafkaDeliveries::Batch*> reports;
  std::atomic<bool> finished{false};
  auto answer = [&](unsigned seed) {
    std::mt19937 random(seed);
    while (true) {
      bool last = finished;
      KafkaDeliveries::Batch* batch = nullptr;
      {
        std::lock_guard lock(mutex);
        if (!reports.empty()) {
          std::swap(reports[random() % reports.size()], reports.back());
          batch = reports.back();
          reports.pop_back();
        }
      }
      if (batch) deliveries.delivered(batch);
      else if (last) return;
    }
  };
  std::thread one(answer, 1), two(answer, 2);
  for (uint64_t i = 0; i < kBatches; ++i) {
    auto* batch = deliveries.begin(i);
    for (uint64_t m = 0; m < i % 5; ++m) {
      deliveries.sent(batch);
      std::lock_guard lock(mutex);
      reports.push_back(batch);
    }
    deliveries.seal(batch);
  }
  finished = true;
  one.join();
  two.join();
  REQUIRE(deliveries.wait_until_empty(5000, {}));
  Sequences all = acks.sequences();
  REQUIRE(all.size() == kBatches);
  for (uint64_t i = 0; i < kBatches; ++i) REQUIRE(all[i] == i);
}
