// bench_latency SOCKET BROKER TOPIC BARE_TOPIC RATE SECONDS WARM_UP_SECONDS: from the commit at the source to the message at a consumer.
//
// Several sessions insert rows of one transaction each into bench.latency (id, payload), RATE a second together, evenly
// spaced. What is measured of a row begins when its INSERT (autocommit) has returned in the client, and ends when a
// consumer of partition 0 of TOPIC has the message whose key is the row's id: later than the broker's acknowledgement, by
// the fetch. One process, so one clock. A message that comes before its commit has returned counts as 0.
//
// Beside it, at the same time and the same pace, a bare producer without linger sends messages as large into BARE_TOPIC
// (which it makes), measured from rd_kafka_produce to a consumer: what broker and machine take at least.
#include <librdkafka/rdkafka.h>
#include <mysql.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSessions = 8;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "bench_latency: %s\n", why.c_str());
  std::exit(1);
}

int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

struct Times {
  std::atomic<int64_t> committed{0}, received{0};
};

// Row `first`, `first` + kSessions, … each at its own moment.
void insert_rows(const char* socket, std::vector<Times>& rows, size_t first, Clock::time_point start, double rate) {
  MYSQL* session = mysql_init(nullptr);
  if (!mysql_real_connect(session, nullptr, "root", nullptr, "bench", 0, socket, 0)) die(mysql_error(session));
  const std::string payload(100, 'x');
  for (size_t id = first; id < rows.size(); id += kSessions) {
    std::this_thread::sleep_until(start + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(id) / rate * 1e9)));
    std::string sql = "INSERT INTO latency VALUES (" + std::to_string(id) + ",'" + payload + "')";
    if (mysql_real_query(session, sql.data(), sql.size()) != 0) die(mysql_error(session));
    rows[id].committed = now_ns();
  }
  mysql_close(session);
}

rd_kafka_t* make_client(rd_kafka_type_t type, std::initializer_list<std::pair<const char*, const char*>> settings) {
  char error[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) die(error);
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (!client) die(error);
  return client;
}

void make_topic(rd_kafka_t* client, const char* name) {
  char error[256];
  rd_kafka_NewTopic_t* wanted = rd_kafka_NewTopic_new(name, 1, 1, error, sizeof error);
  rd_kafka_queue_t* answers = rd_kafka_queue_new(client);
  rd_kafka_CreateTopics(client, &wanted, 1, nullptr, answers);
  rd_kafka_event_t* answer = rd_kafka_queue_poll(answers, 20'000);
  if (!answer || rd_kafka_event_error(answer)) die(std::string("topic ") + name + " cannot be made");
  rd_kafka_event_destroy(answer);
  rd_kafka_queue_destroy(answers);
  rd_kafka_NewTopic_destroy(wanted);
}

void produce_bare(const char* broker, const char* topic_name, std::vector<Times>& rows, Clock::time_point start, double rate) {
  rd_kafka_t* client = make_client(
      RD_KAFKA_PRODUCER, {{"bootstrap.servers", broker}, {"enable.idempotence", "true"}, {"compression.codec", "lz4"}, {"linger.ms", "0"}});
  make_topic(client, topic_name);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, topic_name, nullptr);
  const std::string payload(500, 'x');
  for (size_t id = 0; id < rows.size(); ++id) {
    std::this_thread::sleep_until(start + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(id) / rate * 1e9)));
    std::string key = std::to_string(id);
    rows[id].committed = now_ns();
    if (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, const_cast<char*>(payload.data()), payload.size(), key.data(), key.size(),
                         nullptr) != 0)
      die(rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(client, 0);
  }
  rd_kafka_flush(client, 20'000);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(client);
}

void consume(const char* broker, const char* topic_name, std::vector<Times>& rows, const std::atomic<bool>& over) {
  rd_kafka_t* client = make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", broker},
                                                       {"fetch.wait.max.ms", "100"},
                                                       {"fetch.error.backoff.ms", "10"},
                                                       {"topic.metadata.refresh.fast.interval.ms", "50"}});
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, topic_name, nullptr);
  rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING);
  for (size_t seen = 0; seen < rows.size() && !over;) {
    rd_kafka_message_t* message = rd_kafka_consume(topic, 0, 100);
    if (!message) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* key = static_cast<const char*>(message->key);
      size_t id = SIZE_MAX;
      std::from_chars(key, key + message->key_len, id);
      if (id < rows.size() && rows[id].received == 0) {
        rows[id].received = now_ns();
        ++seen;
      }
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consume_stop(topic, 0);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(client);
}

struct Quantiles {
  size_t missing = 0;
  std::vector<double> ms;  // sorted

  Quantiles(const std::vector<Times>& rows, size_t warm_up) {
    for (size_t id = warm_up; id < rows.size(); ++id) {
      if (rows[id].received == 0) {
        ++missing;
        continue;
      }
      ms.push_back(static_cast<double>(std::max<int64_t>(rows[id].received - rows[id].committed, 0)) / 1e6);
    }
    if (ms.empty()) die("no message arrived");
    std::sort(ms.begin(), ms.end());
  }
  double at(double part) const { return ms[std::min(ms.size() - 1, static_cast<size_t>(part * static_cast<double>(ms.size())))]; }
  void print(const char* prefix) const {
    std::printf("\"%smissing\":%zu,\"%sp50_ms\":%.3f,\"%sp90_ms\":%.3f,\"%sp99_ms\":%.3f,\"%sp999_ms\":%.3f,\"%smax_ms\":%.3f", prefix,
                missing, prefix, at(0.5), prefix, at(0.9), prefix, at(0.99), prefix, at(0.999), prefix, ms.back());
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) die("usage: bench_latency SOCKET BROKER TOPIC BARE_TOPIC RATE SECONDS WARM_UP_SECONDS");
  const double rate = std::atof(argv[5]);
  const auto warm_up = static_cast<size_t>(rate * std::atof(argv[7]));
  std::vector<Times> rows(warm_up + static_cast<size_t>(rate * std::atof(argv[6]))), bare(rows.size());
  mysql_library_init(0, nullptr, nullptr);
  std::atomic<bool> over{false};
  std::thread consumer([&] { consume(argv[2], argv[3], rows, over); });
  std::thread bare_consumer([&] { consume(argv[2], argv[4], bare, over); });
  std::vector<std::thread> senders;
  auto start = Clock::now() + std::chrono::milliseconds(500);
  for (size_t i = 0; i < kSessions; ++i) {
    senders.emplace_back([&, i] { insert_rows(argv[1], rows, i, start, rate); });
  }
  senders.emplace_back([&] { produce_bare(argv[2], argv[4], bare, start + std::chrono::microseconds(500), rate); });
  for (std::thread& sender : senders) sender.join();
  double took = std::chrono::duration<double>(Clock::now() - start).count();
  auto limit = Clock::now() + std::chrono::seconds(20);
  auto received = [](const Times& row) { return row.received != 0; };
  auto arrived = [&] { return std::all_of(rows.begin(), rows.end(), received) && std::all_of(bare.begin(), bare.end(), received); };
  while (!arrived() && Clock::now() < limit) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  over = true;
  consumer.join();
  bare_consumer.join();
  std::printf("{\"rows\":%zu,\"rate\":%.1f,", rows.size() - warm_up, static_cast<double>(rows.size()) / took);
  Quantiles(rows, warm_up).print("");
  std::printf(",");
  Quantiles(bare, warm_up).print("bare_");
  std::printf("}\n");
}
