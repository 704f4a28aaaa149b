// SnapshotStage: merges the first copy of the tables into the stream without a lock.
//
// Tables without a key are read first, whole, before the stream runs; stream events that their copy already holds
// are dropped. Tables with a key are read in chunks beside the stream: a chunk waits until the stream has reached its
// high position, then the rows whose key was changed by a transaction outside its low position are dropped from it
// (the stream has delivered, or will deliver, their newer state), and the rest is delivered as `read` events. Where the
// stream had only some columns of a row (row images other than FULL), the copied row gets those instead.
//
// Tables are taken in order of their names, so the state is small: stage, table, and the key to go on from. Used by
// the delivery thread only.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "source/source.h"

namespace tailrace {

class SnapshotStage {
 public:
  enum class Phase : uint8_t { kKeyless, kKeyed, kDone };

  explicit SnapshotStage(const Source& source) : source_(source) {}

  // "" = a snapshot that has not begun.
  Status restore(const std::string& state);
  // "" once nothing is left to remember.
  std::string state() const;
  // Does a stored state tell of rows still to be copied? A finished one may yet remember where tables were read whole.
  static bool is_open(std::string_view state);

  void set_tables(std::vector<SnapshotTable> tables);  // all tables of the job; sorts them
  bool is_done(const SnapshotTable& table) const;      // all its rows have been handed on
  Phase phase() const noexcept { return phase_; }
  // The table whose rows come next, or null at the end of the current phase.
  const SnapshotTable* next_table() const;
  const std::string& next_key() const noexcept { return after_; }
  void finish_keyless(const SchemaRef& table, const Position& at);  // the whole table has been handed on
  void finish_chunk(const std::string& next_key);                   // "" = that was the last of the table
  void begin_keyed();

  // Drops stream events already in a copy and remembers which keys were changed. Before the rules. Fails with kSourceImage
  // when a row that may not have been copied moves to another key and the log has only parts of it.
  Status observe(EventBatch& batch);
  // The held chunk's transactions: those covered need not be remembered any more.
  void forget_covered(const Position& low);
  // Removes the rows that the stream has newer versions of, and brings up to date those it has newer columns of.
  Status filter(SnapshotChunk& chunk) const;
  // Copies that the stream has passed need no filter any more.
  void passed(const Position& at);

 private:
  struct Change {
    uint64_t high, low;  // 128-bit hash of table and key
    bool operator==(const Change&) const = default;
  };
  struct ChangeHash {
    size_t operator()(const Change& c) const noexcept { return c.low; }
  };
  // Columns of a row that updates wrote, with their texts; the others are absent.
  struct Columns {
    SchemaRef table;
    std::vector<Value> values;
    std::vector<std::unique_ptr<std::string>> texts;
    void take(Row row);
  };
  struct Known {
    std::shared_ptr<const Transaction> last;  // that changed the key
    std::unique_ptr<Columns> columns;         // null: the stream has all of the row, or its end
  };
  bool pending(const TableSchema& table) const;
  // `row` has the key columns that `rest` lacks. REQUIRES: one of them has each.
  Change change_of(const TableSchema& table, std::span<const Value> row, std::span<const Value> rest) const;
  Status remember(const EventBatch& batch, const ChangeEvent& event, const std::shared_ptr<const Transaction>& txn);

  const Source& source_;
  Phase phase_ = Phase::kKeyless;
  std::string table_;  // current table; tables with a smaller name are done
  std::string after_;
  bool table_done_ = false;  // `table_` itself is done
  std::vector<SnapshotTable> tables_;
  std::map<std::string, Position, std::less<>> whole_;
  std::unordered_map<Change, Known, ChangeHash> changes_;
};

}  // namespace tailrace
