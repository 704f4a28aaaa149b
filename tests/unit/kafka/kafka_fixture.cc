#include "unit/kafka/kafka_fixture.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

namespace tailrace::test {

Table::Table(std::string name, bool has_key) {
  auto made = std::make_shared<TableSchema>();
  made->schema_id = next_schema_id();
  made->database = "shop";
  made->table = std::move(name);
  made->columns.resize(2);
  made->columns[0].name = "id";
  made->columns[0].type_name = "bigint";
  made->columns[0].kind = Kind::kInt;
  made->columns[1].name = "t";
  made->columns[1].type_name = "text";
  if (has_key) made->primary_key = {0};
  schema = made;
}

EventBatch Table::batch(uint64_t sequence, int64_t first_id, int rows, size_t text_size, int64_t ids) const {
  EventBatch batch;
  batch.sequence = sequence;
  Transaction txn;
  txn.id = "txn-" + std::to_string(sequence);
  txn.commit_time_us = 1'700'000'000'000'000;
  batch.txns.push_back(txn);
  const TableSchema* table = batch.keep(schema);
  for (int i = 0; i < rows; ++i) {
    std::string text = std::to_string(first_id + i);
    text.resize(std::max(text_size, text.size()), 'x');
    ChangeEvent event;
    event.op = Op::kInsert;
    event.ordinal = static_cast<uint64_t>(i);
    event.table = table;
    event.after = batch.new_row(2);
    event.after[0] = Value::of_int((first_id + i) % ids);
    event.after[1] = Value::of_text(Kind::kText, batch.arena.copy(text), static_cast<uint32_t>(text.size()));
    batch.events.push_back(event);
  }
  return batch;
}

EventBatch Table::ddl(uint64_t sequence, std::string_view sql) const {
  EventBatch batch = this->batch(sequence, 0, 0);
  ChangeEvent event;
  event.op = Op::kSchemaChange;
  event.table = batch.keep(schema);
  event.sql = {batch.arena.copy(sql), sql.size()};
  batch.events.push_back(event);
  return batch;
}

MockCluster::MockCluster(int brokers) {
  char text[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "log_level", "3", text, sizeof text);  // not that it has no brokers
  owner_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  if (!owner_) throw std::runtime_error(text);
  cluster_ = rd_kafka_mock_cluster_new(owner_, brokers);
}

MockCluster::~MockCluster() {
  rd_kafka_mock_cluster_destroy(cluster_);
  rd_kafka_destroy(owner_);
}

std::string broker() {
  const char* address = std::getenv("TAILRACE_KAFKA");
  if (address && *address) return address;
  const char* why = std::getenv("TAILRACE_SKIP_KAFKA");
  std::cout << "skipped: no Kafka broker (" << (why && *why ? why : "TAILRACE_KAFKA is not set") << ")\n";
  return "";
}

std::string fresh(const std::string& name) {
  static int counter = 0;
  auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return name + "-" + std::to_string(getpid()) + "-" + std::to_string(now) + "-" + std::to_string(counter++);
}

std::vector<Message> consume(const std::string& brokers, const std::string& topic, int partitions, size_t count) {
  char text[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), text, sizeof text);
  rd_kafka_conf_set(conf, "group.id", "test", text, sizeof text);
  rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof text);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
  if (!client) throw std::runtime_error(text);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions);
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(client, list);
  rd_kafka_topic_partition_list_destroy(list);
  std::vector<Message> out;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (out.size() < count && std::chrono::steady_clock::now() < deadline) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client, 200);
    if (!message) continue;
    if (!message->err) {
      Message got{message->partition, {}, {}, {}, message->key != nullptr};
      if (message->key) got.key.assign(static_cast<const char*>(message->key), message->key_len);
      if (message->payload) got.value.assign(static_cast<const char*>(message->payload), message->len);
      rd_kafka_headers_t* headers = nullptr;
      const void* id = nullptr;
      size_t size = 0;
      if (!rd_kafka_message_headers(message, &headers) && !rd_kafka_header_get_last(headers, "tailrace.id", &id, &size)) {
        got.id.assign(static_cast<const char*>(id), size);
      }
      out.push_back(std::move(got));
    }
    rd_kafka_message_destroy(message);
  }
  if (rd_kafka_message_t* more = rd_kafka_consumer_poll(client, 300)) {  // one too many is a fault too
    if (!more->err) out.push_back({});
    rd_kafka_message_destroy(more);
  }
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
  return out;
}

SinkUnderTest::SinkUnderTest(const std::string& brokers, std::map<std::string, std::string> options, const std::string& user) {
  auto parsed = Options::parse("sink", tailrace_sink_kafka.options, options);
  made = parsed.status();
  if (!made.ok()) return;
  auto url = parse_url("kafka://" + user + brokers);
  made = url.status();
  if (!made.ok()) return;
  auto created = tailrace_sink_kafka.create(*parsed, *url);
  made = created.status();
  if (made.ok()) sink = std::move(created).value();
}

Status SinkUnderTest::open() {
  if (!made.ok()) return made;
  SinkContext context;
  context.serializer = &format;
  return sink->open(context, acks);
}

std::map<std::string, std::string> places(const Status& status) { return {status.context().begin(), status.context().end()}; }

int64_t elapsed_ms(const std::function<void()>& action) {
  auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace tailrace::test
