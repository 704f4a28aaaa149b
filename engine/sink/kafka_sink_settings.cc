#include "sink/kafka_sink_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tailrace {
namespace {

// Of the client's memory for one waiting message, besides its payload; measured at 300 to 400 bytes.
constexpr int64_t kMessageOverhead = 320;
// The sink ends the wait earlier (KafkaPacer). Longer than messages wait in a full buffer.
constexpr int64_t kClientLingerMs = 60'000;

Status add_properties(std::string_view text, std::map<std::string, std::string>& client) {
  static constexpr std::string_view kFixed[] = {"acks",
                                                "request.required.acks",
                                                "enable.idempotence",
                                                "message.timeout.ms",
                                                "delivery.timeout.ms",
                                                "bootstrap.servers",
                                                "metadata.broker.list",
                                                "transactional.id",
                                                "delivery.report.only.error",
                                                "linger.ms",
                                                "queue.buffering.max.ms",
                                                "allow.auto.create.topics"};
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view pair = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    size_t equal = pair.find('=');
    if (equal == std::string_view::npos || equal == 0) {
      return Status(ErrorCode::kConfigBadValue, "sink.properties: every part needs name=value");
    }
    std::string_view name = pair.substr(0, equal);
    for (std::string_view fixed : kFixed) {
      if (name == fixed) return Status(ErrorCode::kConfigBadValue, fmt::format("sink.properties: {} is set by the sink itself", name));
    }
    if (name == "sasl.username" || name == "sasl.password") {
      return Status(ErrorCode::kConfigBadValue,
                    "sink.properties: the user belongs into sink.url, the password into sink.password, where it is kept secret");
    }
    client[std::string(name)] = std::string(pair.substr(equal + 1));
  }
  return {};
}

Status transaction_settings(const Options& options, KafkaSettings& settings) {
  if (!options.boolean("transactions")) {
    for (const OptionSpec& spec : kKafkaOptions) {
      if (!spec.doc.starts_with("transactions:") || options.text(spec.name) == spec.default_value) continue;
      return Status(ErrorCode::kConfigBadValue, fmt::format("sink.{} goes with sink.transactions = true", spec.name));
    }
    return {};
  }
  KafkaTransactionSettings transactions;
  transactions.id_prefix = options.text("transactional_id");
  transactions.checkpoint_topic = options.text("checkpoint_topic");
  transactions.replication = settings.topics.replication;
  transactions.timeout = std::chrono::milliseconds(options.integer("transaction_timeout") / 1000);
  if (transactions.timeout < std::chrono::seconds(1))
    return Status(ErrorCode::kConfigBadValue, "sink.transaction_timeout must be 1s or more");
  TAILRACE_OK(check_topic_name(checkpoint_topic_of(transactions.checkpoint_topic, "job")));
  settings.transactions = std::move(transactions);
  settings.commit_every = std::chrono::microseconds(options.integer("commit_every"));
  settings.commit_bytes = static_cast<size_t>(options.integer("commit_bytes"));
  return {};
}

Status size_settings(const Options& options, KafkaSettings& settings) {
  int64_t message = options.integer("max_message_bytes"), batch = options.integer("max_batch_bytes");
  // The client's own bounds of both.
  if (message < 1000 || message > 1'000'000'000)
    return Status(ErrorCode::kConfigBadValue, "sink.max_message_bytes must be between 1000 and 1000000000");
  if (batch < 1000 || batch > message) {
    // The default follows a smaller limit of messages.
    if (options.text("max_batch_bytes") != "512KiB")
      return Status(ErrorCode::kConfigBadValue, "sink.max_batch_bytes must be between 1000 and sink.max_message_bytes");
    batch = message;
  }
  settings.topics.max_message_bytes = static_cast<size_t>(message);
  settings.topics.max_batch_bytes = static_cast<size_t>(batch);
  const std::string& policy = options.text("oversized");
  using Policy = KafkaOversizedSettings::Policy;
  settings.oversized.policy = policy == "dead_letter"   ? Policy::kDeadLetter
                              : policy == "claim_check" ? Policy::kClaimCheck
                              : policy == "drop_column" ? Policy::kDropColumn
                                                        : Policy::kFail;
  bool has_folder = options.has("claim_check_folder");
  if (has_folder != (settings.oversized.policy == Policy::kClaimCheck)) {
    return Status(ErrorCode::kConfigBadValue, "sink.claim_check_folder and sink.oversized = \"claim_check\" go together");
  }
  if (has_folder) settings.oversized.folder = options.text("claim_check_folder");
  settings.throttle_rows = options.integer("throttle_rows");
  settings.throttle_bytes = options.integer("throttle_bytes");
  if (settings.throttle_rows < 0 || settings.throttle_bytes < 0)
    return Status(ErrorCode::kConfigBadValue, "sink.throttle_rows and sink.throttle_bytes are 0 or more");
  return {};
}

}  // namespace

