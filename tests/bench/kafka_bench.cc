// kafka_bench BROKER [MESSAGES] [ROUNDS]: the Kafka sink beside bare librdkafka sending the same messages (keys,
// values and headers made before the clock starts) with the same settings: with the linger that the sink gives its client,
// and with 5 ms, as one would set it by hand. One JSON object a line.
//
// Events look like sysbench's table. The sink's time includes making the messages; the source and the pipeline have
// no part here (`scripts/bench kafka` measures the whole way).
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "format/envelope_format.h"
#include "sink/sink.h"

namespace tailrace {
extern const SinkInfo tailrace_sink_kafka;
}
using namespace tailrace;

namespace {

constexpr int kBatchRows = 1000;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "kafka_bench: %s\n", why.c_str());
  std::exit(1);
}

SchemaRef sysbench_table() {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "sbtest";
  schema->table = "sbtest1";
  for (const char* name : {"id", "k", "c", "pad"}) {
    Column column;
    column.name = name;
    bool is_int = schema->columns.size() < 2;
    column.kind = is_int ? Kind::kInt : Kind::kText;
    column.type_name = is_int ? "int" : "char";
    schema->columns.push_back(column);
  }
  schema->primary_key = {0};
  return schema;
}

EventBatch make_batch(const SchemaRef& schema, uint64_t sequence) {
  EventBatch batch;
  batch.sequence = sequence;
  Transaction txn;
  txn.id = "0-1-" + std::to_string(100'000 + sequence);
  txn.commit_time_us = 1'700'000'000'000'000;
  txn.file = "mysql-bin.000007";
  txn.end_offset = 123'456'789;
  batch.txns.push_back(txn);
  const TableSchema* table = batch.keep(schema);
  uint64_t state = sequence * 2'654'435'761u + 1;
  auto digits = [&](size_t groups) {
    std::string text;
    for (size_t i = 0; i < groups; ++i) {
      state = state * 6'364'136'223'846'793'005u + 1;
      char group[16];
      std::snprintf(group, sizeof group, "%011u", static_cast<unsigned>(state >> 32));
      if (i) text += '-';
      text += group;
    }
    return text;
  };
  auto row = [&](int id) {
    Row made = batch.new_row(4);
    made[0] = Value::of_int(static_cast<int64_t>(sequence) * kBatchRows + id);
    made[1] = Value::of_int(id * 7);
    std::string c = digits(10), pad = digits(5);
    made[2] = Value::of_text(Kind::kText, batch.arena.copy(c), static_cast<uint32_t>(c.size()));
    made[3] = Value::of_text(Kind::kText, batch.arena.copy(pad), static_cast<uint32_t>(pad.size()));
    return made;
  };
  for (int i = 0; i < kBatchRows; ++i) {
    ChangeEvent event;
    event.op = i % 4 == 0 ? Op::kInsert : i % 4 == 1 ? Op::kDelete : Op::kUpdate;
    event.table = table;
    event.ordinal = static_cast<uint64_t>(i);
    if (event.op != Op::kInsert) event.before = row(i);
    if (event.op != Op::kDelete) event.after = row(i);
    batch.events.push_back(event);
  }
  return batch;
}

struct Cost {
  double wall, cpu;
};
template <class Action>
Cost measure(Action action) {
  auto cpu = [] {
    rusage use{};
    getrusage(RUSAGE_SELF, &use);
    auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(use.ru_utime) + seconds(use.ru_stime);
  };
  double cpu_before = cpu();
  auto start = std::chrono::steady_clock::now();
  action();
  double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {wall, cpu() - cpu_before};
}

struct Prepared {
  std::string key, value, id;
};

Cost run_bare(const std::string& broker, const std::string& topic, const std::vector<Prepared>& messages, size_t count,
              const char* linger_ms) {
  char text[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const char* settings[][2] = {{"bootstrap.servers", broker.c_str()},
                               {"acks", "all"},
                               {"enable.idempotence", "true"},
                               {"message.timeout.ms", "0"},
                               {"partitioner", "murmur2_random"},
                               {"compression.codec", "lz4"},
                               {"linger.ms", linger_ms},
                               {"message.max.bytes", "1000000"},
                               {"batch.size", "524288"},
                               {"queue.buffering.max.kbytes", "32768"},
                               {"queue.buffering.max.messages", "104857"}};
  for (auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) die(text);
  }
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (message->err) die(rd_kafka_err2str(message->err));
  });
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  if (!client) die(text);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  std::atomic<bool> done{false};
  Cost cost = measure([&] {
    std::thread poller([&] {
      while (!done) rd_kafka_poll(client, 50);
    });
    for (size_t i = 0; i < count; ++i) {
      const Prepared& message = messages[i % messages.size()];
      rd_kafka_vu_t parts[6];
      parts[0].vtype = RD_KAFKA_VTYPE_RKT;
      parts[0].u.rkt = handle;
      parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
      parts[1].u.i32 = RD_KAFKA_PARTITION_UA;
      parts[2].vtype = RD_KAFKA_VTYPE_VALUE;
      parts[2].u.mem.ptr = const_cast<char*>(message.value.data());
      parts[2].u.mem.size = message.value.size();
      parts[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
      parts[3].u.i = RD_KAFKA_MSG_F_COPY;
      parts[4].vtype = RD_KAFKA_VTYPE_KEY;
      parts[4].u.mem.ptr = const_cast<char*>(message.key.data());
      parts[4].u.mem.size = message.key.size();
      parts[5].vtype = RD_KAFKA_VTYPE_HEADER;
      parts[5].u.header.name = "tailrace.id";
      parts[5].u.header.val = message.id.data();
      parts[5].u.header.size = static_cast<ssize_t>(message.id.size());
      while (rd_kafka_error_t* error = rd_kafka_produceva(client, parts, 6)) {
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    while (rd_kafka_flush(client, 1000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    }
    done = true;
    poller.join();
  });
  rd_kafka_topic_destroy(handle);
  rd_kafka_destroy(client);
  return cost;
}

class Acks final : public AckReceiver {
 public:
  void acknowledged(uint64_t) override {}
  void failed(Status status) override { die(status.to_string()); }
};

Cost run_sink(const std::string& broker, const std::string& topic, const std::vector<EventBatch>& batches, size_t count) {
  EnvelopeFormat format{{}};
  Acks acks;
  auto options = Options::parse("sink", tailrace_sink_kafka.options, {{"topic", topic}});
  auto url = parse_url("kafka://" + broker);
  if (!options.ok() || !url.ok()) die("settings");
  auto sink = tailrace_sink_kafka.create(*options, *url);
  if (!sink.ok()) die(sink.status().to_string());
  SinkContext context;
  context.serializer = &format;
  auto check = [](const Status& status) {
    if (!status.ok()) die(status.to_string());
  };
  check((*sink)->open(context, acks));
  check((*sink)->write({&batches[0], std::nullopt}, {}));  // the topic exists before the clock starts
  check((*sink)->flush({}));
  return measure([&] {
    for (size_t i = 0; i * kBatchRows < count; ++i) check((*sink)->write({&batches[i % batches.size()], std::nullopt}, {}));
    check((*sink)->flush({}));
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) die("usage: kafka_bench BROKER [MESSAGES] [ROUNDS]");
  std::string broker = argv[1];
  size_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) / kBatchRows * kBatchRows : 500'000;
  int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
  std::vector<EventBatch> batches;
  SchemaRef schema = sysbench_table();
  for (uint64_t i = 0; i < 50; ++i) batches.push_back(make_batch(schema, i));
  EnvelopeFormat format{{}};
  std::vector<Prepared> messages;
  Record record;
  size_t bytes = 0;
  for (const EventBatch& batch : batches) {
    for (const ChangeEvent& event : batch.events) {
      if (Status status = format.encode(batch, event, record); !status.ok()) die(status.to_string());
      messages.push_back({record.key, record.value, batch.txns[0].id + ":" + std::to_string(event.ordinal)});
      bytes += record.value.size();
    }
  }
  std::string topic = "bench-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  run_sink(broker, topic, batches, kBatchRows);
  std::vector<Cost> bare, usual, own;
  for (int i = 0; i < rounds; ++i) {  // in turns, so that both meet the same weather
    bare.push_back(run_bare(broker, topic, messages, count, "60000"));
    usual.push_back(run_bare(broker, topic, messages, count, "5"));
    own.push_back(run_sink(broker, topic, batches, count));
  }
  auto median = [](std::vector<Cost> costs, double Cost::*what) {
    std::sort(costs.begin(), costs.end(), [&](const Cost& a, const Cost& b) { return a.*what < b.*what; });
    return costs[costs.size() / 2].*what;
  };
  auto n = static_cast<double>(count);
  auto line = [&](const char* per, const char* what, double value, double against) {
    std::printf(
        "{\"bench\":\"kafka\",\"case\":\"sink alone, %zu byte messages\",\"value\":%.0f,\"unit\":\"rows/s\",\"per\":\"%s\","
        "\"against\":\"%s\",\"against_value\":%.0f,\"ratio\":%.3f}\n",
        bytes / messages.size(), value, per, what, against, value / against);
  };
  for (auto& [what, costs] : {std::pair("librdkafka", bare), std::pair("librdkafka, linger 5 ms", usual)}) {
    line("run", what, n / median(own, &Cost::wall), n / median(costs, &Cost::wall));
    line("core", what, n / median(own, &Cost::cpu), n / median(costs, &Cost::cpu));
  }
}
