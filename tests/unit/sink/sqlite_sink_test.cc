// Rows, types, transactions and checkpoints of the SQLite sink.
#include <cfloat>
#include <cstring>

#include "unit/sink/sink_fixture.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

struct Bench {
  Folder folder;
  std::string file = folder.path + "/copy.db";
  Acks acks;
  std::unique_ptr<Sink> sink;
  uint64_t sequence = 0;

  Status try_open(const std::map<std::string, std::string>& options = {}, std::string job = "job-1", bool started = false) {
    sink = make_sink("sqlite://" + file, options);
    SinkContext context;
    context.job_id = std::move(job);
    context.job_has_started = started;
    return sink->open(context, acks);
  }
  void open(const std::map<std::string, std::string>& options = {}) {
    Status status = try_open(options);
    INFO(status.to_string());
    REQUIRE(status.ok());
  }
  void write(const BatchMaker& maker) {
    Status status = sink->write(maker.whole(), {});
    INFO(status.to_string());
    REQUIRE(status.ok());
  }
  void flush() {
    Status status = sink->flush({});
    INFO(status.to_string());
    REQUIRE(status.ok());
  }
  BatchMaker next() { return BatchMaker(++sequence); }
  std::string rows(const std::string& sql) { return query(file, sql); }
};

SchemaRef users() {
  return table("dw", "user", {column("id", "int(11)", Kind::kInt, false), column("name", "varchar(20)", Kind::kText)}, {0});
}

}  // namespace

TEST_CASE("insert, update, delete and key change end as at the source") {
  Bench b;
  b.open();
  auto t = same(users());
  b.write(b.next().insert(t, {num(1), text("a")}).insert(t, {num(2), text("b")}).insert(t, {num(3), Value::null()}));
  b.write(b.next().update(t, {num(1), text("a")}, {num(1), text("A")}).remove(t, {num(2), text("b")}));
  b.write(b.next().update(t, {num(3), Value::null()}, {num(30), text("c")}));
  b.flush();
  CHECK(b.rows("SELECT * FROM user ORDER BY id") == "1|A\n30|c\n");
  CHECK(b.acks.sequences == std::vector<uint64_t>{1, 2, 3});
  CHECK(b.rows("SELECT sql FROM sqlite_schema WHERE name='user'") ==
        "CREATE TABLE \"user\" (\"id\" INTEGER NOT NULL, \"name\" TEXT, PRIMARY KEY (\"id\")) STRICT\n");
}

TEST_CASE("rows not copied yet may be updated and deleted") {
  Bench b;
  b.open();
  auto t = same(users());
  b.write(b.next().update(t, {num(1), text("a")}, {num(1), text("A")}).remove(t, {num(2), text("b")}));
  b.write(b.next().read(t, {num(2), text("copied")}).read(t, {num(1), text("late")}));
  b.flush();
  CHECK(b.rows("SELECT * FROM user ORDER BY id") == "1|late\n2|copied\n");
}

