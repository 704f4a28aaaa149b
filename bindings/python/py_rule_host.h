// Runs the functions of a PyRuleSet: one call, and one GIL acquisition, per table and chunk. A call that fails is made
// again over halves of its images until those that fail stand alone, so a function must be one of images. One worker.
#pragma once
#include <pybind11/pybind11.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "python/py_rule_set.h"
#include "rule/rule_host.h"

namespace tailrace::python {

// What an exception of a rule says: file:line of the rule, then its text. `hook` is "batch" when the run ends whatever
// the policy: the interpreter was interrupted.
HookFailure failure_of(pybind11::error_already_set& error, const std::string& file);

class PyRuleHost final : public RuleHost {
 public:
  explicit PyRuleHost(std::shared_ptr<const PyRuleSet> rules) : rules_(std::move(rules)) {}

  Status prepare(const RulePlan& plan) override;
  std::optional<HookFailure> run(const HookBatch& batch) override;
  Result<std::vector<ColumnRule>> new_columns(const TableRule& rule, const TableSchema& source) override;
  size_t chunk_events() const noexcept override { return 4096; }
  Result<std::string> capture(const std::string& text, const std::string& pattern) override;
  // Functions of these kinds are refused when the rules are read.
  Status prepare_message(uint32_t, const OutputTable&, int) override {
    return Status(ErrorCode::kInternal, "a serialize function in Python");
  }
  std::optional<HookFailure> serialize(const HookBatch&) override { return std::nullopt; }
  Result<OnRuleError> on_error(const HookBatch&, const Status&, std::string_view, OnRuleError policy) override { return policy; }
  Result<bool> keeps(const Transaction&) override { return true; }

 private:
  struct Image {
    Value* cells;
    uint32_t image, event;  // places in HookBatch
    bool is_after;
  };
  using Images = std::vector<Image>;

  std::optional<HookFailure> run_images(const RulePlan& plan, const HookBatch& batch, const Image* first, size_t count);
  // Calls the function; on success its verdicts and values are in the batch, else the batch is as it was.
  std::optional<HookFailure> call(const RulePlan& plan, const HookBatch& batch, const Image* first, size_t count);
  std::optional<HookFailure> stage_values(const RulePlan& plan, const HookBatch& batch, const Image* first, size_t count,
                                          const pybind11::list& sets);

  std::shared_ptr<const PyRuleSet> rules_;
  std::vector<const RulePlan*> plans_;                // by RulePlan::id
  std::map<uint32_t, Images> groups_;                 // by plan: images to be asked about
  std::vector<Value> staged_;                         // rows of one call with what it wrote
  std::map<std::string, std::string> not_described_;  // by entry: why its new columns are not known
  size_t arena_limit_ = 0;
};

}  // namespace tailrace::python
