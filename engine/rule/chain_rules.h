// ChainRules: the loaded files of a chain as one rule set. Immutable once loaded.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rule/rule_host.h"

namespace tailrace {

class ChainRules final : public RuleSet {
 public:
  std::vector<std::shared_ptr<const RuleSet>> links;
  std::string hash;
  RuleSource source() const override;
};

}  // namespace tailrace
