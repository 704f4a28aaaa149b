// Job: one migration or stream, with its job file. Owns the thread that runs pipelines one after the other: after a
// transient failure it waits (0.2 s doubling to 15 s) and goes on from the durable checkpoint. All functions are
// thread-safe; none but `wait` blocks for longer than its timeout.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "job/job_config.h"
#include "metadb/metadb.h"
#include "pipeline/pipeline.h"

namespace tailrace {

// Makes the parts of a run from names and URLs; app/wire provides it.
struct JobFactories {
  std::function<Result<std::unique_ptr<Source>>(const EndpointConfig&, const SourceContext&)> source;
  std::function<Result<std::unique_ptr<Sink>>(const EndpointConfig&, std::string_view format, std::unique_ptr<Serializer>& serializer)>
      sink;
  std::function<Result<std::unique_ptr<RuleStage>>(const RuleStageConfig&)> rules;
};

enum class JobState : uint8_t { kCreated, kRunning, kRetrying, kPaused, kStopped, kDone, kFailed };
std::string_view job_state_name(JobState state) noexcept;  // "created" …

struct JobStatus {
  JobState state = JobState::kCreated;
  std::string name, phase, rules_version;
  uint64_t rows_done = 0;       // handed to the sink in this process
  uint64_t rows_durable = 0;    // delivered since the job began
  uint64_t rows_total = 0;      // estimate for the snapshot; 0 = not known
  double rate = 0;              // rows per second over the last seconds
  std::optional<double> lag_s;  // nullopt = not known
  std::optional<double> eta_s;  // of the snapshot
  Position checkpoint;          // durable
  Status error;                 // why it failed, or why it retries
  int attempts = 0;             // failures in a row
  bool idle = false, snapshot_done = false;
  uint64_t dropped_by_rules = 0;
  size_t memory_peak = 0;
  std::map<std::string, TableProgress> tables;
  std::vector<std::string> warnings;
  uint64_t rows_uncounted = 0;  // of rows_durable, missing in the counters of the tables: see note_uncounted
  std::string slow_rule;        // one of them: a function that has not returned yet
};

// Other rules for a job: a file with changes of the options in force, or those it had before.
struct RuleChange {
  std::string file;
  std::map<std::string, std::string> options;
  bool back = false;
  bool apply_ddl = false;  // what the targets look like may change
  std::string at;          // a position the job has not come to; "" = the next boundary
  std::chrono::milliseconds timeout{60000};
};

// About a statement that the rules hold (v1_ddl); id 0 = the only one.
struct DdlDecision {
  int64_t id = 0;
  bool release = false;  // else it is skipped
};

class Job {
 public:
  // Opens or creates the job file and takes its ownership. `secrets` ("source.password", "sink.password") are used by
  // this process and never stored. `config_json` empty = the configuration in the file (resume).
  static Result<std::unique_ptr<Job>> open(const std::string& path, std::string_view config_json,
                                           const std::map<std::string, std::string>& secrets, JobFactories factories);
  ~Job();  // stops with a patience of 1 s

  Status start();                                    // returns at once; JOB-0006 when it runs already
  Status stop(std::chrono::milliseconds patience);   // drain within patience, else abort; joins
  Status pause(std::chrono::milliseconds patience);  // like stop; the state says paused
  Status resume() { return start(); }
  JobStatus status() const;

  // Gives a running job other rules at its next transaction boundary, and waits for that; a job that stands still has them
  // from its next start. RULE-0111 when the output schema changes and must not; a failure leaves the rules as they are.
  Result<RuleSwapAnswer> swap_rules(const RuleChange& change);

  // A job that waits for it goes on.
  Status decide_ddl(const DdlDecision& decision);

  enum class Until : uint8_t { kSnapshot, kCaughtUp, kPosition, kEnd };
  // Waits at most `slice` for the goal. true = reached; JOB-0008 is not used here: false means call again. A failed job
  // gives its error; a stopped one JOB-0007. For kCaughtUp the target is the source's position when `mark` is called.
  Status mark(Until until, const std::string& position = "");
  Result<bool> wait(std::chrono::milliseconds slice);

  JobFile& file();
  const JobConfig& config() const;

 private:
  Job(std::unique_ptr<JobFile> file, JobConfig config, JobFactories factories);
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with a runner that had to be left to itself
};

// Looks at a job file from another process: its last written status. JOB-0009 when there is none.
Result<JobStatus> read_job_status(const std::string& path);
// Posts a command to the process that owns the job: "pause", "resume", "stop". Returns its row id.
// Also, with arguments as JSON: "rules" {"file", "options", "back", "apply_ddl", "timeout_ms"} and "ddl" {"id", "release"}.
Result<int64_t> post_job_command(const std::string& path, std::string_view verb, std::string_view arguments = "{}");

}  // namespace tailrace
