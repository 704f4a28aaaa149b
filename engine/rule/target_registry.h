// TargetRegistry: which source tables go to which target, so that merged tables agree in their columns and cannot
// overwrite each other's rows. Owned by one stage.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "event/change_event.h"

namespace tailrace {

class TargetRegistry {
 public:
  explicit TargetRegistry(bool sink_detects_collisions) : sink_detects_collisions_(sink_detects_collisions) {}
  // Notes that the table goes to this output. kRuleKeyCollision or kRuleLoad names both tables.
  Status add(const OutputTable& output);
  // Number of source tables seen for a target.
  size_t sources(const std::string& target) const;
  // Newest output layouts of the target's source tables but for one.
  std::vector<SchemaRef> others(const std::string& target, const std::string& source) const;

 private:
  struct Source {
    SchemaRef schema;  // newest output schema
    bool key_is_explicit = false;
  };
  bool sink_detects_collisions_;
  std::map<std::string, std::map<std::string, Source>> targets_;
};

}  // namespace tailrace
