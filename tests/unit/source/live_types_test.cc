// Every column type written by a real server: the value from its log equals what it SELECTs.
#include <cstdlib>

#include "event/value_text.h"
#include "mysql/charset.h"
#include "source/mysql_source.h"
#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"
#include "unit/source/stream_reader.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

struct TypeCase {
  std::string type;
  std::vector<std::string> literals;
  std::string server;  // "" = all of them
};

const std::vector<TypeCase>& type_cases() {
  static const std::vector<TypeCase> kCases = {
      {"tinyint", {"-128", "127", "0"}, ""},
      {"tinyint unsigned", {"255", "0"}, ""},
      {"smallint", {"-32768", "32767"}, ""},
      {"smallint unsigned zerofill", {"65535", "7"}, ""},
      {"mediumint", {"-8388608", "8388607", "-1"}, ""},
      {"mediumint unsigned", {"16777215"}, ""},
      {"int", {"-2147483648", "2147483647"}, ""},
      {"int unsigned", {"4294967295"}, ""},
      {"bigint", {"-9223372036854775808", "9223372036854775807"}, ""},
      {"bigint unsigned", {"18446744073709551615", "9223372036854775808"}, ""},
      {"bool", {"true", "false"}, ""},
      {"float", {"1.5", "-0.1", "3.4e38", "1e-38", "16777217"}, ""},
      {"double", {"0.1", "-1.7976931348623157e308", "5e-324", "1e15"}, ""},
      {"float(7,3)", {"12.345"}, ""},
      {"decimal(65,30)",
       {"12345678901234567890123456789012345.123456789012345678901234567891", "-0.000000000000000000000000000001", "0"},
       ""},
      {"decimal(9,0)", {"-999999999", "1"}, ""},
      {"decimal(10,10)", {"0.0000000001", "-0.9999999999"}, ""},
      {"decimal(20,9) unsigned", {"99999999999.999999999"}, ""},
      {"bit(1)", {"b'1'", "b'0'"}, ""},
      {"bit(33)", {"b'100000000000000000000000000000001'"}, ""},
      {"bit(64)", {"0xFFFFFFFFFFFFFFFF", "0"}, ""},
      {"date", {"'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2024-00-00'", "'2024-02-29'"}, ""},
      {"time", {"'838:59:59'", "'-838:59:59'", "'00:00:00'", "'-00:00:01'"}, ""},
      {"time(1)", {"'-00:00:00.1'", "'12:34:56.7'"}, ""},
      {"time(3)", {"'-12:34:56.789'", "'23:59:59.999'"}, ""},
      {"time(6)", {"'-838:59:58.999999'", "'00:00:00.000001'", "'-00:00:00.000001'"}, ""},
      {"datetime", {"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'0000-00-00 00:00:00'", "'2024-00-00 01:02:03'"}, ""},
      {"datetime(2)", {"'2024-02-29 12:34:56.78'"}, ""},
      {"datetime(5)", {"'2024-02-29 12:34:56.78901'"}, ""},
      {"datetime(6)", {"'2024-02-29 12:34:56.789012'"}, ""},
      {"timestamp null", {"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'"}, ""},
      {"timestamp(4) null", {"'2024-03-31 02:30:00.1234'"}, ""},
      {"timestamp(6) null", {"'2038-01-19 03:14:07.999999'"}, ""},
      {"year", {"1901", "2155", "0", "2024"}, ""},
      {"char(10)", {"'abc'", "''", "'trail   '", "'h\xC3\xA9llo'"}, ""},
      {"char(255) character set utf8mb4", {"'\xF0\x9F\x98\x80'", "repeat('\xF0\x9F\x98\x80', 255)"}, ""},
      {"varchar(80)", {"'it''s \"quoted\" \\\\ \\n'", "''", "'trail   '"}, ""},
      {"varchar(300) character set utf8mb3", {"repeat('\xE4\xBD\xA0', 300)"}, ""},
      {"varchar(20) character set latin1", {"'h\xC3\xA9\xE2\x82\xAC'"}, ""},
      {"varchar(20) character set latin2", {"'\xC5\x82\xC3\xB3\xC4\x8F'"}, ""},
      {"varchar(20) character set cp1251", {"'\xD0\x9F\xD1\x80\xD0\xB8'"}, ""},
      {"varchar(20) character set koi8r", {"'\xD0\x9F\xD1\x80\xD0\xB8'"}, ""},
      {"varchar(20) character set greek", {"'\xCE\xB1\xCE\xB2'"}, ""},
      {"varchar(20) character set gbk", {"'\xE4\xBD\xA0\xE5\xA5\xBD'"}, ""},
      {"varchar(20) character set big5", {"'\xE4\xBD\xA0\xE5\xA5\xBD'"}, ""},
      {"varchar(20) character set sjis", {"'\xE3\x83\x86\xE3\x82\xB9\xEF\xBD\xB1'"}, ""},
      {"varchar(20) character set cp932", {"'\xE3\x83\x86\xE2\x91\xA0'"}, ""},
      {"varchar(20) character set ujis", {"'\xE3\x83\x86\xE3\x82\xB9'"}, ""},
      {"varchar(20) character set euckr", {"'\xED\x95\x9C\xEA\xB8\x80'"}, ""},
      {"varchar(20) character set gb18030", {"'\xE4\xBD\xA0\xF0\x9F\x98\x80'"}, "mysql9"},
      {"varchar(20) character set utf16", {"'a\xF0\x9F\x98\x80'"}, ""},
      {"varchar(20) character set utf16le", {"'a\xE4\xBD\xA0'"}, ""},
      {"char(9) character set ucs2", {"'a\xE4\xBD\xA0'"}, ""},
      {"varchar(20) character set utf32", {"'a\xF0\x9F\x98\x80'"}, ""},
      {"varchar(20) character set ascii", {"'plain'"}, ""},
      {"tinytext", {"'x'"}, ""},
      {"text character set latin1", {"repeat('\xC3\xA9', 300)"}, ""},
      {"mediumtext", {"repeat('abc', 30000)"}, ""},
      {"longtext", {"'long'"}, ""},
      {"binary(6)", {"'ab'", "x'00010000'", "''"}, ""},
      {"varbinary(300)", {"x'00ff00'", "''", "repeat(x'00', 300)"}, ""},
      {"tinyblob", {"x'ff00'"}, ""},
      {"longblob", {"repeat(x'0102', 40000)"}, ""},
      {"enum('a','b','','it''s')", {"'b'", "''", "'it''s'", "1"}, ""},
      {"enum('\xC3\xA9','x') character set latin1", {"'\xC3\xA9'"}, ""},
      {"set('x','y','z')", {"'x,z'", "''", "'z,y,x'"}, ""},
      {"set('1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17')", {"'17,1'"}, ""},
      {"geometry", {"st_geomfromtext('POINT(1 2)')", "st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))', 4326)"}, ""},
      {"point", {"st_geomfromtext('POINT(-1.5 2.25)')"}, ""},
      {"json",
       {"'{\"b\": [1, 2.50, -3e100, true, null], \"a\": {\"\xC3\xA9\": \"x\\\\ty\\\\u0001\"}}'", "'[]'", "'\"s\"'",
        "'18446744073709551615'", "'null'", "concat('[', repeat('123456,', 20000), '0.1]')"},
       ""},
      {"json",
       {"json_object('dec', cast('12345.678900' as decimal(20,6)), 'dt', cast('2020-01-02 03:04:05.123456' as datetime(6)), 'd', "
        "cast('2020-01-02' as date), 't', cast('-100:11:12' as time), 'b', x'00112233', 'bit', b'101')",
        "json_array(cast(repeat(x'01', 100) as char character set binary))", "cast(1e0 as json)", "cast(-0.1e0 as json)",
        "cast(123456789012345678e0 as json)", "cast(1e-20 as json)"},
       "mysql9"},
      {"vector(3)", {"string_to_vector('[1,2.5,-3]')"}, "mysql9"},
      {"inet4", {"'1.2.3.4'", "'1.2.0.0'", "'0.0.0.0'"}, "mariadb"},
      {"inet6",
       {"'::'", "'::1'", "'fe80::1:0:0:1'", "'::ffff:1.2.3.4'", "'1::'", "'1:0:2:3:4:5:6:7'", "'::1.2.3.4'", "'1:2:0:0:5:0:0:8'"},
       "mariadb"},
      {"uuid", {"'00112233-4455-1677-8899-aabbccddee00'", "'00112233-4455-4677-8899-aabbccddeeff'"}, "mariadb"},
      {"varchar(300) compressed", {"repeat('abc', 90)", "'short'", "''"}, "mariadb"},
      {"blob compressed", {"repeat(x'00ff', 400)", "x'00'"}, "mariadb"},
      {"longtext compressed character set latin1", {"repeat('\xC3\xA9', 1000)"}, "mariadb"},
  };
  return kCases;
}

