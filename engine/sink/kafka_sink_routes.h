// KafkaRoutes: which topic and partition the message of an event goes to. Used by the pipeline's delivery thread.
#pragma once
#include <cstdint>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/change_event.h"
#include "format/serializer.h"
#include "sink/kafka_sink_settings.h"
#include "sink/kafka_sink_topics.h"

namespace tailrace {

class KafkaRoutes {
 public:
  static constexpr int32_t kByKey = -1;  // the client chooses by the message key
  static constexpr int32_t kEveryPartition = -2;

  // Both outlive it.
  KafkaRoutes(const KafkaSettings& settings, rd_kafka_s* client) : settings_(settings), topics_(client, settings.topics) {}

  Result<const KafkaTopic*> topic_of(const ChangeEvent& event, const std::stop_token& stop);
  // Those that this run has sent to: for a statement that names no table. SINK-0004 when there are none.
  Result<std::vector<const KafkaTopic*>> every_topic(const ChangeEvent& event) const;
  // For a message of this size: what the topic takes is asked for where it may matter.
  Status learn_limit(const KafkaTopic& topic, size_t size, const std::stop_token& stop);
  void set_begun(const KafkaTopic& topic) { topics_.set_begun(topic); }
  // A number, kByKey, or kEveryPartition.
  Result<int32_t> partition_of(const ChangeEvent& event, const Record& record, const KafkaTopic& topic) const;

 private:
  struct Route {
    std::string topic;  // of the rule, "" = by template
    const KafkaTopic* to;
  };
  Result<const KafkaTopic*> said_topic(const ChangeEvent& event, const TableSchema& target, const std::stop_token& stop);

  const KafkaSettings& settings_;
  KafkaTopics topics_;
  std::unordered_map<uint64_t, Route> routes_;  // by schema_id of the target
  uint64_t last_route_id_ = 0;
  const Route* last_route_ = nullptr;
  std::unordered_map<std::string, const KafkaTopic*> said_topics_;  // named by rules per row
  std::string said_topic_;
};

}  // namespace tailrace
