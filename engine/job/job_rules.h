// Versions of a job's rules: what the job file keeps of them, what the configured file holds, and another one asked for.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "job/job.h"

namespace tailrace {

class JobRules {
 public:
  // All of them outlive it.
  JobRules(JobFile& file, const JobConfig& config, const JobFactories& factories) : file_(file), config_(config), factories_(factories) {}

  // The versions of a run. As long as nobody has asked for others the configured file tells the newest one, and an edited
  // file takes over where the run begins; afterwards the job file does. `status_version`: what the status told last.
  Result<std::unique_ptr<RuleTimeline>> timeline(const SinkCaps& sink, const std::string& status_version);
  bool knows_sink() const noexcept { return knows_sink_; }
  void set_sink(const SinkCaps& sink) {
    sink_detects_collisions_ = sink.detects_collisions;
    sink_takes_messages_ = sink.wants_records;
    knows_sink_ = true;
  }
  // Reads, checks and compiles the rules asked for.
  Result<RuleSwapRequest> request(const RuleChange& change);
  // For a job that does not run: they hold from where the next run begins.
  Result<RuleSwapAnswer> put_down(RuleSwapRequest request);

 private:
  using Texts = std::map<std::string, std::string>;
  Result<std::unique_ptr<RuleStage>> load(std::shared_ptr<const RuleSource> stored, const std::string& file, const Texts& options) const;
  Result<std::unique_ptr<RuleStage>> load_kept(int64_t version) const;
  Result<std::vector<SchemaRef>> known_tables() const;
  void note(const std::string& text) const;

  JobFile& file_;
  const JobConfig& config_;
  const JobFactories& factories_;
  std::atomic<bool> sink_detects_collisions_{false}, sink_takes_messages_{true}, knows_sink_{false};
};

}  // namespace tailrace
