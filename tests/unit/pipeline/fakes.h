// A database in memory with a log, and a sink that loses what it has not made durable: the pipeline's main test.
//
// The log is a list of transactions. A transaction can be read by the stream as soon as it is in the log, but a SELECT
// sees it only once it is "visible": real servers have that gap between writing the log and committing in the engine.
#pragma once
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"

namespace tailrace::testing {

using Rows = std::map<int64_t, int64_t>;  // id -> value

struct FakeChange {
  Op op;
  int64_t id, new_id, value;
};

class FakeDatabase {
 public:
  explicit FakeDatabase(uint64_t seed) : random_(seed) {
    auto schema = std::make_shared<TableSchema>();
    schema->schema_id = next_schema_id();
    schema->database = "db";
    schema->table = "t";
    schema->columns.resize(2);
    schema->columns[0].name = "id";
    schema->columns[0].kind = Kind::kInt;
    schema->columns[1].name = "v";
    schema->columns[1].kind = Kind::kInt;
    schema->primary_key = {0};
    schema_ = schema;
  }

  void write(int transactions) {
    std::lock_guard lock(mutex_);
    for (int i = 0; i < transactions; ++i) log_.push_back(random_transaction());
    if (visible_ < log_.size() && below(2)) visible_ = visible_ + 1 + below(log_.size() - visible_);
  }
  void settle() {
    std::lock_guard lock(mutex_);
    visible_ = log_.size();
  }
  // The server writes only this many transactions in all.
  bool write_some(size_t limit) {
    if (size() >= limit) {
      settle();
      return false;
    }
    write(1 + static_cast<int>(size() % 3));
    return true;
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return log_.size();
  }
  size_t visible() const {
    std::lock_guard lock(mutex_);
    return visible_;
  }
  std::vector<FakeChange> transaction(size_t index) const {
    std::lock_guard lock(mutex_);
    return log_[index];
  }
  Rows rows_at(size_t count) const {
    std::lock_guard lock(mutex_);
    Rows rows;
    for (size_t i = 0; i < count; ++i) {
      for (const FakeChange& change : log_[i]) apply(change, rows);
    }
    return rows;
  }
  static void apply(const FakeChange& change, Rows& rows) {
    if (change.op != Op::kInsert) rows.erase(change.id);
    if (change.op != Op::kDelete) rows[change.new_id] = change.value;
  }
  const SchemaRef& schema() const { return schema_; }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  std::vector<FakeChange> random_transaction() {
    std::vector<FakeChange> changes;
    size_t count = 1 + below(below(20) == 0 ? 200 : 4);
    for (size_t i = 0; i < count; ++i) {
      auto id = static_cast<int64_t>(below(120));
      auto value = static_cast<int64_t>(++last_value_);
      if (!live_.contains(id)) {
        live_.insert(id);
        changes.push_back({Op::kInsert, id, id, value});
      } else if (below(4) == 0) {
        live_.erase(id);
        changes.push_back({Op::kDelete, id, id, 0});
      } else {
        int64_t to = below(4) == 0 ? static_cast<int64_t>(below(120)) : id;
        if (live_.contains(to)) to = id;
        live_.erase(id);
        live_.insert(to);
        changes.push_back({Op::kUpdate, id, to, value});
      }
    }
    return changes;
  }

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  SchemaRef schema_;
  std::vector<std::vector<FakeChange>> log_;
  std::set<int64_t> live_;
  size_t visible_ = 0;
  uint64_t last_value_ = 0;
};

inline uint64_t fake_offset(const Position& position) { return position.text.empty() ? 0 : std::stoull(position.text); }
inline Position fake_position(uint64_t transactions) { return {"fake", std::to_string(transactions)}; }

class FakeRaw final : public RawBatch {
 public:
  struct Part {
    size_t transaction, first, last;
    bool begins, ends;
  };
  std::vector<Part> parts;
};

class FakeSnapshotReader final : public SnapshotReader {
 public:
  FakeSnapshotReader(FakeDatabase& database, size_t limit) : db_(database), limit_(limit) {}
  Result<std::vector<SnapshotTable>> tables() override { return std::vector<SnapshotTable>{{db_.schema(), 100}}; }
  Result<SnapshotChunk> read_chunk(const SchemaRef& table, const std::string& from_key, size_t max_rows, size_t) override {
    SnapshotChunk chunk;
    chunk.low = fake_position(db_.visible());
    db_.write_some(limit_);
    Rows rows = db_.rows_at(db_.visible());
    db_.write_some(limit_);
    chunk.high = fake_position(db_.size());
    chunk.rows.txns.push_back(Transaction{"snapshot", 0, "", 0, 0, true, true});
    int64_t from = from_key.empty() ? INT64_MIN : std::stoll(from_key);
    for (const auto& [id, value] : rows) {
      if (id <= from) continue;
      if (chunk.rows.events.size() == max_rows) {
        chunk.next_key = std::to_string(chunk.rows.events.back().after[0].i);
        break;
      }
      ChangeEvent event;
      event.op = Op::kRead;
      event.table = chunk.rows.keep(table);
      event.after = chunk.rows.new_row(2);
      event.after[0] = Value::of_int(id);
      event.after[1] = Value::of_int(value);
      chunk.rows.events.push_back(event);
    }
    return chunk;
  }
  Result<Position> read_whole(const SchemaRef&, size_t, const std::function<Status(SnapshotChunk)>&) override {
    return Status(ErrorCode::kInternal, "the fake has no table without a key");
  }

