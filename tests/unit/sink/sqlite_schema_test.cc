// Schema changes at the SQLite sink: ADD COLUMN follows, everything visible else stops, the rest passes.
#include "sink/sqlite_layout.h"
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

const Column kId = column("id", "int(11)", Kind::kInt, false);
const Column kName = column("name", "varchar(20)", Kind::kText);

SchemaRef users(std::vector<Column> columns) { return table("dw", "user", std::move(columns), {0}); }

std::string added(const Column& c, std::string_view ddl) {
  using State = sqlite_layout::AddedValue::State;
  auto value = sqlite_layout::value_of_added(c, ddl);
  return value.state == State::kKnown ? value.literal : value.state == State::kNotNamed ? "not named" : "uncertain";
}

}  // namespace

TEST_CASE("ADD COLUMN is applied where rows stand already, at any place") {
  Bench b;
  auto before = same(users({kId, kName}));
  REQUIRE(b.write(b.next().insert(before, {num(1), text("a")})).ok());
  auto schema = users({kId, column("age", "int(11)", Kind::kInt), kName});
  auto after = same(schema);
  Status status = b.write(
      b.next().ddl(before, "ALTER TABLE user ADD COLUMN age INT NULL AFTER id", schema).insert(after, {num(2), num(30), text("b")}));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT id, name, age FROM user ORDER BY id") == "1|a|NULL\n2|b|30\n");
  // The layout is known after a restart, too.
  b.open(true);
  auto again = same(users({kId, column("age", "int(11)", Kind::kInt), kName}));
  CHECK(b.write(b.next().insert(again, {num(3), num(1), text("c")})).ok());
}

TEST_CASE("a column that the rules rename is added by its name in the statement") {
  Bench b;
  Column first = column("firstName", "varchar(20)", Kind::kText), to_first = column("first_name", "varchar(20)", Kind::kText);
  Column city = column("homeCity", "varchar(20)", Kind::kText), to_city = column("home_city", "varchar(20)", Kind::kText);
  auto before = same(users({kId, first}));
  before->schema = users({kId, to_first});
  before->origins = {0, 1};
  REQUIRE(b.write(b.next().insert(before, {num(1), text("a")})).ok());
  auto after = same(users({kId, first, city}));
  after->schema = users({kId, to_first, to_city});
  after->origins = {0, 1, 2};
  Status status = b.write(b.next()
                              .ddl(before, "ALTER TABLE user ADD COLUMN homeCity VARCHAR(20)", after->schema)
                              .insert(after, {num(2), text("b"), text("Rome")}));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT id, first_name, home_city FROM user ORDER BY id") == "1|a|NULL\n2|b|Rome\n");
}

TEST_CASE("other tables that rows of the table went to follow with their first row of the new layout") {
  Bench b;
  auto elsewhere = [](const SchemaRef& source, const char* name) {
    auto output = same(source);
    output->schema = table("dw", name, source->columns, {0});
    return output;
  };
  auto schema = users({kId, kName});
  auto wide = users({kId, kName, column("age", "int(11)", Kind::kInt)});
  auto here = same(schema), eu = elsewhere(schema, "user_eu");
  REQUIRE(b.write(b.next().insert(here, {num(1), text("a")}).insert(eu, {num(2), text("b")})).ok());
  // Rows for `outputs` have a layout of their own, whatever becomes of the table.
  auto log = same(schema);
  log->schema = table("dw", "log", {kId}, {0});
  log->origins = {-1};
  REQUIRE(b.write(b.next().insert(log, {num(7)})).ok());
  REQUIRE(b.write(b.next().ddl(here, "ALTER TABLE user ADD COLUMN age INT DEFAULT 5", wide)).ok());
  b.open(true);
  auto log_of_wide = same(wide);
  log_of_wide->schema = log->schema;
  log_of_wide->origins = {-1};
  Status status = b.write(b.next().insert(elsewhere(wide, "user_eu"), {num(3), text("c"), num(30)}).insert(log_of_wide, {num(8)}));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT id, name, age FROM user_eu ORDER BY id") == "2|b|5\n3|c|30\n");
  CHECK(b.rows("SELECT * FROM log ORDER BY id") == "7\n8\n");
  // A table that nothing was sent to but elsewhere.
  auto only = same(users({kId})), only_eu = elsewhere(only->schema, "only_eu");
  auto source = table("dw", "only", only->schema->columns, {0});
  only->source = only->schema = only_eu->source = source;
  REQUIRE(b.write(b.next().insert(only_eu, {num(1)})).ok());
  auto more = table("dw", "only", {kId, kName}, {0});
  REQUIRE(b.write(b.next().ddl(only, "ALTER TABLE only ADD COLUMN name VARCHAR(20)", more)).ok());
  REQUIRE(b.write(b.next().insert(elsewhere(more, "only_eu"), {num(2), text("x")})).ok());
  CHECK(b.rows("SELECT id, name FROM only_eu ORDER BY id") == "1|NULL\n2|x\n");
}