TEST_CASE("every kind is stored in its canonical form") {
  Bench b;
  b.open();
  Column set = column("s", "set('x','y','z')", Kind::kSet), enumeration = column("e", "enum('red','green')", Kind::kEnum);
  set.labels = {"x", "y", "z"};
  enumeration.labels = {"red", "green"};
  Column dt = column("dt", "datetime(3)", Kind::kDateTime), ts = column("ts", "timestamp(6)", Kind::kTimestamp);
  dt.scale = 3;
  ts.scale = 6;
  Column bit64 = column("b64", "bit(64)", Kind::kBit), bit = column("b1", "bit(1)", Kind::kBit);
  auto t = same(table("d", "t",
                      {column("id", "int(11)", Kind::kInt, false), column("big", "bigint(20) unsigned", Kind::kUint),
                       column("small", "int(10) unsigned", Kind::kUint), column("f", "float", Kind::kDouble),
                       column("d", "double", Kind::kDouble), column("dec", "decimal(10,2)", Kind::kDecimal),
                       column("j", "json", Kind::kJson), column("bin", "varbinary(9)", Kind::kBytes), column("day", "date", Kind::kDate),
                       column("tm", "time", Kind::kTime), dt, ts, column("y", "year(4)", Kind::kYear), enumeration, set, bit64, bit},
                      {0}));
  auto row = [&](int64_t id, uint64_t big, double f, double d) {
    return Cells{num(id),
                 Value::of_uint(big),
                 Value::of_uint(4294967295u),
                 Value::of_float(static_cast<float>(f)),
                 Value::of_double(d),
                 text("-12.50", Kind::kDecimal),
                 text("{\"a\": 1}", Kind::kJson),
                 text(std::string_view("\0\xff", 2), Kind::kBytes),
                 Value::of_bits(Kind::kDate, pack_date(2024, 2, 0)),
                 [] {
                   Value v = Value::of_int(-3661000000);
                   v.kind = Kind::kTime;
                   return v;
                 }(),
                 Value::of_bits(Kind::kDateTime, pack_datetime({2024, 12, 31}, {23, 59, 58, 123000}), 3),
                 [] {
                   Value v = Value::of_int(1700000000123456);
                   v.kind = Kind::kTimestamp;
                   v.scale = 6;
                   return v;
                 }(),
                 Value::of_bits(Kind::kYear, 2024),
                 Value::of_bits(Kind::kEnum, 2),
                 Value::of_bits(Kind::kSet, 5),
                 Value::of_bits(Kind::kBit, UINT64_MAX),
                 Value::of_bits(Kind::kBit, 1)};
  };
  b.write(b.next()
              .insert(t, row(1, 9223372036854775807u, 0.1, 0.1))
              .insert(t, row(2, 9223372036854775808u, 1e20, 1e300))
              .insert(t, row(3, 18446744073709551615u, -FLT_MIN, 123456789012345680.0)));
  b.flush();
  CHECK(b.rows("SELECT big, typeof(big) FROM t ORDER BY id") ==
        "9223372036854775807|integer\n9223372036854775808|text\n18446744073709551615|text\n");
  CHECK(b.rows("SELECT small, dec, typeof(dec), j, hex(bin), typeof(bin), day, tm, dt, ts, y, e, s, b64, b1 "
               "FROM t WHERE id=1") ==
        "4294967295|-12.50|text|{\"a\": 1}|00FF|blob|2024-02-00|-01:01:01|2024-12-31 23:59:58.123|"
        "2023-11-14 22:13:20.123456|2024|green|x,z|18446744073709551615|1\n");
  CHECK(b.rows("SELECT f, f = 0.1, d = 0.1, typeof(f) FROM t WHERE id=1") == "0.1|1|1|real\n");
  CHECK(b.rows("SELECT f = 1e20, d = 1e300 FROM t WHERE id=2") == "1|1\n");
  CHECK(b.rows("SELECT f = -1.1754944e-38, d = 123456789012345680.0 FROM t WHERE id=3") == "1|1\n");
  // An update and a delete find rows by a key on either side of the signed range.
  auto k = same(table("d", "k", {column("id", "bigint(20) unsigned", Kind::kUint, false), column("v", "int(11)", Kind::kInt)}, {0}));
  b.write(b.next().insert(k, {Value::of_uint(UINT64_MAX), num(1)}).insert(k, {Value::of_uint(5), num(1)}));
  b.write(b.next()
              .update(k, {Value::of_uint(UINT64_MAX), num(1)}, {Value::of_uint(UINT64_MAX), num(2)})
              .remove(k, {Value::of_uint(5), num(1)}));
  b.flush();
  CHECK(b.rows("SELECT * FROM k") == "18446744073709551615|2\n");
}

TEST_CASE("a value of the wrong type is refused with table and key, and nothing of its transaction stays") {
  Bench b;
  b.open();
  auto t = same(users());
  b.write(b.next().insert(t, {num(1), text("a")}));
  b.flush();
  Status status = b.sink->write(b.next().insert(t, {num(2), text("b")}).insert(t, {text("x"), text("c")}).whole(), {});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkWrite);
  CHECK(status.to_string().find("table=dw.user") != std::string::npos);
  CHECK(status.to_string().find("position=bin.000001:200") != std::string::npos);
  CHECK(b.rows("SELECT * FROM user") == "1|a\n");
  CHECK(b.acks.sequences == std::vector<uint64_t>{1});
  CHECK_FALSE(b.sink->flush({}).ok());  // it stays failed
  status = b.try_open({}, "job-1", true);
  REQUIRE(status.ok());
  CHECK((*b.sink->stored_checkpoint())->position.text == "gtid=0-1-1");
}

