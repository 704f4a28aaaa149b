#include "pipeline/pipeline.h"

#include <thread>

#include "fakes.h"
#include "unit/catch.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

struct Outcome {
  Rows rows;
  Durable durable;
  int runs = 0;
};

// Runs a job to the end of a log of `limit` transactions through random losses of source and sink.
Outcome run_with_faults(uint64_t seed, int threads, bool owns, FakeDatabase& database, size_t limit, bool faults = true) {
  std::mt19937_64 random(seed);
  MemoryCheckpoints checkpoints;
  RuleTimeline rules(std::make_unique<IdentityRules>());
  Outcome outcome;
  TableFilter filter;
  for (outcome.runs = 1; outcome.runs < 500; ++outcome.runs) {
    size_t source_fails = faults && random() % 3 ? 1 + random() % 60 : 0;
    size_t sink_fails = faults && random() % 3 ? 1 + random() % 60 : 0;
    auto acks = std::make_shared<Acknowledgements>();
    FakeSource source(database, limit, SIZE_MAX, source_fails);
    FaultSink sink(outcome.durable, owns, random(), sink_fails);
    PipelineOptions options;
    options.threads = threads;
    options.chunk_rows = 7;
    options.flush_every = std::chrono::milliseconds(random() % 3);
    options.save_every = std::chrono::milliseconds(random() % 3);
    options.memory_bytes = 1 << 20;
    options.batch_bytes = 1000;
    Pipeline pipeline(options, PipelineParts{&source, &rules, &sink, acks, &checkpoints, &filter, std::nullopt, nullptr});
    std::atomic<bool> over{false}, stuck{false};
    std::thread watcher([&] {
      auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (!over && !pipeline.reached(fake_position(limit))) {
        std::this_thread::yield();
        if (std::chrono::steady_clock::now() < deadline) continue;
        stuck = true;
        break;
      }
      pipeline.stop(std::chrono::milliseconds(2000));
    });
    Status status = pipeline.run(SinkContext{"job", false, nullptr});
    over = true;
    watcher.join();
    PipelineStatus end = pipeline.status();
    CAPTURE(end.phase, end.read_position.text, end.durable ? end.durable->snapshot_state : "none",
            end.durable ? end.durable->position.text : "none", database.size(), outcome.runs);
    REQUIRE(!stuck);
    if (status.code() == ErrorCode::kJobAborted) break;
    REQUIRE(status.retry() == Retry::kTransient);
  }
  REQUIRE(outcome.runs < 500);
  outcome.rows = database.rows_at(database.size());
  return outcome;
}

}  // namespace

TEST_CASE("snapshot and stream give the source's rows through losses, sink owns the checkpoint") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    FakeDatabase database(seed);
    database.write(40);
    Outcome outcome = run_with_faults(seed, 1, true, database, 300);
    REQUIRE(outcome.durable.rows == outcome.rows);
  }
}

TEST_CASE("the same with two threads") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    FakeDatabase database(seed);
    database.write(40);
    Outcome outcome = run_with_faults(seed, 2, true, database, 300);
    REQUIRE(outcome.durable.rows == outcome.rows);
  }
}

TEST_CASE("messages replayed from the checkpoint fold to the source's rows") {
  for (int threads : {1, 2}) {
    for (uint64_t seed = 100; seed <= 130; ++seed) {
      CAPTURE(seed, threads);
      FakeDatabase database(seed);
      database.write(40);
      Outcome outcome = run_with_faults(seed, threads, false, database, 300);
      Rows folded;
      for (const FakeChange& change : outcome.durable.messages) FakeDatabase::apply(change, folded);
      REQUIRE(folded == outcome.rows);
    }
  }
}

TEST_CASE("without losses no key ever goes back in time and no chunk row is older than the stream") {
  for (int threads : {1, 2}) {
    for (uint64_t seed = 200; seed <= 230; ++seed) {
      CAPTURE(seed, threads);
      FakeDatabase database(seed);
      database.write(40);
      Outcome outcome = run_with_faults(seed, threads, false, database, 300, false);
      Rows newest;  // values grow with time over the whole fake database
      for (const FakeChange& change : outcome.durable.messages) {
        if (change.op == Op::kDelete) continue;
        REQUIRE(newest[change.new_id] <= change.value);
        newest[change.new_id] = change.value;
      }
    }
  }
}

TEST_CASE("a stop while idle and while full ends the run at once") {
  for (int threads : {1, 2}) {
    FakeDatabase database(7);
    database.write(10);
    database.settle();
    MemoryCheckpoints checkpoints;
    RuleTimeline rules(std::make_unique<IdentityRules>());
    Durable durable;
    TableFilter filter;
    auto acks = std::make_shared<Acknowledgements>();
    FakeSource source(database, 10, 1000000, 0);  // never ends: idle for ever
    FaultSink sink(durable, true, 1, 0);
    PipelineOptions options;
    options.threads = threads;
    Pipeline pipeline(options, PipelineParts{&source, &rules, &sink, acks, &checkpoints, &filter, std::nullopt, nullptr});
    Status status;
    std::thread runner([&] { status = pipeline.run(SinkContext{"job", false, nullptr}); });
    while (!pipeline.snapshot_durable()) std::this_thread::yield();
    pipeline.stop(std::chrono::milliseconds(500));
    runner.join();
    CHECK(status.code() == ErrorCode::kJobAborted);
    CHECK(durable.rows == database.rows_at(10));
  }
}

TEST_CASE("the end of a log is a good end, not a stop") {
  for (int threads : {1, 2}) {
    FakeDatabase database(8);
    database.write(10);
    database.settle();
    MemoryCheckpoints checkpoints;
    RuleTimeline rules(std::make_unique<IdentityRules>());
    Durable durable;
    TableFilter filter;
    auto acks = std::make_shared<Acknowledgements>();
    FakeSource source(database, 10, 10, 0);
    FaultSink sink(durable, false, 1, 0);
    PipelineOptions options;
    options.threads = threads;
    options.snapshot = false;
    Pipeline pipeline(options, PipelineParts{&source, &rules, &sink, acks, &checkpoints, &filter, fake_position(0), nullptr});
    CHECK(pipeline.run(SinkContext{"job", false, nullptr}).ok());
    Rows folded;
    for (const FakeChange& change : durable.messages) FakeDatabase::apply(change, folded);
    CHECK(folded == database.rows_at(10));
    CHECK((*checkpoints.load())->position.text == "10");
  }
}

TEST_CASE("checkpoints move over the acknowledged prefix only") {
  CheckpointTracker tracker;
  auto at = [](int n) { return Checkpoint{fake_position(static_cast<uint64_t>(n)), 0, "", 0}; };
  for (int i = 1; i <= 3; ++i) tracker.expect(static_cast<uint64_t>(i), i == 2 ? std::nullopt : std::optional(at(i)), 1);
  tracker.acknowledge(3);
  CHECK(!tracker.take_durable());
  tracker.acknowledge(1);
  CHECK(tracker.take_durable()->position.text == "1");
  CHECK(!tracker.take_durable());
  tracker.acknowledge(2);
  CHECK(tracker.take_durable()->position.text == "3");
  tracker.acknowledge(2);  // a second acknowledgement changes nothing
  CHECK(tracker.acknowledged_rows() == 3);
}
