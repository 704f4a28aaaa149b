// Job::Impl: the state of a job between its threads. Internal to the module.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "job/job.h"
#include "job/job_rules.h"

namespace tailrace {

using Clock = std::chrono::steady_clock;

// An endpoint with its references resolved and its secret put back.
Result<EndpointConfig> resolved(const JobConfig& config, bool is_source);

// What one run is made of. Later members refer to earlier ones, so it stays where it is.
struct Parts {
  TableFilter filter;
  std::shared_ptr<Acknowledgements> acks = std::make_shared<Acknowledgements>();  // outlives the sink
  std::unique_ptr<Source> source;
  std::unique_ptr<Serializer> serializer;
  std::unique_ptr<Sink> sink;
  std::unique_ptr<RuleTimeline> rules;
};

// Makes the parts without opening any.
// `tell`: what the source finds that people should know; may be null.
Status make_parts(const JobConfig& config, const JobFactories& factories, JobFile& file, JobRules& rules, const std::string& rules_version,
                  Parts& out, std::function<void(const std::string&)> tell = nullptr);

// What rules did and cost, by version and table: earlier runs and this one. Bounded.
class RuleProfile {
 public:
  void take_up(std::vector<RuleProfileRow> rows);
  void add_run(const std::vector<RuleTimeline::VersionCounts>& counts);
  // Rows that are others than in `written`.
  std::vector<RuleProfileRow> changes(const RuleProfile& written) const;

 private:
  using Tables = std::map<std::string, RuleProfileRow>;
  inline static const std::string kOthers = "(others)";
  Tables& tables_of(const std::string& version);

  std::map<std::string, Tables> versions_;
  std::deque<std::string> order_;  // of the versions, oldest first
};

struct Job::Impl : std::enable_shared_from_this<Job::Impl> {
  std::unique_ptr<JobFile> file;
  JobConfig config;
  JobFactories factories;
  std::optional<JobRules> job_rules;  // over the three above
  RuleSwap rule_swap;
  std::atomic<bool> to_stop{false};      // this run goes to a held statement or an unreadable value, a transaction at a time
  Clock::time_point rules_until;         // when rules_command is given up
  std::optional<int64_t> rules_command;  // waits for a boundary; service thread only

  mutable std::mutex mutex;  // guards everything below
  std::condition_variable_any changed;
  JobState state = JobState::kCreated;
  bool only_looks_on = false;                // nothing was started or stopped here: what the last run ended in stays to be seen
  JobState stop_state = JobState::kStopped;  // what an asked-for stop ends in
  Status error;
  int attempts = 0;
  std::string rules_version;
  std::shared_ptr<Pipeline> pipeline;  // of the current run; while it is set its parts are there
  RuleTimeline* rules = nullptr;       // valid while pipeline is set
  uint64_t rows_before = 0;            // events of earlier runs in this process
  uint64_t dropped_before = 0;
  PipelineStatus last;                                 // of the run that ended
  std::map<std::string, TableProgress> tables_before;  // counted by earlier runs, of this process or another
  std::optional<Checkpoint> durable_before;            // the newest of theirs
  std::optional<uint64_t> counted_before;              // rows durable when the counters of a process before this one were kept
  uint64_t rows_uncounted = 0;                         // that the counters miss
  uint64_t uncounted_told = 0;                         // of them, what is an event already
  std::vector<std::string> warnings;                   // about what the job found at its source when it began
  std::deque<std::pair<Clock::time_point, uint64_t>> samples;
  Until goal = Until::kEnd;
  Position goal_position;

  RuleProfile profile_before;  // of runs that ended
  std::string slow_hook;       // told of a function that has not returned yet
  bool runner_is_over = true;  // the runner has nothing more to do
  bool abandoned = false;      // a function of the rules did not return: the runner is left to itself

  std::mutex profile_mutex;  // guards profile_written; before `mutex`
  RuleProfile profile_written;

  std::mutex control;  // one start, stop or pause at a time
  std::optional<std::jthread> runner;
  std::optional<std::jthread> watchdog;  // looks at the rules
  std::optional<std::jthread> service;   // writes the status, takes commands

  Status take_up();
  JobStatus status() const;
  void run_loop(std::stop_token stop);
  void look_at(const FoundTables& source);
  void warn(std::string_view code, const std::string& text);
  // The sink may have more rows than the process before this one had counted for their tables when it was killed.
  void note_uncounted(const Checkpoint& resumed);
  // A retry that delivers again has nothing to complain of any more.
  void settle_error();
  // How a run went, apart from its status.
  struct Run {
    bool progressed = false, again = false, undecodable = false;
  };
  Status run_once(std::stop_token stop, bool by_transactions, bool& got_open, Run& run);
  void service_loop(std::stop_token stop);
  // job_watch.cc
  void watch_loop(std::stop_token stop);
  void tell_slow(const std::string& text);
  void give_up(const HookPlace& place, const std::string& version, std::chrono::milliseconds took);
  void write_profile();
  void write_status();
  void show_status();  // the same, of a job that was told to stop or pause
  void take_commands();
  void finish(int64_t command, const Status& done, const std::string& answer);
  Status decide_ddl(const DdlDecision& decision);
  Result<std::optional<RuleSwapAnswer>> ask_rules(const RuleChange& change);
  std::optional<Result<RuleSwapAnswer>> rules_answer(std::chrono::milliseconds slice);
  Status begin();
  void end(std::chrono::milliseconds patience, JobState into);
  void note(std::string_view level, std::string_view code, const std::string& text) {
    Status added = file->add_event(level, code, text);
    if (!added.ok()) log(LogLevel::kWarn, added.to_string());
  }
};

}  // namespace tailrace
