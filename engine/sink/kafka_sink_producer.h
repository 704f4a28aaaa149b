// KafkaProducer: the client library's producer of one sink. Its thread serves delivery reports, so that batches are
// acknowledged while nobody writes. abandon() may be called by any thread, at any time; all else by the sink's thread.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "base/status.h"
#include "sink/kafka_sink_deliveries.h"
#include "sink/kafka_sink_pacer.h"
#include "sink/kafka_sink_settings.h"

struct rd_kafka_s;
struct rd_kafka_message_s;
struct rd_kafka_queue_s;

namespace tailrace {

// What it means that a message was not taken or not delivered, by librdkafka's error.
[[nodiscard]] ErrorCode undelivered_code(int error) noexcept;

class KafkaProducer {
 public:
  // The settings outlive it.
  explicit KafkaProducer(const KafkaSettings& settings) : settings_(settings), pacer_(settings.linger, settings.little_bytes) {}
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;
  ~KafkaProducer() { close(); }

  // Waits for the first broker. `deliveries` outlives this, since messages point into it.
  Status open(const std::string& job_id, KafkaDeliveries& deliveries);
  // From now on abandon() drops what waits in the client.
  void set_open() noexcept { is_open_ = true; }
  void close() noexcept;

  rd_kafka_s* client() const noexcept { return client_.get(); }
  KafkaPacer& pacer() noexcept { return pacer_; }
  // After a few messages were handed over: they are not to wait for the polling thread's next look.
  void wake_pacer() noexcept;
  void abandon() noexcept;
  bool is_abandoned() const noexcept { return is_abandoned_; }
  // Until the queue may have room again, 20 ms at most.
  void wait_for_room(const std::stop_token& stop);

 private:
  struct Deleter {
    void operator()(rd_kafka_s* client) const noexcept;
    void operator()(rd_kafka_queue_s* queue) const noexcept;
  };
  static void on_delivery(rd_kafka_s*, const rd_kafka_message_s* message, void* self);
  static void on_error(rd_kafka_s* client, int code, const char* reason, void* self);
  static void on_log(const rd_kafka_s*, int level, const char*, const char* text);

  Status make_client(const std::string& job_id);
  Status connect();
  void poll_loop(const std::stop_token& stop);

  const KafkaSettings& settings_;
  KafkaDeliveries* deliveries_ = nullptr;
  KafkaPacer pacer_;
  std::unique_ptr<rd_kafka_s, Deleter> client_;
  std::unique_ptr<rd_kafka_queue_s, Deleter> reports_;  // where the polling thread waits; goes before the client
  std::jthread poller_;
  std::mutex room_mutex_;
  std::condition_variable_any room_;
  std::atomic<bool> waits_for_room_{false};
  std::atomic<bool> is_abandoned_{false};
  std::atomic<bool> is_open_{false};
  std::mutex error_mutex_;
  std::string last_error_;      // of the client, for messages; under error_mutex_
  bool login_refused_ = false;  // under error_mutex_
  bool tls_failed_ = false;     // under error_mutex_
};

}  // namespace tailrace
