// Cost of the rule stage per row: batches of 2,048 changes of a sysbench table with a status column of few values, in
// the mix of oltp_write_only (three images for two rows), built anew for every pass (not timed). Prints one JSON line
// per case: mean nanoseconds of CPU per row, the collector's share included; the rule's own cost is
// value - against_value. `bench_rule [PASSES [CASE]]`: only that case. Text read by a rule becomes a Lua string: text never
// seen before costs far more than text that repeats, so both are shown.
#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "event/event_batch.h"
#include "lua_rule_stage.h"
#include "rule/sql_type.h"

namespace {

using namespace tailrace;

constexpr size_t kRows = 2048;

SchemaRef sysbench_table(int number) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "sbtest";
  schema->table = fmt::format("sbtest{}", number);
  for (auto [name, type] : {std::pair{"id", "int not null"},
                            {"k", "int not null"},
                            {"c", "char(120) not null"},
                            {"pad", "char(60) not null"},
                            {"status", "varchar(10) not null"}}) {
    Column column = parse_sql_type(type).value();
    column.name = name;
    schema->columns.push_back(column);
  }
  schema->primary_key = {0};
  return schema;
}

class Generator {
 public:
  explicit Generator(std::vector<SchemaRef> tables) : tables_(std::move(tables)) {}

  // Per transaction an update of k, an update of c, a delete and an insert; `run_length` events in a row are of one
  // table.
  EventBatch next(size_t run_length) {
    EventBatch batch;
    batch.txns.resize(1);
    batch.txns[0].id = "0-1-1";
    batch.txns[0].commit_time_us = 1700000000000000;
    for (size_t i = 0; i < kRows; ++i) {
      const SchemaRef& schema = tables_[i / run_length % tables_.size()];
      ChangeEvent event;
      if (i % run_length == 0 || batch.schemas.empty()) batch.keep(schema);
      event.table = schema.get();
      event.ordinal = i;
      uint64_t id = random() % 1000000 + 1;
      switch (i % 4) {
        case 0:
        case 1:
          event.op = Op::kUpdate;
          event.before = row(batch, id);
          event.after = copy(batch, event.before);
          if (i % 4 == 0) {
            ++event.after[1].i;
          } else {
            event.after[2] = digits(batch, 119);
          }
          break;
        case 2:
          event.op = Op::kDelete;
          event.before = row(batch, id);
          break;
        default:
          event.op = Op::kInsert;
          event.after = row(batch, id);
          break;
      }
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
    for (size_t i = 0; i < size; i += 8) {
      uint64_t bits = random();
      for (size_t k = i; k < std::min(i + 8, size); ++k, bits >>= 8) text[k] = k % 12 == 11 ? '-' : static_cast<char>('0' + bits % 10);
    }
    return Value::of_text(Kind::kText, text, static_cast<uint32_t>(size));
  }
  Row row(EventBatch& batch, uint64_t id) {
    static constexpr std::string_view kStatus[] = {"new", "paid", "sent", "returned", "closed"};
    Row out = batch.new_row(5);
    out[0] = Value::of_int(static_cast<int64_t>(id));
    out[1] = Value::of_int(static_cast<int64_t>(random() % 1000000));
    out[2] = digits(batch, 119);
    out[3] = digits(batch, 59);
    std::string_view status = kStatus[random() % 5];
    out[4] = Value::of_text(Kind::kText, batch.arena.copy(status), static_cast<uint32_t>(status.size()));
    return out;
  }
  // As the log has it: both images carry their own bytes.
  static Row copy(EventBatch& batch, Row from) {
    Row out = batch.new_row(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      out[i] = from[i];
      if (has_text_payload(from[i].kind)) out[i].p = batch.arena.copy(from[i].text());
    }
    return out;
  }
  std::vector<SchemaRef> tables_;
  uint64_t state_ = 88172645463325252ull;
};

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Case {
  const char* name;
  const char* rules;  // "" = none
  int tables = 1;
  size_t run_length = kRows;
  const char* file = "";  // further keys of the file
};

struct Runner {
  Case what;
  std::unique_ptr<RuleStage> stage;
  std::unique_ptr<Generator> generator;
  std::vector<double> samples;

  bool pass() {
    EventBatch batch = generator->next(what.run_length);
    double begin = cpu_ns();
    Status status = stage->run(batch);
    double end = cpu_ns();
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
    if (batch.events.empty()) std::fprintf(stderr, "%s: nothing left\n", what.name);
    samples.push_back((end - begin) / static_cast<double>(kRows));
    return status.ok();
  }
  double mean() const { return std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size()); }
};

