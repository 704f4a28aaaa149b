#include "format/event_meta.h"

#include <ctime>

namespace tailrace {

EventMeta meta_of(const EventBatch& batch, const ChangeEvent& event) {
  EventMeta meta;
  if (event.op == Op::kRead || batch.is_snapshot || event.txn >= batch.txns.size()) return meta;
  const Transaction& txn = batch.txns[event.txn];
  int64_t seconds = txn.commit_time_us / 1'000'000;
  if (seconds > 0) {
    meta.commit_s = seconds;
    meta.commit_ms = seconds * 1000;
    meta.commit_us = txn.commit_time_us;
    meta.checkpoint_s = seconds;
  }
  if (!txn.id.empty()) meta.unique_id = meta.trans_id = meta.tx_id = txn.id;
  meta.tx_index = event.ordinal + 1;
  if (txn.server_id != 0) meta.cluster_id = txn.server_id;
  if (!txn.file.empty() && txn.end_offset != 0) {
    meta.position_file = txn.file;
    meta.position_offset = txn.end_offset;
  }
  return meta;
}

int64_t coarse_now_ms() noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace tailrace