TEST_CASE("existing rows get what the statement gives them at the source") {
  Bench b;
  auto before = same(users({kId}));
  REQUIRE(b.write(b.next().insert(before, {num(1)})).ok());
  Column level = column("level", "int(11)", Kind::kInt, false), tag = column("tag", "varchar(9)", Kind::kText);
  Column price = column("price", "decimal(8,2)", Kind::kDecimal, false);
  auto schema = users({kId, level, tag, price});
  auto after = same(schema);
  Status status = b.write(b.next().ddl(before,
                                       "ALTER TABLE `user` ADD `level` int NOT NULL DEFAULT 7, ADD COLUMN tag varchar(9) DEFAULT 'it''s', "
                                       "ADD price decimal(8,2) NOT NULL",
                                       schema));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT id, level, tag, price FROM user") == "1|7|it's|0.00\n");
  REQUIRE(b.write(b.next().insert(after, {num(2), num(1), Value::null(), text("1.50", Kind::kDecimal)})).ok());
  CHECK(b.rows("SELECT level, tag, price FROM user WHERE id=2") == "1|NULL|1.50\n");
}

TEST_CASE("a default that cannot be computed stops, naming statement, table and place") {
  Bench b;
  auto before = same(users({kId}));
  REQUIRE(b.write(b.next().insert(before, {num(1)})).ok());
  auto schema = users({kId, column("at", "datetime", Kind::kDateTime)});
  std::string sql = "ALTER TABLE user ADD at DATETIME DEFAULT current_timestamp()";
  Status status = b.write(b.next().ddl(before, sql, schema));
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSchemaChange);
  for (std::string part : {"statement=" + sql, std::string("table=dw.user"), std::string("position=bin.000001:200")}) {
    CAPTURE(status.to_string());
    CHECK(status.to_string().find(part) != std::string::npos);
  }
  SECTION("but an empty table takes any column") {
    Bench c;
    REQUIRE(c.write(c.next().insert(before, {num(1)}).remove(before, {num(1)})).ok());
    CHECK(c.write(c.next().ddl(before, sql, schema)).ok());
  }
}

TEST_CASE("a schema newer than its statement waits for the statement that names the column") {
  Bench b;
  auto before = same(users({kId}));
  REQUIRE(b.write(b.next().insert(before, {num(1)})).ok());
  auto newest = users({kId, column("a", "int(11)", Kind::kInt), column("b", "int(11)", Kind::kInt, false)});
  auto after = same(newest);
  REQUIRE(b.write(b.next().ddl(before, "ALTER TABLE user ADD a INT", newest)).ok());
  b.open(true);
  REQUIRE(b.write(b.next().ddl(after, "ALTER TABLE user ADD b INT NOT NULL DEFAULT 3", newest)).ok());
  CHECK(b.rows("SELECT id, a, b FROM user") == "1|NULL|3\n");
  SECTION("and a row with a column no statement named stops") {
    auto more =
        users({kId, column("a", "int(11)", Kind::kInt), column("b", "int(11)", Kind::kInt, false), column("c", "int(11)", Kind::kInt)});
    CHECK(b.write(b.next().insert(same(more), {num(2), num(1), num(1), num(1)})).code() == ErrorCode::kSchemaChange);
  }
}

TEST_CASE("when nobody knows the layout after an ALTER, the next row tells it") {
  Bench b;
  auto before = same(users({kId}));
  REQUIRE(b.write(b.next().insert(before, {num(1)})).ok());
  REQUIRE(b.write(b.next().ddl(before, "ALTER TABLE user ADD a INT DEFAULT 4", nullptr)).ok());
  REQUIRE(b.write(b.next().ddl(before, "CREATE UNIQUE INDEX i ON user(a)", nullptr)).ok());
  b.open(true);
  auto after = same(users({kId, column("a", "int(11)", Kind::kInt)}));
  Status status = b.write(b.next().insert(after, {num(2), num(5)}));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT id, a FROM user ORDER BY id") == "1|4\n2|5\n");
  CHECK(b.write(b.next().ddl(after, "ALTER TABLE user RENAME TO v", nullptr)).code() == ErrorCode::kSchemaChange);
}

