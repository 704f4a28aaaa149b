// Kafka sink: every event becomes one message, sent by an idempotent producer with acks=all.
//
// Threads: the pipeline's delivery thread calls open, write and flush; one polling thread of the sink serves delivery
// reports, so that batches are acknowledged while nobody writes. abandon() may be called by any thread while open
// waits for the broker.
//
// With `transactions` batches are acknowledged when the Kafka transaction they are in, which holds the checkpoint as
// well, is committed: what a reader of committed records sees is each change once.
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "event/value_text.h"
#include "sink/kafka_sink_deliveries.h"
#include "sink/kafka_sink_topics.h"
#include "sink/kafka_sink_transactions.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;

// Of the client's memory for one waiting message, besides its payload; measured at 300 to 400 bytes.
constexpr int64_t kMessageOverhead = 320;
constexpr int32_t kEveryPartition = -2;
constexpr size_t kMaxSaidTopics = 10'000;  // topics that rules may name per row

constexpr OptionSpec kOptions[] = {
    {"topic", "string", "{db}.{table}", "topic of a table, by the target's names; a rule's own topic goes before it"},
    {"partition", "enum:hash|table|one", "hash", "what stays in order: the changes of a row, of a table, all of a topic"},
    {"partition_number", "int", "0", "partition: one: the partition that everything goes to"},
    {"create_topics", "bool", "true", "create topics that are missing"},
    {"topic_partitions", "int", "1", "partitions of a topic made by the sink"},
    {"topic_replication", "int", "-1", "replicas of a topic made by the sink; -1 = the broker's default"},
    {"compression", "enum:none|gzip|snappy|lz4|zstd", "lz4", "compression of message batches"},
    {"linger", "duration", "5ms", "how long messages wait for company"},
    {"max_message_bytes", "bytes", "1000000", "the largest message sent"},
    {"buffer", "bytes", "32MiB", "messages waiting for the broker, in memory"},
    {"connect_timeout", "duration", "10s", "how long to wait for the first broker at the start"},
    {"transactions", "bool", "false", "each change once for readers of committed records; the checkpoint is kept in Kafka"},
    {"commit_every", "duration", "100ms", "transactions: commit at the first source transaction's end after this time; longer where commits are slow"},
    {"commit_bytes", "bytes", "16MiB", "transactions: … or after this many bytes"},
    {"transaction_timeout", "duration", "5m", "transactions: the broker aborts one that is open for longer; readers may wait that long for a job that was killed"},
    {"transactional_id", "string", "tailrace-", "transactions: beginning of the transactional.id; the job's id follows"},
    {"checkpoint_topic", "string", "tailrace.checkpoint.{job}", "transactions: compacted topic with the checkpoint; {job} is the job's id. Jobs that share a topic may have to wait for one another"},
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
  std::optional<KafkaTransactionSettings> transactions;
  std::chrono::microseconds commit_every{100'000};
  size_t commit_bytes = 16u << 20;
};

// Between KafkaDeliveries and the pipeline when there are transactions: what is delivered is not yet visible.
class FailuresOnly final : public AckReceiver {
 public:
  explicit FailuresOnly(AckReceiver& to) : to_(to) {}
  void acknowledged(uint64_t) override {}
  void failed(Status status) override { to_.failed(std::move(status)); }

 private:
  AckReceiver& to_;
};

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const noexcept { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }
};

