// Kafka sink: every event becomes one message, sent by an idempotent producer with acks=all.
//
// Threads: the pipeline's delivery thread calls open, write and flush; the producer's thread serves delivery reports.
// abandon() may be called by any thread while open waits for the broker.
//
// With `transactions` batches are acknowledged when the Kafka transaction they are in, which holds the checkpoint as
// well, is committed: what a reader of committed records sees is each change once.
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "sink/kafka_sink_deliveries.h"
#include "sink/kafka_sink_marks.h"
#include "sink/kafka_sink_oversized.h"
#include "sink/kafka_sink_producer.h"
#include "sink/kafka_sink_routes.h"
#include "sink/kafka_sink_sender.h"
#include "sink/kafka_sink_settings.h"
#include "sink/kafka_sink_throttle.h"
#include "sink/kafka_sink_transactions.h"

namespace tailrace {
namespace {

using Clock = std::chrono::steady_clock;

bool is_statement(const ChangeEvent& event) noexcept { return event.op == Op::kSchemaChange || event.op == Op::kTruncate; }

// Between KafkaDeliveries and the pipeline when there are transactions: what is delivered is not yet visible.
class FailuresOnly final : public AckReceiver {
 public:
  explicit FailuresOnly(AckReceiver& to) : to_(to) {}
  void acknowledged(uint64_t) override {}
  void failed(Status status) override { to_.failed(std::move(status)); }

 private:
  AckReceiver& to_;
};

class KafkaSink final : public Sink {
 public:
  explicit KafkaSink(KafkaSettings settings) : settings_(std::move(settings)) {}
  ~KafkaSink() override { shut(); }

  SinkCaps caps() const override {
    bool transactional = settings_.transactions.has_value();
    return {.has_topics = true, .wants_records = true, .owns_checkpoint = transactional, .asynchronous = !transactional};
  }
  Result<std::optional<Checkpoint>> stored_checkpoint() override {
    return transactions_ ? transactions_->stored() : std::optional<Checkpoint>();
  }
  Status open(const SinkContext& context, AckReceiver& acks) override;
  Status write(const LaneBatch& batch, std::stop_token stop) override;
  Status flush(std::stop_token stop) override;
  void abandon() noexcept override;

 private:
  Status open_transactions(const SinkContext& context);
  Status write_in_transaction(const LaneBatch& batch, const std::stop_token& stop);
  Status commit(const std::stop_token& stop);
  struct Writing {
    const EventBatch& batch;
    KafkaDeliveries::Batch* pending;
    const std::stop_token& stop;
    const bool marks;  // its transactions are marked
  };
  Status wait_for_reports(const std::stop_token& stop);
  Status write_events(const EventBatch& batch, KafkaDeliveries::Batch* pending, const std::stop_token& stop);
  Status write_to(const KafkaTopic& topic, const ChangeEvent& event, const Writing& to);
  KafkaMarks::Send mark_sender(const Writing& to);
  Status placed(Status status, const EventBatch& batch, const ChangeEvent& event);
  Status begin_topic(const KafkaTopic& topic, const ChangeEvent& event, const Writing& to);
  void shut() noexcept;

  const KafkaSettings settings_;
  const Serializer* serializer_ = nullptr;
  std::unique_ptr<KafkaDeliveries> deliveries_;  // outlives the producer, whose messages point into it
  KafkaProducer producer_{settings_};
  std::unique_ptr<KafkaRoutes> routes_;
  std::unique_ptr<KafkaSender> sender_;
  std::unique_ptr<KafkaOversized> oversized_;
  std::unique_ptr<KafkaMarks> marks_;  // null: the format has none
  KafkaThrottle throttle_{settings_.throttle_rows, settings_.throttle_bytes};
  Record record_;
  Status broken_;  // why an earlier write ended in the middle of its batch