TEST_CASE("a statement that comes with the layout before it is kept for the rows after it") {
  Bench b;
  auto schema = users({kId});
  auto before = same(schema);
  REQUIRE(b.write(b.next().insert(before, {num(1)})).ok());
  REQUIRE(b.write(b.next().ddl(before, "ALTER TABLE user ADD a INT NOT NULL DEFAULT 4", schema)).ok());
  b.open(true);
  auto after = same(users({kId, column("a", "int(11)", Kind::kInt, false)}));
  REQUIRE(b.write(b.next().insert(after, {num(2), num(5)})).ok());
  CHECK(b.rows("SELECT id, a FROM user ORDER BY id") == "1|4\n2|5\n");
}

TEST_CASE("what is not ADD COLUMN stops") {
  Bench b;
  Column e = column("e", "enum('a','b')", Kind::kEnum);
  e.labels = {"a", "b"};
  auto before = same(users({kId, kName, e}));
  REQUIRE(b.write(b.next().insert(before, {num(1), text("a"), Value::of_bits(Kind::kEnum, 1)})).ok());
  auto changed = [&](std::vector<Column> columns, std::vector<uint16_t> key = {0}) {
    auto schema = table("dw", "user", std::move(columns), std::move(key));
    return b.write(b.next().ddl(before, "ALTER TABLE user …", schema));
  };
  Status status;
  SECTION("drop") { status = changed({kId, e}); }
  SECTION("rename") { status = changed({kId, column("title", "varchar(20)", Kind::kText), e}); }
  SECTION("retype") { status = changed({kId, column("name", "int(11)", Kind::kInt), e}); }
  SECTION("narrow") { status = changed({kId, column("name", "varchar(10)", Kind::kText), e}); }
  SECTION("key") { status = changed({kId, kName, e}, {0, 1}); }
  SECTION("label") {
    Column f = column("e", "enum('a','c')", Kind::kEnum);
    f.labels = {"a", "c"};
    status = changed({kId, kName, f});
  }
  SECTION("not null") { status = changed({kId, column("name", "varchar(20)", Kind::kText, false), e}); }
  SECTION("drop table") { status = b.write(b.next().ddl(before, "DROP TABLE user", nullptr)); }
  SECTION("rename table") { status = b.write(b.next().ddl(before, "RENAME TABLE user TO u2", table("dw", "u2", {kId, kName, e}, {0}))); }
  SECTION("seen in a row only") { status = b.write(b.next().insert(same(users({kId, e})), {num(2), Value::null()})); }
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSchemaChange);
  CHECK(b.rows("SELECT id, name FROM user") == "1|a\n");
}

TEST_CASE("a statement that leaves the layout and not the values stops") {
  Bench b;
  Column n = column("n", "int(11)", Kind::kInt), g = column("g", "int(11)", Kind::kInt);
  g.generated = true;
  auto schema = users({kId, n, kName, g});
  auto before = same(schema);
  REQUIRE(b.write(b.next().insert(before, {num(1), num(5), text("a"), num(10)})).ok());
  auto told = [&](std::string_view ddl) { return b.write(b.next().ddl(before, std::string(ddl), schema)); };
  for (std::string_view ddl :
       {"ALTER TABLE user DROP COLUMN n, ADD COLUMN n INT DEFAULT 5", "ALTER TABLE user DROP `N`, ADD n INT",
        "ALTER TABLE user CHANGE n m INT, CHANGE m n INT", "ALTER TABLE user RENAME COLUMN n TO m, RENAME COLUMN m TO n",
        "ALTER TABLE user MODIFY g INT AS (n * 3)", "ALTER TABLE user CHANGE COLUMN g g INT AS (n * 3) STORED",
        "ALTER TABLE user DROP \"n\", ADD \"n\" INT", "ALTER TABLE user COMMENT 'a\\'b', DROP n, ADD n INT",
        "ALTER IGNORE TABLE user ADD UNIQUE (n)", "ALTER ONLINE IGNORE TABLE user ADD UNIQUE (n)"}) {
    INFO(ddl);
    Bench fresh;
    REQUIRE(fresh.write(fresh.next().insert(before, {num(1), num(5), text("a"), num(10)})).ok());
    CHECK(fresh.write(fresh.next().ddl(before, std::string(ddl), schema)).code() == ErrorCode::kSchemaChange);
  }
  for (std::string_view ddl : {"ALTER TABLE user DROP INDEX n, DROP KEY IF EXISTS n, DROP CONSTRAINT n",
                               "ALTER TABLE user RENAME INDEX n TO m", "ALTER TABLE user CHANGE n N INT, MODIFY n INT COMMENT 'drop n'",
                               "ALTER TABLE user ADD UNIQUE (n)", "ALTER IGNORE TABLE user DROP INDEX n", "DROP INDEX n ON user"}) {
    Status status = told(ddl);
    INFO(ddl << ": " << status.to_string());
    CHECK(status.ok());
  }
}