std::string printable(std::string_view bytes) {
  std::string out;
  for (char c : bytes.substr(0, 200)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte == 1) {
      out += ' ';  // between the parts of a key
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

class KafkaSink final : public Sink {
 public:
  explicit KafkaSink(KafkaSettings settings) : settings_(std::move(settings)) {}
  ~KafkaSink() override { shut(); }

  SinkCaps caps() const override {
    bool transactional = settings_.transactions.has_value();
    return {.wants_records = true, .owns_checkpoint = transactional, .asynchronous = !transactional};
  }
  Result<std::optional<Checkpoint>> stored_checkpoint() override {
    return transactions_ ? transactions_->stored() : std::optional<Checkpoint>();
  }
  Status open(const SinkContext& context, AckReceiver& acks) override;
  Status write(const LaneBatch& batch, std::stop_token stop) override;
  Status flush(std::stop_token stop) override;
  void abandon() noexcept override;

 private:
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self);
  static void on_error(rd_kafka_t* client, int code, const char* reason, void* self);
  static void on_log(const rd_kafka_t*, int level, const char*, const char* text);

  Status make_client(const std::string& job_id);
  Status open_transactions(const SinkContext& context);
  Status write_in_transaction(const LaneBatch& batch, const std::stop_token& stop);
  Status commit(const std::stop_token& stop);
  Status connect();
  void poll_loop(const std::stop_token& stop);
  Status write_events(const EventBatch& batch, KafkaDeliveries::Batch* pending, const std::stop_token& stop);
  Result<const KafkaTopic*> topic_of(const ChangeEvent& event, const std::stop_token& stop);
  Result<const KafkaTopic*> said_topic(const ChangeEvent& event, const TableSchema& target, const std::stop_token& stop);
  Status send(const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, int32_t partition,
              KafkaDeliveries::Batch* pending, const std::stop_token& stop, bool is_tombstone = false);
  Result<int32_t> partition_of(const ChangeEvent& event, const KafkaTopic& topic) const;
  std::string_view id_of(const EventBatch& batch, const ChangeEvent& event);
  void shut() noexcept;

  const KafkaSettings settings_;
  const Serializer* serializer_ = nullptr;
  std::unique_ptr<KafkaDeliveries> deliveries_;  // outlives client_, whose messages point into it
  std::unique_ptr<rd_kafka_t, ClientDeleter> client_;
  std::unique_ptr<KafkaTopics> topics_;
  std::jthread poller_;

  // With transactions only.
  AckReceiver* acks_ = nullptr;
  std::unique_ptr<FailuresOnly> failures_only_;
  std::unique_ptr<KafkaTransactions> transactions_;
  std::vector<uint64_t> covered_;          // batches in the open transaction
  std::optional<Checkpoint> checkpoint_;   // stands behind the last batch written
  Clock::time_point begun_at_{};
  Clock::duration commit_took_{};          // the last one
  size_t bytes_ = 0;                       // sent in the open transaction

  // The delivery thread's own.
  struct Route {
    std::string topic;  // of the rule, "" = by template
    const KafkaTopic* to;
  };
  std::unordered_map<uint64_t, Route> routes_;  // by schema_id of the target
  uint64_t last_route_id_ = 0;
  const Route* last_route_ = nullptr;
  Record record_;
  std::unordered_map<std::string, const KafkaTopic*> said_topics_;  // named by rules per row
  std::string said_topic_;
  std::vector<rd_kafka_vu_t> parts_;
  std::vector<std::string> header_names_;
  std::string id_;
  size_t id_prefix_ = 0;      // length of "<transaction>:" in id_
  size_t id_txn_ = SIZE_MAX;  // whose prefix it is, within the batch being written
  Status broken_;             // why an earlier write ended in the middle of its batch

  std::mutex room_mutex_;
  std::condition_variable_any room_;  // the client's queue may have room again
  std::atomic<bool> waits_for_room_{false};
  std::atomic<bool> abandoned_{false};
  std::atomic<bool> is_open_{false};
  std::mutex error_mutex_;
  std::string last_error_;            // of the client, for messages; under error_mutex_
  bool login_refused_ = false;        // under error_mutex_
};

Status KafkaSink::make_client(const std::string& job_id) {
  char text[512];
  std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> conf(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  for (const auto& [name, value] : settings_.client) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) {
      return Status(ErrorCode::kConfigBadValue, fmt::format("sink.properties: {}", text));
    }
  }
  if (settings_.transactions) {
    std::string id = settings_.transactions->id_prefix + job_id;
    std::string timeout = std::to_string(settings_.transactions->timeout.count());
    if (rd_kafka_conf_set(conf.get(), "transactional.id", id.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK ||
        rd_kafka_conf_set(conf.get(), "transaction.timeout.ms", timeout.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) {
      return Status(ErrorCode::kConfigBadValue, fmt::format("sink.transaction_timeout: {}", text));
    }
  }
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &on_delivery);
  rd_kafka_conf_set_error_cb(conf.get(), &on_error);
  rd_kafka_conf_set_log_cb(conf.get(), &on_log);
  client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text, sizeof text));
  if (!client_) return Status(ErrorCode::kConfigBadValue, fmt::format("the Kafka client refuses its settings: {}", text));
  conf.release();  // now the client's
  return {};
}

