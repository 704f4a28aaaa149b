// EventMeta: what the message formats say about a change besides its rows. A source that is no MySQL can fill it
// otherwise; meta_of is the filling for MySQL and MariaDB.
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "event/event_batch.h"

namespace tailrace {

// Texts point into the batch or the serializer; a view whose data() is null stands for JSON null.
struct EventMeta {
  int64_t now_ms = 0;                // when the message is written
  std::optional<int64_t> commit_s;   // absent for snapshot rows
  std::optional<int64_t> commit_ms;  // the same, in thousands where the source has no more
  std::optional<int64_t> commit_us;  // as fine as the source has it
  std::optional<int64_t> checkpoint_s;
  std::optional<int64_t> safe_point_s;  // snapshot rows: the log is read from here
  std::optional<uint64_t> sequence;     // milliseconds and five digits
  std::optional<uint64_t> cluster_id;   // the server id
  std::string_view cluster_name;        // in place of cluster_id
  std::string_view unique_id, trans_id, source_identity;
  std::string_view position_file;  // "file@offset"; without an offset the whole text
  std::optional<uint64_t> position_offset;
  std::string_view tx_id;  // the transaction, and which of how many changes of it this is, from 1
  std::optional<uint64_t> tx_index, tx_size;
  std::string_view ddl_type;  // "ALTER_TABLE" …; empty: the statement's own words tell
};

// now_ms and sequence are the caller's to fill.
EventMeta meta_of(const EventBatch& batch, const ChangeEvent& event);

// The wall clock in milliseconds, good to the kernel's tick (1 to 4 ms): cheap enough for every row.
int64_t coarse_now_ms() noexcept;

// Numbers for sorting messages: {milliseconds}{5 digits}, the digits count from 0 within a millisecond. Always
// rising, in the order of the calls, also when the clock stands still or 100,000 calls fall in one millisecond.
class SequenceClock {
 public:
  uint64_t next(int64_t now_ms) noexcept {
    uint64_t floor = static_cast<uint64_t>(now_ms) * 100'000;
    uint64_t last = last_.load(std::memory_order_relaxed);
    uint64_t mine;
    do {
      mine = last >= floor ? last + 1 : floor;
    } while (!last_.compare_exchange_weak(last, mine, std::memory_order_relaxed));
    return mine;
  }

 private:
  std::atomic<uint64_t> last_{0};
};

}  // namespace tailrace