  // With transactions only.
  AckReceiver* acks_ = nullptr;
  std::unique_ptr<FailuresOnly> failures_only_;
  std::unique_ptr<KafkaTransactions> transactions_;
  std::vector<uint64_t> covered_;         // batches in the open transaction
  std::optional<Checkpoint> checkpoint_;  // stands behind the last batch written
  Clock::time_point begun_at_{};
  Clock::duration commit_took_{};  // the last one
  size_t bytes_before_ = 0;        // sent before the open transaction
};

Status KafkaSink::open(const SinkContext& context, AckReceiver& acks) {
  serializer_ = context.serializer;
  if (!serializer_) return Status(ErrorCode::kInternal, "the Kafka sink was opened without a serializer");
  acks_ = &acks;
  if (settings_.transactions) failures_only_ = std::make_unique<FailuresOnly>(acks);
  deliveries_ = std::make_unique<KafkaDeliveries>(failures_only_ ? *failures_only_ : acks);
  TAILRACE_OK(producer_.open(context.job_id, *deliveries_));
  routes_ = std::make_unique<KafkaRoutes>(settings_, producer_.client());
  sender_ = std::make_unique<KafkaSender>(producer_, *deliveries_, settings_.id_header);
  oversized_ = std::make_unique<KafkaOversized>(settings_.oversized, context.job_id, *serializer_, context.set_aside);
  if (serializer_->marks_transactions()) {
    marks_ = std::make_unique<KafkaMarks>(*serializer_, settings_.partition == KafkaSettings::Partition::kHash);
  }
  if (settings_.transactions) TAILRACE_OK(open_transactions(context));
  producer_.set_open();
  return {};
}

Status KafkaSink::open_transactions(const SinkContext& context) {
  transactions_ = std::make_unique<KafkaTransactions>(producer_.client(), *settings_.transactions, context.job_id,
                                                      [this] { return producer_.is_abandoned(); });
  TAILRACE_OK(transactions_->open());
  if (context.job_has_started && !transactions_->stored()) {
    return Status(ErrorCode::kSinkMismatch,
                  fmt::format("job {} has delivered before, but the topic has no checkpoint of it", context.job_id))
        .with("topic", checkpoint_topic_of(settings_.transactions->checkpoint_topic, context.job_id));
  }
  return {};
}

Status KafkaSink::write_events(const EventBatch& batch, KafkaDeliveries::Batch* pending, const std::stop_token& stop) {
  sender_->begin_batch();
  size_t since_check = 0;
  const Writing to{batch, pending, stop, marks_ && !batch.is_snapshot};
  const KafkaMarks::Send send_mark = mark_sender(to);
  if (to.marks) marks_->begin_batch();
  for (const ChangeEvent& event : batch.events) {
    if (to.marks) TAILRACE_OK(marks_->pass(batch, event.txn, send_mark));
    if (event.op == Op::kHeartbeat) continue;  // belongs to no table, so to no topic
    if (++since_check == 256) {
      since_check = 0;
      if (stop.stop_requested()) return Status(ErrorCode::kJobAborted, "while writing to Kafka");
      if (deliveries_->has_failed()) return deliveries_->failure();
    }
    if (Status status = serializer_->encode(batch, event, record_); !status.ok()) {
      record_.has_key = false;  // half made
      return placed(std::move(status), batch, event);
    }
    if (record_.skip) continue;
    if (is_statement(event) && !event.table) {
      TAILRACE_TRY(const auto topics, routes_->every_topic(event));
      for (const KafkaTopic* topic : topics) TAILRACE_OK(write_to(*topic, event, to));
      continue;
    }
    Result<const KafkaTopic*> topic = routes_->topic_of(event, stop);
    if (!topic.ok()) return placed(std::move(topic).status(), batch, event);
    TAILRACE_OK(write_to(**topic, event, to));
  }
  return to.marks ? marks_->pass(batch, batch.txns.size(), send_mark) : Status();
}

KafkaMarks::Send KafkaSink::mark_sender(const Writing& to) {
  return [this, &to](const Outgoing& mark, const KafkaTopic& topic, int32_t partition) -> Status {
    TAILRACE_OK(throttle_.pass(mark.record.value.size(), to.stop, [this] { return producer_.is_abandoned(); }));
    return sender_->send(mark, topic, partition, to.pending, to.stop);
  };
}

// The event's message, which is record_, to one topic.
Status KafkaSink::write_to(const KafkaTopic& topic, const ChangeEvent& event, const Writing& to) {
  const auto& [batch, pending, stop, marks] = to;
  Outgoing message{batch, event, record_};
  if (!topic.is_begun) TAILRACE_OK(begin_topic(topic, event, to));
  size_t size = message_size(record_, event.route ? event.route->headers : std::span<const MessageHeader>());
  if (size > settings_.topics.max_batch_bytes) {
    if (Status status = routes_->learn_limit(topic, size, stop); !status.ok()) return placed(std::move(status), batch, event);
  }
  if (size > topic.max_bytes) {
    TAILRACE_OK(oversized_->settle(batch, event, topic, sender_->id_of(batch, event), record_));
    if (record_.skip) return {};
    message.more_headers = oversized_->headers();
  }
  TAILRACE_OK(throttle_.pass(record_.key.size() + record_.value.size(), stop, [this] { return producer_.is_abandoned(); }));
  Result<int32_t> place = routes_->partition_of(event, record_, topic);
  if (!place.ok()) return placed(std::move(place).status(), batch, event);
  if (marks && !is_statement(event) && is_of_sinks_format(event)) {
    TAILRACE_OK(marks_->before_row(batch, event, topic, *place, mark_sender(to)));
  }
  if (*place != KafkaRoutes::kEveryPartition) {
    TAILRACE_OK(sender_->send(message, topic, *place, pending, stop));
    return record_.has_key && record_.tombstone ? sender_->send(message, topic, *place, pending, stop, true) : Status();
  }
  for (int32_t partition = 0; partition < topic.partitions; ++partition) {
    TAILRACE_OK(sender_->send(message, topic, partition, pending, stop));
  }
  return {};
}

Status KafkaSink::begin_topic(const KafkaTopic& topic, const ChangeEvent& event, const Writing& to) {
  Result<bool> begun =
      serializer_->begin_topic(topic.name, event, record_, [&] { return to.stop.stop_requested() || producer_.is_abandoned(); });
  if (!begun.ok()) return placed(std::move(begun).status().with("topic", topic.name), to.batch, event);
  if (*begun) routes_->set_begun(topic);
  return {};
}

// The status of what the event's message, record_, failed at.
Status KafkaSink::placed(Status status, const EventBatch& batch, const ChangeEvent& event) {
  if (status.code() == ErrorCode::kJobAborted) return status;
  const std::string table = event.table ? event.table->qualified_name() : "";
  return at_message(std::move(status),
                    {{}, table, record_.has_key ? std::string_view(record_.key) : std::string_view(), sender_->id_of(batch, event)});
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
  producer_.wake_pacer();
  return {};
}

Status KafkaSink::write_in_transaction(const LaneBatch& batch, const std::stop_token& stop) {
  // A slice of a large source transaction gets a transaction of its own: what is whole can then always be committed.
  if (transactions_->is_open() && checkpoint_ && !batch.checkpoint) TAILRACE_OK(commit(stop));
  if (!transactions_->is_open()) {
    TAILRACE_OK(transactions_->begin());
    begun_at_ = Clock::now();
    bytes_before_ = sender_->bytes();
  }
  KafkaDeliveries::Batch* pending = deliveries_->begin(batch.events->sequence);
  TAILRACE_OK(write_events(*batch.events, pending, stop));
  deliveries_->seal(pending);
  producer_.wake_pacer();
  covered_.push_back(batch.events->sequence);
  checkpoint_ = batch.checkpoint;
  if (!checkpoint_) return {};
  // Commits are spaced out so that waiting for them takes a tenth of the time at most.
  constexpr Clock::duration kLongestWait = std::chrono::seconds(1);
  Clock::duration due = std::max<Clock::duration>(settings_.commit_every, std::min<Clock::duration>(9 * commit_took_, kLongestWait));
  if (settings_.commit_every.count() == 0) due = {};
  return sender_->bytes() - bytes_before_ >= settings_.commit_bytes || Clock::now() - begun_at_ >= due ? commit(stop) : Status();
}

Status KafkaSink::commit(const std::stop_token& stop) {
  auto began = Clock::now();
  KafkaDeliveries::Batch* mark = deliveries_->begin(0);
  deliveries_->sent(mark);
  TAILRACE_TRY(size_t bytes, transactions_->put(*checkpoint_, deliveries_->origin(mark, nullptr), stop));
  deliveries_->seal(mark);
  producer_.pacer().handed(bytes);
  producer_.wake_pacer();
  // The commit would wait for the same, by a flush: ten milliseconds at a time, the client's thread polling without a pause.
  TAILRACE_OK(wait_for_reports(stop));
  TAILRACE_OK(transactions_->commit(stop));
  commit_took_ = Clock::now() - began;
  checkpoint_.reset();
  for (uint64_t sequence : covered_) acks_->acknowledged(sequence);
  covered_.clear();
  return {};
}

// Or until one failed: the commit knows why.
Status KafkaSink::wait_for_reports(const std::stop_token& stop) {
  while (!deliveries_->wait_until_empty(20, stop) && !deliveries_->has_failed()) {
    if (stop.stop_requested() || producer_.is_abandoned()) {
      return Status(ErrorCode::kJobAborted, "while waiting for Kafka to confirm messages");
    }
  }
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
    rd_kafka_flush(producer_.client(), 20);  // its answer is of no use: reports are counted here. It ends the lingering.
    if (deliveries_->wait_until_empty(20, stop)) return {};
  }
}

void KafkaSink::abandon() noexcept { producer_.abandon(); }

void KafkaSink::shut() noexcept {
  abandon();
  if (transactions_) transactions_->abort(std::chrono::milliseconds(400));
  // What holds topics of the client goes before it.
  sender_.reset();
  routes_.reset();
  transactions_.reset();
  producer_.close();
}

Result<std::unique_ptr<Sink>> create_kafka(const Options& options, const Url& url) {
  TAILRACE_TRY(KafkaSettings settings, read_kafka_settings(options, url));
  return std::unique_ptr<Sink>(std::make_unique<KafkaSink>(std::move(settings)));
}

}  // namespace

extern const SinkInfo tailrace_sink_kafka;
const SinkInfo tailrace_sink_kafka{"kafka", "Apache Kafka topics", kKafkaOptions, &create_kafka};

}  // namespace tailrace