 private:
  FakeDatabase& db_;
  size_t limit_;
};

class FakeSource : public Source {
 public:
  // `fail_after`: reads before the connection is "lost"; 0 = never. `end_at`: kEnd once that many were read.
  FakeSource(FakeDatabase& database, size_t limit, size_t end_at, size_t fail_after)
      : db_(database), limit_(limit), end_at_(end_at), fail_after_(fail_after) {}
  Status open(const std::optional<Position>& from) override {
    start_ = from ? *from : fake_position(db_.visible());
    next_ = fake_offset(start_);
    part_ = 0;
    return {};
  }
  Result<ReadState> read(std::unique_ptr<RawBatch>& out, size_t, std::stop_token) override {
    if (fail_after_ && ++reads_ > fail_after_) return Status(ErrorCode::kSourceLost, "fake");
    bool wrote = db_.write_some(limit_);
    if (next_ >= db_.size()) return wrote || next_ < end_at_ ? ReadState::kIdle : ReadState::kEnd;
    auto raw = std::make_unique<FakeRaw>();
    size_t size = db_.transaction(next_).size();
    size_t last = std::min(size, part_ + 50);  // slices of a large transaction
    raw->parts.push_back({next_, part_, last, part_ == 0, last == size});
    raw->bytes = 100 * (last - part_);
    if (last == size) {
      ++next_;
      part_ = 0;
      raw->boundary = fake_position(next_);
    } else {
      part_ = last;
    }
    out = std::move(raw);
    return ReadState::kMore;
  }
  Status decode(const RawBatch& in, EventBatch& out) const override {
    for (const FakeRaw::Part& part : static_cast<const FakeRaw&>(in).parts) {
      out.txns.push_back(Transaction{std::to_string(part.transaction), 1, "log", part.transaction + 1, 1, part.begins, part.ends});
      auto changes = db_.transaction(part.transaction);
      for (size_t i = part.first; i < part.last; ++i) {
        ChangeEvent event;
        event.op = changes[i].op;
        event.table = out.keep(db_.schema());
        event.txn = static_cast<uint32_t>(out.txns.size() - 1);
        event.ordinal = i;
        auto row = [&](int64_t id, int64_t value) {
          Row image = out.new_row(2);
          image[0] = Value::of_int(id);
          image[1] = Value::of_int(value);
          return image;
        };
        if (event.op != Op::kInsert) event.before = row(changes[i].id, 0);
        if (event.op != Op::kDelete) event.after = row(changes[i].new_id, changes[i].value);
        out.events.push_back(event);
      }
    }
    return {};
  }
  bool covers(const Position& at, const Transaction& transaction) const override { return std::stoull(transaction.id) < fake_offset(at); }
  bool reached(const Position& at, const Position& target) const override { return fake_offset(at) >= fake_offset(target); }
  Position start_position() const override { return start_; }
  Result<Position> current_position() override { return fake_position(db_.size()); }
  Result<std::unique_ptr<SnapshotReader>> snapshot_reader() override {
    return std::unique_ptr<SnapshotReader>(new FakeSnapshotReader(db_, limit_));
  }
  void interrupt() noexcept override {}

