#include "job/job.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "unit/catch.h"
#include "unit/pipeline/fakes.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

const char* kConfig = R"({"source":{"url":"fake://x","password":"hunter2"},"sink":"fake:"})";

// A job over the fake database, in a folder of its own.
struct Bench {
  FakeDatabase database{3};
  Durable durable;
  std::atomic<int> opened{0};
  std::atomic<size_t> source_fails{0}, sink_fails{0};
  std::filesystem::path folder;
  std::string rules_version;

  Bench() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tailrace-job-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    database.write(20);
    database.settle();
  }
  ~Bench() { std::filesystem::remove_all(folder); }
  std::string path() const { return (folder / "job.db").string(); }

  Result<std::unique_ptr<Job>> open(std::string_view config = kConfig) {
    JobFactories factories;
    factories.source = [this](const EndpointConfig&, const SourceContext&) -> Result<std::unique_ptr<Source>> {
      return std::unique_ptr<Source>(new FakeSource(database, 20, SIZE_MAX, source_fails));
    };
    factories.sink = [this](const EndpointConfig&, std::string_view, std::unique_ptr<Serializer>&) -> Result<std::unique_ptr<Sink>> {
      ++opened;
      return std::unique_ptr<Sink>(new FaultSink(durable, true, 1, sink_fails));
    };
    factories.rules = [this](const RuleStageConfig&) -> Result<std::unique_ptr<RuleStage>> {
      return std::unique_ptr<RuleStage>(new IdentityRules(rules_version));
    };
    return Job::open(path(), config, {}, factories);
  }
};

Status wait_for(Job& job, Job::Until until) {
  TAILRACE_OK(job.mark(until));
  for (int i = 0; i < 300; ++i) {
    TAILRACE_TRY(bool reached, job.wait(std::chrono::milliseconds(100)));
    if (reached) return {};
  }
  return Status(ErrorCode::kJobTimeout, "test");
}

template <class F>
bool eventually(F&& condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    usleep(10000);
  }
  return false;
}

}  // namespace

TEST_CASE("a job catches up, is resumed with the same configuration, and refuses another") {
  Bench bench;
  {
    auto job = bench.open();
    REQUIRE(job.ok());
    REQUIRE((*job)->start().ok());
    REQUIRE(wait_for(**job, Job::Until::kCaughtUp).ok());
    CHECK(bench.durable.rows == bench.database.rows_at(20));
    CHECK((*job)->start().code() == ErrorCode::kJobState);
    auto second = bench.open();
    REQUIRE(!second.ok());
    CHECK(second.status().code() == ErrorCode::kJobOwned);
    CHECK(read_job_status(bench.path()).ok());
  }
  auto stopped = read_job_status(bench.path());
  REQUIRE(stopped.ok());
  CHECK(stopped->state == JobState::kStopped);
  auto other = bench.open(R"({"source":{"url":"fake://y"},"sink":"fake:"})");
  REQUIRE(!other.ok());
  CHECK(other.status().code() == ErrorCode::kJobConfigChanged);
  auto resumed = bench.open("");
  REQUIRE(resumed.ok());
  REQUIRE((*resumed)->start().ok());
  CHECK(wait_for(**resumed, Job::Until::kCaughtUp).ok());
}

TEST_CASE("a literal password is nowhere in the job's files") {
  Bench bench;
  {
    auto job = bench.open();
    REQUIRE(job.ok());
    REQUIRE((*job)->start().ok());
    REQUIRE(wait_for(**job, Job::Until::kSnapshot).ok());
  }
  for (const auto& entry : std::filesystem::directory_iterator(bench.folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    CAPTURE(entry.path().string());
    CHECK(bytes.str().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("the job file cannot be its own sink") {
  Bench bench;
  auto job = bench.open(R"({"source":"fake://x","sink":"sqlite://)" + bench.path() + R"("})");
  REQUIRE(!job.ok());
  CHECK(job.status().code() == ErrorCode::kConfigBadValue);
}

TEST_CASE("a table's counters go on after a restart") {
  Bench bench;
  for (int run = 0; run < 2; ++run) {
    auto job = bench.open();
    REQUIRE(job.ok());
    REQUIRE((*job)->start().ok());
    REQUIRE(wait_for(**job, Job::Until::kCaughtUp).ok());
    CHECK((*job)->status().tables.at("db.t").rows_read == bench.database.rows_at(20).size());
  }
}

TEST_CASE("rules that changed between two runs are told of, once") {
  Bench bench;
  for (const char* version : {"shop@1", "shop@2", "shop@2"}) {
    bench.rules_version = version;
    auto job = bench.open();
    REQUIRE(job.ok());
    REQUIRE((*job)->start().ok());
    REQUIRE(wait_for(**job, Job::Until::kCaughtUp).ok());
  }
  auto job = bench.open();
  int warnings = 0;
  auto events = (*job)->file().read_events(0);
  REQUIRE(events.ok());
  for (const EventRow& event : *events) warnings += event.text.find("from 'shop@1' to 'shop@2'") != std::string::npos;
  CHECK(warnings == 1);
}

TEST_CASE("a job that only copies ends well") {
  Bench bench;
  auto job = bench.open(R"({"job":{"phases":["snapshot"]},"source":"fake://x","sink":"fake:"})");
  REQUIRE(job.ok());
  REQUIRE((*job)->start().ok());
  REQUIRE(eventually([&] { return (*job)->status().state == JobState::kDone; }));
  CHECK(bench.durable.rows == bench.database.rows_at(20));
}

TEST_CASE("after a transient failure the job goes on by itself") {
  Bench bench;
  bench.source_fails = 6;
  auto job = bench.open();
  REQUIRE(job.ok());
  REQUIRE((*job)->start().ok());
  REQUIRE(eventually([&] { return bench.opened > 2; }));  // once by open, then once per attempt
  bench.source_fails = 0;
  CHECK(wait_for(**job, Job::Until::kCaughtUp).ok());
  CHECK(bench.durable.rows == bench.database.rows_at(20));
}

TEST_CASE("another process pauses and resumes a job by its file") {
  Bench bench;
  auto job = bench.open();
  REQUIRE(job.ok());
  CHECK(post_job_command(bench.path(), "pause").ok());
  REQUIRE((*job)->start().ok());
  REQUIRE(eventually([&] { return (*job)->status().state == JobState::kPaused; }));
  CHECK(post_job_command(bench.path(), "resume").ok());
  REQUIRE(eventually([&] { return (*job)->status().state == JobState::kRunning; }));
  CHECK(post_job_command(bench.path(), "stop").ok());
  REQUIRE(eventually([&] { return (*job)->status().state == JobState::kStopped; }));
  job->reset();
  auto nobody = post_job_command(bench.path(), "pause");
  REQUIRE(!nobody.ok());
  CHECK(nobody.status().code() == ErrorCode::kJobState);
  CHECK(read_job_status("/nowhere/job.db").status().code() == ErrorCode::kJobMissing);
}
