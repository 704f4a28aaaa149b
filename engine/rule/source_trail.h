// SourceTrail: in a chain of rule files, which event of the source each event of the batch came from. Owned by the stage of
// the chain; the stages of its files read it while they run, one after another. One thread.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "event/event_batch.h"
#include "rule/failure_policy.h"
#include "rule/rule_stage.h"
#include "rule/target_registry.h"

namespace tailrace {

// What the files before said of one statement.
struct StatementTrail {
  const ChangeEvent* source = nullptr;  // as logged
  uint32_t without = 0;                 // kinds they leave out
  bool is_mapped = false;               // the target is another than the source's table
  bool has_text = false;                // one gave the text
};

class SourceTrail {
 public:
  // Both outlive it. `version`: of the chain.
  SourceTrail(const RuleStageConfig& config, RuleStats& stats, std::string chain_version)
      : failures(config, stats), targets(config.sink_detects_collisions), version(std::move(chain_version)) {}

  void begin(const EventBatch& batch) {
    sources = batch.events;
    roots.resize(sources.size());
    std::iota(roots.begin(), roots.end(), 0U);
    statements_.clear();
    if (!failures.stops()) failures.begin_batch(batch);
  }
  // After a stage: its events become those that the next one gets.
  void advance() {
    for (uint32_t& step : steps) step = roots[step];
    roots.swap(steps);
  }
  // By the index that the stage which runs knows.
  uint32_t root_of(uint32_t index) const noexcept { return roots[index]; }
  const ChangeEvent& source_of(uint32_t index) const noexcept { return sources[roots[index]]; }
  StatementTrail& statement(uint32_t index) {
    StatementTrail& out = statements_[roots[index]];
    out.source = &source_of(index);
    return out;
  }

  FailurePolicy failures;
  TargetRegistry targets;  // of what leaves the chain
  const std::string version;
  // Makes the tables of the source's events up to this one known to `targets`.
  std::function<void(uint32_t root)> meet_up_to;
  bool is_last = false;              // of the stage that runs
  std::vector<ChangeEvent> sources;  // the batch as it came
  std::vector<uint32_t> roots;       // per event that the stage gets: index into sources
  std::vector<uint32_t> steps;       // per event that it leaves: index of the event it got

 private:
  std::map<uint32_t, StatementTrail> statements_;
};

}  // namespace tailrace
