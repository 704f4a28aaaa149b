#include "sink/kafka_sink_producer.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "sink/kafka_sink_sender.h"

namespace tailrace {

using Clock = std::chrono::steady_clock;

void KafkaProducer::Deleter::operator()(rd_kafka_s* client) const noexcept {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void KafkaProducer::Deleter::operator()(rd_kafka_queue_s* queue) const noexcept { rd_kafka_queue_destroy(queue); }

Status KafkaProducer::open(const std::string& job_id, KafkaDeliveries& deliveries) {
  deliveries_ = &deliveries;
  TAILRACE_OK(make_client(job_id));
  poller_ = std::jthread([this](std::stop_token stop) { poll_loop(stop); });
  return connect();
}

void KafkaProducer::close() noexcept {
  if (poller_.joinable()) {
    poller_.request_stop();
    poller_.join();
  }
  reports_.reset();
  client_.reset();
}

void KafkaProducer::abandon() noexcept {
  is_abandoned_ = true;
  if (!is_open_) return;  // open notices the flag
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void KafkaProducer::wait_for_room(const std::stop_token& stop) {
  std::unique_lock lock(room_mutex_);
  waits_for_room_.store(true, std::memory_order_release);
  room_.wait_for(lock, stop, std::chrono::milliseconds(20), [&] { return false; });
  waits_for_room_.store(false, std::memory_order_release);
}

Status KafkaProducer::make_client(const std::string& job_id) {
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
  reports_.reset(rd_kafka_queue_get_main(client_.get()));
  return {};
}

Status KafkaProducer::connect() {
  auto deadline = Clock::now() + settings_.connect_timeout;
  // Short at first, to notice abandon soon; longer later, so that a slow line gets its answer through.
  for (int slice_ms = 200;; slice_ms = std::min(slice_ms + 50, 1000)) {
    if (is_abandoned_) return Status(ErrorCode::kJobAborted, "while connecting to Kafka");
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
    if (tls_failed_) {
      return Status(ErrorCode::kSinkOpen,
                    fmt::format("no TLS with {}: {} (sink.tls_ca names the authority's certificate)", settings_.brokers, last_error_));
    }
    if (Clock::now() >= deadline) {
      return Status(ErrorCode::kSinkConnect,
                    fmt::format("no broker of {} answered within {} ms: {}", settings_.brokers, settings_.connect_timeout.count(),
                                last_error_.empty() ? rd_kafka_err2str(error) : last_error_.c_str()));
    }
  }
}

void KafkaProducer::poll_loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    KafkaPacer::Step step = pacer_.next(Clock::now());
    auto longest = static_cast<int>(step.longest.count());
    // Either serves reports. The flush says whether some are missing; they are counted here.
    bool may_have_room = step.flush || rd_kafka_poll(client_.get(), longest) > 0;
    if (step.flush) rd_kafka_flush(client_.get(), longest);
    if (may_have_room && waits_for_room_.load(std::memory_order_acquire)) {
      {
        std::lock_guard lock(room_mutex_);
      }
      room_.notify_all();
    }
  }
}

void KafkaProducer::wake_pacer() noexcept {
  if (pacer_.take_wake()) rd_kafka_queue_yield(reports_.get());
}

ErrorCode undelivered_code(int error) noexcept {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return ErrorCode::kSinkTooLarge;
    // The topic was deleted while we write: the next run looks for it, or makes it, with a new producer.
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return ErrorCode::kSinkConnect;
    default: return ErrorCode::kSinkWrite;
  }
}

void KafkaProducer::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<KafkaProducer*>(opaque);
  auto* origin = static_cast<KafkaDeliveries::Origin*>(message->_private);
  self->pacer_.reported(message->len + message->key_len);
  // Whether the checkpoint of a transaction arrived is told by the commit.
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || origin->batch->is_checkpoint()) return self->deliveries_->delivered(origin->batch);
  if (self->is_abandoned_) return;
  bool too_large = message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
  std::string advice;
  if (too_large) {
    advice =
        fmt::format("; sink.max_batch_bytes ({}) must not be above the topic's max.message.bytes", self->settings_.topics.max_batch_bytes);
  } else if (message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    advice = "; the user needs WRITE on the topic";
  }
  MessagePlace place;
  if (message->rkt) place.topic = rd_kafka_topic_name(message->rkt);
  place.table = origin->table;
  place.key = {static_cast<const char*>(message->key), message->key_len};
  rd_kafka_headers_t* headers = nullptr;
  const void* id = nullptr;
  size_t size = 0;
  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
      rd_kafka_header_get_last(headers, "tailrace.id", &id, &size) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    place.position = {static_cast<const char*>(id), size};
  }
  // Not rd_kafka_message_errstr: for a produced message it gives the payload, which is no C string.
  std::string why = fmt::format("message of {} bytes not delivered: {}{}", message->len, rd_kafka_err2str(message->err), advice);
  self->deliveries_->fail(at_message(Status(undelivered_code(message->err), std::move(why)), place));
}

void KafkaProducer::on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
  auto* self = static_cast<KafkaProducer*>(opaque);
  {
    std::lock_guard lock(self->error_mutex_);
    self->last_error_ = reason;
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) self->login_refused_ = true;
    if (code == RD_KAFKA_RESP_ERR__SSL) self->tls_failed_ = true;
  }
  if (code != RD_KAFKA_RESP_ERR__FATAL) {
    log(LogLevel::kWarn,
        fmt::format("kafka: {} ({}); waiting for the broker", reason, rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code))));
    return;
  }
  char text[512] = "";
  rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client, text, sizeof text);
  if (fatal == RD_KAFKA_RESP_ERR__FENCED || fatal == RD_KAFKA_RESP_ERR_PRODUCER_FENCED) {
    return self->deliveries_->fail(Status(ErrorCode::kSinkFenced, text));
  }
  if (fatal == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
    return self->deliveries_->fail(Status(
        ErrorCode::kSinkWrite, fmt::format("the broker does not let this user write: {}; it needs WRITE on its topics, before Kafka 2.8 "
                                           "IDEMPOTENT_WRITE on the cluster as well",
                                           text)));
  }
  self->deliveries_->fail(Status(ErrorCode::kSinkWrite, fmt::format("the producer cannot go on without risking order or loss: {} ({})",
                                                                    text, rd_kafka_err2name(fatal))));
}

void KafkaProducer::on_log(const rd_kafka_t*, int level, const char*, const char* text) {
  LogLevel to = level <= 3 ? LogLevel::kError : level == 4 ? LogLevel::kWarn : level <= 6 ? LogLevel::kInfo : LogLevel::kDebug;
  log(to, fmt::format("kafka: {}", text));
}

}  // namespace tailrace
