// KafkaSender: hands messages to the client library, waiting while its queue is full. Used by the pipeline's delivery
// thread; nothing is allocated per message once its strings have grown.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "event/event_batch.h"
#include "format/serializer.h"
#include "sink/kafka_sink_deliveries.h"
#include "sink/kafka_sink_producer.h"
#include "sink/kafka_sink_topics.h"

namespace tailrace {

// A message key as errors show it.
std::string printable_key(std::string_view bytes);

// Where an error about a message belongs; what is empty is left out.
struct MessagePlace {
  std::string_view topic, table, key, position;
};
Status at_message(Status status, const MessagePlace& place);

// A message before it is sent.
struct Outgoing {
  const EventBatch& batch;
  const ChangeEvent& event;
  const Record& record;
  std::span<const MessageHeader> more_headers = {};  // besides those of the rules
  std::string_view id = {};                          // in place of id_of
};

class KafkaSender {
 public:
  // All outlive it.
  KafkaSender(KafkaProducer& producer, KafkaDeliveries& deliveries, bool has_ids);
  ~KafkaSender();

  void begin_batch() noexcept { id_txn_ = SIZE_MAX; }
  Status send(const Outgoing& message, const KafkaTopic& topic, int32_t partition, KafkaDeliveries::Batch* pending,
              const std::stop_token& stop, bool is_tombstone = false);
  // "<transaction>:<ordinal>", with ".1" for the second half of a split update. Empty for rows of a snapshot.
  std::string_view id_of(const EventBatch& batch, const ChangeEvent& event);
  size_t bytes() const noexcept { return bytes_; }  // of keys and values, ever

 private:
  struct Parts;
  KafkaProducer& producer_;
  KafkaDeliveries& deliveries_;
  const bool has_ids_;
  std::unique_ptr<Parts> parts_;
  std::vector<std::string> header_names_;
  std::string id_;
  size_t id_prefix_ = 0;      // length of "<transaction>:" in id_
  size_t id_txn_ = SIZE_MAX;  // whose prefix it is, within the batch being written
  size_t bytes_ = 0;
};

}  // namespace tailrace
