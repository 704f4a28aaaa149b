#include "mysql/column_default.h"

#include "event/value_text.h"
#include "mysql/type_info.h"
#include "unit/catch.h"

using namespace tailrace;
using namespace std::string_literals;

namespace {

// The value's text, or why there is none.
std::string default_of(const std::string& type, std::string_view text, bool is_mariadb, bool nullable = true,
                       const std::string& extra = "") {
  auto column = column_from_type("c", type, nullable, 45);
  REQUIRE(column.ok());
  set_column_default(*column, text, extra, is_mariadb);
  Value value = Value::absent();
  std::string space;
  if (!default_value(*column, value, space)) return "unknown";
  return value.is_null() ? "NULL" : "=" + to_text(value, *column);
}

}  // namespace

// Left: COLUMN_DEFAULT as MySQL 9 and MariaDB 10.11 print it; right: what the row then holds.
TEST_CASE("Defaults as the catalogues print them") {
  struct Row {
    const char *type, *mysql, *mariadb, *value;
  };
  const Row rows[] = {
      {"tinyint", "-5", "-5", "=-5"},
      {"int(5) zerofill", "00007", "00007", "=7"},
      {"bigint unsigned", "18446744073709551615", "18446744073709551615", "=18446744073709551615"},
      {"float", "0.1", "0.1", "=0.1"},
      {"float", "1234570", "1234570", "unknown"},  // 1234567.5
      {"double", "1e100", "1e100", "=1e+100"},
      {"decimal(10,3)", "-1.500", "-1.500", "=-1.500"},
      {"char(5)", "a ", "'a '", "=a"},
      {"varchar(20)", "it's \\ \n x", "'it''s \\\\ \\n x'", "=it's \\ \n x"},
      {"varchar(20)", "\xC3\xA9", "'\xC3\xA9'", "=\xC3\xA9"},
      {"varchar(20)", "?", "'?'", "unknown"},  // or what three-byte UTF-8 cannot hold
      {"varchar(20)", "", "''", "="},
      {"varbinary(9)", "0x6162", "'ab'", nullptr},
      {"varbinary(9)", "", "''", "="},
      {"date", "2020-02-03", "'2020-02-03'", "=2020-02-03"},
      {"time(3)", "-12:34:56.500", "'-12:34:56.500'", "=-12:34:56.500"},
      {"datetime(6)", "2020-01-01 00:00:00.250000", "'2020-01-01 00:00:00.250000'", "=2020-01-01 00:00:00.250000"},
      {"timestamp(2)", "2020-01-01 01:02:03.25", "'2020-01-01 01:02:03.25'", "=2020-01-01 01:02:03.25"},
      {"timestamp", "0000-00-00 00:00:00", "'0000-00-00 00:00:00'", "=0000-00-00 00:00:00"},
      {"year", "2021", "2021", "=2021"},
      {"bit(10)", "b'101'", "b'101'", "=5"},
      {"enum('x','y')", "y", "'y'", "=y"},
      {"set('p','q','r')", "p,r", "'p,r'", "=p,r"},
  };
  for (const Row& row : rows) {
    INFO(row.type << " " << row.mysql);
    if (row.value) CHECK(default_of(row.type, row.mysql, false) == row.value);
    if (row.value) CHECK(default_of(row.type, row.mariadb, true) == row.value);
  }
  CHECK(default_of("varbinary(9)", "0x6162", false) == "unknown");  // the catalogue ends them at a zero byte
  CHECK(default_of("varbinary(9)", "'ab'", true) == "=ab");
  CHECK(default_of("binary(4)", "'ab'", true) == "=ab\0\0"s);
  CHECK(default_of("int", "(1 + 2)", true) == "unknown");
  CHECK(default_of("int", "uuid()", true) == "unknown");
  CHECK(default_of("int", "(1 + 2)", false, true, "DEFAULT_GENERATED") == "unknown");
  CHECK(default_of("int", {}, false, false, "auto_increment") == "unknown");
}

