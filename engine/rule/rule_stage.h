// The rule stage: what the pipeline knows of rules. A RuleSet is one loaded version of a job's rule file, immutable
// and shared; a RuleHost runs its Lua hooks and belongs to one worker (bindings/lua implements it).
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/ddl_desk.h"
#include "event/event_batch.h"
#include "event/stores.h"
#include "rule/rule_counts.h"

namespace tailrace {

// The bytes of one loaded version of a rule file, as the job file keeps them.
struct RuleSource {
  struct File {
    std::string text;
    std::string chunk;  // its name in messages: "@rules/shop.lua"
  };
  std::string hash;                   // SHA-256 over files and options; "" without rules
  std::string version;                // "shop@9f3ac1"
  std::string file;                   // where it was read
  std::map<std::string, File> files;  // by the name `require` gave; "" = the rule file
};

// What becomes of an event on which a rule failed; in order of strength.
enum class OnRuleError : uint8_t { kStop, kDeadLetter, kSkip };
enum class ErrorScope : uint8_t { kRow, kTransaction };

struct RuleOptions {
  std::string file;                            // "" = no rules: every table as it is; a chain: one file a line
  std::map<std::string, std::string> options;  // rules.options of the job
  std::set<std::string> in_clear;              // those of them that the job file holds as they are: none may be a secret
  size_t memory_bytes = 64u << 20;             // per state
  bool trusted = true;                         // false: no JIT, every event within `steps`
  bool jit = true;
  int64_t steps = 1'000'000;  // instructions per event when not trusted
  OnRuleError on_error = OnRuleError::kStop;
  ErrorScope error_scope = ErrorScope::kRow;  // what is left out
  int64_t wall_ms = 30'000;                   // for loading, and per batch when not trusted
  int64_t batch_ms = 2'000;                   // a call that takes longer is told
  int64_t batch_limit_ms = 30'000;            // and one that takes so long ends the job; 0 = never
  std::shared_ptr<const RuleSource> stored;   // set: read from here and not from the disk
  bool is_link = false;                       // of a chain: options that only other files of it declare are left aside
};

// Is the file of rules in Python? They have a host of their own, where there is one.
inline bool is_python_rules(const std::string& file) { return file.ends_with(".py") || file.starts_with("python:"); }

// Counters of one run. Written by the worker, read by anybody.
struct RuleStats {
  std::atomic<uint64_t> events_in{0}, events_out{0}, dropped_table{0}, dropped_where{0}, dropped_row{0}, dropped_map{0}, errors{0};
  std::atomic<uint64_t> dead_letters{0}, skipped{0};  // events left out because a rule failed on them
};

class RuleMemory;
class SourceTrail;

// What the text of a rule file tells before it runs; a warning.
struct RuleNote {
  std::string code;  // "loop", "slow-call", "upvalue-write"
  std::string text;  // begins with file:line
};

// A function of the rules that is being called. `call` is another number as soon as the function has returned.
struct HookPlace {
  std::string hook;   // "map"
  std::string table;  // "" = of no table
  uint64_t call = 0;
  bool operator==(const HookPlace&) const = default;
};

// Does the failure tell of a statement of the log at which the rules stop: one that they hold, or one behind which they do not fit
// the table?
bool is_at_statement(const Status& failure);

class RuleStage {
 public:
  virtual ~RuleStage() = default;
  // Where rows of this source schema go; null = the table is dropped. The pointer lives as long as the stage.
  virtual Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) = 0;
  // Runs the rules over the batch in place: drops, splits and rewrites events, sets `output` and `table`.
  // Fails closed: when it returns a failure no event of the batch may be delivered.
  virtual Status run(EventBatch& batch) = 0;
  // Patterns of the rule file that none of these tables matches: likely misspelt. Empty without rules.
  virtual std::vector<std::string> unmatched(const std::vector<SchemaRef>&) const { return {}; }
  virtual std::string version() const = 0;  // "shop@9f3ac1", "" without rules
  virtual RuleSource source() const { return {}; }
  // The source tables planned so far, each in the version planned last.
  virtual std::vector<SchemaRef> tables() const { return {}; }
  virtual const RuleStats& stats() const = 0;
  // What its rules remember; null when they are not ordered.
  virtual RuleMemory* memory() { return nullptr; }
  // Of the functions known so far.
  virtual std::vector<RuleNote> notes() const { return {}; }
  // For whoever looks on, from any thread: where the functions are; what each table's rules did.
  virtual std::optional<HookPlace> place() const { return std::nullopt; }
  virtual std::vector<TableRuleCounts> counts() const { return {}; }
  // Nobody waits for it any more: from here on `run` fails, also one that is under way. Any thread.
  virtual void give_up() {}
};

struct RuleStageConfig {
  RuleOptions rules;
  // Of the sink's SinkCaps. When false, two tables that merge without an explicit key fail at planning already.
  bool sink_detects_collisions = false;
  bool sink_takes_messages = true;          // false: it takes rows, so nothing is said about messages
  DeadLetterStore* dead_letters = nullptr;  // where events go that failed; must outlive the stage
  std::vector<std::string> formats = {};    // that `serialize` may name; empty = not checked
  bool writes_statements = false;           // the sink passes schema changes on as text
  DdlDesk* ddl = nullptr;                   // where statements are held; null = nowhere, so they stop. Outlives the stage
  std::string job_file = {};                // that has the dead letters; for advice
  SourceTrail* trail = nullptr;             // the stage is one of a chain; outlives it
};

}  // namespace tailrace
