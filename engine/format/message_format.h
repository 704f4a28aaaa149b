// MessageFormat: a Serializer that can also be given what to say about a change. Thread-safe.
#pragma once
#include "base/registry.h"
#include "format/event_meta.h"
#include "format/serializer.h"

namespace tailrace {

class MessageFormat : public Serializer {
 public:
  Status encode(const EventBatch& batch, const ChangeEvent& event, Record& out) const final {
    EventMeta meta = meta_of(batch, event);
    meta.now_ms = coarse_now_ms();
    if (numbered_ && meta.commit_s && event.op != Op::kHeartbeat) meta.sequence = sequence_.next(meta.now_ms);
    return write(batch, event, meta, out);
  }
  Status encode_mark(const EventBatch& batch, uint32_t txn, TransactionMark mark, Record& out) const final {
    ChangeEvent event;
    event.op = Op::kHeartbeat;
    event.txn = txn;
    EventMeta meta = meta_of(batch, event);
    meta.now_ms = coarse_now_ms();
    return write_mark(meta, mark, out);
  }
  // The same with the metadata given.
  virtual Status write_mark(const EventMeta& /*meta*/, TransactionMark /*mark*/, Record& out) const {
    out.skip = true;
    return {};
  }
  virtual Status write(const EventBatch& batch, const ChangeEvent& event, const EventMeta& meta, Record& out) const = 0;

 protected:
  explicit MessageFormat(bool numbered = false) : numbered_(numbered) {}

 private:
  const bool numbered_;  // its messages carry EventMeta::sequence
  mutable SequenceClock sequence_;
};
using FormatInfo = PluginInfo<MessageFormat>;

}  // namespace tailrace