TEST_CASE("changes nobody can see in the data pass") {
  Bench b;
  Column e = column("e", "enum('a','b')", Kind::kEnum), wider = column("e", "enum('a','b','c')", Kind::kEnum);
  e.labels = {"a", "b"};
  wider.labels = {"a", "b", "c"};
  auto before = same(users({kId, kName, e}));
  REQUIRE(b.write(b.next().insert(before, {num(1), text("a"), Value::of_bits(Kind::kEnum, 1)})).ok());
  auto schema = users({column("id", "bigint(20)", Kind::kInt, false), column("name", "varchar(200)", Kind::kText), wider});
  auto after = same(schema);
  Status status = b.write(b.next()
                              .ddl(before, "ALTER TABLE user ADD INDEX (name), MODIFY …", schema)
                              .insert(after, {num(1LL << 40), text("x"), Value::of_bits(Kind::kEnum, 3)}));
  INFO(status.to_string());
  REQUIRE(status.ok());
  CHECK(b.rows("SELECT * FROM user ORDER BY id") == "1|a|a\n1099511627776|x|c\n");
  // DDL of tables that never came here, or that the rules drop.
  CHECK(b.write(b.next().ddl(same(table("dw", "other", {kId}, {0})), "DROP TABLE other", nullptr)).ok());
  auto fresh = table("dw", "fresh", {kId}, {0});
  CHECK(b.write(b.next().ddl(same(fresh), "CREATE TABLE fresh(id INT PRIMARY KEY)", fresh)).ok());
  CHECK(b.rows("SELECT count(*) FROM fresh") == "0\n");
}

TEST_CASE("the value of an added column is read from the statement or not at all") {
  Column i = column("c", "int(11)", Kind::kInt), u = column("c", "bigint(20) unsigned", Kind::kUint, false);
  Column v = column("c", "varchar(9)", Kind::kText), d = column("c", "decimal(6,3)", Kind::kDecimal);
  Column dt = column("c", "datetime(2)", Kind::kDateTime), f = column("c", "float", Kind::kDouble);
  dt.scale = 2;
  CHECK(added(i, "ALTER TABLE t ADD c INT") == "NULL");
  CHECK(added(i, "alter table t add column `c` int default -5") == "-5");
  CHECK(added(i, "ALTER TABLE t ADD COLUMN IF NOT EXISTS C INT DEFAULT '12' COMMENT 'x, c int default 3'") == "12");
  CHECK(added(i, "ALTER TABLE t ADD (b INT DEFAULT 1, c INT DEFAULT 2)") == "2");
  CHECK(added(i, "ALTER TABLE t ADD b INT DEFAULT 1") == "not named");
  CHECK(added(i, "ALTER TABLE t ADD c INT DEFAULT (1+1)") == "uncertain");
  CHECK(added(i, "ALTER TABLE t ADD c INT /*!50000 DEFAULT 1 */") == "uncertain");
  CHECK(added(i, "ALTER TABLE t ADD c INT AUTO_INCREMENT UNIQUE") == "uncertain");
  CHECK(added(u, "ALTER TABLE t ADD c BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615") == "'18446744073709551615'");
  CHECK(added(u, "ALTER TABLE t ADD c BIGINT UNSIGNED NOT NULL") == "0");
  CHECK(added(v, "ALTER TABLE t ADD c VARCHAR(9) DEFAULT 'a''b'") == "'a''b'");
  CHECK(added(v, "ALTER TABLE t ADD c VARCHAR(9) DEFAULT 'a\\tb'") == "uncertain");
  CHECK(added(v, "ALTER TABLE t ADD c VARCHAR(9) DEFAULT \"a\"") == "uncertain");
  CHECK(added(d, "ALTER TABLE t ADD c DECIMAL(6,3) DEFAULT 1.5") == "'1.500'");
  CHECK(added(d, "ALTER TABLE t ADD c DECIMAL(6,3) DEFAULT -.5") == "'-0.500'");
  CHECK(added(d, "ALTER TABLE t ADD c DECIMAL(6,3) DEFAULT 1.23456") == "uncertain");
  CHECK(added(f, "ALTER TABLE t ADD c FLOAT DEFAULT 0.1") == "0.1");
  CHECK(added(dt, "ALTER TABLE t ADD c DATETIME(2) DEFAULT '2024-01-02 03:04:05'") == "'2024-01-02 03:04:05.00'");
  CHECK(added(dt, "ALTER TABLE t ADD c DATETIME(2) DEFAULT NOW(2)") == "uncertain");
  Column generated = i;
  generated.generated = true;
  CHECK(added(generated, "ALTER TABLE t ADD c INT AS (a+1)") == "uncertain");
}
