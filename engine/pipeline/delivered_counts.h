// DeliveredCounts: what batches count for their tables, kept back until a checkpoint behind them is durable, so that a batch
// that is delivered again after a failure counts once. Guarded by RunState::mutex.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

namespace tailrace {

struct RowCounts {
  uint64_t rows_read = 0, inserts = 0, updates = 0, deletes = 0, dropped = 0;
  template <class T>
  void add_to(T& total) const {
    total.rows_read += rows_read;
    total.inserts += inserts;
    total.updates += updates;
    total.deletes += deletes;
    total.dropped += dropped;
  }
};

class DeliveredCounts {
 public:
  // Of the batch at hand. The reference lives until `close`.
  RowCounts& of(const std::string& table) { return open_.tables[table]; }
  void drop_by_rules(uint64_t rows) { open_.dropped_by_rules += rows; }
  // The batch at hand goes out under this number.
  void close(uint64_t sequence) {
    open_.sequence = sequence;
    if (!open_.tables.empty() || open_.dropped_by_rules != 0) waiting_.push_back(std::move(open_));
    open_ = {};
  }
  // Of the batch that was closed last, while the sink writes it. The reference lives until the next `close`.
  RowCounts& of_closed(uint64_t sequence, const std::string& table) {
    if (waiting_.empty() || waiting_.back().sequence != sequence) waiting_.push_back({sequence, 0, {}});
    return waiting_.back().tables[table];
  }
  // Everything up to `sequence` is durable: into the status it goes.
  template <class Status>
  void settle(uint64_t sequence, Status& status) {
    while (!waiting_.empty() && waiting_.front().sequence <= sequence) {
      for (const auto& [name, counts] : waiting_.front().tables) counts.add_to(status.tables[name]);
      status.dropped_by_rules += waiting_.front().dropped_by_rules;
      waiting_.pop_front();
    }
  }

 private:
  struct Batch {
    uint64_t sequence = 0;
    uint64_t dropped_by_rules = 0;
    std::map<std::string, RowCounts> tables;
  };
  Batch open_;
  std::deque<Batch> waiting_;
};

}  // namespace tailrace
