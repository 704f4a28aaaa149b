// How the tools around rules get a rule set and its stages; engine/app knows the script engine.
#pragma once
#include <functional>
#include <memory>

#include "base/status.h"
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

}  // namespace tailrace
