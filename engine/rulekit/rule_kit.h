// How the tools around rules get a rule set and its stages; engine/app knows the script engine.
#pragma once
#include <functional>
#include <memory>

#include "base/status.h"
#include "rule/rule_chain.h"
#include "rule/rule_host.h"
#include "rule/rule_stage.h"

namespace tailrace {

struct RuleKit {
  std::function<Result<std::shared_ptr<RuleSet>>(const RuleOptions&)> load;
  std::function<Result<std::unique_ptr<RuleStage>>(std::shared_ptr<const RuleSet>, const RuleStageConfig&)> make_stage;

  Result<std::unique_ptr<RuleStage>> stage(const RuleOptions& options) const {
    TAILRACE_TRY(auto rules, load(options));
    return make_stage(std::move(rules), RuleStageConfig{options, false});
  }
};

// A kit that also takes chains of the files that `one_file` knows.
inline RuleKit with_chains(const RuleKit& one_file) {
  return {[one_file](const RuleOptions& options) {
            return is_chain(rule_file(options)) ? load_chain(options, one_file.load) : one_file.load(options);
          },
          [one_file](std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config) {
            return is_chain(*rules) ? make_chain_stage(std::move(rules), config, one_file.make_stage)
                                    : one_file.make_stage(std::move(rules), config);
          }};
}

}  // namespace tailrace
