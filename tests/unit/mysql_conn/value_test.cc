// Every type with its edge values: the text of our Value against what the server prints for the same cell.
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "event/value_text.h"
#include "mysql/snapshot_reader.h"
#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

struct Case {
  std::string type;
  std::vector<std::string> values;  // SQL
  std::string only;                 // "" = every server
  std::string text = "c";           // SQL that prints the value as append_text does
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"TINYINT", {"-128", "-1", "0", "127"}, ""},
      {"TINYINT UNSIGNED", {"0", "128", "255"}, ""},
      {"SMALLINT", {"-32768", "32767"}, ""},
      {"SMALLINT UNSIGNED", {"0", "65535"}, ""},
      {"MEDIUMINT", {"-8388608", "-1", "8388607"}, ""},
      {"MEDIUMINT UNSIGNED", {"0", "8388608", "16777215"}, ""},
      {"INT", {"-2147483648", "2147483647"}, ""},
      {"INT UNSIGNED", {"0", "4294967295"}, ""},
      {"BIGINT", {"-9223372036854775808", "9223372036854775807", "0"}, ""},
      {"BIGINT UNSIGNED", {"0", "9223372036854775808", "18446744073709551615"}, ""},
      {"INT(6) ZEROFILL", {"0", "42"}, "", "c+0"},
      {"DECIMAL(65,30)", {"0", "-0.5", "99999999999999999999999999999999999.999999999999999999999999999999", "-12.5"}, ""},
      {"DECIMAL(10,0)", {"-9999999999", "0", "7"}, ""},
      {"DECIMAL(4,4)", {"0.5", "-0.0001", "0"}, ""},
      {"DECIMAL(8,2) ZEROFILL", {"0", "1.5", "999999.99"}, "", "c+0"},
      {"BIT(1)", {"0", "1"}, "", "c+0"},
      {"BIT(17)", {"0", "131071", "65536"}, "", "c+0"},
      {"BIT(64)", {"0", "18446744073709551615", "9223372036854775808"}, "", "c+0"},
      {"YEAR", {"0", "1901", "2155"}, ""},
      {"DATE", {"'0000-00-00'", "'1000-01-01'", "'9999-12-31'", "'2020-00-00'", "'2020-02-00'", "'0001-01-01'"}, ""},
      {"TIME", {"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'", "'24:00:00'", "'100:01:02'"}, ""},
      {"TIME(6)", {"'-838:59:58.999999'", "'-00:00:00.000001'", "'23:59:59.5'"}, ""},
      {"TIME(2)", {"'-01:00:00.25'", "'11:12:13'"}, ""},
      {"DATETIME", {"'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2020-00-00 01:02:03'"}, ""},
      {"DATETIME(6)", {"'2024-02-29 12:13:14.000001'", "'0000-00-00 00:00:00'", "'1969-12-31 23:59:59.999999'"}, ""},
      {"DATETIME(3)", {"'2024-03-31 02:30:00.120'"}, ""},  // an hour that many zones leave out
      {"TIMESTAMP NULL", {"'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2024-03-31 02:30:00'"}, ""},
      {"TIMESTAMP(6) NULL", {"'0000-00-00 00:00:00'", "'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07.999999'"}, ""},
      {"CHAR(5)", {"''", "'a  '", "'äöü€😀'"}, ""},
      {"VARCHAR(20)", {"''", "'a  '", "'it''s \\\\ \\n \\0 x'", "'日本語 😀'"}, ""},
      {"VARCHAR(20) CHARACTER SET latin1", {"'äöüß€'", "''", "'plain'"}, ""},
      {"VARCHAR(20) CHARACTER SET sjis", {"'日本'", "'ｱｲｳ'"}, ""},
      {"VARCHAR(20) CHARACTER SET utf16", {"'a€😀'"}, ""},
      {"VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin", {"'a€'"}, ""},
      {"TINYTEXT", {"''", "REPEAT('t', 255)"}, ""},
      {"TEXT", {"''", "REPEAT('é', 30000)"}, ""},
      {"MEDIUMTEXT", {"REPEAT('m', 70000)"}, ""},
      {"LONGTEXT", {"''", "REPEAT('abcdefgh', 2200000)"}, ""},  // more than one packet of 16 MiB
      {"BINARY(4)", {"''", "x'0001'", "x'ff00ff00'"}, ""},
      {"VARBINARY(300)", {"''", "x'00'", "REPEAT(x'ff', 251)", "REPEAT('z', 300)"}, ""},
      {"TINYBLOB", {"x'deadbeef00'"}, ""},
      {"BLOB", {"''", "REPEAT(x'00', 65535)"}, ""},
      {"LONGBLOB", {"REPEAT(x'fe', 70000)"}, ""},
      {"ENUM('','a','it''s','x\\\\y','ü')", {"''", "1", "2", "3", "4", "5"}, ""},
      {"ENUM('a','b')", {"'nope'", "'b'"}, ""},  // stored as the error value
      {"SET('r','w','x','ü')", {"''", "1", "15", "'r,x'", "8"}, ""},
      {"JSON", {"'{}'", "'[1, -2.5, 1e300, true, null, \"ü\\\\u0000\\\\\\\\\"]'", "'{\"b\": {\"a\": []}, \"\": \"\"}'"}, ""},
      {"GEOMETRY",
       {"ST_GeomFromText('POINT(1.5 -2)')", "ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')", "ST_GeomFromText('POINT(3 4)', 4326)"},
       ""},
      {"POINT", {"ST_GeomFromText('POINT(0 0)')"}, ""},
      {"INET6", {"'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'"}, "mariadb"},
      {"INET4", {"'192.0.2.1'", "'0.0.0.0'"}, "mariadb"},
      {"UUID", {"'123e4567-e89b-12d3-a456-426655440000'"}, "mariadb"},
      {"VARCHAR(200) COMPRESSED", {"REPEAT('c', 200)", "''"}, "mariadb"},
      {"BLOB COMPRESSED", {"REPEAT('c', 20000)"}, "mariadb"},
      {"VECTOR(3)", {"STRING_TO_VECTOR('[1,-2.5,3e10]')"}, "mysql9"},
      {"VARCHAR(30) AS (CONCAT('v', id)) VIRTUAL", {"DEFAULT"}, ""},
      {"INT AS (id * 2) STORED", {"DEFAULT"}, ""},
  };
  return all;
}

