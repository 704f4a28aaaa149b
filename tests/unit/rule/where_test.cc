// Row filters: grammar, refusals with their place, the two dialects. What expressions give is compared with servers by
// tests/parity/test_where.py; the values here are what the MySQL manual says.
#include "rule/where_program.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef user_table() {
  return make_table("shop", "user_1",
                    {"id int not null", "big bigint unsigned", "price decimal(10,2)", "name varchar(20)", "deleted_at datetime",
                     "state enum('new','old')", "tags set('a','b','c')", "doc json", "raw varbinary(10)", "score double", "born year",
                     "day date", "at time", "seen timestamp"});
}

struct Row14 {
  std::vector<Value> cells;
  Row14() : cells(14, Value::null()) { cells[0] = Value::of_int(7); }
  Row14& set(size_t at, Value value) {
    cells[at] = value;
    return *this;
  }
};

Result<std::shared_ptr<const WhereProgram>> compile(const std::string& text, WhereDialect dialect = WhereDialect::kMysql,
                                                    const WhereOptions& options = {}) {
  WhereSource source;
  source.text = text;
  source.dialect = dialect;
  source.file = "rules/shop.lua";
  source.line = 9;
  TAILRACE_TRY(auto tree, parse_where(source, options));
  auto table = user_table();
  return WhereProgram::compile(*tree, source, table->columns, table->qualified_name(), true);
}

// "yes", "no", or the text of the failure.
std::string test(const std::string& text, const Row14& row = {}, WhereDialect dialect = WhereDialect::kMysql,
                 const WhereOptions& options = {}) {
  auto program = compile(text, dialect, options);
  if (!program.ok()) return program.status().to_string();
  WhereRun run;
  switch (run.test(**program, row.cells.data())) {
    case WhereRun::Verdict::kYes: return "yes";
    case WhereRun::Verdict::kNo: return "no";
    case WhereRun::Verdict::kFailed: return run.error().to_string();
  }
  return "?";
}

}  // namespace

TEST_CASE("what a filter gets wrong is named with its place") {
  CHECK_THAT(test("deleted_at IS NULL AND\n delete_at = 1"),
             Contains("RULE-0105") &&
                 Contains("rules/shop.lua:10: where: unknown column `delete_at` in shop.user_1 (did you mean `deleted_at`?)"));
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"", "the expression ends too early"},
           {"id =", "the expression ends too early"},
           {"id = 1 1", "`1` is not expected here"},
           {"(id = 1", "`)` expected"},
           {"id = 'a", "a quote has no end"},
           {"id = 1 /* x", "a comment has no end"},
           {"id IN (SELECT 1)", "no subqueries"},
           {"EXISTS (SELECT 1)", "EXISTS is not supported"},
           {"name REGEXP 'a'", "REGEXP is not supported"},
           {"name || 'a' = 'b'", "write OR or CONCAT"},
           {"CASE WHEN id THEN 1 END", "CASE is not supported"},
           {"shop.id = 1", "without their table"},
           {"(id, big) = (1, 2)", "rows of values"},
           {"now() > deleted_at", "function `now` is not supported"},
           {"substring_index(name, 'a', 1) = 'b'", "function `substring_index` is not supported"},
           {"replase(name, 'a', 'b') = 'c'", "did you mean `replace`?"},
           {"concat() = ''", "`concat` takes 1 to 64 arguments"},
           {"id = :regoin", "(did you mean `:region`?)"},
           {"name", "`name` (varchar(20)) is no truth value"},
           {"doc = '{}'", "`doc` (json) can only be tested with IS NULL"},
           {"id = 'seven'", "'seven' is no number, `id` (int) is compared with numbers"},
           {"deleted_at > '2026-13-01'", "no point in time"},
           {"deleted_at > '2026-02-30'", "no point in time"},
           {"deleted_at > 20260101", "write it as a text"},
           {"deleted_at > name", "CAST the text AS DATETIME"},
           {"at > day", "the day is missing"},
           {"born = 26", "four digits"},
           {"name + 1 > 2", "write CAST("},
           {"name COLLATE latin1_swedish_ci = 'a'", "collation `latin1_swedish_ci` is not supported"},
           {"x'41' = 'A'", "bytes of a character set are no text"},
           {"raw = name", "bytes of a character set are no text"},
           {"price & 1", "bit operations are for integers"},
           {"id IN (1, 'a')", "IN mixes texts and numbers"},
           {"CAST(id AS JSON) = 1", "CAST to `JSON` is not supported"},
           {"id = 1e999", "out of the range of a double"},
           {"id > 1x", "a number is followed by letters"},
           {"id = _utf8'a'", "without a character set"},
           {"id = ?", "`?` is not understood"},
           {"id = 99999999999999999999999999999999999999999999999999999999999999999999", "at most 65 digits"},
       }) {
    INFO(c.text);
    CHECK_THAT(test(c.text, {}, WhereDialect::kMysql, {{"region", std::string("eu")}}),
               Contains("rules/shop.lua:9: where: ") && Contains(c.message));
  }
  CHECK_THAT(test(std::string(5000, '(')), Contains("nested too deeply"));
  CHECK_THAT(test(std::string(5000, '-') + "1"), Contains("nested too deeply"));
  std::string nots;
  for (int i = 0; i < 3000; ++i) nots += "NOT ";
  CHECK_THAT(test(nots + "id"), Contains("nested too deeply"));
}