 private:
  FakeDatabase& db_;
  size_t limit_, end_at_, fail_after_;
  Position start_;
  size_t next_ = 0, part_ = 0, reads_ = 0;
};

// What survives a kill: rows and checkpoint of an owning sink, or a list of messages.
struct Durable {
  Rows rows;
  std::optional<Checkpoint> checkpoint;
  std::vector<FakeChange> messages;
};

class FaultSink final : public Sink {
 public:
  FaultSink(Durable& durable, bool owns, uint64_t seed, size_t fail_after)
      : durable_(durable), owns_(owns), random_(seed), fail_after_(fail_after) {}
  SinkCaps caps() const override { return {.owns_checkpoint = owns_, .detects_collisions = true}; }
  Status open(const SinkContext&, AckReceiver& acks) override {
    acks_ = &acks;
    pending_ = durable_.rows;
    return {};
  }
  Result<std::optional<Checkpoint>> stored_checkpoint() override { return durable_.checkpoint; }
  Status write(const LaneBatch& batch, std::stop_token) override {
    if (fail_after_ && ++writes_ > fail_after_) return Status(ErrorCode::kSinkConnect, "fake");
    for (const ChangeEvent& event : batch.events->events) {
      if (event.op == Op::kSchemaChange) continue;
      FakeChange change{event.op, event.before.empty() ? 0 : event.before[0].i, event.after.empty() ? 0 : event.after[0].i,
                        event.after.empty() ? 0 : event.after[1].i};
      if (event.op == Op::kRead) change = {Op::kInsert, change.new_id, change.new_id, change.value};
      FakeDatabase::apply(change, pending_);
      unwritten_.push_back(change);
    }
    sequences_.push_back(batch.events->sequence);
    if (batch.checkpoint) {
      pending_checkpoint_ = batch.checkpoint;
      if (random_() % 5 == 0) commit();
    } else if (!owns_ && random_() % 3 == 0) {
      commit();  // a broker may keep half a transaction
    }
    return {};
  }
  Status flush(std::stop_token) override {
    commit();
    return {};
  }

 private:
  void commit() {
    durable_.rows = pending_;
    durable_.messages.insert(durable_.messages.end(), unwritten_.begin(), unwritten_.end());
    unwritten_.clear();
    if (owns_) durable_.checkpoint = pending_checkpoint_;
    if (!owns_) std::shuffle(sequences_.begin(), sequences_.end(), random_);  // acknowledgements in any order
    for (uint64_t sequence : sequences_) acks_->acknowledged(sequence);
    sequences_.clear();
  }
  Durable& durable_;
  bool owns_;
  std::mt19937_64 random_;
  size_t fail_after_, writes_ = 0;
  AckReceiver* acks_ = nullptr;
  Rows pending_;
  std::vector<FakeChange> unwritten_;
  std::optional<Checkpoint> pending_checkpoint_;
  std::vector<uint64_t> sequences_;
};

class MemoryCheckpoints final : public CheckpointStore {
 public:
  Result<std::optional<Checkpoint>> load() override {
    std::lock_guard lock(mutex_);
    return kept_;
  }
  Status save(const Checkpoint& checkpoint) override {
    std::lock_guard lock(mutex_);
    kept_ = checkpoint;
    return {};
  }

 private:
  std::mutex mutex_;
  std::optional<Checkpoint> kept_;
};

class IdentityRules final : public RuleStage {
 public:
  explicit IdentityRules(std::string version = "") : version_(std::move(version)) {}
  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) override {
    auto table = std::make_shared<OutputTable>();
    table->source = table->schema = source;
    return std::shared_ptr<const OutputTable>(table);
  }
  Status run(EventBatch&) override { return {}; }
  std::string version() const override { return version_; }
  const RuleStats& stats() const override { return stats_; }

 private:
  const std::string version_;
  RuleStats stats_;
};

}  // namespace tailrace::testing
