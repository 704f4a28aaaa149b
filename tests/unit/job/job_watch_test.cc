// A function of the rules that does not return, and what tables cost, as the job tells it.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <semaphore>

#include "job/hook_watch.h"
#include "job/job.h"
#include "unit/catch.h"
#include "unit/pipeline/fakes.h"

using namespace tailrace;
using namespace tailrace::testing;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;

namespace {

// Shared with a stage that outlives the test's job.
struct Trap {
  std::atomic<bool> is_set{false}, is_in{false}, given_up{false};
  std::binary_semaphore out{0};
  std::atomic<uint64_t> calls{0};
  int64_t call_ms = 0;  // how long each call takes
};

class TrapRules final : public RuleStage {
 public:
  explicit TrapRules(std::shared_ptr<Trap> trap) : trap_(std::move(trap)) {}
  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) override {
    auto table = std::make_shared<OutputTable>();
    table->source = table->schema = source;
    return std::shared_ptr<const OutputTable>(table);
  }
  Status run(EventBatch& batch) override {
    in_ += batch.events.size();
    if (!batch.events.empty() && trap_->is_set) {
      trap_->is_in = true;
      trap_->out.acquire();
      trap_->is_in = false;
    }
    if (trap_->given_up) return Status(ErrorCode::kRuleBudget, "given up");
    return {};
  }
  std::optional<HookPlace> place() const override {
    if (!trap_->is_in) return std::nullopt;
    return HookPlace{"map", "shop.t", 7};
  }
  std::vector<TableRuleCounts> counts() const override {
    TableRuleCounts one;
    one.table = "shop.t";
    one.hook = "map";
    one.in = one.out = in_;
    return {one};
  }
  void give_up() override { trap_->given_up = true; }
  std::string version() const override { return "shop@1"; }
  const RuleStats& stats() const override { return stats_; }

 private:
  std::shared_ptr<Trap> trap_;
  std::atomic<uint64_t> in_{0};
  RuleStats stats_;
};

struct Bench {
  FakeDatabase database{3};
  Durable durable;
  std::atomic<size_t> source_fails{0}, sink_fails{0};
  std::shared_ptr<Trap> trap = std::make_shared<Trap>();
  std::filesystem::path folder;

  Bench() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tailrace-watch-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    database.write(20);
    database.settle();
  }
  ~Bench() { std::filesystem::remove_all(folder); }
  std::string path() const { return (folder / "job.db").string(); }

  std::unique_ptr<Job> open() {
    JobFactories factories;
    factories.source = [this](const EndpointConfig&, const SourceContext&) -> Result<std::unique_ptr<Source>> {
      return std::unique_ptr<Source>(new FakeSource(database, 20, SIZE_MAX, source_fails));
    };
    factories.sink = [this](const EndpointConfig&, std::string_view, std::unique_ptr<Serializer>&) -> Result<std::unique_ptr<Sink>> {
      return std::unique_ptr<Sink>(new FaultSink(durable, true, 1, sink_fails));
    };
    factories.rules = [this](const RuleStageConfig&) -> Result<std::unique_ptr<RuleStage>> {
      trap->given_up = false;
      return std::unique_ptr<RuleStage>(new TrapRules(trap));
    };
    auto job =
        Job::open(path(), R"({"source":{"url":"fake://x"},"sink":"fake:","rules":{"batch_ms":50,"batch_limit_ms":400}})", {}, factories);
    REQUIRE(job.status().to_string() == Status().to_string());
    return std::move(job).value();
  }
};

template <class F>
bool eventually(F&& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    usleep(10000);
  }
  return false;
}

Status catch_up(Job& job) {
  TAILRACE_OK(job.mark(Job::Until::kCaughtUp));
  for (int i = 0; i < 300; ++i) {
    TAILRACE_TRY(bool reached, job.wait(milliseconds(100)));
    if (reached) return {};
  }
  return Status(ErrorCode::kJobTimeout, "test");
}

}  // namespace