Status KafkaSink::open(const SinkContext& context, AckReceiver& acks) {
  serializer_ = context.serializer;
  if (!serializer_) return Status(ErrorCode::kInternal, "the Kafka sink was opened without a serializer");
  acks_ = &acks;
  if (settings_.transactions) failures_only_ = std::make_unique<FailuresOnly>(acks);
  deliveries_ = std::make_unique<KafkaDeliveries>(failures_only_ ? *failures_only_ : acks);
  TAILRACE_OK(make_client(context.job_id));
  poller_ = std::jthread([this](std::stop_token stop) { poll_loop(stop); });
  TAILRACE_OK(connect());
  topics_ = std::make_unique<KafkaTopics>(client_.get(), settings_.topics);
  if (settings_.transactions) TAILRACE_OK(open_transactions(context));
  is_open_ = true;
  return {};
}

Status KafkaSink::open_transactions(const SinkContext& context) {
  transactions_ = std::make_unique<KafkaTransactions>(client_.get(), *settings_.transactions, context.job_id,
                                                      [this] { return abandoned_.load(); });
  TAILRACE_OK(transactions_->open());
  if (context.job_has_started && !transactions_->stored()) {
    return Status(ErrorCode::kSinkMismatch, fmt::format("job {} has delivered before, but the topic has no checkpoint of it", context.job_id))
        .with("topic", checkpoint_topic_of(settings_.transactions->checkpoint_topic, context.job_id));
  }
  return {};
}

Status KafkaSink::connect() {
  auto deadline = Clock::now() + settings_.connect_timeout;
  // Short at first, to notice abandon soon; longer later, so that a slow line gets its answer through.
  for (int slice_ms = 200;; slice_ms = std::min(slice_ms + 50, 1000)) {
    if (abandoned_) return Status(ErrorCode::kJobAborted, "while connecting to Kafka");
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, slice_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      int brokers = metadata->broker_cnt;
      rd_kafka_metadata_destroy(metadata);
      if (brokers > 0) return {};
    }
    std::lock_guard lock(error_mutex_);
    if (login_refused_) {
      return Status(ErrorCode::kSinkOpen, fmt::format("{} refused the login: {}", settings_.brokers, last_error_));
    }
    if (Clock::now() >= deadline) {
      return Status(ErrorCode::kSinkConnect,
                    fmt::format("no broker of {} answered within {} ms: {}", settings_.brokers, settings_.connect_timeout.count(),
                                last_error_.empty() ? rd_kafka_err2str(error) : last_error_.c_str()));
    }
  }
}

void KafkaSink::poll_loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    int served = rd_kafka_poll(client_.get(), 50);
    if (served > 0 && waits_for_room_.load(std::memory_order_acquire)) {
      { std::lock_guard lock(room_mutex_); }
      room_.notify_all();
    }
  }
}

void KafkaSink::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<KafkaSink*>(opaque);
  auto* origin = static_cast<KafkaDeliveries::Origin*>(message->_private);
  // The checkpoint of a transaction has no origin; whether it arrived is told by the commit.
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return origin ? self->deliveries_->delivered(origin->batch) : void();
  if (self->abandoned_) return;
  bool too_large = message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
  Status status = Status(too_large ? ErrorCode::kSinkTooLarge : ErrorCode::kSinkWrite,
                         // Not rd_kafka_message_errstr: for a produced message it gives the payload, which is no C string.
                         fmt::format("message of {} bytes not delivered: {}", message->len, rd_kafka_err2str(message->err)))
                      .with("topic", message->rkt ? rd_kafka_topic_name(message->rkt) : "")
                      .with("table", origin ? origin->table : "")
                      .with("key", printable({static_cast<const char*>(message->key), message->key_len}));
  rd_kafka_headers_t* headers = nullptr;
  const void* id = nullptr;
  size_t size = 0;
  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
      rd_kafka_header_get_last(headers, "tailrace.id", &id, &size) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    status = std::move(status).with("position", std::string(static_cast<const char*>(id), size));
  }
  self->deliveries_->fail(std::move(status));
}

