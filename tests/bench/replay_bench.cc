// bench_replay BROKER TOPIC FILE LINGER_MS: bare librdkafka sending the messages of FILE with the settings of the Kafka sink, and
// the seconds that took, from the first message to the last delivery report. FILE is what `kcat -f '%K %S\n%k%s\n'`
// printed: the very messages the engine sent.
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "bench_replay: %s\n", why.c_str());
  std::exit(1);
}

struct Message {
  const char* key;
  size_t key_size;
  const char* value;
  size_t value_size;
};

std::vector<Message> split(const std::string& text) {
  std::vector<Message> messages;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    char* rest = nullptr;
    size_t key_size = std::strtoull(at, &rest, 10);
    size_t value_size = std::strtoull(rest, &rest, 10);
    const char* key = rest + 1;
    messages.push_back({key, key_size, key + key_size, value_size});
    at = key + key_size + value_size + 1;
  }
  return messages;
}

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) die("usage: bench_replay BROKER TOPIC FILE LINGER_MS");
  std::ifstream in(argv[3], std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::vector<Message> messages = split(text);
  char error[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const char* settings[][2] = {{"bootstrap.servers", argv[1]},
                               {"acks", "all"},
                               {"enable.idempotence", "true"},
                               {"message.timeout.ms", "0"},
                               {"partitioner", "murmur2_random"},
                               {"compression.codec", "lz4"},
                               {"linger.ms", argv[4]},
                               {"message.max.bytes", "1000000"},
                               {"batch.size", "524288"},
                               {"queue.buffering.max.kbytes", "32768"},
                               {"queue.buffering.max.messages", "104857"}};
  for (auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) die(error);
  }
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (message->err) die(rd_kafka_err2str(message->err));
  });
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (!client) die(error);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, argv[2], nullptr);
  std::atomic<bool> done{false};
  double cpu = cpu_seconds();
  auto start = std::chrono::steady_clock::now();
  std::thread poller([&] {
    while (!done) rd_kafka_poll(client, 50);
  });
  const std::string id = "0-520148-1234567:12";  // as long as the sink's header
  for (const Message& message : messages) {
    rd_kafka_vu_t parts[6];
    parts[0].vtype = RD_KAFKA_VTYPE_RKT;
    parts[0].u.rkt = topic;
    parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    parts[1].u.i32 = RD_KAFKA_PARTITION_UA;
    parts[2].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[2].u.mem.ptr = const_cast<char*>(message.value);
    parts[2].u.mem.size = message.value_size;
    parts[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[3].u.i = RD_KAFKA_MSG_F_COPY;
    parts[4].vtype = RD_KAFKA_VTYPE_KEY;
    parts[4].u.mem.ptr = const_cast<char*>(message.key);
    parts[4].u.mem.size = message.key_size;
    parts[5].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[5].u.header.name = "tailrace.id";
    parts[5].u.header.val = id.data();
    parts[5].u.header.size = static_cast<ssize_t>(id.size());
    while (rd_kafka_error_t* failed = rd_kafka_produceva(client, parts, 6)) {
      if (rd_kafka_error_code(failed) != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_error_string(failed));
      rd_kafka_error_destroy(failed);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  while (rd_kafka_flush(client, 1000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
  }
  double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  done = true;
  poller.join();
  std::printf("{\"rows\":%zu,\"seconds\":%.4f,\"cpu\":%.4f}\n", messages.size(), wall, cpu_seconds() - cpu);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(client);
}
