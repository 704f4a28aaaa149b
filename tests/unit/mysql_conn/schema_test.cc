#include "mysql/schema_reader.h"

#include "mysql/foreign_keys.h"

#include <stdexcept>

#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"

using namespace tailrace;
using namespace tailrace::test;

TEST_CASE("schemas come with every field filled") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run(
        "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL, `od``d` VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci, "
        "e ENUM('it''s','b\\\\c') NOT NULL, g INT GENERATED ALWAYS AS (id + 1) VIRTUAL, h INT AS (1) STORED, "
        "b VARBINARY(5), d DECIMAL(20,6) NULL, f DATETIME(3), tenant INT NOT NULL, PRIMARY KEY (tenant, id))");
    SchemaRef t = must(read_schema(scratch.connection(), scratch.name(), "t"));
    REQUIRE(t->columns.size() == 9);
    CHECK(t->primary_key == std::vector<uint16_t>{8, 0});
    CHECK(t->columns[0].kind == Kind::kUint);
    CHECK_FALSE(t->columns[0].nullable);
    CHECK(t->columns[1].name == "od`d");
    CHECK(t->columns[1].charset == 5);  // latin1_german1_ci
    CHECK(t->columns[1].length == 20);
    CHECK(t->columns[1].nullable);
    CHECK(t->columns[2].labels == std::vector<std::string>{"it's", "b\\c"});
    CHECK(t->columns[3].generated);
    CHECK(t->columns[4].generated);
    CHECK_FALSE(t->columns[0].generated);
    CHECK(t->columns[5].charset == 63);
    CHECK(t->columns[6].scale == 6);
    CHECK(t->columns[7].scale == 3);
    auto same = must(read_schemas(scratch.connection(), [&](auto database, auto) { return database == scratch.name(); }));
    REQUIRE(same.size() == 1);
    CHECK(same_layout(*same[0], *t));
  }
}

TEST_CASE("foreign keys that change rows without a log entry are named, with the least rights that a job has") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE p (id INT PRIMARY KEY, other INT, KEY (other))");
    scratch.run(
        "CREATE TABLE `c``c` (id INT PRIMARY KEY COMMENT 'CONSTRAINT x FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE', p INT, q INT, "
        "r INT, "
        "CONSTRAINT `one` FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE SET NULL, "
        "CONSTRAINT two FOREIGN KEY (q) REFERENCES p (id) ON DELETE NO ACTION ON UPDATE CASCADE, "
        "CONSTRAINT three FOREIGN KEY (r) REFERENCES p (id) ON DELETE RESTRICT)");
    std::string user = "'reader_" + scratch.name() + "'";
    scratch.run("CREATE USER " + user + " IDENTIFIED BY 'x'");
    scratch.run("GRANT SELECT ON " + scratch.name() + ".* TO " + user);
    ConnectOptions options = server.options;
    options.user = "reader_" + scratch.name();
    options.password = "x";
    options.unix_socket.clear();
    Connection reader = must(Connection::open(options));
    auto tables = must(read_schemas(reader, [&](auto database, auto) { return database == scratch.name(); }));
    auto found = must(silent_keys(reader, tables));
    scratch.run("DROP USER " + user);
    if (server.name == "mysql9") {  // innodb_native_foreign_keys=OFF: the log has what foreign keys do
      CHECK(found.empty());
      auto shown = must(scratch.connection().query("SHOW CREATE TABLE `c``c`"));
      found = read_silent_keys(**shown.find(0, "Create Table"), scratch.name(), "c`c");
    }
    REQUIRE(found.size() == 2);
    CHECK(found[0].table == scratch.name() + ".c`c");
    CHECK(found[0].constraint == "one");
    CHECK(found[0].parent == scratch.name() + ".p");
    CHECK(found[0].actions == "ON DELETE CASCADE ON UPDATE SET NULL");
    CHECK(found[1].constraint == "two");
    CHECK(found[1].actions == "ON UPDATE CASCADE");
  }
}

TEST_CASE("the key is the primary key or a unique key that can stand for it") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE a (x INT NOT NULL, y INT NOT NULL, n INT, UNIQUE un (n), UNIQUE uy (y), KEY kx (x))");
    scratch.run("CREATE TABLE b (x INT, y VARCHAR(20) NOT NULL, UNIQUE (x), UNIQUE (y(4)))");
    scratch.run("CREATE TABLE c (x INT NOT NULL, KEY (x))");
    CHECK(must(read_schema(scratch.connection(), scratch.name(), "a"))->primary_key == std::vector<uint16_t>{1});
    CHECK(must(read_schema(scratch.connection(), scratch.name(), "b"))->primary_key.empty());
    CHECK(must(read_schema(scratch.connection(), scratch.name(), "c"))->primary_key.empty());
    scratch.run("CREATE VIEW v AS SELECT * FROM a");
    CHECK(read_schema(scratch.connection(), scratch.name(), "v").status().code() == ErrorCode::kSchemaMissing);
    CHECK(read_schema(scratch.connection(), scratch.name(), "A").status().code() == ErrorCode::kSchemaMissing);
    CHECK(read_schema(scratch.connection(), scratch.name(), "nope").status().code() == ErrorCode::kSchemaMissing);
  }
}
