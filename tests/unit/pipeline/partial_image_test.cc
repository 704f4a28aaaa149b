// Row images that lack columns, met while a table is being copied.
#include "event/value_text.h"
#include "fakes.h"
#include "pipeline/snapshot_stage.h"
#include "unit/catch.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

using Cells = std::vector<Value>;

Value num(int64_t n) { return Value::of_int(n); }
Value text(std::string_view s) { return Value::of_text(Kind::kText, s.data(), static_cast<uint32_t>(s.size())); }
const Value kGone = Value::absent();

// Table db.t: (a, b) is the key, n and s are not.
SchemaRef make_table(std::vector<std::string> names = {"a", "b", "n", "s"}) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "db";
  schema->table = "t";
  for (const std::string& name : names) {
    Column& column = schema->columns.emplace_back();
    column.name = name;
    column.kind = name == "s" ? Kind::kText : Kind::kInt;
  }
  schema->primary_key = {0, 1};
  return schema;
}

struct Copy {
  FakeDatabase database{1};
  FakeSource source{database, 0, 0, 0};
  SnapshotStage stage{source};
  SchemaRef table = make_table();

  Copy() {
    stage.set_tables({{table, 1}});
    stage.begin_keyed();
  }
  static Row put(EventBatch& batch, const Cells& cells) {
    if (cells.empty()) return {};
    Row row = batch.new_row(cells.size());
    std::copy(cells.begin(), cells.end(), row.begin());
    return row;
  }
  // The stream delivers a change of transaction `txn`.
  Status change(uint64_t txn, Op op, const Cells& before, const Cells& after, SchemaRef as = nullptr) {
    EventBatch batch;
    batch.txns.push_back(Transaction{std::to_string(txn), 1, "log", txn, 1, true, true});
    ChangeEvent event;
    event.op = op;
    event.table = batch.keep(as ? as : table);
    event.before = put(batch, before);
    event.after = put(batch, after);
    batch.events.push_back(event);
    return stage.observe(batch);
  }
  Status update(uint64_t txn, const Cells& before, const Cells& after) { return change(txn, Op::kUpdate, before, after); }
  // What is left of a chunk whose SELECT saw all transactions below `low`.
  std::string copied(uint64_t low, const std::vector<Cells>& rows) {
    SnapshotChunk chunk;
    chunk.low = fake_position(low);
    for (const Cells& row : rows) {
      ChangeEvent event;
      event.op = Op::kRead;
      event.table = chunk.rows.keep(table);
      event.after = put(chunk.rows, row);
      chunk.rows.events.push_back(event);
    }
    stage.forget_covered(chunk.low);
    Status status = stage.filter(chunk);
    if (!status.ok()) return status.to_string();
    std::string out;
    for (const ChangeEvent& event : chunk.rows.events) {
      for (size_t i = 0; i < event.after.size(); ++i) {
        out += (i ? "," : "") + (event.after[i].is_absent() ? "-" : to_text(event.after[i], table->columns[i]));
      }
      out += ";";
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a copied row gets the columns that the stream has newer ones of") {
  Copy copy;
  {
    std::string passing = "new";  // the batch and its texts are gone when the chunk comes
    REQUIRE(copy.update(5, {num(1), num(1), kGone, kGone}, {kGone, kGone, kGone, text(passing)}).ok());
    passing = "xxx";
  }
  REQUIRE(copy.update(6, {num(1), num(1), kGone, kGone}, {kGone, kGone, num(7), kGone}).ok());
  REQUIRE(copy.update(7, {num(1), num(2), kGone, kGone}, {kGone, kGone, Value::null(), kGone}).ok());
  CHECK(copy.copied(
            5, {{num(1), num(1), num(0), text("old")}, {num(1), num(2), num(0), text("old")}, {num(2), num(1), num(0), text("old")}}) ==
        "1,1,7,new;1,2,,old;2,1,0,old;");
}

TEST_CASE("what the SELECT saw already is not written over the copied row") {
  Copy copy;
  REQUIRE(copy.update(5, {num(1), num(1), kGone, kGone}, {kGone, kGone, num(7), kGone}).ok());
  CHECK(copy.copied(6, {{num(1), num(1), num(8), text("old")}}) == "1,1,8,old;");
}

TEST_CASE("whole rows of the stream are not copied over, and neither are later parts of them") {
  Copy copy;
  REQUIRE(copy.change(5, Op::kInsert, {}, {num(1), num(1), num(1), text("s")}).ok());
  REQUIRE(copy.update(6, {num(1), num(1), kGone, kGone}, {kGone, kGone, num(7), kGone}).ok());
  REQUIRE(copy.update(7, {num(1), num(2), kGone, kGone}, {kGone, kGone, num(7), kGone}).ok());
  REQUIRE(copy.change(8, Op::kDelete, {num(1), num(2), kGone, kGone}, {}).ok());
  REQUIRE(copy.update(9, {num(1), num(3), kGone, kGone}, {kGone, kGone, num(7), kGone}).ok());
  REQUIRE(copy.update(9, {num(1), num(3), num(7), kGone}, {num(1), num(3), num(9), text("t")}).ok());
  CHECK(copy.copied(
            5, {{num(1), num(1), num(0), text("old")}, {num(1), num(2), num(0), text("old")}, {num(1), num(3), num(0), text("old")}}) ==
        "");
}

TEST_CASE("a row that moves is known only if the stream had all of it") {
  Copy copy;
  REQUIRE(copy.change(5, Op::kInsert, {}, {num(1), num(1), num(1), text("s")}).ok());
  // Half of the key changes: the other half is in the image before only.
  REQUIRE(copy.update(6, {num(1), num(1), kGone, kGone}, {kGone, num(4), kGone, kGone}).ok());
  CHECK(copy.copied(5, {{num(1), num(4), num(0), text("old")}, {num(1), num(1), num(0), text("old")}}) == "");
  Status status = copy.update(7, {num(3), num(1), kGone, kGone}, {kGone, num(4), kGone, kGone});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSourceImage);
  CHECK(status.to_string().find("key=a=3 b=1") != std::string::npos);
  // With all of it in the image before, the sink is given the whole row.
  CHECK(copy.update(8, {num(3), num(2), num(1), text("s")}, {kGone, num(5), kGone, kGone}).ok());
  CHECK(copy.copied(5, {{num(3), num(5), num(0), text("old")}}) == "");
}

TEST_CASE("columns that change while parts of rows are remembered end the copy") {
  Copy copy;
  REQUIRE(copy.update(5, {num(1), num(1), kGone, kGone}, {kGone, kGone, num(7), kGone}).ok());
  Status status = copy.change(6, Op::kUpdate, {num(1), num(1), kGone}, {kGone, kGone, num(8)}, make_table({"a", "b", "n"}));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSourceImage);
  copy.table = make_table({"a", "b", "s", "n"});
  CHECK(copy.copied(5, {{num(1), num(1), num(0), text("old")}}).rfind("SRC-0022", 0) == 0);
}
