// The real rule engine as a RuleKit, and what came out of a session as text.
#pragma once
#include <string>

#include "lua_rule_stage.h"
#include "rulekit/event_text.h"
#include "rulekit/rule_session.h"
#include "unit/rule/rule_fixture.h"

namespace tailrace::rule_test {

inline RuleKit lua_kit() {
  return with_chains(
      {[](const RuleOptions& options) { return load_rules(options); },
       [](std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config) { return make_rule_stage(std::move(rules), config); }});
}

// The arrows of one statement, one per line; or its error.
inline std::string arrows(RuleSession& session, const std::string& sql, uint32_t line = 1) {
  auto batch = session.run(sql, line);
  if (!batch.ok()) return batch.status().to_string();
  std::string out;
  for (const ChangeEvent& event : (*batch)->events) out += (out.empty() ? "" : "\n") + arrow_text(event);
  return out;
}

}  // namespace tailrace::rule_test