TEST_CASE("partial images change the columns they have") {
  Bench b;
  b.open();
  auto t = same(table(
      "d", "t", {column("id", "int(11)", Kind::kInt, false), column("a", "int(11)", Kind::kInt), column("b", "int(11)", Kind::kInt)}, {0}));
  Value gone = Value::absent();
  b.write(b.next().insert(t, {num(1), num(10), num(20)}));
  b.write(b.next().update(t, {num(1), gone, gone}, {gone, num(11), gone}));
  b.flush();
  CHECK(b.rows("SELECT * FROM t") == "1|11|20\n");
  b.write(b.next().update(t, {num(1), gone, gone}, {num(7), gone, num(21)}));
  b.flush();
  CHECK(b.rows("SELECT * FROM t") == "7|11|21\n");
  SECTION("an insert must be whole") {
    Status status = b.sink->write(b.next().insert(t, {num(2), gone, num(1)}).whole(), {});
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSourceImage);
    CHECK(status.to_string().find("column `a`") != std::string::npos);
  }
  SECTION("so must the key that tells which row") {
    Status status = b.sink->write(b.next().update(t, {gone, num(11), gone}, {num(7), num(1), gone}).whole(), {});
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSourceImage);
    CHECK(status.to_string().find("column `id`") != std::string::npos);
  }
  SECTION("a row that moves to where a copied one stands takes its place") {
    b.write(b.next().insert(t, {num(8), num(1), num(2)}));
    b.write(b.next().update(t, {num(7), gone, gone}, {num(8), gone, gone}));
    b.flush();
    CHECK(b.rows("SELECT * FROM t") == "8|11|21\n");
  }
  SECTION("without a key the image before tells the rest") {
    auto log = same(table("d", "log", {column("a", "int(11)", Kind::kInt), column("b", "text", Kind::kText)}, {}));
    b.write(b.next().insert(log, {num(1), text("x")}).insert(log, {num(2), text("x")}));
    b.write(b.next().update(log, {num(1), text("x")}, {gone, text("y")}));
    b.flush();
    CHECK(b.rows("SELECT a, b FROM log ORDER BY a") == "1|y\n2|x\n");
    Status status = b.sink->write(b.next().remove(log, {num(2), gone}).whole(), {});
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSourceImage);
  }
  SECTION("a missing row is an error once the snapshot is over") {
    Status status = b.sink->write(b.next().update(t, {num(99), gone, gone}, {gone, num(1), gone}).whole(), {});
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSinkRow);
  }
}

TEST_CASE("rows without key are told apart by where they were logged") {
  Bench b;
  b.open();
  auto t = same(
      table("d", "log", {column("a", "int(11)", Kind::kInt), column("f", "float", Kind::kDouble), column("s", "text", Kind::kText)}, {}));
  Cells same_row{num(1), Value::of_float(0.1f), text("x")};
  b.write(b.next().insert(t, same_row).insert(t, same_row).insert(t, {Value::null(), Value::null(), text("y")}));
  b.flush();
  CHECK(b.rows("SELECT _tailrace_pos, a, s FROM log ORDER BY 1") == "0-1-1:0|1|x\n0-1-1:1|1|x\n0-1-1:2|NULL|y\n");
  // Delivered again: the same events, nothing new.
  b.write(BatchMaker(1).insert(t, same_row).insert(t, same_row));
  b.write(BatchMaker(++b.sequence).remove(t, same_row));
  b.write(BatchMaker(++b.sequence).update(t, {Value::null(), Value::null(), text("y")}, {num(5), Value::null(), text("z")}));
  b.flush();
  CHECK(b.rows("SELECT _tailrace_pos, a, s FROM log ORDER BY 1") == "0-1-1:1|1|x\n0-1-1:2|5|z\n");
  Status status = b.sink->write(BatchMaker(9).remove(t, {num(404), Value::null(), text("x")}).whole(), {});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkRow);
}

TEST_CASE("the copy of a table without key can begin anew") {
  Bench b;
  b.open();
  auto t = same(table("d", "log", {column("a", "int(11)", Kind::kInt)}, {}));
  auto other = into(table("d", "log2", {column("a", "int(11)", Kind::kInt)}, {}), "d", "log", false);
  b.write(BatchMaker(1, "snapshot").read(t, {num(1)}).read(t, {num(2)}));
  b.write(BatchMaker(2, "snapshot").read(other, {num(100)}));
  b.write(BatchMaker(3).insert(t, {num(3)}));
  b.write(BatchMaker(4).truncate(t, true));
  b.write(BatchMaker(5, "snapshot").read(t, {num(1)}).read(t, {num(4)}));
  b.flush();
  CHECK(b.rows("SELECT _tailrace_pos, a FROM log ORDER BY a") == "s:d.log:0|1\n0-1-3:0|3\ns:d.log:1|4\ns:d.log2:0|100\n");
  // Two copied rows must not share an identity: one would be lost.
  CHECK_FALSE(b.sink->write(BatchMaker(6, "snapshot").read(t, {num(9)}).whole(), {}).ok());
}