TEST_CASE("a call is as old as the time it has been seen for") {
  HookWatch watch;
  auto at = std::chrono::steady_clock::time_point() + std::chrono::hours(1);
  HookPlace map{"map", "shop.t", 1};
  CHECK(watch.look(map, at) == milliseconds(0));
  CHECK(watch.look(map, at + milliseconds(300)) == milliseconds(300));
  map.call = 2;  // it returned and was called again
  CHECK(watch.look(map, at + milliseconds(400)) == milliseconds(0));
  CHECK(watch.look(std::nullopt, at + milliseconds(500)) == milliseconds(0));
  CHECK(watch.look(map, at + milliseconds(900)) == milliseconds(0));
  CHECK(watch.look(map, at + milliseconds(950)) == milliseconds(50));
}

TEST_CASE("a function that does not return ends the job, which says so, and nothing of its batch is delivered") {
  Bench bench;
  bench.trap->is_set = true;
  auto job = bench.open();
  REQUIRE(job->start().ok());
  REQUIRE(eventually([&] { return !job->status().slow_rule.empty(); }));
  CHECK_THAT(job->status().slow_rule, Contains("shop@1") && Contains("map of shop.t"));
  // Others see the warning in the job file.
  CHECK(eventually([&] {
    auto seen = read_job_status(bench.path());
    return seen.ok() && (!seen->slow_rule.empty() || seen->state == JobState::kFailed);
  }));
  REQUIRE(eventually([&] { return job->status().state == JobState::kFailed; }));
  JobStatus failed = job->status();
  CHECK(failed.error.code() == ErrorCode::kRuleBudget);
  CHECK_THAT(failed.error.to_string(), Contains("map of shop.t") && Contains("batch_limit_ms"));
  CHECK(failed.slow_rule.empty());
  CHECK(job->wait(milliseconds(10)).status().code() == ErrorCode::kRuleBudget);
  CHECK(eventually([&] {
    auto seen = read_job_status(bench.path());
    return seen.ok() && seen->state == JobState::kFailed && seen->error.code() == ErrorCode::kRuleBudget;
  }));
  CHECK(bench.durable.rows.empty());
  // While it hangs the job cannot begin again, and stopping does not hang.
  CHECK(job->start().code() == ErrorCode::kJobState);
  CHECK(job->stop(milliseconds(10)).ok());
  // Once it has come back, it can; what it made was thrown away.
  bench.trap->is_set = false;
  bench.trap->out.release();
  REQUIRE(eventually([&] { return job->start().ok(); }));
  REQUIRE(catch_up(*job).to_string() == Status().to_string());
  CHECK(bench.durable.rows == bench.database.rows_at(20));
}

TEST_CASE("a job that was given up can be let go of while its function hangs") {
  auto bench = std::make_unique<Bench>();
  bench->trap->is_set = true;
  auto job = bench->open();
  REQUIRE(job->start().ok());
  REQUIRE(eventually([&] { return job->status().state == JobState::kFailed; }));
  job.reset();
  CHECK(read_job_status(bench->path())->state == JobState::kFailed);
  CHECK(!JobFile::owner_of(bench->path()).empty());  // nobody else may run it meanwhile
  bench->trap->is_set = false;
  bench->trap->out.release();
  CHECK(eventually([&] { return JobFile::owner_of(bench->path()).empty(); }));
  auto again = bench->open();
  REQUIRE(again->start().ok());
  REQUIRE(catch_up(*again).ok());
  CHECK(bench->durable.rows == bench->database.rows_at(20));
}

TEST_CASE("what the rules of a table did stands in the job file, over several runs") {
  Bench bench;
  auto count = [&]() -> int64_t {
    auto file = JobFile::open(bench.path(), JobFile::Mode::kRead).value();
    auto rows = file->query("SELECT events_in FROM v1_rule_profile WHERE version = 'shop@1' AND \"table\" = 'shop.t' AND hook = 'map'");
    return rows.ok() && rows->rows.size() == 1 ? std::get<int64_t>(rows->rows[0][0]) : -1;
  };
  {
    auto job = bench.open();
    REQUIRE(job->start().ok());
    REQUIRE(catch_up(*job).ok());
  }
  int64_t first = count();
  CHECK(first > 0);
  bench.database.write(5);
  bench.database.settle();
  {
    auto job = bench.open();
    REQUIRE(job->start().ok());
    REQUIRE(catch_up(*job).ok());
  }
  CHECK(count() >= first);
}