constexpr char k3And1[] = "map = function(row) if row.id > 0 and row.status ~= '' then row.k = row.k + 1 end end";
constexpr char kNative[] = "columns = { status = mask.keep { first = 1 }, pad = 'padding' }";
constexpr char kFanOut[] = "map = function(row, out) out:add('dw.note', { id = row.id, k = row.k }) end";
constexpr char kNote[] = "outputs = { ['dw.note'] = { key = { 'id' }, columns = { 'id int not null', 'k int not null' } } }, ";
constexpr char kSerialize[] = "serialize = function(ev, out) out:put('r,s='):col('status'):put(' k='):col('k'):put(' '):col('id') end";
constexpr char kWhere[] = "where = [[ k > 1000 AND status <> 'closed' ]]";

constexpr Case kCases[] = {
    {"no rule", ""},
    {"identity map", "map = function(row) end"},
    {"native mask and rename", kNative},
    {"native mask and rename, 20 tables", kNative, 20, 4},
    {"native mask and rename, 300 tables", kNative, 300, 4},
    {"native mask of 120 characters", "columns = { c = mask.keep { first = 4 }, pad = 'padding' }"},
    {"rename", "to = 'dw.{table}', columns = { pad = 'padding' }"},
    {"map 3+1", k3And1},
    {"map 3+1, 20 tables", k3And1, 20, 4},
    {"map 3+1, 300 tables", k3And1, 300, 4},
    {"map 3+1, unique text", "map = function(row) if row.id > 0 and row.pad ~= '' then row.k = row.k + 1 end end"},
    {"row: drop by op", "row = function(ev) return ev.op ~= op.delete end"},
    {"fan-out", kFanOut, 1, kRows, kNote},
    {"fan-out, 300 tables", kFanOut, 300, 4, kNote},
    {"where", kWhere},
    {"where, 20 tables", kWhere, 20, 4},
    {"where LIKE", "where = [[ c LIKE '%7-1%' OR status IN ('new', 'paid') ]]"},
    {"topic and headers", "topic = 't.{status|lower}', headers = { op = '{meta.op}' }"},
    {"serialize", kSerialize},
    {"serialize, 300 tables", kSerialize, 300, 4},
    {"serialize = line", "serialize = line 'r,s={status} k={k} {id}'"},
};

}  // namespace

int main(int argc, char** argv) {
  int passes = argc > 1 ? std::max(10, std::atoi(argv[1])) : 400;
  char folder[] = "/tmp/rule_bench_XXXXXX";
  if (!mkdtemp(folder)) return 1;
  std::vector<Runner> runners;
  for (const Case& what : kCases) {
    if (argc > 2 && *what.rules && std::string_view(argv[2]) != what.name) continue;
    RuleStageConfig config;
    if (*what.rules) {
      config.rules.file = fmt::format("{}/bench.lua", folder);
      std::ofstream(config.rules.file) << "local mask = require 'tailrace.mask'\nreturn { api = 1, " << what.file
                                       << "tables = { ['sbtest.*'] = { " << what.rules << " } } }\n";
    }
    auto stage = make_rule_stage(config);
    if (!stage.ok()) {
      std::fprintf(stderr, "%s\n", stage.status().to_string().c_str());
      return 1;
    }
    std::vector<SchemaRef> tables;
    for (int i = 1; i <= what.tables; ++i) tables.push_back(sysbench_table(i));
    runners.push_back({what, std::move(stage).value(), std::make_unique<Generator>(std::move(tables)), {}});
  }
  std::filesystem::remove_all(folder);
  // Cases take turns, so that a busy machine slows them alike, in blocks, as a worker keeps to one rule file; the
  // first tenth warms up.
  constexpr int kBlock = 20;
  for (int pass = 0; pass < passes; pass += kBlock) {
    for (Runner& runner : runners) {
      for (int i = 0; i < kBlock; ++i) {
        if (!runner.pass()) return 1;
      }
      if (pass < passes / 10) runner.samples.clear();
    }
  }
  double base = runners.front().mean();
  for (Runner& runner : runners) {
    double value = runner.mean();
    fmt::print(
        "{{\"bench\":\"rule\",\"case\":\"{}\",\"value\":{:.1f},\"unit\":\"ns/row\",\"per\":\"core\","
        "\"against\":\"no rule\",\"against_value\":{:.1f},\"ratio\":{:.2f}}}\n",
        runner.what.name, value, base, value / base);
  }
  return 0;
}
