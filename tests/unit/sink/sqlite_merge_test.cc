// Several source tables in one target.
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
  Bench() { open(false); }
  void open(bool started) {
    sink.reset();
    sink = make_sink("sqlite://" + file);
    SinkContext context;
    context.job_id = "job";
    context.job_has_started = started;
    REQUIRE(sink->open(context, acks).ok());
  }
  Status write(const BatchMaker& maker) {
    TAILRACE_OK(sink->write(maker.whole(), {}));
    return sink->flush({});
  }
  BatchMaker next() { return BatchMaker(++sequence); }
  std::string rows(const std::string& sql) { return query(file, sql); }
};

SchemaRef shard(std::string name, bool wide = false) {
  std::vector<Column> columns{column("id", "int(11)", Kind::kInt, false), column("kind", "varchar(5)", Kind::kText, false),
                              column("v", "int(11)", Kind::kInt)};
  if (wide) columns.push_back(column("w", "int(11)", Kind::kInt));
  return table("shop", std::move(name), columns, {0, 1});
}
Cells row(int64_t id, std::string_view kind, int64_t v) { return {num(id), text(kind), num(v)}; }

}  // namespace

TEST_CASE("two tables that meet in one key stop, and nothing is overwritten") {
  Bench b;
  auto a = into(shard("user_1"), "dw", "user", false), c = into(shard("user_2"), "dw", "user", false);
  REQUIRE(b.write(b.next().insert(a, row(1, "x", 10)).insert(a, row(2, "it's", 20))).ok());
  CHECK(b.rows("SELECT count(*) FROM _tailrace_origin") == "0\n");  // one table needs no owners
  REQUIRE(b.write(b.next().insert(c, row(3, "x", 30))).ok());
  CHECK(b.rows("SELECT count(*) FROM _tailrace_origin") == "3\n");
  bool restarted = GENERATE(false, true);
  if (restarted) b.open(true);
  Status status;
  SECTION("insert") { status = b.write(b.next().insert(c, row(2, "it's", 99))); }
  SECTION("update") { status = b.write(b.next().update(c, row(2, "it's", 20), row(2, "it's", 99))); }
  SECTION("copy") { status = b.write(b.next().read(c, row(2, "it's", 99))); }
  SECTION("the other way round") { status = b.write(b.next().insert(a, row(3, "x", 99))); }
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kRuleKeyCollision);
  CAPTURE(status.to_string());
  CHECK(status.detail().find("shop.user_1") != std::string::npos);
  CHECK(status.detail().find("shop.user_2") != std::string::npos);
  CHECK(status.detail().find("kind=") != std::string::npos);
  CHECK(b.rows("SELECT id, v FROM user ORDER BY id") == "1|10\n2|20\n3|30\n");
}

TEST_CASE("a deleted key is free for the other table, and a delete takes only its own row") {
  Bench b;
  auto a = into(shard("user_1"), "dw", "user", false), c = into(shard("user_2"), "dw", "user", false);
  REQUIRE(b.write(b.next().insert(a, row(1, "x", 10)).insert(c, row(2, "x", 20))).ok());
  REQUIRE(b.write(b.next().remove(c, row(1, "x", 10))).ok());  // its row of that key never came here
  CHECK(b.rows("SELECT id FROM user ORDER BY id") == "1\n2\n");
  REQUIRE(b.write(b.next().remove(a, row(1, "x", 10)).insert(c, row(1, "x", 11))).ok());
  CHECK(b.rows("SELECT id, v FROM user ORDER BY id") == "1|11\n2|20\n");
  CHECK(b.write(b.next().insert(a, row(1, "x", 12))).code() == ErrorCode::kRuleKeyCollision);
}

TEST_CASE("an explicit key is taken at its word") {
  Bench b;
  auto a = into(shard("user_1"), "dw", "user", true), c = into(shard("user_2"), "dw", "user", true);
  REQUIRE(b.write(b.next().insert(a, row(1, "x", 10)).insert(c, row(2, "x", 20)).insert(c, row(1, "x", 11))).ok());
  CHECK(b.rows("SELECT id, v FROM user ORDER BY id") == "1|11\n2|20\n");
  CHECK(b.rows("SELECT count(*) FROM _tailrace_origin") == "0\n");
  SECTION("but then TRUNCATE of one of them cannot be followed") {
    CHECK(b.write(b.next().truncate(a)).code() == ErrorCode::kSchemaChange);
  }
  SECTION("nor may a table without a key of its own join") {
    auto d = into(shard("user_3"), "dw", "user", false);
    CHECK(b.write(b.next().insert(d, row(9, "x", 1))).code() == ErrorCode::kRuleKeyCollision);
  }
}

TEST_CASE("TRUNCATE of one merged table takes its own rows") {
  Bench b;
  auto a = into(shard("user_1"), "dw", "user", false), c = into(shard("user_2"), "dw", "user", false);
  REQUIRE(b.write(b.next().insert(a, row(1, "x", 10)).insert(a, row(2, "it's", 1)).insert(c, row(3, "x", 20))).ok());
  REQUIRE(b.write(b.next().truncate(a)).ok());
  CHECK(b.rows("SELECT id FROM user ORDER BY id") == "3\n");
  CHECK(b.write(b.next().insert(c, row(2, "it's", 5))).ok());  // the key is free
}

TEST_CASE("merged tables are altered one after the other") {
  Bench b;
  auto a = into(shard("user_1"), "dw", "user", false), c = into(shard("user_2"), "dw", "user", false);
  REQUIRE(b.write(b.next().insert(a, row(1, "x", 10)).insert(c, row(2, "x", 20))).ok());
  auto wide_a = into(shard("user_1", true), "dw", "user", false);
  Status status = b.write(b.next()
                              .ddl(a, "ALTER TABLE user_1 ADD w INT", wide_a->schema)
                              .insert(wide_a, {num(3), text("x"), num(30), num(300)})
                              .insert(c, row(4, "x", 40)));
  INFO(status.to_string());
  REQUIRE(status.ok());
  auto wide_c = into(shard("user_2", true), "dw", "user", false);
  status = b.write(b.next().ddl(c, "ALTER TABLE user_2 ADD w INT", wide_c->schema).insert(wide_c, {num(5), text("x"), num(50), num(500)}));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT id, v, w FROM user ORDER BY id") == "1|10|NULL\n2|20|NULL\n3|30|300\n4|40|NULL\n5|50|500\n");
}