TEST_CASE("a chain of many ORs is no deep nesting, a long sum is") {
  std::string text = "id = 0";
  for (int i = 1; i < 3000; ++i) text += " OR id = " + std::to_string(i);
  CHECK(test(text) == "yes");
  std::string sum = "id";
  for (int i = 0; i < 20000; ++i) sum += "+1";
  CHECK_THAT(test(sum), Contains("nested too deeply"));
}

TEST_CASE("columns whose collation cannot be compared are refused by its name") {
  auto table = std::make_shared<TableSchema>(*user_table());
  table->columns[3].charset = 8;
  WhereSource source;
  source.text = "name = 'a'";
  auto tree = parse_where(source, {});
  auto program = WhereProgram::compile(**tree, source, table->columns, "shop.user_1", true);
  REQUIRE(!program.ok());
  CHECK_THAT(program.status().to_string(), Contains("latin1_swedish_ci") && Contains("COLLATE utf8mb4_bin"));
  source.text = "name COLLATE utf8mb4_bin = 'a'";
  tree = parse_where(source, {});
  CHECK(WhereProgram::compile(**tree, source, table->columns, "shop.user_1", true).ok());
}

TEST_CASE("precedence is MySQL's") {
  for (const char* yes : {"1 OR 0 AND 0",
                          "NOT 0 AND 1",
                          "NOT 1 = 2",
                          "1 XOR 0 OR 0",
                          "2 + 3 * 4 = 14",
                          "2 | 1 & 0 = 2",
                          "-2 ^ 1 = -1 ^ 2 OR 1",
                          "10 - 2 - 3 = 5",
                          "100 DIV 7 % 5 = 4",
                          "1 << 2 + 1 = 8",
                          "!0 + 1 = 2",
                          "3 BETWEEN 1 AND 5 AND 1",
                          "NOT 3 BETWEEN 4 AND 5",
                          "1 IS NOT NULL = 1",
                          "1 = 1 IS TRUE",
                          "NULL IS UNKNOWN",
                          "~0 = 18446744073709551615",
                          "7 NOT IN (1, 2)",
                          "'a' LIKE 'A'",
                          "1 < 2 < 3",
                          "5 % 3 = 2 AND 5 MOD 3 = 2",
                          "0x10 = 16",
                          "b'101' = 5",
                          "- - 5 = 5"}) {
    INFO(yes);
    CHECK(test(yes) == "yes");
  }
}

TEST_CASE("options are literals of their type") {
  WhereOptions options{{"region", std::string("eu")}, {"limit", 5.0}, {"rate", 1.5}, {"on", true}};
  Row14 row;
  row.set(3, text_value("EU")).set(2, text_value("1.50", Kind::kDecimal));
  CHECK(test("name = :region AND id > :limit AND price = :rate AND :on", row, WhereDialect::kMysql, options) == "yes");
}

TEST_CASE("NULL and trailing blanks, by dialect") {
  Row14 row;  // name is NULL
  for (auto [text, mysql, oms] : {std::tuple{"name = NULL", "no", "no"},
                                  {"NULL = NULL", "no", "no"},
                                  {"NOT (name = 'a')", "no", "yes"},
                                  {"name <> 'a'", "no", "no"},
                                  {"name NOT IN ('a')", "no", "no"},
                                  {"name NOT LIKE 'a'", "no", "no"},
                                  {"name NOT BETWEEN 'a' AND 'b'", "no", "no"},
                                  {"NOT (name IN ('a'))", "no", "yes"},
                                  {"(name = 'a') IS NULL", "yes", "no"},
                                  {"name IS NULL", "yes", "yes"},
                                  {"name <=> NULL", "yes", "yes"},
                                  {"CONCAT('x', name) = 'x'", "no", "yes"},
                                  {"CONCAT(name, name) IS NULL", "yes", "yes"},
                                  {"NOT name IS NULL", "no", "no"},
                                  {"(name = 'a') XOR 1", "no", "yes"}}) {
    INFO(text);
    CHECK(test(text, row) == mysql);
    CHECK(test(text, row, WhereDialect::kOms) == oms);
  }
  row.set(3, text_value("Ab  "));
  for (auto [text, mysql, oms] : {std::tuple{"name = 'Ab'", "yes", "yes"},
                                  {"name = 'ab'", "yes", "no"},
                                  {"name = ' Ab'", "no", "no"},
                                  {"name = 'Ab     '", "yes", "yes"},
                                  {"name IN ('zz', 'Ab ')", "yes", "yes"},
                                  {"name LIKE 'Ab'", "no", "no"},
                                  {"name LIKE 'ab%'", "yes", "no"}}) {
    INFO(text);
    CHECK(test(text, row) == mysql);
    CHECK(test(text, row, WhereDialect::kOms) == oms);
  }
}

