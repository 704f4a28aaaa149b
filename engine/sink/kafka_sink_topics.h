// Names of topics, and the topics of one producer: created when missing, their partitions counted.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct rd_kafka_s;
struct rd_kafka_topic_s;

namespace tailrace {

// `{db}` and `{table}` filled in. CFG-0003 for another placeholder.
Status check_topic_template(std::string_view text);
std::string render_topic(std::string_view text, std::string_view database, std::string_view table);
// SINK-0004 unless the broker can have a topic of this name.
Status check_topic_name(std::string_view name);

struct KafkaTopic {
  std::string name;
  rd_kafka_topic_s* handle = nullptr;
  int32_t partitions = 0;
  size_t max_bytes = SIZE_MAX;        // of one message, as the broker counts
  bool is_limited_by_broker = false;  // else by sink.max_message_bytes
  bool has_learnt_limit = false;      // the broker was asked
  bool is_begun = false;              // the format knows of it

  std::string limit_text() const;  // for errors
};

struct KafkaTopicSettings {
  bool create = true;
  int partitions = 1;
  int replication = -1;                        // the broker's default
  std::map<std::string, std::string> config;   // of a new topic, by Kafka's names
  std::chrono::milliseconds patience{30'000};  // for a new topic to have a leader
  size_t max_message_bytes = SIZE_MAX;         // of the client
  size_t max_batch_bytes = 0;                  // of the client
};

// Used by one thread. The client must outlive it.
class KafkaTopics {
 public:
  KafkaTopics(rd_kafka_s* client, KafkaTopicSettings settings) : client_(client), settings_(settings) {}
  KafkaTopics(const KafkaTopics&) = delete;
  KafkaTopics& operator=(const KafkaTopics&) = delete;
  ~KafkaTopics();

  // The topic, created if it is not there. An outage of the broker is waited out; JOB-0007 on stop.
  Result<const KafkaTopic*> find(const std::string& name, const std::stop_token& stop);
  // Asks once for the topic's max.message.bytes. A broker that does not tell leaves the client's own limit.
  Status learn_limit(const KafkaTopic& topic, const std::stop_token& stop);
  std::vector<const KafkaTopic*> known() const;  // found so far, by name
  void set_begun(const KafkaTopic& topic) { topics_.at(topic.name)->is_begun = true; }

 private:
  enum class Presence { kReady, kMissing, kUnknown };
  struct Look {
    Presence presence;
    int32_t partitions;
  };
  Result<Look> look(const KafkaTopic& topic, int timeout_ms);
  Status create(const std::string& name, const std::stop_token& stop);

  rd_kafka_s* client_;
  const KafkaTopicSettings settings_;
  std::map<std::string, std::unique_ptr<KafkaTopic>> topics_;
};

}  // namespace tailrace
