// Serializer: turns change events into messages. Stateless and const: one instance is shared by all workers.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "event/event_batch.h"

namespace tailrace {

// Strings are reused between events: encode clears and refills them.
struct Record {
  std::string key, value;
  bool has_key = false;
  bool tombstone = false;  // a message with this key and no value follows
  bool skip = false;       // the format has no message for this event (e.g. DDL in Debezium)
};

class Serializer {
 public:
  virtual ~Serializer() = default;
  virtual Status encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const = 0;
};

}  // namespace tailrace
