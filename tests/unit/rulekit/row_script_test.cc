#include <sstream>

#include "rulekit/row_script.h"
#include "rulekit/script_reader.h"
#include "rulekit/sql_literal.h"
#include "unit/catch.h"
#include "unit/rulekit/kit_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

// Runs the statements; the last one's events or error.
std::string last_of(const std::vector<std::string>& statements) {
  RowScript script("t.case");
  std::string out;
  for (const std::string& sql : statements) {
    EventBatch batch;
    Status done = script.run(sql, 7, batch);
    if (!done.ok()) return done.to_string();
    out = show(batch);
  }
  return out;
}

const char* const kTable = "CREATE TABLE s.t (id BIGINT PRIMARY KEY, v VARCHAR(5), d DECIMAL(6,2) DEFAULT 1.5)";

}  // namespace

TEST_CASE("the reader cuts statements, arrows and directives, with their lines") {
  std::istringstream in(
      "-- a comment; with a semicolon\noptions {salt: 'x'}\nINSERT INTO t VALUES ('a;b''c', 'it\\'s; so');\n"
      "-> insert t (a='x')\n-> nothing\nUPDATE t\n  SET a = 1; DELETE FROM t;\ncapture\n");
  ScriptReader reader(in);
  auto next = [&] { return reader.next().value(); };
  using Kind = ScriptItem::Kind;
  ScriptItem item = next();
  CHECK((item.kind == Kind::kOptions && item.text == "{salt: 'x'}" && item.line == 2));
  item = next();
  CHECK((item.kind == Kind::kStatement && item.text == "INSERT INTO t VALUES ('a;b''c', 'it\\'s; so')" && item.line == 3));
  item = next();
  CHECK((item.kind == Kind::kArrow && item.text == "insert t (a='x')" && item.line == 4));
  CHECK(next().text == "nothing");
  item = next();
  CHECK((item.text == "UPDATE t\n  SET a = 1" && item.line == 6 && item.last_line == 7));
  CHECK(next().text == "DELETE FROM t");
  CHECK(next().kind == Kind::kCapture);
  CHECK(next().kind == Kind::kEnd);

  std::istringstream open("INSERT INTO t VALUES ('a;\n");
  CHECK_THAT(ScriptReader(open).next().status().to_string(), Contains("line 1") && Contains("no end") && Contains("closing quote"));
}

TEST_CASE("a case file that is no UTF-8 text is refused with its line, a byte order mark is passed over") {
  auto error_of = [](const std::string& text) {
    std::istringstream in(text);
    ScriptReader reader(in);
    for (;;) {
      auto item = reader.next();
      if (!item.ok()) return item.status().to_string();
      if (item->kind == ScriptItem::Kind::kEnd) return std::string("ok");
    }
  };
  CHECK(error_of("\xEF\xBB\xBFoptions {a: 1}\nUSE s;\n") == "ok");
  CHECK_THAT(error_of("USE s;\n-- \xff\nUSE s;\n"), Contains("RULE-0120") && Contains("line 2: not UTF-8"));
  CHECK_THAT(error_of("INSERT INTO t VALUES ('a\n\xff');\n"), Contains("line 2: not UTF-8"));
  CHECK_THAT(error_of(std::string(100, '\0')), Contains("line 1: a zero byte"));
}

TEST_CASE("statements become events with both images") {
  CHECK(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2), (2, NULL, -3.25)"}) ==
        "insert s.t (id=1, v=a, d=2.00); insert s.t (id=2, v=NULL, d=-3.25)");
  CHECK(last_of({kTable, "READ INTO s.t (v, id) VALUES ('x', 9)"}) == "read s.t (id=9, v=x, d=1.50)");
  CHECK(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2), (2, NULL, 3)", "UPDATE s.t SET v = 'b', d = 0 WHERE id = 1"}) ==
        "update s.t (id=1, v=a, d=2.00) -> (id=1, v=b, d=0.00)");
  CHECK(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2), (2, NULL, 3)", "DELETE FROM s.t WHERE v IS NULL"}) ==
        "delete s.t (id=2, v=NULL, d=3.00)");
  CHECK(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2)", "UPDATE s.t SET v = 'b'", "DELETE FROM s.t"}) ==
        "delete s.t (id=1, v=b, d=2.00)");
  CHECK(last_of({"USE s", "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "ALTER TABLE t ADD COLUMN b INT NOT NULL DEFAULT 7",
                 "UPDATE t SET a = 2"}) == "update s.t (a=1, b=7) -> (a=2, b=7)");
  CHECK(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2)", "TRUNCATE TABLE s.t"}) == "truncate s.t");
}

TEST_CASE("transactions: one per statement, or from BEGIN to COMMIT, with time and GTID") {
  RowScript script("t.case");
  EventBatch batch;
  for (const char* sql : {kTable, "SET TIMESTAMP = 1700000000.000250", "SET GTID_NEXT = '0-1-42'", "BEGIN",
                          "INSERT INTO s.t VALUES (1, 'a', 2)", "DELETE FROM s.t", "COMMIT", "INSERT INTO s.t VALUES (1, 'a', 2)"}) {
    REQUIRE(script.run(sql, 3, batch).ok());
  }
  REQUIRE(batch.txns.size() == 3);
  CHECK(batch.txns[1].id == "0-1-42");
  CHECK(batch.txns[1].commit_time_us == 1700000000000250);
  CHECK((batch.txns[1].begins_here && batch.txns[1].ends_here));
  CHECK(batch.txns[2].id == "t.case:3");
  REQUIRE(batch.events.size() == 4);
  CHECK((batch.events[1].txn == 1 && batch.events[2].txn == 1 && batch.events[2].ordinal == 1 && batch.events[3].txn == 2));
}

