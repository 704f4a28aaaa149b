// RuleTimeline: which version of the rules holds where, in one run. After a stop the job goes over a stretch of the log
// again, and each transaction gets the version it had before; behind that the newest version holds. A version begins
// between two transactions. Delivery thread, but for the
// functions that look on: version(), dropped(), counts(), place() and give_up().
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "event/event_batch.h"
#include "rule/rule_stage.h"
#include "source/source.h"

namespace tailrace {

class RuleTimeline {
 public:
  using Make = std::function<Result<std::unique_ptr<RuleStage>>()>;
  struct Cut {
    int64_t id = 0;  // of the job file; 0 = not there yet
    Position from;   // text "" = wherever this run begins
    Make make;
    bool changes_output = false;  // the targets are told when it begins
  };
  // Keeps where a cut without position begins; the cuts with the other ids will not be come to.
  using Placed = std::function<Status(int64_t id, const Position& at, std::vector<int64_t> passed_over)>;
  using Tables = std::function<Result<std::vector<SchemaRef>>()>;

  // `cuts` oldest first, at least one. `known`: the source's tables that the job knows.
  RuleTimeline(std::vector<Cut> cuts, Placed placed, Tables known);
  explicit RuleTimeline(std::unique_ptr<RuleStage> only, Tables known = nullptr);

  // Finds the version that holds at `at`, where this run begins.
  Status start(const Source& source, const Position& at);
  RuleStage& stage() noexcept { return *stage_; }
  // Runs the rules over the batch, by as many versions as its transactions have.
  Status run(EventBatch& batch, const Source& source);
  // A boundary: the version that begins here takes over. True: it did, and `announcement` is to go out ahead of its rows.
  Result<bool> passed(const Position& at, const Source& source, EventBatch& announcement);
  // Is this stretch one that was gone over before, with versions yet to come?
  bool has_later() const noexcept { return !later_.empty(); }

  // What would become of the targets with this stage: a line per statement or other difference. Plans every known table, so
  // that a rule file that cannot take one of them is found out here.
  Result<std::vector<std::string>> differences(RuleStage& next);
  // The events that tell the targets of those differences, all of one pseudo transaction.
  Status announce(RuleStage& next, EventBatch& out);
  void take_over(std::unique_ptr<RuleStage> next);
  // A version that begins at a place the log has not come to. REQUIRES: no other is to come.
  void begin_later(Cut cut) { later_.push_back(std::move(cut)); }

  std::string version() const;
  uint64_t dropped() const;  // by rules of this run, all versions
  // What each version did in this run; of many, the newest.
  struct VersionCounts {
    std::string version;
    std::vector<TableRuleCounts> tables;
  };
  std::vector<VersionCounts> counts() const;
  // See RuleStage.
  std::optional<HookPlace> place() const;
  void give_up();

 private:
  Result<std::vector<SchemaRef>> all_tables();
  Status begin_next(EventBatch& out);

  Placed placed_;
  Tables known_;
  std::vector<Cut> cuts_;  // until start
  std::deque<Cut> later_;
  mutable std::mutex mutex_;  // guards stage_ and what follows against those who look on
  std::unique_ptr<RuleStage> stage_;
  uint64_t dropped_before_ = 0;
  std::vector<VersionCounts> counts_before_;
};

}  // namespace tailrace