TEST_CASE("a commit waits for the end of the source transaction") {
  Bench b;
  b.open({{"commit_every", "0ms"}});
  auto t = same(users());
  b.write(b.next().insert(t, {num(1), text("a")}));
  CHECK(b.acks.sequences == std::vector<uint64_t>{1});
  // A transaction in three batches.
  for (int i = 0; i < 2; ++i) {
    REQUIRE(b.sink->write(b.next().insert(t, {num(10 + i), text("b")}).slice(), {}).ok());
    b.flush();
    CHECK(b.rows("SELECT count(*) FROM user") == "1\n");
    CHECK(b.acks.sequences == std::vector<uint64_t>{1});
  }
  b.write(b.next().insert(t, {num(12), text("b")}));
  CHECK(b.rows("SELECT count(*) FROM user") == "4\n");
  CHECK(b.acks.sequences == std::vector<uint64_t>{1, 2, 3, 4});
  CHECK(b.rows("SELECT position FROM _tailrace_checkpoint") == "gtid=0-1-4\n");
}

TEST_CASE("several small transactions share a commit until it is due or a large one begins") {
  Bench b;
  b.open({{"commit_every", "1h"}});
  auto t = same(users());
  b.write(b.next().insert(t, {num(1), text("a")}));
  b.write(b.next().insert(t, {num(2), text("a")}));
  CHECK(b.acks.sequences.empty());
  REQUIRE(b.sink->write(b.next().insert(t, {num(3), text("a")}).slice(), {}).ok());
  CHECK(b.acks.sequences == std::vector<uint64_t>{1, 2});
  CHECK(b.rows("SELECT id FROM user") == "1\n2\n");
}

TEST_CASE("a sink file belongs to one job") {
  Bench b;
  SECTION("another job is refused") {
    b.open();
    b.sink.reset();
    Status status = b.try_open({}, "job-2");
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSinkMismatch);
  }
  SECTION("a job that has delivered wants its own file") {
    Status status = b.try_open({}, "job-1", true);
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSinkMismatch);
    CHECK(b.try_open({}, "job-2").ok());  // the refusal left nothing behind
  }
  SECTION("killed between the claim and the first commit, it is still its own") {
    b.open();
    b.sink.reset();
    REQUIRE(b.try_open({}, "job-1", true).ok());
    CHECK_FALSE((*b.sink->stored_checkpoint()).has_value());
  }
  SECTION("the checkpoint comes back whole") {
    b.open();
    auto t = same(users());
    REQUIRE(b.sink->write(b.next().insert(t, {num(1), text("a")}).whole("{\"chunk\":3}"), {}).ok());
    b.flush();
    b.sink.reset();
    REQUIRE(b.try_open({}, "job-1", true).ok());
    auto checkpoint = *b.sink->stored_checkpoint();
    REQUIRE(checkpoint);
    CHECK(checkpoint->position == Position{"mysql", "gtid=0-1-1"});
    CHECK(checkpoint->snapshot_state == "{\"chunk\":3}");
    CHECK(checkpoint->rows == 1);
  }
}

TEST_CASE("a second engine of one job is told, and nothing of it stays") {
  Bench b;
  auto t = same(table("d", "log", {column("a", "int(11)", Kind::kInt)}, {}));
  bool has_begun = GENERATE(false, true);  // a copy of the job file before or after its first checkpoint
  b.open();
  if (has_begun) {
    b.write(b.next().insert(t, {num(1)}));
    b.flush();
  }
  auto second = make_sink("sqlite://" + b.file);
  Acks acks;
  SinkContext context;
  context.job_id = "job-1";
  context.job_has_started = has_begun;
  REQUIRE(second->open(context, acks).ok());
  CHECK((*second->stored_checkpoint()).has_value() == has_begun);
  b.write(b.next().insert(t, {num(2)}));
  b.flush();
  std::string rows = b.rows("SELECT a FROM log ORDER BY a");
  // The first one stands at the same place of the log as the second, but the row is not as the second read it.
  Status status = second->write(BatchMaker(b.sequence).insert(t, {num(3)}).whole(), {});
  if (status.ok()) status = second->flush({});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkFenced);
  CHECK(status.to_string().find("another engine writes into this target") != std::string::npos);
  CHECK(acks.sequences.empty());
  CHECK(b.rows("SELECT a FROM log ORDER BY a") == rows);
  b.write(b.next().insert(t, {num(4)}));
  b.flush();
}