TEST_CASE("what cannot be followed is named, with file and line") {
  CHECK_THAT(last_of({kTable, "INSERT INTO s.x VALUES (1)"}),
             Contains("RULE-0120") && Contains("t.case:7") && Contains("did you mean s.t?"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t (idd) VALUES (1)"}), Contains("`idd`") && Contains("did you mean `id`?"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a')"}), Contains("2 values for 3 columns"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2, 3)"}), Contains("more than 3 values"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (1, 'abcdef', 2)"}), Contains("column `v`") && Contains("too long for varchar(5)"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (9223372036854775808, 'a', 2)"}), Contains("out of the range"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 1.234)"}), Contains("digits after the point"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (NULL, 'a', 1)"}), Contains("NOT NULL"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (now(), 'a', 1)"}), Contains("expected a number") && Contains("`now`"));
  CHECK_THAT(last_of({kTable, "UPDATE s.t SET v = 'x'"}), Contains("no row of s.t matches"));
  CHECK_THAT(last_of({kTable, "DELETE FROM s.t WHERE v = NULL"}), Contains("write IS NULL"));
  CHECK_THAT(last_of({kTable, "DELETE FROM s.t WHERE id > 1"}), Contains("conditions are"));
  CHECK_THAT(last_of({"CREATE TABLE t (a INT)"}), Contains("database.table"));
  CHECK_THAT(last_of({"SELECT 1"}), Contains("none of the statements"));
  CHECK_THAT(last_of({kTable, "CREATE TABLE s.t (a INT)"}), Contains("exists"));
  CHECK_THAT(last_of({"COMMIT"}), Contains("without BEGIN"));
  CHECK_THAT(last_of({kTable, "INSERT INTO s.t VALUES (1, 'a', 2)", "INSERT INTO s.t VALUES (2, 'b', 2), (1, 'c', 2)"}),
             Contains("t.case:7") && Contains("primary key already"));
}

TEST_CASE("in a capture the WHERE is the row before") {
  RowScript script("c.case");
  script.begin_capture();
  EventBatch batch;
  REQUIRE(script.run(kTable, 1, batch).ok());
  batch = EventBatch();
  REQUIRE(script.run("UPDATE s.t SET id = 2, v = NULL, d = 1.00 WHERE id = 1 AND v = ABSENT AND d IS NULL", 2, batch).ok());
  CHECK(show(batch) == "update s.t (id=1, v=absent, d=NULL) -> (id=2, v=NULL, d=1.00)");
  CHECK_THAT(script.run("DELETE FROM s.t WHERE id = 1", 3, batch).to_string(), Contains("`v` is missing"));
}

// Every value has one spelling: what is written reads back identical.
TEST_CASE("literals round-trip at the edges of every type") {
  struct Case {
    const char* type;
    std::vector<const char*> literals;
  };
  const std::vector<Case> cases = {
      {"tinyint", {"-128", "127"}},
      {"bigint", {"-9223372036854775808", "9007199254740993"}},
      {"bigint unsigned", {"0", "18446744073709551615"}},
      {"decimal(65,30)", {"-99999999999999999999999999999999999.999999999999999999999999999999", "0.000000000000000000000000000001"}},
      {"float", {"0.1", "-3.4028235e+38", "1e-45"}},
      {"double", {"0.1", "-0", "1.7976931348623157e+308", "5e-324"}},
      {"varchar(20)", {"'it''s'", "'a\\\\b\\nc\\0d'", "''", "'näme 日本 🐬'"}},
      {"binary(3)", {"x'00ff0a'"}},
      {"blob", {"x''", "x'c328'"}},
      {"date", {"'0000-00-00'", "'2026-00-00'", "'9999-12-31'"}},
      {"time(6)", {"'-838:59:59.999999'", "'838:59:59.999999'", "'00:00:00.000001'"}},
      {"datetime(3)", {"'0000-00-00 00:00:00.000'", "'9999-12-31 23:59:59.999'"}},
      {"timestamp", {"'0000-00-00 00:00:00'", "'2038-01-19 03:14:07'"}},
      {"year", {"0000", "2155"}},
      {"bit(64)", {"18446744073709551615"}},
      {"enum('a','it''s')", {"'a'", "'it''s'", "''"}},
      {"set('x','y','z')", {"''", "'x,z'"}},
      {"json", {"'{\"a\": [1, null]}'"}},
  };
  for (const Case& one : cases) {
    Column column = parse_sql_type(one.type).value();
    column.name = "c";
    for (const char* literal : one.literals) {
      INFO(one.type << " " << literal);
      Arena arena;
      Value value = Value::null();
      SqlTokens tokens(literal, false);
      Status read = read_literal(tokens, column, arena, value);
      REQUIRE(read.to_string() == Status().to_string());
      CHECK(tokens.at_end());
      std::string written;
      append_literal(value, column, written);
      CHECK(written == literal);
    }
  }
}
