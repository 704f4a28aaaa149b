// Versions of the rules that take over under way, while sources and sinks are lost: every change has the version of the
// place where it stands, however often the job goes over it.
#include "pipeline/rule_timeline.h"

#include <thread>

#include "fakes.h"
#include "unit/catch.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

constexpr int64_t kStamp = 1000000;  // a value of the fake database is smaller

// Stamps its number into every row it lets through.
class StampRules final : public RuleStage {
 public:
  explicit StampRules(int64_t number) : number_(number) {}
  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) override {
    auto table = std::make_shared<OutputTable>();
    table->source = table->schema = source;
    return std::shared_ptr<const OutputTable>(table);
  }
  Status run(EventBatch& batch) override {
    for (ChangeEvent& event : batch.events) {
      if (!event.after.empty()) event.after[1] = Value::of_int(event.after[1].i + number_ * kStamp);
    }
    return {};
  }
  std::string version() const override { return "v@" + std::to_string(number_); }
  const RuleStats& stats() const override { return stats_; }

 private:
  const int64_t number_;
  RuleStats stats_;
};

// The job file's part: what survives a kill.
struct Kept {
  std::mutex mutex;
  std::vector<std::pair<Position, int64_t>> cuts;  // begins with version 0 at the start

  std::unique_ptr<RuleTimeline> timeline() {
    std::lock_guard lock(mutex);
    std::vector<RuleTimeline::Cut> out;
    for (const auto& [at, number] : cuts) {
      out.push_back(
          {0, at, [n = number]() -> Result<std::unique_ptr<RuleStage>> { return std::unique_ptr<RuleStage>(new StampRules(n)); }, false});
    }
    return std::make_unique<RuleTimeline>(std::move(out), nullptr, nullptr);
  }
  int64_t version_of(size_t transaction) {
    std::lock_guard lock(mutex);
    int64_t number = 0;
    for (const auto& [at, version] : cuts) {
      if (fake_offset(at) <= transaction) number = version;
    }
    return number;
  }
};

}  // namespace

TEST_CASE("each change has the version of its place through losses and swaps") {
  size_t swaps = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    bool owns = seed % 2 == 0;
    int threads = seed % 4 < 2 ? 1 : 2;
    CAPTURE(seed, owns, threads);
    constexpr size_t kLimit = 300;
    FakeDatabase database(seed);
    std::mt19937_64 random(seed);
    MemoryCheckpoints checkpoints;
    Durable durable;
    TableFilter filter;
    Kept kept;
    kept.cuts.push_back({fake_position(0), 0});
    RuleSwap swap;
    std::vector<std::pair<std::string, std::string>> answers;  // where the answer said, and which version
    for (int run = 1;; ++run) {
      REQUIRE(run < 500);
      size_t source_fails = random() % 3 ? 1 + random() % 60 : 0;
      size_t sink_fails = random() % 3 ? 1 + random() % 60 : 0;
      auto acks = std::make_shared<Acknowledgements>();
      FakeSource source(database, kLimit, SIZE_MAX, source_fails);
      FaultSink sink(durable, owns, random(), sink_fails);
      auto rules = kept.timeline();
      PipelineOptions options;
      options.threads = threads;
      options.snapshot = false;
      options.flush_every = std::chrono::milliseconds(random() % 3);
      options.save_every = std::chrono::milliseconds(random() % 3);
      options.memory_bytes = 1 << 20;
      options.batch_bytes = 1000;
      Pipeline pipeline(options, PipelineParts{&source, rules.get(), &sink, acks, &checkpoints, &filter, fake_position(0), nullptr, &swap});
      std::atomic<bool> over{false};
      std::thread watcher([&] {
        auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!over && !pipeline.reached(fake_position(kLimit)) && std::chrono::steady_clock::now() < deadline) {
          if (auto answer = swap.wait(std::chrono::milliseconds(0)); answer && answer->ok()) {
            answers.emplace_back((*answer)->at.text, (*answer)->after);
          }
          int64_t number = kept.version_of(SIZE_MAX) + 1;
          RuleSwapRequest request;
          request.stage = std::make_unique<StampRules>(number);
          request.keep = [&kept, number](const Position& at, const std::string&) -> Result<int64_t> {
            std::lock_guard lock(kept.mutex);
            kept.cuts.emplace_back(at, number);
            return number;
          };
          if (swap.ask(std::move(request)).ok()) std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        pipeline.stop(std::chrono::milliseconds(2000));
      });
      Status status = pipeline.run(SinkContext{"job", false, nullptr});
      over = true;
      watcher.join();
      if (auto answer = swap.wait(std::chrono::milliseconds(0)); answer && answer->ok()) {
        answers.emplace_back((*answer)->at.text, (*answer)->after);
      }
      swap.close();
      if (status.code() == ErrorCode::kJobAborted) break;
      REQUIRE(status.retry() == Retry::kTransient);
    }
    swaps += answers.size();
    for (const auto& [at, version] : answers) {
      bool found = false;
      for (const auto& [position, number] : kept.cuts) found |= position.text == at && "v@" + std::to_string(number) == version;
      CHECK(found);
    }
    std::map<int64_t, size_t> transaction_of;
    for (size_t i = 0; i < database.size(); ++i) {
      for (const FakeChange& change : database.transaction(i)) transaction_of[change.value] = i;
    }
    Rows folded;
    for (const FakeChange& change : durable.messages) {
      FakeDatabase::apply(change, folded);
      if (change.op == Op::kDelete) continue;
      REQUIRE(change.value / kStamp == kept.version_of(transaction_of.at(change.value % kStamp)));
    }
    Rows& rows = owns ? durable.rows : folded;
    Rows plain;
    for (auto& [id, value] : rows) {
      REQUIRE(value / kStamp == kept.version_of(transaction_of.at(value % kStamp)));
      plain[id] = value % kStamp;
    }
    REQUIRE(plain == database.rows_at(database.size()));
  }
  CHECK(swaps > 60);  // how many fit in is up to the machine
}