TEST_CASE("a sink file that is removed or replaced stops the job") {
  Bench b;
  b.open();
  auto t = same(users());
  b.write(b.next().insert(t, {num(1), text("a")}));
  b.flush();
  SECTION("removed") {
    for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(b.file + part);
  }
  SECTION("its log removed") { std::filesystem::remove(b.file + "-wal"); }
  SECTION("another one in its place") {
    std::filesystem::rename(b.file, b.file + ".old");
    std::filesystem::copy_file(b.file + ".old", b.file);
  }
  Status status = b.sink->write(b.next().insert(t, {num(2), text("b")}).whole(), {});
  if (status.ok()) status = b.sink->flush({});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkMismatch);
  CHECK(status.to_string().find(b.file) != std::string::npos);
  CHECK(b.acks.sequences == std::vector<uint64_t>{1});
}

TEST_CASE("names keep databases apart when asked to") {
  Bench b;
  auto a = same(table("dw", "user", {column("id", "int(11)", Kind::kInt, false)}, {0}));
  auto c = same(table("crm", "user", {column("id", "int(11)", Kind::kInt, false)}, {0}));
  SECTION("by default the second database is refused") {
    b.open();
    b.write(b.next().insert(a, {num(1)}));
    Status status = b.sink->write(b.next().insert(c, {num(1)}).whole(), {});
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kConfigBadValue);
    CHECK(status.to_string().find("naming=db__table") != std::string::npos);
  }
  SECTION("with naming=db__table both fit") {
    b.open({{"naming", "db__table"}});
    b.write(b.next().insert(a, {num(1)}).insert(c, {num(2)}));
    b.flush();
    CHECK(b.rows("SELECT * FROM dw__user") == "1\n");
    CHECK(b.rows("SELECT * FROM crm__user") == "2\n");
  }
  SECTION("a table somebody else made is left alone") {
    REQUIRE(std::system(("sqlite3 " + b.file + " 'create table user(x)'").c_str()) == 0);
    b.open();
    Status status = b.sink->write(b.next().insert(a, {num(1)}).whole(), {});
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSinkMismatch);
  }
  SECTION("odd names are only names") {
    b.open();
    auto odd = same(table(
        "d", "order \"by\" '1'",
        {column("select", "int(11)", Kind::kInt, false), column("a\"b", "int(11)", Kind::kInt), column("rowid", "int(11)", Kind::kInt)},
        {0}));
    b.write(b.next().insert(odd, {num(1), num(2), num(3)}));
    b.write(b.next().update(odd, {num(1), num(2), num(3)}, {num(1), num(5), num(6)}));
    b.flush();
    CHECK(b.rows("SELECT * FROM \"order \"\"by\"\" '1'\"") == "1|5|6\n");
  }
  SECTION("reserved names are refused") {
    b.open();
    for (std::string name : {"_tailrace_x", "SQLITE_x"}) {
      auto t = same(table("d", name, {column("id", "int(11)", Kind::kInt, false)}, {0}));
      CHECK(make_sink("null:")->caps().asynchronous);
      Bench other;
      other.open();
      CHECK(other.sink->write(other.next().insert(t, {num(1)}).whole(), {}).code() == ErrorCode::kConfigBadValue);
    }
  }
}

TEST_CASE("Tables whose rows SQLite could not tell apart are refused") {
  Column label = column("e", "enum('a','')", Kind::kEnum, false);
  label.labels = {"a", ""};
  auto code = [](const auto& t, std::vector<Value> row) {
    Bench b;
    b.open();
    return b.sink->write(b.next().insert(t, row).whole(), {}).code();
  };
  auto three = [](const char* last) {
    return same(table("d", "nk",
                      {column("RowId", "int(11)", Kind::kInt), column("oid", "int(11)", Kind::kInt), column(last, "int(11)", Kind::kInt)},
                      {}));
  };
  CHECK(code(same(table("d", "en", {label}, {0})), {Value::of_bits(Kind::kEnum, 0)}) == ErrorCode::kConfigBadValue);
  CHECK(code(three("_rowid_"), {num(1), num(2), num(3)}) == ErrorCode::kConfigBadValue);
  Bench b;
  b.open();
  CHECK(b.sink->write(b.next().insert(three("free"), {num(1), num(2), num(3)}).whole(), {}).ok());
}

TEST_CASE("TRUNCATE empties the table") {
  Bench b;
  b.open();
  auto t = same(users());
  b.write(b.next().insert(t, {num(1), text("a")}));
  b.write(b.next().truncate(t).insert(t, {num(2), text("b")}));
  b.flush();
  CHECK(b.rows("SELECT * FROM user") == "2|b\n");
}
