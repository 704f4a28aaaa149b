// CaptureWriter: events of a source as a capture, the SQL of rulekit/row_script.h. Picks events that show something
// new, masks before anything is written. One thread.
#pragma once
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "event/event_batch.h"
#include "rulekit/capture_mask.h"
#include "rulekit/row_script.h"

namespace tailrace {

struct CaptureOptions {
  uint64_t per_table = 50;      // events; 0 = all
  std::set<std::string> cover;  // of "ops", "null", "max": events are taken beyond `per_table` / 2 only for these
  std::vector<CaptureMask> masks;
  std::vector<std::string> sensitive;  // columns that must be masked, as patterns of CaptureMask
};

class CaptureWriter {
 public:
  CaptureWriter(std::ostream& out, CaptureOptions options) : out_(out), options_(std::move(options)) {}
  // CFG-0003 when a sensitive column has no mask, or a mask does not fit its column: before a row of it is written.
  Status add(const EventBatch& source);
  uint64_t events() const { return events_; }
  std::map<std::string, uint64_t> tables() const;
  // Masks that no column matched.
  std::vector<std::string> unused_masks() const;

 private:
  struct Table {
    SchemaRef shown;         // without the columns that are dropped
    std::vector<int> masks;  // per source column: index into options_.masks, -1 = none
    uint64_t schema_id = 0;
    uint64_t written = 0;
    std::set<std::string> covered;
  };
  Result<Table*> table(const ChangeEvent& event, const EventBatch& source);
  Status plan(Table& table, const SchemaRef& schema);
  bool wants(Table& table, const ChangeEvent& event) const;
  Status schema_change(const ChangeEvent& event, const EventBatch& source);
  void write_row_event(const Table& table, const ChangeEvent& event);
  void append_where(const Table& table, Row row, std::string& out);
  std::string cell(const Table& table, Row row, size_t source_column, Arena& arena) const;
  void begin(const Transaction& txn);

  std::ostream& out_;
  CaptureOptions options_;
  std::map<std::string, Table> tables_;
  std::set<int> used_masks_;
  RowScript shadow_{"capture"};  // what a reader of the capture knows of the tables
  int64_t time_us_ = -1;
  uint64_t events_ = 0;
  bool has_begun_ = false;
  Arena arena_;
};

}  // namespace tailrace
