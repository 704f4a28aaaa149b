// StagePlans: the plans of one stage, made as tables show up. One thread.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "rule/rule_host.h"
#include "rule/rule_plan.h"
#include "rule/target_registry.h"

namespace tailrace {

// "database.table", each of 1 to 64 characters; what no server takes as a name is none.
bool is_table_name(std::string_view name) noexcept;

// Another table of the plan's layout, that `row` sends events to.
struct Elsewhere {
  std::shared_ptr<const RuleOutput> output;
  uint64_t batch = 0;  // last batch that was given it
};

// A plan and what the stage keeps beside it.
struct PlanEntry {
  RulePlan plan;
  PlanCounts counts;
  uint64_t batch = 0;                                       // last batch that was given the plan's output
  std::vector<uint64_t> output_batches;                     // the same of plan.outputs
  std::map<std::string, Elsewhere, std::less<>> elsewhere;  // by name
};

// The host's number of a target layout with `serialize`.
inline uint32_t message_number(const OutputTable& output) noexcept { return static_cast<uint32_t>(output.schema->schema_id); }

class StagePlans {
 public:
  // Both outlive the plans; `host` may be null when no entry has a function.
  StagePlans(const RuleSet& rules, RuleHost* host, const RuleStageConfig& config)
      : rules_(rules), host_(host), targets_(config.sink_detects_collisions), formats_(config.formats) {
    context_.takes_messages = config.sink_takes_messages;
    if (host) ask_host();
  }

  void begin_batch() noexcept { ++batch_; }
  Result<PlanEntry*> find(const SchemaRef& source);
  // The plan of a table of the batch; consecutive events mostly share it.
  Result<PlanEntry*> find(const EventBatch& batch, const TableSchema* table) {
    if (table == last_table_ && batch_ == last_batch_) return last_entry_;
    return find_other(batch, table);
  }
  // Makes the batch own the plan's output.
  void use_output(EventBatch& batch, PlanEntry& entry) const {
    if (entry.batch != batch_) add_output(batch, entry);
  }
  // The layouts of the other source tables of this output's target.
  std::vector<SchemaRef> others(const OutputTable& output) const {
    return targets_.others(output.schema->qualified_name(), output.source->qualified_name());
  }
  // Of one of the plan's further outputs.
  void use_output(EventBatch& batch, PlanEntry& entry, const OutputTable* output) const;
  // The plan's output under the name that `row` gave, owned by the batch.
  Result<const RuleOutput*> elsewhere(EventBatch& batch, PlanEntry& entry, std::string_view name);
  // The source tables planned so far, each in the version planned last.
  std::vector<SchemaRef> tables() const;
  // Of tables that the rules name, all versions of a table together. Any thread.
  std::vector<TableRuleCounts> counts() const;
  // Number of source tables seen for a target.
  bool has_serialize() const noexcept { return has_serialize_; }
  size_t sources(const std::string& target) const { return targets_.sources(target); }

 private:
  Result<PlanEntry*> find_other(const EventBatch& batch, const TableSchema* table);
  void add_output(EventBatch& batch, PlanEntry& entry) const;
  Result<std::shared_ptr<const RuleOutput>> make_elsewhere(const RulePlan& plan, std::string_view name);
  Status located(Status status) const;
  Status prepare_message(const RuleOutput& output);
  void ask_host();

  const RuleSet& rules_;
  RuleHost* const host_;
  TargetRegistry targets_;
  PlanContext context_;
  const std::vector<std::string> formats_;
  bool has_serialize_ = false;
  std::unordered_map<uint64_t, std::unique_ptr<PlanEntry>> plans_;  // by schema_id of the source
  std::vector<SchemaRef> kept_schemas_;
  mutable std::mutex counted_mutex_;                               // guards counted_
  std::vector<std::pair<const PlanEntry*, std::string>> counted_;  // plans that live in plans_, and their tables

  uint64_t batch_ = 0;
  const TableSchema* last_table_ = nullptr;
  uint64_t last_batch_ = 0;
  PlanEntry* last_entry_ = nullptr;
};

}  // namespace tailrace