TEST_CASE("No default: NULL, or the zero of the type where NULL is not allowed") {
  CHECK(default_of("int", {}, false) == "NULL");
  CHECK(default_of("int", "NULL", true) == "NULL");
  const std::pair<const char*, std::string> rows[] = {
      {"int", "=0"},
      {"bigint unsigned", "=0"},
      {"double", "=0"},
      {"decimal(6,2)", "=0.00"},
      {"decimal(5,0)", "=0"},
      {"varchar(5)", "="},
      {"text", "="},
      {"binary(2)", "=\0\0"s},
      {"blob", "="},
      {"date", "=0000-00-00"},
      {"time(1)", "=00:00:00.0"},
      {"datetime", "=0000-00-00 00:00:00"},
      {"timestamp", "=0000-00-00 00:00:00"},
      {"year", "=0000"},
      {"bit(3)", "=0"},
      {"enum('x','y')", "=x"},
      {"set('x')", "="},
      {"json", "=null"},
      {"point", "unknown"},
  };
  for (const auto& [type, value] : rows) {
    INFO(type);
    CHECK(default_of(type, {}, false, false) == value);
  }
}

TEST_CASE("Defaults after a statement: the statement's own, else those of before, never the catalogue's of later") {
  using Default = Column::Default;
  auto table = [](std::initializer_list<std::pair<const char*, const char*>> columns, bool nullable = true) {
    auto schema = std::make_shared<TableSchema>();
    for (const auto& [name, type] : columns) {
      auto column = column_from_type(name, type, nullable, 45);
      REQUIRE(column.ok());
      set_column_default(*column, "99", "", false);  // what the catalogue shows now
      schema->columns.push_back(*column);
    }
    return schema;
  };
  auto after = [&](const TableSchema* before, const TableSchema& now, const char* statement) {
    std::string out;
    SchemaRef changed = with_defaults_of(before, now, statement, false);
    for (const Column& column : changed->columns) {
      out += column.default_kind == Default::kText       ? "=" + column.default_text
             : column.default_kind == Default::kNull     ? "NULL"
             : column.default_kind == Default::kImplicit ? "zero"
                                                         : "?";
      out += "|";
    }
    return out;
  };
  auto before = table({{"a", "int"}, {"b", "varchar(9)"}});
  auto now = table({{"a", "int"}, {"b", "varchar(9)"}, {"c", "int"}});
  CHECK(after(before.get(), *now, "ALTER TABLE t ADD COLUMN c INT DEFAULT -5") == "=99|=99|=-5|");
  CHECK(after(before.get(), *now, "ALTER TABLE t ADD c INT AFTER a") == "?|=99|NULL|");
  CHECK(after(before.get(), *now, "ALTER TABLE t ADD c INT DEFAULT (1 + 2), ADD KEY k (b)") == "=99|?|?|");
  CHECK(after(before.get(), *now, "ALTER TABLE t ADD c INT, ADD KEY k (c)") == "=99|=99|?|");
  CHECK(after(before.get(), *before, "ALTER TABLE t ALTER `A` SET DEFAULT 7") == "?|=99|");
  CHECK(after(before.get(), *before, "ALTER TABLE t MODIFY b VARCHAR(9)") == "=99|?|");
  CHECK(after(nullptr, *before, "RENAME TABLE x TO t") == "?|?|");
  CHECK(after(nullptr, *now, "CREATE TABLE t (a INT, b VARCHAR(9) DEFAULT 'it''s', c INT DEFAULT 1 COMMENT 'DEFAULT 2', KEY (b))") ==
        "NULL|=it's|=1|");
  CHECK(after(nullptr, *now,
              "CREATE TABLE t (a INT AUTO_INCREMENT, b VARCHAR(9) CHARACTER SET utf8mb4 DEFAULT NULL, "
              "c INT REFERENCES x (y) ON DELETE SET DEFAULT)") == "?|NULL|?|");
  CHECK(after(nullptr, *now, "CREATE TABLE t (KEY k (a DESC), a INT DEFAULT 1, b VARCHAR(9) DEFAULT '5', c INT NOT NULL)") == "?|?|?|");
  auto strict = table({{"a", "int"}, {"b", "varchar(9)"}}, false);
  CHECK(after(nullptr, *strict, "CREATE TABLE t (a INT NOT NULL, b VARCHAR(9) DEFAULT NULL)") == "zero|?|");
  CHECK(after(nullptr, *table({{"a", "timestamp"}}), "CREATE TABLE t (a TIMESTAMP)") == "?|");
  SchemaRef bare = without_defaults(*now);
  for (const Column& column : bare->columns) CHECK(column.default_kind == Default::kUnknown);
}
