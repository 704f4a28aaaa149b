// KafkaOversized: what becomes of a message that is larger than its topic takes, by the option `oversized`. Used by the
// pipeline's delivery thread.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event/event_batch.h"
#include "format/serializer.h"
#include "sink/kafka_sink_topics.h"
#include "sink/sink.h"

namespace tailrace {

struct KafkaOversizedSettings {
  enum class Policy : uint8_t { kFail, kDeadLetter, kClaimCheck, kDropColumn } policy = Policy::kFail;
  std::string folder;  // kClaimCheck: where values are put
};

// Bytes of the message in a batch of its own, as the broker counts them, before compression; an upper bound.
size_t message_size(const Record& record, std::span<const MessageHeader> headers) noexcept;

class KafkaOversized {
 public:
  // The serializer outlives it.
  KafkaOversized(KafkaOversizedSettings settings, std::string job_id, const Serializer& serializer, SinkContext::SetAside set_aside)
      : settings_(std::move(settings)), job_id_(std::move(job_id)), serializer_(serializer), set_aside_(std::move(set_aside)) {}

  // Makes the record small enough, or leaves it out (`record.skip`). SINK-0006 where the policy has no way. `position` is
  // the message's id, "" for rows of a copy.
  Status settle(const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, std::string_view position, Record& record);
  // To be sent with the record that was settled last.
  std::span<const MessageHeader> headers() const noexcept { return headers_; }

 private:
  Status put_aside(Status why, const EventBatch& batch, const ChangeEvent& event, Record& record);
  Status check_claim(Status why, const KafkaTopic& topic, std::string_view position, Record& record);
  Status drop_columns(Status why, const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, Record& record);
  bool fits(const ChangeEvent& event, const KafkaTopic& topic, const Record& record) const noexcept;
  void tell(const Status& why, std::string_view what);

  const KafkaOversizedSettings settings_;
  const std::string job_id_;
  const Serializer& serializer_;
  const SinkContext::SetAside set_aside_;
  std::vector<MessageHeader> headers_;
  std::string note_;  // what a header says
  std::vector<Value> before_, after_;
  uint64_t told_ = 0;
};

}  // namespace tailrace
