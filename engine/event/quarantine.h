// Tables set aside by the policy on_schema_error = "quarantine": nothing of them is delivered any more. The job file
// implements it. Thread-safe.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "event/stores.h"

namespace tailrace {

class Quarantine {
 public:
  using Name = std::pair<std::string, std::string>;  // database, table
  virtual ~Quarantine() = default;
  virtual Result<std::vector<Name>> quarantined() = 0;
  // Durable on return; also tells people, by a dead letter and an event. A table set aside before stays as it is.
  virtual Status set_aside(const DeadLetter& first) = 0;
};

}  // namespace tailrace
