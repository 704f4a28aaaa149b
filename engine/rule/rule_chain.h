// Chains of rule files: each file takes the tables and rows that the one before it gave. A chain is a rule set like one
// file's, of one version. Its name is that of its files, one a line.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "rule/rule_host.h"
#include "rule/rule_node.h"
#include "rule/rule_stage.h"

namespace tailrace {

std::vector<std::string> chain_files(std::string_view name);
inline bool is_chain(std::string_view name) { return name.find('\n') != std::string_view::npos; }
// As people are told: "a.lua, b.lua".
std::string chain_text(std::string_view name);
// The file that these options name, from the disk or as it was kept.
inline const std::string& rule_file(const RuleOptions& options) { return options.stored ? options.stored->file : options.file; }

// Those of the job's options that the file declares, when it is one of a chain; else all.
std::map<std::string, std::string> options_for(const RuleOptions& options, const RuleNode& root);

using LoadRules = std::function<Result<std::shared_ptr<RuleSet>>(const RuleOptions&)>;
using MakeRuleStage = std::function<Result<std::unique_ptr<RuleStage>>(std::shared_ptr<const RuleSet>, const RuleStageConfig&)>;

// `load`: one file. REQUIRES: is_chain(rule_file(options)).
Result<std::shared_ptr<RuleSet>> load_chain(const RuleOptions& options, const LoadRules& load);
bool is_chain(const RuleSet& rules) noexcept;
// `make`: the stage of one file. REQUIRES: is_chain(*rules).
Result<std::unique_ptr<RuleStage>> make_chain_stage(std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config,
                                                    const MakeRuleStage& make);
// The files of a set; the set itself when it is no chain.
std::vector<std::shared_ptr<const RuleSet>> chain_links(const std::shared_ptr<const RuleSet>& rules);

}  // namespace tailrace
