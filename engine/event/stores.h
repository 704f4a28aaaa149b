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

// How a version of a table is known. Stored by name.
enum class SchemaOrigin : uint8_t {
  kEarlier,    // by an engine that did not keep this
  kStatement,  // a statement in the log made it
  kCatalogue,  // read from the server
  kLog,        // from the metadata of the log itself
  kGiven,      // by the user, in a file
  kUnknown     // a statement changed it in a way that is not known
};

// Versions of every table by position: what rows from `position` on look like.
class SchemaStore {
 public:
  struct Entry {
    Position position;            // first position at which the schema holds
    SchemaRef schema;             // null = the table was dropped there, or is not known from there (kUnknown)
    std::string schema_json;      // what load_all may give in place of `schema`, which has yet to be read from it
    std::string database, table;  // table "" = the database: its default is schema->collation
    std::string ddl;              // statement that made it; "" = none did
    SchemaOrigin origin = SchemaOrigin::kEarlier;
    std::string read_low, read_high;  // kCatalogue: the log's positions around the reading; "" = not known
  };
  virtual ~SchemaStore() = default;
  // All of them or none; durable on return.
  virtual Status append(const std::vector<Entry>& entries) = 0;
  virtual Result<std::vector<Entry>> load_all() = 0;  // in order of insertion
};

struct DeadLetter {
  std::string code;  // "RULE-0102"
  Position position;
  std::string database, table, key;
  std::string payload;  // JSON of the source event
  std::string message;
};
class DeadLetterStore {
 public:
  virtual ~DeadLetterStore() = default;
  // Its id. Durable on return; a letter that is there already (code, position, table, key) keeps its id.
  virtual Result<int64_t> add(const DeadLetter& letter) = 0;
};

}  // namespace tailrace
