// RuleSession: rules at the desk. Runs SQL statements (rulekit/row_script.h) through a rule file, no server. Each
// statement also runs without the JIT, which must give the same, and tables that no pattern names must come out as
// they went in; finish() compares with all of them in one batch. One thread.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rulekit/row_script.h"
#include "rulekit/rule_kit.h"

namespace tailrace {

class RuleSession {
 public:
  // `script`: the name of the case file, for messages. `target_detects` as RuleStageConfig::sink_detects_collisions.
  static Result<std::unique_ptr<RuleSession>> open(const RuleKit& kit, const RuleOptions& options, std::string script);
  // Events as a sink would get them. kRuleCase: the statement cannot be followed; other codes come from the rules.
  Result<std::shared_ptr<const EventBatch>> run(std::string_view sql, uint32_t line);
  void begin_capture() {
    script_.begin_capture();
    is_capture_ = true;
  }
  // Runs everything once more as one batch: where a job cuts the log into batches must not show. Nothing to do after a
  // statement that failed.
  Status finish();

  std::vector<SchemaRef> tables() const { return script_.tables(); }
  // Where rows of the table go; null = dropped.
  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& table) { return stage_->output(table); }
  // Patterns that no table made so far matches.
  std::vector<std::string> unmatched() const { return stage_->unmatched(script_.tables()); }
  std::string version() const { return stage_->version(); }

 private:
  RuleSession(const RuleKit& kit, const RuleOptions& options, std::string script)
      : kit_(kit), options_(options), name_(script), script_(std::move(script)) {}
  bool is_listed(const SchemaRef& table) const;
  Status check_unlisted(const EventBatch& source, const EventBatch& result) const;

  RuleKit kit_;
  RuleOptions options_;
  std::string name_;
  RowScript script_;
  std::unique_ptr<RuleStage> stage_, interpreted_;
  bool keeps_unlisted_ = true;
  std::vector<std::string> patterns_;
  std::vector<std::pair<std::string, uint32_t>> statements_;  // those that ran, for finish()
  std::string made_;                                          // all they gave
  bool has_failed_ = false, is_capture_ = false;
};

}  // namespace tailrace