Result<KafkaSettings> read_kafka_settings(const Options& options, const Url& url) {
  KafkaSettings settings;
  if (url.host.empty()) return Status(ErrorCode::kConfigUrl, "a kafka URL needs a broker: kafka://host:port");
  if (!url.path.empty() && url.path != "/") {
    return Status(ErrorCode::kConfigUrl, "a kafka URL has no path; give the topic as an option");
  }
  settings.brokers = url.port ? fmt::format("{}:{}", url.host, url.port) : url.host;
  settings.topic = options.text("topic");
  TAILRACE_OK(check_topic_template(settings.topic));
  const std::string& partition = options.text("partition");
  using Partition = KafkaSettings::Partition;
  settings.partition = partition == "hash" ? Partition::kHash : partition == "table" ? Partition::kTable : Partition::kOne;
  settings.partition_number = static_cast<int32_t>(options.integer("partition_number"));
  if (settings.partition_number < 0 || (settings.partition_number > 0 && settings.partition != Partition::kOne)) {
    return Status(ErrorCode::kConfigBadValue, "sink.partition_number is 0 or more, and goes with sink.partition = \"one\"");
  }
  settings.topics.create = options.boolean("create_topics");
  settings.topics.partitions = static_cast<int>(options.integer("topic_partitions"));
  settings.topics.replication = static_cast<int>(options.integer("topic_replication"));
  if (settings.topics.partitions < 1) return Status(ErrorCode::kConfigBadValue, "sink.topic_partitions must be 1 or more");
  settings.connect_timeout = std::chrono::milliseconds(options.integer("connect_timeout") / 1000);
  settings.id_header = options.boolean("id_header");
  settings.linger = std::chrono::microseconds(options.integer("linger"));
  TAILRACE_OK(transaction_settings(options, settings));
  TAILRACE_OK(size_settings(options, settings));
  settings.little_bytes = settings.topics.max_batch_bytes / 8;
  int64_t buffer = std::max<int64_t>(options.integer("buffer"), 1 << 20);
  auto& client = settings.client;
  client = {
      {"bootstrap.servers", settings.brokers},
      {"client.id", options.text("client_id")},
      {"acks", "all"},
      {"enable.idempotence", "true"},
      {"message.timeout.ms", "0"},  // an outage is waited out; the pipeline holds the reader back meanwhile
      {"allow.auto.create.topics", "false"},
      {"partitioner", "murmur2_random"},
      {"compression.codec", options.text("compression")},
      {"linger.ms", fmt::format("{}", std::max<int64_t>(options.integer("linger") / 1000, kClientLingerMs))},
      {"message.max.bytes", std::to_string(settings.topics.max_message_bytes)},
      {"batch.size", std::to_string(settings.topics.max_batch_bytes)},
      {"queue.buffering.max.kbytes", std::to_string(buffer / 1024)},
      {"queue.buffering.max.messages", std::to_string(std::max<int64_t>(buffer / kMessageOverhead, 1000))},
      {"security.protocol", options.text("security")},
      {"log.connection.close", "false"},
  };
  if (options.has("tls_ca")) client["ssl.ca.location"] = options.text("tls_ca");
  if (!url.user.empty()) {
    if (options.text("security").substr(0, 4) != "sasl") {
      return Status(ErrorCode::kConfigBadValue, "the URL has a user, so sink.security must be sasl_plaintext or sasl_ssl");
    }
    client["sasl.username"] = url.user;
    client["sasl.password"] = url.password;
    client["sasl.mechanism"] = options.text("sasl_mechanism");
  }
  if (options.has("properties")) TAILRACE_OK(add_properties(options.text("properties"), client));
  if (settings.transactions) {
    for (const auto& [name, value] : client) {
      bool connects = name == "bootstrap.servers" || name == "client.id" || name.starts_with("security.") || name.starts_with("sasl.") ||
                      name.starts_with("ssl.") || name.starts_with("broker.") || name.starts_with("socket.");
      if (connects) settings.transactions->consumer[name] = value;
    }
  }
  return settings;
}

}  // namespace tailrace
