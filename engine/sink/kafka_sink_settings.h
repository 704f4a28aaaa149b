// KafkaSettings: what the options of the Kafka sink say, checked; the table of these options.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/options.h"
#include "sink/kafka_sink_oversized.h"
#include "sink/kafka_sink_topics.h"
#include "sink/kafka_sink_transactions.h"

namespace tailrace {

inline constexpr OptionSpec kKafkaOptions[] = {
    {"topic", "string", "{db}.{table}", "topic of a table, by the target's names; a rule's own topic goes before it"},
    {"partition", "enum:hash|table|one", "hash", "what stays in order: the changes of a row, of a table, all of a topic"},
    {"partition_number", "int", "0", "partition: one: the partition that everything goes to"},
    {"create_topics", "bool", "true", "create topics that are missing"},
    {"topic_partitions", "int", "1", "partitions of a topic made by the sink"},
    {"topic_replication", "int", "-1", "replicas of a topic made by the sink; -1 = the broker's default"},
    {"compression", "enum:none|gzip|snappy|lz4|zstd", "lz4", "compression of message batches"},
    {"linger", "duration", "5ms",
     "how long messages wait for company while others are on their way; what comes while little is on its way is sent at once"},
    {"max_message_bytes", "bytes", "1000000",
     "the largest message sent, with about 230 bytes for its headers and lengths; a topic's max.message.bytes counts as well"},
    {"max_batch_bytes", "bytes", "512KiB", "messages sent together; no topic's max.message.bytes may be below it"},
    {"oversized", "enum:fail|dead_letter|claim_check|drop_column", "fail",
     "a row whose message is too large: end the job; keep the row in the job file instead of sending it; put the message into a file and "
     "send its name; leave out the largest columns, named in a header"},
    {"claim_check_folder", "path", "", "oversized: claim_check: where messages are put, as <topic>/<job>-<position>"},
    {"throttle_rows", "int", "0", "messages a second; 0 = as many as the broker takes. The reader is held back"},
    {"throttle_bytes", "bytes", "0", "bytes of messages a second, before compression; 0 = as many as the broker takes"},
    {"buffer", "bytes", "32MiB", "messages waiting for the broker, in memory"},
    {"connect_timeout", "duration", "10s", "how long to wait for the first broker at the start"},
    {"transactions", "bool", "false", "each change once for readers of committed records; the checkpoint is kept in Kafka"},
    {"commit_every", "duration", "100ms",
     "transactions: commit at the first source transaction's end after this time; longer where commits are slow"},
    {"commit_bytes", "bytes", "128MiB", "transactions: … or after this many bytes"},
    {"transaction_timeout", "duration", "5m",
     "transactions: the broker aborts one that is open for longer; readers may wait that long for a job that was killed"},
    {"transactional_id", "string", "tailrace-", "transactions: beginning of the transactional.id; the job's id follows"},
    {"checkpoint_topic", "string", "tailrace.checkpoint.{job}",
     "transactions: compacted topic with the checkpoint; {job} is the job's id. Jobs that share a topic may have to wait for one another"},
    {"id_header", "bool", "true", "header tailrace.id = transaction:ordinal, to notice a message sent twice"},
    {"client_id", "string", "tailrace", "name shown to the broker"},
    {"security", "enum:plaintext|ssl|sasl_plaintext|sasl_ssl", "plaintext", "how to connect"},
    {"sasl_mechanism", "enum:PLAIN|SCRAM-SHA-256|SCRAM-SHA-512", "SCRAM-SHA-512", "for user and password of the URL"},
    {"tls_ca", "path", "", "certificates that the broker's must be signed by"},
    {"properties", "list", "", "further settings of librdkafka, as name=value,name=value", false, true},
};

struct KafkaSettings {
  std::string topic;
  std::map<std::string, std::string> client;  // librdkafka's own names
  KafkaTopicSettings topics;
  std::chrono::milliseconds connect_timeout{10'000};
  bool id_header = true;
  enum class Partition : uint8_t { kHash, kTable, kOne } partition = Partition::kHash;
  int32_t partition_number = 0;
  std::string brokers;
  std::chrono::microseconds linger{5'000};
  size_t little_bytes = 0;  // messages on their way that are sent at once
  std::optional<KafkaTransactionSettings> transactions;
  std::chrono::microseconds commit_every{100'000};
  size_t commit_bytes = 128u << 20;
  KafkaOversizedSettings oversized;
  int64_t throttle_rows = 0, throttle_bytes = 0;  // a second; 0 = no limit
};

Result<KafkaSettings> read_kafka_settings(const Options& options, const Url& url);

}  // namespace tailrace