void KafkaSink::on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
  auto* self = static_cast<KafkaSink*>(opaque);
  {
    std::lock_guard lock(self->error_mutex_);
    self->last_error_ = reason;
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) self->login_refused_ = true;
  }
  if (code != RD_KAFKA_RESP_ERR__FATAL) {
    log(LogLevel::kWarn, fmt::format("kafka: {} ({}); waiting for the broker", reason,
                                     rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code))));
    return;
  }
  char text[512] = "";
  rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client, text, sizeof text);
  if (fatal == RD_KAFKA_RESP_ERR__FENCED || fatal == RD_KAFKA_RESP_ERR_PRODUCER_FENCED) {
    return self->deliveries_->fail(Status(ErrorCode::kSinkFenced, text));
  }
  self->deliveries_->fail(Status(ErrorCode::kSinkWrite, fmt::format("the producer cannot go on without risking order or loss: {} ({})",
                                                                    text, rd_kafka_err2name(fatal))));
}

void KafkaSink::on_log(const rd_kafka_t*, int level, const char*, const char* text) {
  LogLevel to = level <= 3 ? LogLevel::kError : level == 4 ? LogLevel::kWarn : level <= 6 ? LogLevel::kInfo : LogLevel::kDebug;
  log(to, fmt::format("kafka: {}", text));
}

Result<const KafkaTopic*> KafkaSink::topic_of(const ChangeEvent& event, const std::stop_token& stop) {
  const TableSchema* target = event.output && event.output->schema ? event.output->schema.get() : event.table;
  std::string_view ruled = event.output ? std::string_view(event.output->topic) : std::string_view();
  if (!target) return Status(ErrorCode::kSinkWrite, fmt::format("a statement without a table has no topic: {}", event.sql));
  if (event.route && !event.route->topic.empty()) return said_topic(event, *target, stop);
  if (last_route_ && last_route_id_ == target->schema_id && last_route_->topic == ruled) return last_route_->to;
  auto it = routes_.find(target->schema_id);
  if (it == routes_.end() || it->second.topic != ruled) {
    std::string name = render_topic(ruled.empty() ? std::string_view(settings_.topic) : ruled, target->database, target->table);
    Result<const KafkaTopic*> found = topics_->find(name, stop);
    if (!found.ok()) return std::move(found).status().with("table", target->qualified_name());
    it = routes_.insert_or_assign(target->schema_id, Route{std::string(ruled), *found}).first;
  }
  last_route_id_ = target->schema_id;
  last_route_ = &it->second;
  return last_route_->to;
}

// The topic that the rules gave this one event.
Result<const KafkaTopic*> KafkaSink::said_topic(const ChangeEvent& event, const TableSchema& target, const std::stop_token& stop) {
  said_topic_.assign(event.route->topic);
  auto known = said_topics_.find(said_topic_);
  if (known != said_topics_.end()) return known->second;
  if (said_topics_.size() >= kMaxSaidTopics) {
    return Status(ErrorCode::kSinkWrite, fmt::format("the rules named {} topics, and now {}: is a template of a column with as many values meant?",
                                                     said_topics_.size(), said_topic_))
        .with("table", target.qualified_name());
  }
  Result<const KafkaTopic*> found = topics_->find(said_topic_, stop);
  if (!found.ok()) return std::move(found).status().with("table", target.qualified_name());
  said_topics_.emplace(said_topic_, *found);
  return found;
}

