// KafkaTransactions: exactly-once delivery. Batches and the checkpoint that stands behind them are one Kafka transaction;
// the checkpoint is a record of a compacted topic, under the job's id, and is read back at the start. Whoever opens last
// under a transactional id fences the producers before it. Used by the pipeline's delivery thread.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/status.h"
#include "event/position.h"
#include "sink/kafka_sink_topics.h"

struct rd_kafka_s;

namespace tailrace {

struct KafkaTransactionSettings {
  std::string id_prefix;  // of transactional.id; the job's id follows
  std::string checkpoint_topic;
  std::map<std::string, std::string> consumer;  // librdkafka settings of who reads the checkpoint back
  int replication = -1;                         // of the checkpoint topic
  std::chrono::milliseconds timeout{300'000};   // transaction.timeout.ms
};

// `{job}` filled in.
std::string checkpoint_topic_of(std::string_view name, std::string_view job_id);
// The checkpoint as it lies in the topic: JSON. SINK-0005 when it cannot be read.
std::string checkpoint_to_record(const Checkpoint& checkpoint);
Result<Checkpoint> checkpoint_from_record(std::string_view json);

class KafkaTransactions {
 public:
  // `producer` has transactional.id set and outlives this. `is_abandoned` may turn true at any time.
  KafkaTransactions(rd_kafka_s* producer, KafkaTransactionSettings settings, std::string job_id, std::function<bool()> is_abandoned);

  // Fences earlier producers of this job, whose open transaction is aborted by that, and reads the checkpoint.
  Status open();
  const std::optional<Checkpoint>& stored() const noexcept { return stored_; }

  bool is_open() const noexcept { return is_open_; }
  Status begin();
  // Sends the checkpoint; `opaque` comes back with its delivery report. Gives the bytes of its key and value.
  Result<size_t> put(const Checkpoint& checkpoint, void* opaque, const std::stop_token& stop);
  // Durable on return, with everything sent since begin, which is best reported before. SINK-0002 when the transaction had to be given up:
  // it can be tried again from the stored checkpoint. SINK-0008 when another process has taken over.
  Status commit(const std::stop_token& stop);
  // Best effort, at most `longest`: consumers need not wait for the transaction's timeout.
  void abort(std::chrono::milliseconds longest) noexcept;

 private:
  Status read_checkpoint();
  Result<int64_t> end_of_topic() const;
  Status give_up(std::string_view what, void* error);

  rd_kafka_s* producer_;
  const KafkaTransactionSettings settings_;
  const std::string job_id_, topic_name_;
  const std::function<bool()> is_abandoned_;
  KafkaTopics topics_;
  const KafkaTopic* topic_ = nullptr;
  std::optional<Checkpoint> stored_;
  bool is_open_ = false;
};

}  // namespace tailrace