std::string hex_of(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : bytes) {
    out.push_back(kDigits[c >> 4]);
    out.push_back(kDigits[c & 15]);
  }
  return out;
}

void compare(const TypeCase& type, const Value& value, const Column& column, const std::optional<std::string>& selected) {
  CAPTURE(type.type, column.type_text);
  if (!selected) {
    CHECK(value.is_null());
    return;
  }
  CAPTURE(selected->substr(0, 200));
  REQUIRE_FALSE(value.is_null());
  REQUIRE_FALSE(value.is_absent());
  if (value.kind == Kind::kDouble) {
    CHECK(value.d == std::strtod(selected->c_str(), nullptr));
  } else if (value.kind == Kind::kBytes || value.kind == Kind::kGeometry) {
    CHECK(hex_of(value.text()) == *selected);
  } else {
    CHECK(to_text(value, column) == *selected);
  }
}

void check_server(const LiveServer& server, const std::string& metadata) {
  ScratchDatabase scratch(server);
  scratch.run("SET GLOBAL binlog_row_metadata=" + metadata);
  scratch.run("SET SESSION sql_mode=''");
  Position from = must(current_position(scratch.connection()));
  std::vector<const TypeCase*> tables;
  for (const TypeCase& type : type_cases()) {
    if (!type.server.empty() && type.server != server.name) continue;
    std::string table = scratch.name() + ".t" + std::to_string(tables.size());
    INFO(type.type);
    scratch.run("CREATE TABLE " + table + " (id int primary key, c " + type.type +
                (type.type.find(" null") == std::string::npos ? " null)" : ")"));
    for (size_t i = 0; i < type.literals.size(); ++i) {
      scratch.run("INSERT INTO " + table + " VALUES (" + std::to_string(i) + ", " + type.literals[i] + ")");
    }
    scratch.run("INSERT INTO " + table + " VALUES (1000, NULL)");
    tables.push_back(&type);
  }
  Position to = must(current_position(scratch.connection()));

  std::vector<std::string> patterns = {scratch.name() + ".*"};
  TableFilter filter = must(TableFilter::parse(patterns));
  MysqlSource source(server.options, {&filter, nullptr});
  must(source.open(from));
  size_t rows = 0;
  for (const auto& batch : read_all(source, &to)) {
    for (const ChangeEvent& event : batch->events) {
      if (event.op != Op::kInsert) continue;
      ++rows;
      const Column& column = event.table->columns[1];
      auto number = std::stoul(event.table->table.substr(1));
      bool raw = column.kind == Kind::kBytes || column.kind == Kind::kGeometry;
      bool number_like = column.kind == Kind::kBit || column.kind == Kind::kDouble;
      std::string expression = raw ? "HEX(c)" : number_like ? "c + 0e0" : "c";
      bool zerofill = column.type_text.find("zerofill") != std::string::npos;  // padding is display, not value
      if (column.kind == Kind::kBit || zerofill) expression = "c + 0";
      auto selected = must(scratch.connection().query_value("SELECT " + expression + " FROM " + event.table->qualified_name() +
                                                            " WHERE id = " + std::to_string(event.after[0].i)));
      compare(*tables.at(number), event.after[1], column, selected);
    }
  }
  size_t expected = 0;
  for (const TypeCase* type : tables) expected += type->literals.size() + 1;
  CHECK(rows == expected);
}

}  // namespace

