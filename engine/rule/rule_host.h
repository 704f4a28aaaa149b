// RuleHost: runs the functions of a rule file over the rows of a batch. One per stage, one thread at a time. The
// layouts below are shared with the hosts' own language (rule ABI): plain data, fixed widths.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"
#include "event/value.h"
#include "rule/rule_plan.h"
#include "rule/rule_spec.h"
#include "rule/rule_stage.h"

namespace tailrace {

enum class ImageVerdict : uint8_t { kPending, kKeep, kDrop, kRowDropped };

// What `row` says of an event, in the batch's arena.
struct RowSaid : EventRoute {
  std::string_view to;  // "database.table", "" = where the entry sends it
};

struct HookEvent {
  int32_t before, after;  // offsets of the images in HookBatch::cells, -1 = there is none
  uint32_t event;         // index into EventBatch::events
  uint8_t op;
  uint8_t is_dropped;   // out: `row` said no
  uint8_t row_is_done;  // out: `row` need not be run again
  uint8_t unused;
  int64_t ts_us;
  RowSaid* route;  // out: what `row` said; null = nothing
};
static_assert(sizeof(HookEvent) == 32);

// Neighbouring events of one plan. Their images stand one after another, `width` cells each, before ahead of after.
struct HookRun {
  uint32_t plan;  // RulePlan::id
  uint32_t first_event, events;
  uint32_t first_image, images;
  uint32_t first_cell, width;
};
static_assert(sizeof(HookRun) == 28);

class HookChunk;

struct HookBatch {
  EventBatch* batch;
  HookChunk* chunk;  // takes the rows for `outputs`
  Value* cells;
  HookEvent* events;
  uint8_t* verdicts;  // ImageVerdict per image
  const HookRun* runs;
  uint32_t run_count;
};

struct HookFailure {
  ErrorCode code = ErrorCode::kRuleRuntime;
  std::string message;   // begins with file:line of the rule
  std::string hook;      // "map", "row", "serialize"
  uint32_t event = 0;    // index into HookBatch::events
  bool is_after = true;  // the image `map` was given
};

// A statement of the log as the `ddl` hook is asked about it, and what it says.
struct DdlQuestion {
  std::string database, table, statement;
  std::string target;  // what the target would be told; "" = nothing
  uint32_t kinds = 0;
  std::string gtid;
  int64_t ts_us = 0;
};
struct DdlAnswer {
  enum class Action : uint8_t { kSend, kSkip, kHold };
  Action action = Action::kSend;
  std::string text;      // kSend: the statement to send, "" = as usual; else the reason
  uint32_t without = 0;  // kinds to leave out
};

class RuleHost {
 public:
  virtual ~RuleHost() = default;
  // Makes a plan with hooks known; the plan outlives the host's last run.
  virtual Status prepare(const RulePlan& plan) = 0;
  // Runs `row` over the events, then `map` over the images of those kept. Stops at the first failure; called again with
  // the failed event marked (is_dropped, verdicts), it goes on behind it.
  virtual std::optional<HookFailure> run(const HookBatch& batch) = 0;
  // Makes a target layout with `serialize` known under a number; the output outlives the host's last run.
  virtual Status prepare_message(uint32_t id, const OutputTable& output, int serialize) = 0;
  // Runs `serialize` over finished events, whose plans are those numbers; a message becomes the event's route. Events
  // marked is_dropped have none. Fails and goes on as `run` does.
  virtual std::optional<HookFailure> serialize(const HookBatch& batch) = 0;
  // Asks `on_error` about the one event of the batch; `policy` is what nothing said means.
  virtual Result<OnRuleError> on_error(const HookBatch& batch, const Status& failure, std::string_view hook, OnRuleError policy) = 0;
  // Asks `txn` about a transaction: false = it is dropped. RULE-0102, RULE-0103.
  virtual Result<bool> keeps(const Transaction& txn) = 0;
  // Ordered rules: `tick`, as source time comes to `now_us`.
  virtual Status tick(int64_t) { return Status(ErrorCode::kInternal, "this host runs no tick hook"); }
  virtual Result<DdlAnswer> ddl(int, const DdlQuestion&) { return Status(ErrorCode::kInternal, "this host runs no ddl hook"); }
  // Columns that functions of the entry add to rows of this table, beyond those it declares: plain new columns.
  virtual Result<std::vector<ColumnRule>> new_columns(const TableRule&, const TableSchema&) { return std::vector<ColumnRule>(); }
  // Events that one run is given at most. Few stay in the cache; a host that is dear to call wants more.
  virtual size_t chunk_events() const noexcept { return 256; }
  // The first capture of a Lua pattern, else the whole match. RULE-0101 when it does not match or is none.
  virtual Result<std::string> capture(const std::string& text, const std::string& pattern) = 0;
  // Every match of a Lua pattern replaced. RULE-0101 when it is none.
  virtual Result<std::string> substitute(const std::string&, const std::string&, const std::string&) {
    return Status(ErrorCode::kInternal, "this host has no patterns");
  }
  // As of RuleStage.
  virtual std::vector<RuleNote> notes() const { return {}; }
  virtual std::optional<HookPlace> place() const { return std::nullopt; }
  // Asks the function of an entry, called `name` in errors, about a table.
  virtual Result<RuleNode> entry(int, const std::string&, const TableSchema&) {
    return Status(ErrorCode::kInternal, "this host makes no entries");
  }
};

// One loaded version of a job's rule file. Immutable; shared by the stages of all workers.
class RuleSet {
 public:
  virtual ~RuleSet() = default;
  RuleSpec spec;
  std::string file;     // "" = no rules
  std::string version;  // "shop@9f3ac1"
  virtual RuleSource source() const { return {}; }
};

// The stage over a rule set. `host` may be null when no entry has a function.
std::unique_ptr<RuleStage> make_planned_stage(std::shared_ptr<const RuleSet> rules, std::unique_ptr<RuleHost> host,
                                              const RuleStageConfig& config);

}  // namespace tailrace