std::vector<SnapshotChunk> read_all(SnapshotReader& reader, const SchemaRef& table, size_t max_rows, size_t max_bytes) {
  std::vector<SnapshotChunk> out;
  std::string key;
  do {
    out.push_back(must(reader.read_chunk(table, key, max_rows, max_bytes)));
    key = out.back().next_key;
  } while (!key.empty());
  return out;
}

}  // namespace

TEST_CASE("values are what the server prints") {
  for (const LiveServer& server : live_servers()) {
    ScratchDatabase scratch(server);
    auto reader = make_snapshot_reader(server.options, [&](auto database, auto) { return database == scratch.name(); });
    int number = 0;
    for (const Case& c : cases()) {
      if (!c.only.empty() && c.only != server.name) continue;
      INFO(server.name << " " << c.type);
      std::string table = "t" + std::to_string(++number);
      scratch.run("CREATE TABLE " + table + " (id INT PRIMARY KEY, c " + c.type + ")");
      int id = 0;
      for (const std::string& value : c.values) {
        // IGNORE: the error value of an ENUM is wanted.
        scratch.run("INSERT IGNORE INTO " + table + " (id, c) VALUES (" + std::to_string(++id) + ", " + value + ")");
      }
      bool generated = c.type.find(" AS ") != std::string::npos;
      if (!generated) scratch.run("INSERT INTO " + table + " (id, c) VALUES (" + std::to_string(++id) + ", NULL)");
      SchemaRef schema = must(read_schema(scratch.connection(), scratch.name(), table));
      auto expected = must(scratch.connection().query("SELECT " + c.text + " FROM " + table + " ORDER BY id"));
      REQUIRE(expected.rows.size() == static_cast<size_t>(id));
      auto chunks = read_all(*reader, schema, 100000, 1 << 30);
      REQUIRE(chunks.size() == 1);
      REQUIRE(chunks[0].rows.events.size() == static_cast<size_t>(id));
      for (size_t i = 0; i < expected.rows.size(); ++i) {
        const Value& value = chunks[0].rows.events[i].after[1];
        const auto& cell = expected.rows[i][0];
        INFO("row " << i + 1);
        REQUIRE(value.is_null() == !cell.has_value());
        if (!cell) continue;
        CHECK(value.kind == schema->columns[1].kind);
        std::string text = to_text(value, schema->columns[1]);
        CHECK(text.substr(0, 200) == cell->substr(0, 200));
        CHECK((text == *cell));  // not expanded: it may be large
        CHECK(text.size() == cell->size());
      }
    }
  }
}

TEST_CASE("floating point is exact") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, f FLOAT, d DOUBLE)");
    for (const char* value : {"0", "-0e0", "0.1", "-3.4028234e38", "1.17549435e-38", "16777217", "1e-40", "123456.789"}) {
      scratch.run(std::string("INSERT INTO t (f, d) VALUES (") + value + ", " + value + ")");
    }
    scratch.run(
        "INSERT INTO t (f, d) VALUES (1, 1.7976931348623157e308), (1, 2.2250738585072014e-308), (1, 5e-324), "
        "(1, 0.30000000000000004)");
    auto reader = make_snapshot_reader(server.options, [](auto, auto) { return true; });
    SchemaRef schema = must(read_schema(scratch.connection(), scratch.name(), "t"));
    auto chunk = must(reader->read_chunk(schema, "", 1000, 1 << 20));
    // As doubles the server prints all the digits a FLOAT has.
    auto expected = must(scratch.connection().query("SELECT CAST(f AS DOUBLE), d FROM t ORDER BY id"));
    REQUIRE(chunk.rows.events.size() == expected.rows.size());
    for (size_t i = 0; i < expected.rows.size(); ++i) {
      INFO("row " << i + 1);
      Row row = chunk.rows.events[i].after;
      double f = std::strtod(expected.rows[i][0]->c_str(), nullptr), d = std::strtod(expected.rows[i][1]->c_str(), nullptr);
      CHECK(row[1].d == f);
      CHECK(row[1].flags == kFloat32);
      CHECK(std::strtof(to_text(row[1], schema->columns[1]).c_str(), nullptr) == static_cast<float>(f));
      CHECK(row[2].d == d);
      CHECK(std::signbit(row[2].d) == std::signbit(d));
      CHECK(row[2].flags == 0);
      CHECK(std::strtod(to_text(row[2], schema->columns[2]).c_str(), nullptr) == d);
    }
  }
}
