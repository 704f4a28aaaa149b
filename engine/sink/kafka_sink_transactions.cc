#include "sink/kafka_sink_transactions.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSliceMs = 500;          // between looks at whether somebody wants to stop
constexpr int kCheckpointMs = 30'000;  // for the broker to give back one record

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const noexcept { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }
};
using Client = std::unique_ptr<rd_kafka_t, ClientDeleter>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)>;
using Message = std::unique_ptr<rd_kafka_message_t, decltype(&rd_kafka_message_destroy)>;
using Error = std::unique_ptr<rd_kafka_error_t, decltype(&rd_kafka_error_destroy)>;

Error take(rd_kafka_error_t* error) { return {error, &rd_kafka_error_destroy}; }

Result<Client> make_consumer(const std::map<std::string, std::string>& settings, const char* isolation) {
  char text[512];
  std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> conf(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  std::map<std::string, std::string> all = settings;
  all["isolation.level"] = isolation;
  all["enable.partition.eof"] = "true";
  all["log.connection.close"] = "false";
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) {
      return Status(ErrorCode::kConfigBadValue, fmt::format("sink.properties: {}", text));
    }
  }
  Client client(rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), text, sizeof text));
  if (!client) return Status(ErrorCode::kConfigBadValue, fmt::format("the Kafka client refuses its settings: {}", text));
  conf.release();
  return client;
}

KafkaTopicSettings checkpoint_topic_settings(int replication) {
  KafkaTopicSettings settings;
  settings.partitions = 1;
  settings.replication = replication;
  // Each commit adds a record; small segments let the broker compact them soon, so that reading back stays short.
  settings.config = {{"cleanup.policy", "compact"}, {"segment.bytes", "4194304"}, {"min.cleanable.dirty.ratio", "0.1"}};
  return settings;
}

}  // namespace

std::string checkpoint_topic_of(std::string_view name, std::string_view job_id) {
  constexpr std::string_view kJob = "{job}";
  std::string out(name);
  if (size_t at = out.find(kJob); at != std::string::npos) out.replace(at, kJob.size(), job_id);
  return out;
}

std::string checkpoint_to_record(const Checkpoint& checkpoint) {
  return nlohmann::json{{"version", 1},
                        {"source", checkpoint.position.source_kind},
                        {"position", checkpoint.position.text},
                        {"commit_time_us", checkpoint.commit_time_us},
                        {"snapshot", checkpoint.snapshot_state},
                        {"rows", checkpoint.rows}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<Checkpoint> checkpoint_from_record(std::string_view json) {
  auto unreadable = [](std::string_view why) {
    return Status(ErrorCode::kSinkMismatch, fmt::format("the job's record in the checkpoint topic cannot be read: {}", why));
  };
  try {
    auto record = nlohmann::json::parse(json);
    if (record.at("version") != 1) return unreadable("it is of a newer version");
    Checkpoint checkpoint;
    checkpoint.position = {record.at("source").get<std::string>(), record.at("position").get<std::string>()};
    checkpoint.commit_time_us = record.at("commit_time_us").get<int64_t>();
    checkpoint.snapshot_state = record.at("snapshot").get<std::string>();
    checkpoint.rows = record.at("rows").get<uint64_t>();
    return checkpoint;
  } catch (const nlohmann::json::exception& error) {
    return unreadable(error.what());
  }
}

KafkaTransactions::KafkaTransactions(rd_kafka_s* producer, KafkaTransactionSettings settings, std::string job_id,
                                     std::function<bool()> is_abandoned)
    : producer_(producer),
      settings_(std::move(settings)),
      job_id_(std::move(job_id)),
      topic_name_(checkpoint_topic_of(settings_.checkpoint_topic, job_id_)),
      is_abandoned_(std::move(is_abandoned)),
      topics_(producer, checkpoint_topic_settings(settings_.replication)) {}

// The status of a failed call on the transaction, which is over after it.
Status KafkaTransactions::give_up(std::string_view what, void* failed) {
  Error error = take(static_cast<rd_kafka_error_t*>(failed));
  rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
  std::string why = fmt::format("{}: {} ({})", what, rd_kafka_error_string(error.get()), rd_kafka_error_name(error.get()));
  char text[512] = "";
  if (rd_kafka_error_is_fatal(error.get())) code = rd_kafka_fatal_error(producer_, text, sizeof text);
  if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH) {
    return Status(ErrorCode::kSinkFenced, why).with("transactional.id", settings_.id_prefix + job_id_);
  }
  if (code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT ||
      code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    return Status(ErrorCode::kSinkWrite, why).with("transactional.id", settings_.id_prefix + job_id_);
  }
  bool aborts = rd_kafka_error_txn_requires_abort(error.get()) != 0;
  error.reset();
  if (aborts) abort(std::chrono::seconds(10));
  return Status(ErrorCode::kSinkConnect, why + "; nothing of it is visible, it is sent again");
}

Status KafkaTransactions::open() {
  while (true) {
    if (is_abandoned_()) return Status(ErrorCode::kJobAborted, "while the broker was asked for transactions");
    Error error = take(rd_kafka_init_transactions(producer_, kSliceMs));
    if (!error) break;
    if (!rd_kafka_error_is_retriable(error.get())) return give_up("the broker gives no transactions", error.release());
  }
  std::stop_token never;
  TAILRACE_TRY(topic_, topics_.find(topic_name_, never));
  return read_checkpoint();
}

// What the broker has by now, those records included that are in other producers' unfinished transactions.
Result<int64_t> KafkaTransactions::end_of_topic() const {
  TAILRACE_TRY(Client client, make_consumer(settings_.consumer, "read_uncommitted"));
  const auto deadline = Clock::now() + std::chrono::milliseconds(kCheckpointMs);
  while (true) {
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(client.get(), topic_name_.c_str(), 0, &low, &high, kSliceMs);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return high;
    if (is_abandoned_()) return Status(ErrorCode::kJobAborted, "while the checkpoint was read");
    if (Clock::now() > deadline) {
      return Status(ErrorCode::kSinkConnect, fmt::format("the end of the checkpoint topic is not known: {}", rd_kafka_err2str(error)))
          .with("topic", topic_name_);
    }
  }
}

Status KafkaTransactions::read_checkpoint() {
  TAILRACE_TRY(const int64_t end, end_of_topic());
  stored_.reset();
  if (end == 0) return {};
  TAILRACE_TRY(Client client, make_consumer(settings_.consumer, "read_committed"));
  TopicHandle topic(rd_kafka_topic_new(client.get(), topic_name_.c_str(), nullptr), &rd_kafka_topic_destroy);
  if (!topic || rd_kafka_consume_start(topic.get(), 0, RD_KAFKA_OFFSET_BEGINNING) != 0) {
    return Status(ErrorCode::kSinkConnect, fmt::format("the checkpoint topic cannot be read: {}", rd_kafka_err2str(rd_kafka_last_error())))
        .with("topic", topic_name_);
  }
  // Another job that was killed while it committed keeps the records behind its own hidden until its transaction times out.
  const auto deadline = Clock::now() + settings_.timeout + std::chrono::milliseconds(kCheckpointMs);
  std::string found;
  Status status;
  bool told = false;
  while (true) {
    Message message(rd_kafka_consume(topic.get(), 0, kSliceMs), &rd_kafka_message_destroy);
    if (is_abandoned_()) {
      status = Status(ErrorCode::kJobAborted, "while the checkpoint was read");
      break;
    }
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      std::string_view key(static_cast<const char*>(message->key), message->key_len);
      if (key == job_id_) found.assign(static_cast<const char*>(message->payload), message->len);
      continue;
    }
    if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      if (message->offset >= end) break;
      if (!told) log(LogLevel::kWarn, "kafka: the checkpoint topic has an unfinished transaction of another job; waiting for its end");
      told = true;
    }
    if (message && message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
      status = Status(ErrorCode::kSinkOpen, "the checkpoint topic may not be read: the user needs READ on it").with("topic", topic_name_);
      break;
    }
    if (Clock::now() > deadline) {
      status = Status(ErrorCode::kSinkConnect, "the checkpoint topic could not be read to its end").with("topic", topic_name_);
      break;
    }
  }
  rd_kafka_consume_stop(topic.get(), 0);
  topic.reset();
  TAILRACE_OK(std::move(status));
  if (found.empty()) return {};
  auto checkpoint = checkpoint_from_record(found);
  if (!checkpoint.ok()) return std::move(checkpoint).status().with("topic", topic_name_);
  stored_ = std::move(checkpoint).value();
  return {};
}

