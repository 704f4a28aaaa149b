// DdlSpec: what a rule file says about schema changes: the kinds it does not let through, or a function that is asked.
#pragma once
#include <cstdint>
#include <string>

#include "base/status.h"
#include "event/ddl_kind.h"
#include "rule/rule_node.h"

namespace tailrace {

struct DdlSpec {
  enum class OnDenied : uint8_t { kHold, kSkip, kStop };
  uint32_t deny = 0;  // bits of DdlKind
  OnDenied on_denied = OnDenied::kHold;
  int hook = -1;  // the host's number of the function
  bool is_empty() const noexcept { return deny == 0 && hook < 0; }
};

Result<DdlSpec> parse_ddl_spec(const RuleNode& node);
// "drop_column, add_index"
std::string ddl_kind_names(uint32_t kinds);

}  // namespace tailrace