TEST_CASE("Values from the log equal values from SELECT") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    check_server(server, "FULL");
  }
}

// Codes that the server cannot convert itself come back with '?' and are left out.
TEST_CASE("Every one- and two-byte code converts as the server does") {
  for (const LiveServer& server : live_servers()) {
    ScratchDatabase scratch(server);
    scratch.run(server.name == "mariadb" ? "SET SESSION max_recursive_iterations=100000" : "SET SESSION cte_max_recursion_depth=100000");
    auto codes = [&](const std::string& charset, int first, int last) {
      const Charset* known = find_charset(charset);
      REQUIRE(known);
      auto result = must(scratch.connection().query(
          "WITH RECURSIVE s(n) AS (SELECT " + std::to_string(first) + " UNION ALL SELECT n + 1 FROM s WHERE n < " + std::to_string(last) +
          ") SELECT n, CONVERT(CONVERT(UNHEX(HEX(n)) USING " + charset + ") USING utf8mb4) FROM s"));
      size_t checked = 0;
      size_t refused = 0;
      for (const auto& row : result.rows) {
        if (!row[1] || row[1]->empty() || row[1]->find('?') != std::string::npos) continue;
        int n = std::stoi(*row[0]);
        std::string code = n > 255 ? std::string{static_cast<char>(n >> 8), static_cast<char>(n)} : std::string{static_cast<char>(n)};
        std::string text;
        ++checked;
        if (!append_utf8(*known, code, text)) {
          ++refused;
        } else if (text != *row[1]) {
          CAPTURE(server.name, charset, n);
          CHECK(text == *row[1]);
        }
      }
      CAPTURE(server.name, charset, refused);
      CHECK(checked > 80);
      CHECK(refused == 0);
    };
    for (const char* charset : {"latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256",   "cp1257", "cp850", "cp852",
                                "cp866",  "koi8r",  "koi8u",  "greek",  "hebrew", "tis620", "macroman", "macce",  "dec8",  "hp8"}) {
      codes(charset, 128, 255);
    }
    for (const char* charset : {"gbk", "gb2312", "big5", "ujis", "eucjpms", "euckr"}) codes(charset, 0x8140, 0xFEFE);
    for (const char* charset : {"sjis", "cp932"}) {  // between the two ranges are single bytes
      codes(charset, 0x8140, 0x9FFC);
      codes(charset, 0xE040, 0xFCFC);
    }
    if (server.name == "mysql9") codes("gb18030", 0x8140, 0xFEFE);
  }
}

TEST_CASE("The same without full metadata: names and signedness come from the catalogue") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    check_server(server, server.name == "mariadb" ? "NO_LOG" : "MINIMAL");
    ScratchDatabase scratch(server);
    scratch.run("SET GLOBAL binlog_row_metadata=FULL");
  }
}
