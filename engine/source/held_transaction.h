// HeldTransaction: the logged events of one transaction whose end has not been seen, or that is prepared and not yet
// decided. Small ones stay in memory, large ones go to a file that has no name, so nothing is left behind by a kill.
// Reader thread only.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/change_event.h"
#include "mysql/row_plan.h"
#include "mysql/rows_decoder.h"

namespace tailrace {

class HeldTransaction {
 public:
  // One rows event or schema change, as in BinlogRawBatch.
  struct Event {
    uint8_t type = 0;
    Op op = Op::kSchemaChange;
    uint64_t offset = 0;
    std::string_view body;        // from next(): valid until the next call
    uint32_t plan = 0;            // rows: index for plan_of
    SchemaRef table, new_schema;  // schema change
    Lacking lacking = Lacking::kUnchanged;
  };
  struct Plan {
    RowPlanRef plan;
    uint64_t held_by = 0;  // number of the batch that keeps it alive; the reader's business
  };

  // `folder` is where the file goes, "" = $TMPDIR, else /var/tmp.
  explicit HeldTransaction(std::string folder) : folder_(std::move(folder)) {}
  ~HeldTransaction();
  HeldTransaction(const HeldTransaction&) = delete;
  HeldTransaction& operator=(const HeldTransaction&) = delete;

  // kSourceSpill when the file cannot be made or written.
  Status append(uint8_t type, uint64_t offset, std::string_view body, const RowPlanRef& plan, Lacking lacking = Lacking::kUnchanged);
  Status append_change(Op op, uint64_t offset, std::string_view sql, SchemaRef table, SchemaRef new_schema);
  uint64_t events() const noexcept { return events_; }
  size_t memory_bytes() const noexcept { return buffer_.size(); }
  // Gives the memory back: everything to the file.
  Status to_disk() { return flush(); }
  // Forgets what came after the first `events`.
  Status truncate(uint64_t events);
  // Is one of the events behind the first `events` a schema change?
  bool has_change_after(uint64_t events) const noexcept;

  // Reading begins; no appends from here.
  Status rewind();
  // False at the end.
  Result<bool> next(Event& out);
  Plan& plan_of(const Event& event) { return plans_[event.plan]; }

 private:
  struct Change {
    uint64_t event;  // its number
    SchemaRef table, new_schema;
  };
  struct Header {  // of an event in the file and the buffer; never leaves the process
    uint64_t offset;
    uint32_t size;
    uint32_t plan;
    uint8_t type;
    Op op;
    Lacking lacking;
  };
  Status append(const Header& header, std::string_view body);
  Status flush();
  Status read(char* to, size_t size);
  Status failure(std::string_view what) const;

  const std::string folder_;
  int file_ = -1;
  uint64_t written_ = 0;      // bytes of the file
  std::string buffer_;        // appended and not yet written; when reading, read ahead
  uint64_t read_offset_ = 0;  // in the file
  size_t buffer_at_ = 0;
  uint64_t events_ = 0;
  uint64_t next_event_ = 0;
  std::vector<Plan> plans_;
  std::vector<Change> changes_;
  std::string body_;
};

}  // namespace tailrace
