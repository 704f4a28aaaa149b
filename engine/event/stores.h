// What the pipeline needs to remember, as interfaces. The job file (metadb) implements them.
// Implementations are thread-safe.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/position.h"
#include "event/schema.h"

namespace tailrace {

class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;
  virtual Result<std::optional<Checkpoint>> load() = 0;
  virtual Status save(const Checkpoint& checkpoint) = 0;  // durable on return
};

// Versions of every table by position. `current` is what rows from `position` on look like.
class SchemaStore {
 public:
  struct Entry {
    Position position;   // first position at which the schema holds
    SchemaRef schema;    // null body = the table was dropped there
    std::string database, table;
    std::string ddl;     // statement that made it; "" = read from the server
  };
  virtual ~SchemaStore() = default;
  virtual Status append(const Entry& entry) = 0;
  virtual Result<std::vector<Entry>> load_all() = 0;  // in order of insertion
};

struct DeadLetter {
  std::string code;          // "RULE-0102"
  Position position;
  std::string database, table, key;
  std::string payload;       // JSON of the source event
  std::string message;
};
class DeadLetterStore {
 public:
  virtual ~DeadLetterStore() = default;
  virtual Status add(const DeadLetter& letter) = 0;
};

}  // namespace tailrace
