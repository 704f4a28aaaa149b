// KafkaMarks: messages that say where the source's transactions begin and end, for formats that have them. Every place that may
// have rows of a transaction gets both: with partition = hash all partitions of the topics it has rows for, else the partition of
// its rows. Used by the pipeline's delivery thread; remembers a transaction whose rows come in several batches.
#pragma once
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "sink/kafka_sink_sender.h"

namespace tailrace {

class KafkaMarks {
 public:
  using Send = std::function<Status(const Outgoing& message, const KafkaTopic& topic, int32_t partition)>;

  // The serializer outlives it.
  KafkaMarks(const Serializer& serializer, bool to_all_partitions) : serializer_(serializer), to_all_partitions_(to_all_partitions) {}

  void begin_batch() noexcept { passed_ = 0; }
  // Transactions of the batch before this one have no more events in it.
  Status pass(const EventBatch& batch, size_t txn, const Send& send);
  // A row of the transaction goes to this partition next.
  Status before_row(const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, int32_t partition, const Send& send);

 private:
  using Place = std::pair<const KafkaTopic*, int32_t>;
  static constexpr int32_t kAll = -1;
  Status send_to(const Place& place, const EventBatch& batch, uint32_t txn, TransactionMark mark, const Send& send);

  const Serializer& serializer_;
  const bool to_all_partitions_;
  size_t passed_ = 0;
  std::set<Place> begun_;  // where the transaction that is under way has begun
  Place last_{};           // one of them
  Record record_;
  std::string id_;
};

}  // namespace tailrace
