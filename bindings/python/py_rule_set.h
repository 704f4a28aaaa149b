// Rules in Python: a rule set read from a .py file, or of functions of this process ("python:NAME"), behind the same
// interface as Lua rules. The factories here take both. See tailrace/rules/python.py for what users write.
#pragma once
#include <memory>
#include <vector>

#include "app/wire.h"
#include "python/py_value.h"
#include "rule/rule_host.h"

namespace tailrace::python {

// One loaded version. Immutable; its functions are shared by the stages of all workers, which queue for the GIL.
class PyRuleSet final : public RuleSet {
 public:
  RuleOptions options;
  std::string text, hash;
  std::vector<KeptObject> functions;   // by number; each a tailrace.rules.python.Rule
  std::unique_ptr<KeptObject> values;  // dict: the options that functions see

  RuleSource source() const override;
};

JobFactories python_factories();
RuleKit python_rule_kit();

}  // namespace tailrace::python
