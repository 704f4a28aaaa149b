// Entry of the Lua rules: the only header of bindings/lua that others include (engine/app does).
#pragma once
#include <memory>

#include "base/status.h"
#include "rule/rule_host.h"
#include "rule/rule_stage.h"

namespace tailrace {

// Reads and checks a rule file with the modules it requires; what can be known without tables is checked here. A set
// of options with file "" is the set without rules. Safe from any thread.
Result<std::shared_ptr<RuleSet>> load_rules(const RuleOptions& options);
// A stage with its own Lua state over the bytes of `rules`; one per worker.
Result<std::unique_ptr<RuleStage>> make_rule_stage(std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config);
// Both in one, for a process with one worker.
Result<std::unique_ptr<RuleStage>> make_rule_stage(const RuleStageConfig& config);

}  // namespace tailrace