Status KafkaTransactions::begin() {
  Error error = take(rd_kafka_begin_transaction(producer_));
  if (error) return give_up("no transaction can be begun", error.release());
  is_open_ = true;
  return {};
}

Result<size_t> KafkaTransactions::put(const Checkpoint& checkpoint, void* opaque, const std::stop_token& stop) {
  const std::string record = checkpoint_to_record(checkpoint);
  rd_kafka_vu_t parts[6];
  parts[0].vtype = RD_KAFKA_VTYPE_RKT;
  parts[0].u.rkt = topic_->handle;
  parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[1].u.i32 = 0;
  parts[2].vtype = RD_KAFKA_VTYPE_KEY;
  parts[2].u.mem.ptr = const_cast<char*>(job_id_.data());
  parts[2].u.mem.size = job_id_.size();
  parts[3].vtype = RD_KAFKA_VTYPE_VALUE;
  parts[3].u.mem.ptr = const_cast<char*>(record.data());
  parts[3].u.mem.size = record.size();
  parts[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[4].u.i = RD_KAFKA_MSG_F_COPY;
  parts[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
  parts[5].u.ptr = opaque;
  while (true) {
    Error error = take(rd_kafka_produceva(producer_, parts, 6));
    if (!error) return job_id_.size() + record.size();
    if (rd_kafka_error_code(error.get()) != RD_KAFKA_RESP_ERR__QUEUE_FULL) return give_up("the checkpoint was not taken", error.release());
    if (stop.stop_requested() || is_abandoned_()) return Status(ErrorCode::kJobAborted, "while waiting for the broker to take messages");
    rd_kafka_flush(producer_, 20);
  }
}

Status KafkaTransactions::commit(const std::stop_token& stop) {
  fault_point("commit");
  while (true) {
    Error error = take(rd_kafka_commit_transaction(producer_, kSliceMs));
    if (!error) break;
    if (!rd_kafka_error_is_retriable(error.get())) return give_up("the transaction was not committed", error.release());
    if (stop.stop_requested() || is_abandoned_()) return Status(ErrorCode::kJobAborted, "while waiting for Kafka to commit");
  }
  is_open_ = false;
  fault_point("commit");
  return {};
}

void KafkaTransactions::abort(std::chrono::milliseconds longest) noexcept {
  if (!is_open_) return;
  is_open_ = false;
  take(rd_kafka_abort_transaction(producer_, static_cast<int>(longest.count())));
}

}  // namespace tailrace
