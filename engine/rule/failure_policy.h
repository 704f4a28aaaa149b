// FailurePolicy: what becomes of an event on which the rules failed: the job stops, or the event is left out, as a dead
// letter or counted. It never leaves as it was. Whoever fails on one event may use it. One thread.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "event/stores.h"
#include "rule/rule_stage.h"

namespace tailrace {

class FailurePolicy {
 public:
  // Both outlive it.
  FailurePolicy(const RuleStageConfig& config, RuleStats& stats)
      : policy_(config.rules.on_error),
        by_transaction_(config.rules.error_scope == ErrorScope::kTransaction),
        letters_(config.dead_letters),
        stats_(stats),
        advice_(config.job_file.empty() || config.rules.file.empty()
                    ? std::string()
                    : "try: tailrace rule replay " + config.rules.file + " --job " + config.job_file + " --dead-letter ") {}

  bool stops() const noexcept { return policy_ == OnRuleError::kStop; }
  OnRuleError policy() const noexcept { return policy_; }

  void begin_batch(const EventBatch& batch);
  // Ok: the event is left out. `wish` is what on_error said; a weaker one than the policy counts as the policy.
  // `source` is the event as the source had it.
  Status settle(Status failure, const EventBatch& batch, const ChangeEvent& source, OnRuleError wish);
  bool has_left_out() const noexcept { return !left_out_.empty() || !failed_txns_.empty(); }
  bool left_out(uint32_t source_index, const ChangeEvent& source) const {
    return left_out_.contains(source_index) || failed_txns_.contains(source.txn);
  }
  // By itself, not because its transaction is.
  bool is_left_out(uint32_t source_index) const { return left_out_.contains(source_index); }
  void leave_out(uint32_t source_index) { left_out_.insert(source_index); }
  // After the last event: the other rows of the transactions that are left out become dead letters as well.
  Status end_batch(const EventBatch& batch, const std::vector<ChangeEvent>& sources);

 private:
  Status write_letter(const Status& failure, const EventBatch& batch, const ChangeEvent& source);

  const OnRuleError policy_;
  const bool by_transaction_;
  DeadLetterStore* const letters_;
  RuleStats& stats_;
  const std::string advice_;          // the number of the letter follows; "" = none
  std::set<uint32_t> left_out_;       // events of the batch, by index at the source
  std::set<uint32_t> failed_txns_;    // of the batch, when whole transactions are left out
  std::set<uint32_t> lettered_txns_;  // those of them that become dead letters
  std::string open_txn_;              // left out, and not at its end when the last batch was
  bool open_is_lettered_ = false;
  int64_t last_id_ = 0;
  uint64_t told_ = 0;  // failures told in the log
};

}  // namespace tailrace
