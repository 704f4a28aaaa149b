// What the tests of the Kafka sink share: a log of acknowledgements, batches of rows, a mock cluster, a consumer.
#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "format/envelope_format.h"
#include "sink/sink.h"

namespace tailrace {
extern const SinkInfo tailrace_sink_kafka;
}

namespace tailrace::test {

class AckLog final : public AckReceiver {
 public:
  void acknowledged(uint64_t sequence) override {
    std::lock_guard lock(mutex_);
    sequences_.push_back(sequence);
    changed_.notify_all();
  }
  void failed(Status status) override {
    std::lock_guard lock(mutex_);
    failures_.push_back(std::move(status));
    changed_.notify_all();
  }
  std::vector<uint64_t> sequences() const {
    std::lock_guard lock(mutex_);
    return sequences_;
  }
  std::vector<Status> failures() const {
    std::lock_guard lock(mutex_);
    return failures_;
  }
  bool wait_for(std::function<bool(const std::vector<uint64_t>&, const std::vector<Status>&)> met, int seconds = 20) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(seconds), [&] { return met(sequences_, failures_); });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<uint64_t> sequences_;
  std::vector<Status> failures_;
};

// A table (id BIGINT key, text) and batches of inserts into it, each batch one transaction "txn-<sequence>".
class Table {
 public:
  explicit Table(std::string name, bool has_key = true);
  EventBatch batch(uint64_t sequence, int64_t first_id, int rows, size_t text_size = 10, int64_t ids = INT64_MAX) const;
  EventBatch ddl(uint64_t sequence, std::string_view sql) const;
  SchemaRef schema;
};

class MockCluster {
 public:
  explicit MockCluster(int brokers = 1);
  ~MockCluster();
  std::string bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void topic(const std::string& name, int partitions) { rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1); }
  void down() { rd_kafka_mock_broker_set_down(cluster_, 1); }
  void up() { rd_kafka_mock_broker_set_up(cluster_, 1); }
  void rtt(int milliseconds) { rd_kafka_mock_broker_set_rtt(cluster_, 1, milliseconds); }
  void produce_errors(std::vector<rd_kafka_resp_err_t> errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, 0, errors.size(), errors.data());  // 0 = Produce
  }

 private:
  rd_kafka_t* owner_;
  rd_kafka_mock_cluster_t* cluster_;
};

struct Message {
  int32_t partition;
  std::string key, value, id;
  bool has_key;
};
// All messages of the topic, per partition in order; waits until `count` came or 20 s passed.
std::vector<Message> consume(const std::string& brokers, const std::string& topic, int partitions, size_t count);

// The real broker named by TAILRACE_KAFKA=host:port; "" after saying why there is none.
std::string broker();
// A name that no other run has.
std::string fresh(const std::string& name);

// The sink with its options, opened by `open`.
struct SinkUnderTest {
  EnvelopeFormat format{{}};
  AckLog acks;
  std::unique_ptr<Sink> sink;
  Status made;

  SinkUnderTest(const std::string& brokers, std::map<std::string, std::string> options = {}, const std::string& user = "");
  Status open();
  Status write(const EventBatch& batch, std::stop_token stop = {}) { return sink->write({&batch, std::nullopt}, stop); }
};

std::map<std::string, std::string> places(const Status& status);
int64_t elapsed_ms(const std::function<void()>& action);

}  // namespace tailrace::test