TEST_CASE("dialect oms: numbers in texts are exact, floating point is refused, TIMESTAMP texts are at +08:00") {
  Row14 row;
  row.set(3, text_value("9007199254740993")).set(1, Value::of_uint(9007199254740992)).set(9, Value::of_double(1));
  CHECK(test("name > big", row, WhereDialect::kOms) == "yes");
  CHECK(test("name > big", row) == "no");  // both as DOUBLE
  CHECK(test("name - big = 1", row, WhereDialect::kOms) == "yes");
  CHECK_THAT(test("score > 1", row, WhereDialect::kOms), Contains("not compared in dialect \"oms\""));
  CHECK_THAT(test("score + 1 > 1", row, WhereDialect::kOms), Contains("not computed with in dialect \"oms\""));
  CHECK_THAT(test("id > 1e0", row, WhereDialect::kOms), Contains("not compared in dialect \"oms\""));
  row.set(3, text_value("12a"));
  CHECK_THAT(test("name > 1", row, WhereDialect::kOms), Contains("RULE-0102") && Contains("'12a' is no number"));
  CHECK_THAT(test("ID = 7", row, WhereDialect::kOms), Contains("unknown column `ID`"));
  CHECK(test("ID = 7", row) == "yes");

  row.set(13, Value::of_bits(Kind::kTimestamp, 1767225600000000));  // 2026-01-01 00:00:00 UTC
  for (const char* same : {"seen = '2026-01-01 08:00:00'", "seen = '2026-01-01 00:00:00 +00:00'", "seen = '2025-12-31 19:00:00 -05:00'",
                           "seen = 1767225600"}) {
    INFO(same);
    CHECK(test(same, row, WhereDialect::kOms) == "yes");
  }
  CHECK(test("seen = '2026-01-01 00:00:00'", row) == "yes");  // MySQL's: the session's zone, which is UTC here
}

TEST_CASE("what leaves the range of its type fails by name instead of wrapping") {
  Row14 row;
  row.set(1, Value::of_uint(UINT64_MAX)).set(0, Value::of_int(INT32_MIN));
  for (const char* text : {"big + 1 > 0", "big * 2 > 0", "id - big < 0", "-big < 0", "9223372036854775807 + 1 > id"}) {
    INFO(text);
    CHECK_THAT(test(text, row), Contains("out of the range"));
  }
}

TEST_CASE("a cell that is not in the image is a named error, unless the other image has it") {
  auto program = compile("price > 1 OR id = 7");
  REQUIRE(program.ok());
  Row14 row;
  row.set(2, Value::absent());
  WhereRun run;
  REQUIRE(run.test(**program, row.cells.data()) == WhereRun::Verdict::kFailed);
  CHECK_THAT(run.error().to_string(),
             Contains("RULE-0105") && Contains("column `price` is not in this row image") && Contains("binlog_row_image=FULL"));
  Row14 before;
  CHECK(run.test(**program, row.cells.data(), before.cells.data()) == WhereRun::Verdict::kYes);
  CHECK((*program)->reads() == std::vector<uint16_t>{0, 2});
}

TEST_CASE("the place of a filter in its file") {
  WhereSource source;
  source.text = "a = 1\nAND b = 2";
  std::string file = "return {\n tables = {\n  ['x'] = { where = [[a = 1\nAND b = 2]] },\n  ['y'] = { where = [[a = 1\nAND b = 2]] } } }";
  locate_where(source, "r.lua", file, "'y'");
  CHECK(source.line == 5);
  CHECK_THAT(where_error(source, 10, "m").to_string(), Contains("r.lua:6: where: m"));
  locate_where(source, "r.lua", file, "");
  CHECK(source.line == 3);
}
