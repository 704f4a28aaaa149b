#include "sink/kafka_sink_marks.h"

namespace tailrace {

Status KafkaMarks::pass(const EventBatch& batch, size_t txn, const Send& send) {
  for (; passed_ < txn; ++passed_) {
    if (begun_.empty() || !batch.txns[passed_].ends_here) continue;
    for (const Place& place : begun_) TAILRACE_OK(send_to(place, batch, static_cast<uint32_t>(passed_), TransactionMark::kEnd, send));
    begun_.clear();
    last_ = {};
  }
  return {};
}

Status KafkaMarks::before_row(const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, int32_t partition,
                              const Send& send) {
  Place place(&topic, to_all_partitions_ ? kAll : partition);
  if (place == last_) return {};
  last_ = place;
  return begun_.insert(place).second ? send_to(place, batch, event.txn, TransactionMark::kBegin, send) : Status();
}

Status KafkaMarks::send_to(const Place& place, const EventBatch& batch, uint32_t txn, TransactionMark mark, const Send& send) {
  TAILRACE_OK(serializer_.encode_mark(batch, txn, mark, record_));
  if (record_.skip) return {};
  ChangeEvent event;
  event.op = Op::kHeartbeat;
  event.txn = txn;
  id_.assign(batch.txns[txn].id).append(mark == TransactionMark::kBegin ? ":begin" : ":end");
  const Outgoing message{batch, event, record_, {}, id_};
  const auto& [topic, partition] = place;
  if (partition != kAll) return send(message, *topic, partition);
  for (int32_t each = 0; each < topic->partitions; ++each) TAILRACE_OK(send(message, *topic, each));
  return {};
}

}  // namespace tailrace
