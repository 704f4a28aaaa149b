// Batches made by hand for sink tests, and a sink opened by its name.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/value_text.h"
#include "sink/builtin.h"
#include "sink/sink.h"
#include "sqlite/database.h"
#include "unit/catch.h"

namespace tailrace::testing {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/tailrace_sink_XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

class Acks final : public AckReceiver {
 public:
  void acknowledged(uint64_t sequence) override { sequences.push_back(sequence); }
  void failed(Status status) override { failure = std::move(status); }
  std::vector<uint64_t> sequences;
  Status failure;
};

inline std::unique_ptr<Sink> make_sink(const std::string& url_text, const std::map<std::string, std::string>& options = {}) {
  auto url = parse_url(url_text);
  REQUIRE(url.ok());
  for (const SinkInfo* info : builtin_sinks()) {
    if (info->name != url->scheme) continue;
    auto parsed = Options::parse("sink", info->options, options);
    INFO((parsed.ok() ? "" : parsed.status().to_string()));
    REQUIRE(parsed.ok());
    auto sink = info->create(*parsed, *url);
    INFO((sink.ok() ? "" : sink.status().to_string()));
    REQUIRE(sink.ok());
    return std::move(sink).value();
  }
  FAIL("no sink " + url->scheme);
  return nullptr;
}

inline Column column(std::string name, std::string type, Kind kind, bool nullable = true) {
  Column c;
  c.name = std::move(name);
  c.type_text = type;
  c.type_name = type.substr(0, type.find_first_of("( "));
  c.kind = kind;
  c.is_unsigned = type.find("unsigned") != std::string::npos;
  c.nullable = nullable;
  if (size_t open = type.find('('); open != std::string::npos && type.find('\'') == std::string::npos) {
    c.length = static_cast<uint32_t>(std::stoul(type.substr(open + 1)));
    if (size_t comma = type.find(',', open); comma != std::string::npos) c.scale = static_cast<uint8_t>(std::stoul(type.substr(comma + 1)));
  }
  return c;
}

inline SchemaRef table(std::string database, std::string name, std::vector<Column> columns, std::vector<uint16_t> key) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = std::move(database);
  schema->table = std::move(name);
  schema->columns = std::move(columns);
  schema->primary_key = std::move(key);
  return schema;
}

inline std::shared_ptr<OutputTable> same(const SchemaRef& schema) {
  auto output = std::make_shared<OutputTable>();
  output->source = schema;
  output->schema = schema;
  return output;
}

// `source` renamed to `to`, e.g. a shard into a merged table.
inline std::shared_ptr<OutputTable> into(const SchemaRef& source, std::string database, std::string name, bool explicit_key) {
  auto schema = std::make_shared<TableSchema>(*source);
  schema->schema_id = next_schema_id();
  schema->database = std::move(database);
  schema->table = std::move(name);
  auto output = std::make_shared<OutputTable>();
  output->source = source;
  output->schema = schema;
  output->key_is_explicit = explicit_key;
  return output;
}

inline Value text(std::string_view s, Kind kind = Kind::kText) { return Value::of_text(kind, s.data(), static_cast<uint32_t>(s.size())); }
inline Value num(int64_t v) { return Value::of_int(v); }

using Cells = std::vector<Value>;

// One transaction as a batch; whole = a checkpoint may stand after it.
class BatchMaker {
 public:
  explicit BatchMaker(uint64_t sequence, std::string txn = "") {
    batch_.sequence = sequence;
    Transaction t;
    t.id = txn.empty() ? "0-1-" + std::to_string(sequence) : txn;
    t.file = "bin.000001";
    t.end_offset = 100 * sequence;
    batch_.txns.push_back(t);
  }
  BatchMaker& ordinal(uint64_t value) {
    ordinal_ = value;
    return *this;
  }
  BatchMaker& add(Op op, const std::shared_ptr<const OutputTable>& output, const Cells& before, const Cells& after) {
    batch_.outputs.push_back(output);
    ChangeEvent event;
    event.op = op;
    event.ordinal = ordinal_++;
    event.output = output.get();
    event.table = output->schema.get();
    event.before = copy(before);
    event.after = copy(after);
    batch_.events.push_back(event);
    return *this;
  }
  BatchMaker& insert(const std::shared_ptr<const OutputTable>& o, const Cells& row) { return add(Op::kInsert, o, {}, row); }
  BatchMaker& read(const std::shared_ptr<const OutputTable>& o, const Cells& row) {
    batch_.is_snapshot = true;
    return add(Op::kRead, o, {}, row);
  }
  BatchMaker& update(const std::shared_ptr<const OutputTable>& o, const Cells& b, const Cells& a) { return add(Op::kUpdate, o, b, a); }
  BatchMaker& remove(const std::shared_ptr<const OutputTable>& o, const Cells& row) { return add(Op::kDelete, o, row, {}); }
  BatchMaker& truncate(const std::shared_ptr<const OutputTable>& o, bool snapshot = false) {
    batch_.is_snapshot = snapshot;
    return add(Op::kTruncate, o, {}, {});
  }
  BatchMaker& ddl(const std::shared_ptr<const OutputTable>& o, std::string_view sql, SchemaRef after) {
    add(Op::kSchemaChange, o, {}, {});
    batch_.events.back().sql = sql;
    if (after) {
      batch_.schemas.push_back(std::move(after));
      batch_.events.back().new_schema = &batch_.schemas.back();
    }
    return *this;
  }
  const EventBatch& batch() const { return batch_; }
  // `state`: snapshot state of the checkpoint, "" = the snapshot is over.
  LaneBatch whole(std::string state = "") const {
    Checkpoint checkpoint;
    checkpoint.position = {"mysql", "gtid=" + batch_.txns[0].id};
    checkpoint.snapshot_state = std::move(state);
    checkpoint.rows = batch_.sequence;
    return {&batch_, checkpoint};
  }
  LaneBatch slice() const { return {&batch_, std::nullopt}; }

 private:
  Row copy(const Cells& cells) {
    if (cells.empty()) return {};
    Row row = batch_.new_row(cells.size());
    std::copy(cells.begin(), cells.end(), row.begin());
    return row;
  }
  EventBatch batch_;
  uint64_t ordinal_ = 0;
};

// The result of a query as text: "1|a\n2|NULL\n", read by a connection of its own. REALs as SQLite prints
// them.
inline std::string query(const std::string& path, const std::string& sql) {
  sqlite::OpenOptions options;
  options.mode = sqlite::OpenMode::kReadOnly;
  auto db = sqlite::Database::open(path, options, {ErrorCode::kSinkOpen, ErrorCode::kSinkWrite, ErrorCode::kSinkFull});
  if (!db.ok()) return db.status().to_string();
  auto s = (*db)->prepare(sql);
  if (!s.ok()) return s.status().to_string();
  std::string out;
  for (;;) {
    auto more = s->step();
    if (!more.ok()) return more.status().to_string();
    if (!*more) return out;
    for (int i = 0; i < s->column_count(); ++i) {
      if (i) out += '|';
      out += s->is_null(i) ? "NULL" : std::string(s->column_text(i));
    }
    out += '\n';
  }
}

}  // namespace tailrace::testing
