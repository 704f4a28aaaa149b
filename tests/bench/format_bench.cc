// Cost of the message formats: the events of a sysbench table (oltp_write_only: two updates, a delete and an insert), each
// format over the same 1 M of them, beside programs that build a nlohmann document, or write with rapidjson's Writer, for
// the message of the default format. Prints one JSON line per case: nanoseconds of CPU a row, MB/s of messages.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>
#if __has_include(<rapidjson/writer.h>)
#define TAILRACE_HAS_RAPIDJSON 1
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#endif

#include "format/builtin.h"

namespace {

using namespace tailrace;

constexpr size_t kBatchRows = 2048;

SchemaRef sysbench_table() {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "sbtest";
  schema->table = "sbtest1";
  for (auto [name, type, kind] :
       {std::tuple{"id", "int", Kind::kInt}, {"k", "int", Kind::kInt}, {"c", "char", Kind::kText}, {"pad", "char", Kind::kText}}) {
    Column column;
    column.name = name;
    column.type_name = column.type_text = type;
    column.kind = kind;
    column.nullable = false;
    schema->columns.push_back(column);
  }
  schema->primary_key = {0};
  return schema;
}

class Generator {
 public:
  EventBatch batch() {
    EventBatch batch;
    batch.txns.resize(1);
    batch.txns[0].id = "0-1-4711";
    batch.txns[0].commit_time_us = 1'700'000'000'000'000;
    batch.txns[0].file = "mysql-bin.000042";
    batch.txns[0].end_offset = 123'456'789;
    batch.txns[0].server_id = 1;
    SchemaRef schema = sysbench_table();
    for (size_t i = 0; i < kBatchRows; ++i) {
      ChangeEvent event;
      event.table = batch.keep(schema);
      event.ordinal = i;
      event.op = i % 4 < 2 ? Op::kUpdate : i % 4 == 2 ? Op::kDelete : Op::kInsert;
      Row before = row(batch);
      if (event.op != Op::kInsert) event.before = before;
      if (event.op == Op::kUpdate) {
        event.after = batch.new_row(before.size());
        std::copy(before.begin(), before.end(), event.after.begin());
        if (i % 4 == 0) {
          ++event.after[1].i;
        } else {
          event.after[2] = digits(batch, 119);
        }
      }
      if (event.op == Op::kInsert) event.after = before;
      batch.events.push_back(event);
    }
    return batch;
  }

 private:
  uint64_t random() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  Value digits(EventBatch& batch, size_t size) {
    char* text = batch.arena.allocate_array<char>(size);
    for (size_t i = 0; i < size; ++i) text[i] = i % 12 == 11 ? '-' : static_cast<char>('0' + random() % 10);
    return Value::of_text(Kind::kText, text, static_cast<uint32_t>(size));
  }
  Row row(EventBatch& batch) {
    Row out = batch.new_row(4);
    out[0] = Value::of_int(static_cast<int64_t>(random() % 1'000'000));
    out[1] = Value::of_int(static_cast<int64_t>(random() % 1'000'000));
    out[2] = digits(batch, 119);
    out[3] = digits(batch, 59);
    return out;
  }
  uint64_t state_ = 88172645463325252ull;
};

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::string_view record_type(Op op) { return op == Op::kUpdate ? "UPDATE" : op == Op::kDelete ? "DELETE" : "INSERT"; }

// What a program without this engine would write: the members of the default format.
void with_nlohmann(const EventBatch& batch, const ChangeEvent& event, uint64_t sequence, Record& out) {
  auto image = [&](Row row) {
    nlohmann::json object;
    if (row.empty()) return object;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string& name = event.table->columns[i].name;
      if (row[i].kind == Kind::kInt) {
        object[name] = row[i].i;
      } else {
        object[name] = std::string(row[i].text());
      }
    }
    return object;
  };
  const Transaction& txn = batch.txns[event.txn];
  Row key_row = event.before.empty() ? event.after : event.before;
  std::string key = std::to_string(key_row[0].i);
  nlohmann::json message = {{"prevStruct", image(event.before)},
                            {"postStruct", image(event.after)},
                            {"allMetaData",
                             {{"checkpoint", std::to_string(txn.commit_time_us / 1'000'000)},
                              {"dbType", "MYSQL"},
                              {"db", event.table->database},
                              {"table_name", event.table->table},
                              {"record_primary_key", "id"},
                              {"record_primary_value", key},
                              {"source_identity", nullptr},
                              {"storeDataSequence", sequence},
                              {"timestamp", std::to_string(txn.commit_time_us / 1'000'000)},
                              {"uniqueId", txn.id},
                              {"transId", txn.id},
                              {"clusterId", std::to_string(txn.server_id)}}},
                            {"recordType", record_type(event.op)}};
  out.value = message.dump();
  out.key = key;
}