// "<transaction>:<ordinal>", with ".1" for the second half of a split update. Empty for rows of a snapshot.
std::string_view KafkaSink::id_of(const EventBatch& batch, const ChangeEvent& event) {
  if (event.op == Op::kRead || event.txn >= batch.txns.size()) return {};
  if (id_txn_ != event.txn) {
    id_.assign(batch.txns[event.txn].id).push_back(':');
    id_prefix_ = id_.size();
    id_txn_ = event.txn;
  }
  char digits[32];
  char* end = std::to_chars(digits, digits + 20, event.ordinal).ptr;
  if (event.sub_ordinal != 0) {
    *end++ = '.';
    end = std::to_chars(end, digits + sizeof digits, event.sub_ordinal).ptr;
  }
  id_.resize(id_prefix_);
  id_.append(digits, end);
  return id_;
}

Status KafkaSink::send(const EventBatch& batch, const ChangeEvent& event, const KafkaTopic& topic, int32_t partition,
                       KafkaDeliveries::Batch* pending, const std::stop_token& stop, bool is_tombstone) {
  std::span<const MessageHeader> said = event.route ? event.route->headers : std::span<const MessageHeader>();
  parts_.resize(7 + said.size());
  rd_kafka_vu_t* parts = parts_.data();
  size_t n = 0;
  parts[n].vtype = RD_KAFKA_VTYPE_RKT;
  parts[n++].u.rkt = topic.handle;
  parts[n].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[n++].u.i32 = partition;
  parts[n].vtype = RD_KAFKA_VTYPE_VALUE;
  parts[n].u.mem.ptr = is_tombstone ? nullptr : record_.value.data();
  parts[n++].u.mem.size = is_tombstone ? 0 : record_.value.size();
  parts[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[n++].u.i = RD_KAFKA_MSG_F_COPY;
  parts[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
  parts[n++].u.ptr = deliveries_->origin(pending, event.table);
  if (record_.has_key) {
    parts[n].vtype = RD_KAFKA_VTYPE_KEY;
    parts[n].u.mem.ptr = record_.key.data();
    parts[n++].u.mem.size = record_.key.size();
  }
  std::string_view id = settings_.id_header ? id_of(batch, event) : std::string_view();
  if (!id.empty()) {
    parts[n].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[n].u.header.name = "tailrace.id";
    parts[n].u.header.val = id.data();
    parts[n++].u.header.size = static_cast<ssize_t>(id.size());
  }
  // The client wants names that end in a zero byte.
  header_names_.resize(std::max(header_names_.size(), said.size()));
  for (size_t i = 0; i < said.size(); ++i) {
    const MessageHeader& header = said[i];
    parts[n].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[n].u.header.name = header_names_[i].assign(header.name).c_str();
    parts[n].u.header.val = header.value.data();
    parts[n++].u.header.size = static_cast<ssize_t>(header.value.size());
  }
  deliveries_->sent(pending);
  bytes_ += record_.value.size() + record_.key.size();
  while (true) {
    rd_kafka_error_t* error = rd_kafka_produceva(client_.get(), parts, n);
    if (!error) return {};
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    std::string why = rd_kafka_error_string(error);
    rd_kafka_error_destroy(error);
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      deliveries_->not_sent(pending);
      if (deliveries_->has_failed()) return deliveries_->failure();
      bool too_large = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
      Status status = Status(too_large ? ErrorCode::kSinkTooLarge : ErrorCode::kSinkWrite,
                             fmt::format("message of {} bytes not taken: {}", record_.value.size() + record_.key.size(), why))
                          .with("topic", topic.name)
                          .with("table", event.table ? event.table->qualified_name() : "")
                          .with("key", printable(record_.key));
      return std::move(status).with("position", std::string(id_of(batch, event)));
    }
    std::unique_lock lock(room_mutex_);
    waits_for_room_.store(true, std::memory_order_release);
    room_.wait_for(lock, stop, std::chrono::milliseconds(20), [&] { return false; });
    waits_for_room_.store(false, std::memory_order_release);
    lock.unlock();
    if (stop.stop_requested() || abandoned_) {
      deliveries_->not_sent(pending);
      return Status(ErrorCode::kJobAborted, "while waiting for the broker to take messages");
    }
    if (deliveries_->has_failed()) {
      deliveries_->not_sent(pending);
      return deliveries_->failure();
    }
  }
}

// A number, RD_KAFKA_PARTITION_UA for "by the message key", or kEveryPartition.
Result<int32_t> KafkaSink::partition_of(const ChangeEvent& event, const KafkaTopic& topic) const {
  auto by_text = [&](std::string_view text) {
    return rd_kafka_msg_partitioner_murmur2(topic.handle, text.data(), text.size(), topic.partitions, nullptr, nullptr);
  };
  switch (settings_.partition) {
    case KafkaSettings::Partition::kOne:
      if (settings_.partition_number < topic.partitions) return settings_.partition_number;
      return Status(ErrorCode::kSinkWrite, fmt::format("sink.partition_number is {}, and the topic has {} partition(s)",
                                                       settings_.partition_number, topic.partitions))
          .with("topic", topic.name);
    case KafkaSettings::Partition::kTable:
      return by_text(event.table ? event.table->qualified_name() : topic.name);
    case KafkaSettings::Partition::kHash:
      break;
  }
  if (event.route && !event.route->partition_key.empty()) return by_text(event.route->partition_key);
  if (record_.has_key) return RD_KAFKA_PARTITION_UA;
  // Every partition holds rows of the table, so each reader must learn of the change.
  if (event.op == Op::kSchemaChange || event.op == Op::kTruncate) return kEveryPartition;
  // No key to keep rows in order by: the whole table stays in one partition.
  return by_text(event.table->qualified_name());
}

Status KafkaSink::write_events(const EventBatch& batch, KafkaDeliveries::Batch* pending, const std::stop_token& stop) {
  id_txn_ = SIZE_MAX;
  size_t since_check = 0;
  for (const ChangeEvent& event : batch.events) {
    if (event.op == Op::kHeartbeat) continue;  // belongs to no table, so to no topic
    if (++since_check == 256) {
      since_check = 0;
      if (stop.stop_requested()) return Status(ErrorCode::kJobAborted, "while writing to Kafka");
      if (deliveries_->has_failed()) return deliveries_->failure();
    }
    TAILRACE_OK(serializer_->encode(batch, event, record_));
    if (record_.skip) continue;
    TAILRACE_TRY(const KafkaTopic* topic, topic_of(event, stop));
    TAILRACE_TRY(const int32_t place, partition_of(event, *topic));
    if (place == kEveryPartition) {
      for (int32_t partition = 0; partition < topic->partitions; ++partition) {
        TAILRACE_OK(send(batch, event, *topic, partition, pending, stop));
      }
      continue;
    }
    TAILRACE_OK(send(batch, event, *topic, place, pending, stop));
    if (record_.has_key && record_.tombstone) TAILRACE_OK(send(batch, event, *topic, place, pending, stop, true));
  }
  return {};
}

Status KafkaSink::write(const LaneBatch& batch, std::stop_token stop) {
  if (!broken_.ok()) return broken_;
  if (deliveries_->has_failed()) return deliveries_->failure();
  if (transactions_) {
    broken_ = write_in_transaction(batch, stop);
    return broken_;
  }
  KafkaDeliveries::Batch* pending = deliveries_->begin(batch.events->sequence);
  broken_ = write_events(*batch.events, pending, stop);
  if (!broken_.ok()) return broken_;  // never sealed, so never acknowledged
  deliveries_->seal(pending);
  return {};
}

Status KafkaSink::write_in_transaction(const LaneBatch& batch, const std::stop_token& stop) {
  // A slice of a large source transaction gets a transaction of its own: what is whole can then always be committed.
  if (transactions_->is_open() && checkpoint_ && !batch.checkpoint) TAILRACE_OK(commit(stop));
  if (!transactions_->is_open()) {
    TAILRACE_OK(transactions_->begin());
    begun_at_ = Clock::now();
    bytes_ = 0;
  }
  KafkaDeliveries::Batch* pending = deliveries_->begin(batch.events->sequence);
  TAILRACE_OK(write_events(*batch.events, pending, stop));
  deliveries_->seal(pending);
  covered_.push_back(batch.events->sequence);
  checkpoint_ = batch.checkpoint;
  if (!checkpoint_) return {};
  // Commits are spaced out so that waiting for them takes a tenth of the time at most.
  constexpr Clock::duration kLongestWait = std::chrono::seconds(1);
  Clock::duration due = std::max<Clock::duration>(settings_.commit_every, std::min<Clock::duration>(9 * commit_took_, kLongestWait));
  if (settings_.commit_every.count() == 0) due = {};
  return bytes_ >= settings_.commit_bytes || Clock::now() - begun_at_ >= due ? commit(stop) : Status();
}

Status KafkaSink::commit(const std::stop_token& stop) {
  auto began = Clock::now();
  TAILRACE_OK(transactions_->commit(*checkpoint_, stop));
  commit_took_ = Clock::now() - began;
  checkpoint_.reset();
  for (uint64_t sequence : covered_) acks_->acknowledged(sequence);
  covered_.clear();
  return {};
}

Status KafkaSink::flush(std::stop_token stop) {
  if (!broken_.ok()) return broken_;
  if (transactions_) {
    if (deliveries_->has_failed()) return deliveries_->failure();
    if (transactions_->is_open() && checkpoint_) broken_ = commit(stop);
    return broken_;
  }
  while (true) {
    if (deliveries_->has_failed()) return deliveries_->failure();
    if (deliveries_->wait_until_empty(0, stop)) return {};
    if (stop.stop_requested()) return Status(ErrorCode::kJobAborted, "while waiting for Kafka to confirm messages");
    rd_kafka_flush(client_.get(), 20);  // its answer is of no use: reports are counted here. It ends the lingering.
    if (deliveries_->wait_until_empty(20, stop)) return {};
  }
}

void KafkaSink::abandon() noexcept {
  abandoned_ = true;
  if (!is_open_) return;  // open notices the flag
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void KafkaSink::shut() noexcept {
  abandon();
  if (transactions_) transactions_->abort(std::chrono::milliseconds(400));
  if (poller_.joinable()) {
    poller_.request_stop();
    poller_.join();
  }
  topics_.reset();
  transactions_.reset();
  client_.reset();
}

Status add_properties(std::string_view text, std::map<std::string, std::string>& client) {
  static constexpr std::string_view kFixed[] = {"acks", "request.required.acks", "enable.idempotence", "message.timeout.ms",
                                                "delivery.timeout.ms", "bootstrap.servers", "metadata.broker.list",
                                                "transactional.id", "delivery.report.only.error", "allow.auto.create.topics"};
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
    client[std::string(name)] = std::string(pair.substr(equal + 1));
  }
  return {};
}

Status transaction_settings(const Options& options, KafkaSettings& settings) {
  if (!options.boolean("transactions")) {
    for (const OptionSpec& spec : kOptions) {
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
  if (transactions.timeout < std::chrono::seconds(1)) return Status(ErrorCode::kConfigBadValue, "sink.transaction_timeout must be 1s or more");
  TAILRACE_OK(check_topic_name(checkpoint_topic_of(transactions.checkpoint_topic, "job")));
  settings.transactions = std::move(transactions);
  settings.commit_every = std::chrono::microseconds(options.integer("commit_every"));
  settings.commit_bytes = static_cast<size_t>(options.integer("commit_bytes"));
  return {};
}

Result<std::unique_ptr<Sink>> create_kafka(const Options& options, const Url& url) {
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
  TAILRACE_OK(transaction_settings(options, settings));
  int64_t buffer = std::max<int64_t>(options.integer("buffer"), 1 << 20);
  std::string limit = std::to_string(options.integer("max_message_bytes"));
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
      {"linger.ms", fmt::format("{}", static_cast<double>(options.integer("linger")) / 1000)},
      {"message.max.bytes", limit},
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
  return std::unique_ptr<Sink>(std::make_unique<KafkaSink>(std::move(settings)));
}

}  // namespace

extern const SinkInfo tailrace_sink_kafka;
const SinkInfo tailrace_sink_kafka{"kafka", "Apache Kafka topics", kOptions, &create_kafka};

}  // namespace tailrace
