// Replay: two rule versions over the same events, nothing written. Says what the second makes differently, and a hash
// of all either made: the same events and rules give the same hash, however they were cut into batches. Memory is
// bounded by one batch.
#pragma once
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/event_batch.h"
#include "rule/rule_stage.h"
#include "rulekit/row_script.h"
#include "rulekit/script_reader.h"

namespace tailrace {

// The next events as the source has them; null at the end.
using BatchSupply = std::function<Result<std::shared_ptr<const EventBatch>>()>;

struct ReplayTable {
  uint64_t same = 0, added = 0, dropped = 0, changed = 0, errors = 0;
  std::map<std::string, uint64_t> columns;  // changed cells by column
};

struct ReplayExample {
  std::string table, kind;  // "changed", "added", "dropped", "error"
  std::string key, gtid, column, before, after;
};

struct ReplayReport {
  uint64_t events = 0;
  std::map<std::string, ReplayTable> tables;  // by target
  std::vector<ReplayExample> examples;
  std::string old_hash, new_hash;
};

// `old` null: only what `now` makes is counted, as `same`. `examples`: kept per table and kind.
Result<ReplayReport> replay_rules(RuleStage* old, RuleStage& now, const BatchSupply& next, size_t examples);

// Events of a case file or capture, some thousand at a time.
class ScriptEvents {
 public:
  static Result<std::unique_ptr<ScriptEvents>> open(const std::string& path);
  Result<std::shared_ptr<const EventBatch>> next();

 private:
  explicit ScriptEvents(const std::string& path);
  std::ifstream in_;
  std::string name_;
  ScriptReader reader_;
  RowScript script_;
};

}  // namespace tailrace