#ifdef TAILRACE_HAS_RAPIDJSON
void with_rapidjson(const EventBatch& batch, const ChangeEvent& event, uint64_t sequence, rapidjson::StringBuffer& buffer, Record& out) {
  buffer.Clear();
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  auto text = [&](std::string_view value) { json.String(value.data(), static_cast<rapidjson::SizeType>(value.size())); };
  auto image = [&](const char* name, Row row) {
    json.Key(name);
    if (row.empty()) return void(json.Null());
    json.StartObject();
    for (size_t i = 0; i < row.size(); ++i) {
      json.Key(event.table->columns[i].name.data(), static_cast<rapidjson::SizeType>(event.table->columns[i].name.size()));
      if (row[i].kind == Kind::kInt) {
        json.Int64(row[i].i);
      } else {
        text(row[i].text());
      }
    }
    json.EndObject();
  };
  const Transaction& txn = batch.txns[event.txn];
  Row key_row = event.before.empty() ? event.after : event.before;
  out.key = std::to_string(key_row[0].i);
  std::string seconds = std::to_string(txn.commit_time_us / 1'000'000);
  json.StartObject();
  image("prevStruct", event.before);
  image("postStruct", event.after);
  json.Key("allMetaData");
  json.StartObject();
  for (auto [name, value] : {std::pair<const char*, std::string_view>("checkpoint", seconds),
                             {"dbType", "MYSQL"},
                             {"db", event.table->database},
                             {"table_name", event.table->table},
                             {"record_primary_key", "id"},
                             {"record_primary_value", out.key},
                             {"timestamp", seconds},
                             {"uniqueId", txn.id},
                             {"transId", txn.id}}) {
    json.Key(name);
    text(value);
  }
  json.Key("clusterId");
  text(std::to_string(txn.server_id));
  json.Key("source_identity");
  json.Null();
  json.Key("storeDataSequence");
  json.Uint64(sequence);
  json.EndObject();
  json.Key("recordType");
  text(record_type(event.op));
  json.EndObject();
  out.value.assign(buffer.GetString(), buffer.GetSize());
}
#endif

struct Runner {
  std::string name;
  std::function<bool(const EventBatch&, const ChangeEvent&, Record&)> encode;
  double ns = 0, bytes = 0, rows = 0;
  Record record = {};

  bool pass(const EventBatch& batch) {
    double begin = cpu_ns();
    size_t written = 0;
    for (const ChangeEvent& event : batch.events) {
      if (!encode(batch, event, record)) return false;
      written += record.value.size();
    }
    ns += cpu_ns() - begin;
    bytes += static_cast<double>(written);
    rows += static_cast<double>(batch.events.size());
    return true;
  }
};

}  // namespace

int main(int argc, char** argv) {
  size_t events = argc > 1 ? static_cast<size_t>(std::atoll(argv[1])) : 1'000'000;
  size_t passes = std::max<size_t>(20, events / kBatchRows);
  Generator generator;
  EventBatch batch = generator.batch();
  std::vector<Runner> runners;
  std::vector<std::unique_ptr<MessageFormat>> formats;
  auto add = [&](std::string name, std::string_view format, std::map<std::string, std::string> given) {
    const FormatInfo* info = find_format(format);
    auto options = Options::parse("format", info->options, given);
    if (!options.ok()) return false;
    auto made = info->create(*options);
    if (!made.ok()) return false;
    formats.push_back(std::move(made).value());
    runners.push_back({std::move(name), [to = formats.back().get()](const EventBatch& b, const ChangeEvent& e, Record& r) {
                         return to->encode(b, e, r).ok();
                       }});
    return true;
  };
  bool ok = true;
  for (const FormatInfo* info : builtin_formats()) ok = add(std::string(info->name), info->name, {}) && ok;
  ok = add("canal upstream", "canal", {{"flavor", "upstream"}}) && ok;
  ok = add("debezium upstream", "debezium", {{"flavor", "upstream"}}) && ok;
  ok = add("debezium with schema", "debezium", {{"include_schema", "true"}}) && ok;
  if (!ok) return 1;
  uint64_t sequence = 170'000'000'000'000'000;
  runners.push_back({"nlohmann document", [&](const EventBatch& b, const ChangeEvent& e, Record& r) {
                       with_nlohmann(b, e, ++sequence, r);
                       return true;
                     }});
#ifdef TAILRACE_HAS_RAPIDJSON
  rapidjson::StringBuffer buffer;
  runners.push_back({"rapidjson writer", [&](const EventBatch& b, const ChangeEvent& e, Record& r) {
                       with_rapidjson(b, e, ++sequence, buffer, r);
                       return true;
                     }});
#else
  std::fprintf(stderr, "rapidjson is not installed: without its line\n");
#endif
  // Cases take turns, so that a busy machine slows them alike; the first tenth warms up.
  constexpr size_t kBlock = 10;
  for (size_t pass = 0; pass < passes; pass += kBlock) {
    for (Runner& runner : runners) {
      for (size_t i = 0; i < kBlock; ++i) {
        if (!runner.pass(batch)) return 1;
      }
      if (pass < passes / 10) runner.ns = runner.bytes = runner.rows = 0;
    }
  }
  const Runner& document = *std::find_if(runners.begin(), runners.end(), [](const Runner& r) { return r.name == "nlohmann document"; });
  double base = document.ns / document.rows;
  for (const Runner& runner : runners) {
    double value = runner.ns / runner.rows;
    fmt::print(
        "{{\"bench\":\"formats\",\"case\":\"{}\",\"value\":{:.1f},\"unit\":\"ns/row\",\"per\":\"core\",\"against\":\"nlohmann document\","
        "\"against_value\":{:.1f},\"ratio\":{:.3f},\"mb_s\":{:.0f},\"bytes\":{:.0f}}}\n",
        runner.name, value, base, value / base, runner.bytes / runner.ns * 1e3, runner.bytes / runner.rows);
  }
  return 0;
}
