// Values through the rules: every kind and edge value survives an identity map, typed writes, exact decimals.
#include <cfloat>
#include <cstdint>
#include <limits>

#include "event/time_parse.h"
#include "rule/decimal.h"
#include "rule/value_write.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

Value decimal_value(const char* text, uint8_t scale) {
  Value value = text_value(text, Kind::kDecimal);
  value.scale = scale;
  return value;
}

Value time_value(Kind kind, int64_t micros, uint8_t scale) {
  Value value = Value::of_bits(kind, 0, scale);
  value.i = micros;
  return value;
}

struct ColumnCase {
  const char* type;
  std::vector<Value> values;
};

std::vector<ColumnCase> edge_values() {
  static const char binary[] = "\x00\xff\x01";
  static const char geometry[] = "\x01\x00\x00\x00\x01\x02";
  uint64_t last_datetime = pack_datetime({9999, 12, 31}, {23, 59, 59, 999999});
  return {
      {"tinyint", {Value::of_int(-128), Value::of_int(127), Value::of_int(0)}},
      {"tinyint(1)", {Value::of_int(-1), Value::of_int(1), Value::of_int(2)}},
      {"tinyint unsigned", {Value::of_uint(0), Value::of_uint(255)}},
      {"smallint", {Value::of_int(-32768), Value::of_int(32767)}},
      {"mediumint", {Value::of_int(-8388608), Value::of_int(8388607)}},
      {"int", {Value::of_int(INT32_MIN), Value::of_int(INT32_MAX)}},
      {"int unsigned", {Value::of_uint(0), Value::of_uint(UINT32_MAX)}},
      {"bigint", {Value::of_int(INT64_MIN), Value::of_int(INT64_MAX), Value::of_int(9007199254740993), Value::of_int(-1)}},
      {"bigint unsigned", {Value::of_uint(0), Value::of_uint(UINT64_MAX), Value::of_uint(uint64_t{1} << 63)}},
      {"float", {Value::of_float(0.1f), Value::of_float(FLT_MAX), Value::of_float(-FLT_MIN), Value::of_float(-0.0f)}},
      {"double", {Value::of_double(0.1), Value::of_double(DBL_MAX), Value::of_double(5e-324), Value::of_double(-0.0)}},
      {"decimal(10,2)", {decimal_value("0.00", 2), decimal_value("-99999999.99", 2), decimal_value("1.50", 2)}},
      {"decimal(65,30)",
       {decimal_value("99999999999999999999999999999999999.999999999999999999999999999999", 30),
        decimal_value("0.000000000000000000000000000001", 30)}},
      {"decimal(65,0)", {decimal_value("99999999999999999999999999999999999999999999999999999999999999999", 0)}},
      {"char(4)", {text_value(""), text_value("ab"), text_value("\xF0\x9F\x98\x80xyz")}},
      {"varchar(5)", {text_value(""), text_value("a b  "), text_value("it's")}},
      {"longtext", {text_value("line\nbreak\ttab \\ \"quote\"")}},
      {"binary(3)", {Value::of_text(Kind::kBytes, binary, 3)}},
      {"varbinary(9)", {Value::of_text(Kind::kBytes, binary, 3), Value::of_text(Kind::kBytes, binary, 0)}},
      {"blob", {Value::of_text(Kind::kBytes, binary, 2)}},
      {"json", {text_value("{\"a\": [1, null, \"x\"]}", Kind::kJson), text_value("1.0", Kind::kJson), text_value("null", Kind::kJson)}},
      {"date",
       {Value::of_bits(Kind::kDate, 0), Value::of_bits(Kind::kDate, pack_date(9999, 12, 31)),
        Value::of_bits(Kind::kDate, pack_date(2024, 0, 15))}},
      {"time(6)", {time_value(Kind::kTime, -3020399000000, 6), time_value(Kind::kTime, 1, 6), time_value(Kind::kTime, -1, 6)}},
      {"time", {time_value(Kind::kTime, 3020399000000, 0), time_value(Kind::kTime, 0, 0)}},
      {"datetime", {Value::of_bits(Kind::kDateTime, 0, 0), Value::of_bits(Kind::kDateTime, pack_datetime({2024, 2, 29}, {0, 0, 1, 0}), 0)}},
      {"datetime(6)", {Value::of_bits(Kind::kDateTime, last_datetime, 6), Value::of_bits(Kind::kDateTime, 0, 6)}},
      {"datetime(3)", {Value::of_bits(Kind::kDateTime, pack_datetime({2024, 2, 0}, {1, 2, 3, 456000}), 3)}},
      {"timestamp", {time_value(Kind::kTimestamp, 0, 0), time_value(Kind::kTimestamp, 2147483647000000, 0)}},
      {"timestamp(6)", {time_value(Kind::kTimestamp, 1, 6), time_value(Kind::kTimestamp, 1234567890123456, 6)}},
      {"year", {Value::of_bits(Kind::kYear, 0), Value::of_bits(Kind::kYear, 1901), Value::of_bits(Kind::kYear, 2155)}},
      {"bit(1)", {Value::of_bits(Kind::kBit, 0), Value::of_bits(Kind::kBit, 1)}},
      {"bit(64)", {Value::of_bits(Kind::kBit, UINT64_MAX), Value::of_bits(Kind::kBit, uint64_t{1} << 63)}},
      {"enum('a','it''s')", {Value::of_bits(Kind::kEnum, 0), Value::of_bits(Kind::kEnum, 1), Value::of_bits(Kind::kEnum, 2)}},
      {"set('a','b','c')", {Value::of_bits(Kind::kSet, 0), Value::of_bits(Kind::kSet, 5), Value::of_bits(Kind::kSet, 7)}},
      {"geometry", {Value::of_text(Kind::kGeometry, geometry, 6)}},
  };
}

// A table with one column per case, behind an integer key; row `n` has the n-th value of each case (wrapping), and
// then one row of NULLs and one of absent cells.
struct EdgeTable {
  SchemaRef schema;
  std::vector<Cells> rows;
};

EdgeTable edge_table() {
  auto cases = edge_values();
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "shop";
  schema->table = "edges";
  Column id = parse_sql_type("int not null").value();
  id.name = "id";
  schema->columns.push_back(id);
  schema->primary_key = {0};
  for (size_t i = 0; i < cases.size(); ++i) {
    Column column;
    if (std::string(cases[i].type) == "geometry") {
      column.kind = Kind::kGeometry;
      column.type_name = column.type_text = "geometry";
    } else {
      column = parse_sql_type(cases[i].type).value();
    }
    column.name = "c" + std::to_string(i);
    schema->columns.push_back(column);
  }
  EdgeTable out{schema, {}};
  for (int n = 0; n < 6; ++n) {
    Cells row = {Value::of_int(n)};
    for (const ColumnCase& one : cases) {
      row.push_back(n == 4 ? Value::null() : n == 5 ? Value::absent() : one.values[static_cast<size_t>(n) % one.values.size()]);
    }
    out.rows.push_back(row);
  }
  return out;
}

void check_identity(bool jit, const std::string& map) {
  EdgeTable table = edge_table();
  Folder folder;
  RuleStageConfig config;
  config.rules.jit = jit;
  auto stage = try_stage(folder, entry(map), config);
  INFO((stage.ok() ? "" : stage.status().to_string()));
  REQUIRE(stage.ok());
  // Enough rounds for the loop to be compiled.
  for (int round = 0; round < 40; ++round) {
    BatchBuilder builder;
    std::vector<Cells> expected;
    for (int i = 0; i < 20; ++i) {
      for (const Cells& row : table.rows) {
        builder.insert(table.schema, row);
        expected.push_back(row);
      }
    }
    Status status = (*stage)->run(builder.batch);
    INFO((status.ok() ? "" : status.to_string()));
    REQUIRE(status.ok());
    REQUIRE(builder.batch.events.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const ChangeEvent& event = builder.batch.events[i];
      for (size_t c = 0; c < expected[i].size(); ++c) {
        if (identical(event.after[c], expected[i][c])) continue;
        FAIL("column " << table.schema->columns[c].type_text << ": " << to_text(expected[i][c], table.schema->columns[c]) << " became "
                       << to_text(event.after[c], table.schema->columns[c]));
      }
    }
  }
}

constexpr const char* kAssignAll = "map = function(row) for name, value in col.each(row) do row[name] = value end end";
// Writes something else first, so that every cell is really converted back.
constexpr const char* kAssignAnew = R"lua(map = function(row)
  for name, value in col.each(row) do
    if name ~= 'id' and value ~= nil then row[name] = nil; row[name] = value end
  end end)lua";

}  // namespace

TEST_CASE("an identity map gives the same bytes, with and without the JIT") {
  for (bool jit : {true, false}) {
    check_identity(jit, kAssignAll);
    check_identity(jit, kAssignAnew);
  }
}

TEST_CASE("an assignment of what is there keeps even a date that no write would take") {
  auto table = make_table("shop", "t", {"id int not null", "d date"});
  Folder folder;
  auto stage = try_stage(folder, entry("map = function(row) row.d = row.d end")).value();
  Value invalid = Value::of_bits(Kind::kDate, pack_date(2024, 2, 30));  // ALLOW_INVALID_DATES
  BatchBuilder builder;
  builder.insert(table, {Value::of_int(1), invalid});
  REQUIRE(stage->run(builder.batch).ok());
  CHECK(identical(builder.batch.events[0].after[1], invalid));
}

TEST_CASE("what each kind of column looks like in a map") {
  auto table = make_table("shop", "t",
                          {"i int not null", "b bigint", "d decimal(10,2)", "e enum('x','y')", "s set('p','q')", "t datetime(3)", "f float",
                           "n varchar(5)", "u bigint unsigned", "bit8 bit(8)"});
  Cells row = {Value::of_int(7),
               Value::of_int(9007199254740993),
               decimal_value("1.50", 2),
               Value::of_bits(Kind::kEnum, 2),
               Value::of_bits(Kind::kSet, 3),
               Value::of_bits(Kind::kDateTime, pack_datetime({2024, 2, 29}, {1, 2, 3, 450000}), 3),
               Value::of_float(0.5f),
               Value::null(),
               Value::of_uint(UINT64_MAX),
               Value::of_bits(Kind::kBit, 200)};
  for (bool jit : {true, false}) {
    Folder folder;
    RuleStageConfig config;
    config.rules.jit = jit;
    auto stage = try_stage(folder, entry(R"lua(map = function(row)
      assert(row.i == 7 and type(row.i) == "number")
      assert(type(row.b) == "bigint" and text(row.b) == "9007199254740993" and row.b > 9007199254740992)
      assert(type(row.d) == "decimal" and text(row.d) == "1.50" and row.d == decimal "1.5")
      assert(row.e == "y" and row.s == "p,q" and row.t == "2024-02-29 01:02:03.450")
      assert(row.f == 0.5 and row.n == nil and text(row.u) == "18446744073709551615" and row.bit8 == 200)
      assert(col.raw(row, "e") == 2 and col.raw(row, "s") == 3 and col.text(row, "d") == "1.50" and col.text(row, "n") == nil)
      row.b = row.b + 1
      row.d = row.d * 2
      row.e, row.s, row.t = "x", "q", "2025-01-01 00:00:00"
      row.u = row.u - 1
      row.n = null
      row.f = 0.25
    end)lua"),
                           config)
                     .value();
    for (int round = 0; round < 30; ++round) {
      BatchBuilder builder;
      for (int i = 0; i < 20; ++i) builder.insert(table, row);
      Status status = stage->run(builder.batch);
      INFO((status.ok() ? "" : status.to_string()));
      REQUIRE(status.ok());
      for (const ChangeEvent& event : builder.batch.events) {
        REQUIRE(show_row(*event.table, event.after) ==
                "(i=7, b=9007199254740994, d=3.00, e=x, s=q, t=2025-01-01 00:00:00.000, f=0.25, n=NULL, "
                "u=18446744073709551614, bit8=200)");
      }
    }
  }
}

TEST_CASE("writes are typed and range checked") {
  struct Write {
    const char* type;
    const char* expression;
    const char* result;  // canonical text, or "!" and a part of the fault
  };
  const Write writes[] = {
      {"tinyint", "127", "127"},
      {"tinyint", "128", "!out of the range"},
      {"tinyint unsigned", "-1", "!out of the range"},
      {"tinyint(1)", "true", "1"},
      {"int", "true", "!cannot be written"},
      {"int", "'5'", "!cannot be written"},
      {"int", "bigint '5'", "5"},
      {"int", "decimal '5.0'", "5"},
      {"int", "decimal '5.5'", "!digits after the point"},
      {"int", "0/0", "!NaN"},
      {"bigint", "2^53", "9007199254740992"},
      {"bigint", "2^60", "!out of the range"},
      {"bigint", "'9223372036854775807'", "9223372036854775807"},
      {"bigint", "'9223372036854775808'", "!out of the range"},
      {"bigint", "bigint '18446744073709551615'", "!out of the range"},
      {"bigint unsigned", "'18446744073709551615'", "18446744073709551615"},
      {"bigint unsigned", "bigint '-1'", "!out of the range"},
      {"bigint", "'1e3'", "!canonical form"},
      {"decimal(5,2)", "'1.5'", "1.50"},
      {"decimal(5,2)", "'-0'", "0.00"},
      {"decimal(5,2)", "1.5", "!digits after the point"},
      {"decimal(5,2)", "7", "7.00"},
      {"decimal(5,2)", "'999.99'", "999.99"},
      {"decimal(5,2)", "'1000'", "!out of the range"},
      {"decimal(5,2)", "'1.234'", "!digits after the point"},
      {"decimal(5,2)", "'1.230'", "1.23"},
      {"float", "0.1", "0.1"},
      {"float", "1e39", "!out of the range"},
      {"double", "1/0", "!NaN"},
      {"double", "'1'", "!cannot be written"},
      {"varchar(3)", "'abc'", "abc"},
      {"varchar(3)", "'abcd'", "!too long"},
      {"varchar(3)", "'\\195\\164\\195\\164\\195\\164'", "äää"},
      {"varchar(3)", "5", "!cannot be written"},
      {"varchar(3)", "'\\237\\160\\128'", "!UTF-8"},
      {"tinytext", "('x'):rep(256)", "!too long"},
      {"varbinary(2)", "'\\255\\0'", nullptr},
      {"binary(3)", "'ab'", nullptr},
      {"varbinary(2)", "'abc'", "!too long"},
      {"date", "'2024-02-29'", "2024-02-29"},
      {"date", "'2023-02-29'", "!canonical form"},
      {"date", "'0000-00-00'", "0000-00-00"},
      {"date", "'2024-1-1'", "!canonical form"},
      {"date", "'2024-13-01'", "!canonical form"},
      {"datetime", "'2024-01-01 24:00:00'", "!canonical form"},
      {"datetime(2)", "'2024-01-01 10:00:00.5'", "2024-01-01 10:00:00.50"},
      {"datetime", "'2024-01-01 10:00:00.5'", "!canonical form"},
      {"datetime", "'2024-01-01'", "!canonical form"},
      {"time", "'-838:59:59'", "-838:59:59"},
      {"time", "'839:00:00'", "!canonical form"},
      {"time(6)", "'-838:59:59.999999'", "-838:59:59.999999"},  // MariaDB's least
      {"time(1)", "'00:00:00.1'", "00:00:00.1"},
      {"timestamp", "'1970-01-01 00:00:00'", "!canonical form"},
      {"timestamp", "'1970-01-01 00:00:01'", "1970-01-01 00:00:01"},
      {"timestamp", "'0000-00-00 00:00:00'", "0000-00-00 00:00:00"},
      {"year", "1900", "!out of the range"},
      {"year", "2024", "2024"},
      {"bit(3)", "7", "7"},
      {"bit(3)", "8", "!out of the range"},
      {"enum('a','b')", "'b'", "b"},
      {"enum('a','b')", "'c'", "!no label"},
      {"set('a','b')", "'b,a'", "a,b"},
      {"set('a','b')", "'a,,b'", "!no label"},
      {"set('a','b')", "'a,'", "!no label"},
      {"set('a','b')", "''", ""},
      {"json", "'{\"a\": 1}'", "{\"a\": 1}"},
      {"json", "'{a: 1}'", "!valid JSON"},
      {"int not null", "nil", "!NOT NULL"},
      {"int not null", "null", "!NOT NULL"},
      {"int", "print", "!a function cannot be written"},
  };
  for (const Write& write : writes) {
    auto table = make_table("shop", "w", {"id int not null", std::string("v ") + write.type});
    Folder folder;
    auto stage = try_stage(folder, entry(std::string("map = function(row) row.v = ") + write.expression + " end")).value();
    BatchBuilder builder;
    bool nullable = table->columns[1].nullable;
    builder.insert(table, {Value::of_int(1), nullable ? Value::null() : Value::of_int(1)});
    Status status = stage->run(builder.batch);
    INFO(write.type << " <- " << write.expression << " " << (status.ok() ? "" : status.to_string()));
    if (!write.result) {
      CHECK(status.ok());
    } else if (*write.result == '!') {
      REQUIRE(!status.ok());
      CHECK(status.code() == ErrorCode::kRuleWrite);
      CHECK_THAT(status.detail(), Contains(write.result + 1));
    } else {
      REQUIRE(status.ok());
      CHECK(to_text(builder.batch.events[0].after[1], table->columns[1]) == write.result);
    }
  }
}

TEST_CASE("decimals: parse, format, compare") {
  auto text = [](const char* in) -> std::string {
    Decimal value{};
    if (!parse_decimal(in, value)) return "no";
    char out[kDecimalTextBytes];
    return std::string(out, format_decimal(value, out));
  };
  CHECK(text("0") == "0");
  CHECK(text("-0.00") == "0.00");
  CHECK(text("007.50") == "7.50");
  CHECK(text("18446744073709551616") == "18446744073709551616");
  CHECK(text("10000000000000000000000000000000000000") == "10000000000000000000000000000000000000");
  // 2^256 - 1 and 2^256.
  CHECK(text("115792089237316195423570985008687907853269984665640564039457584007913129639935") ==
        "115792089237316195423570985008687907853269984665640564039457584007913129639935");
  CHECK(text("115792089237316195423570985008687907853269984665640564039457584007913129639936") == "no");
  for (const char* bad : {"", "-", ".", "1.", ".5", "1.2.3", "+1", "1e5", " 1", "0x1"}) CHECK(text(bad) == "no");
  auto compare = [](const char* a, const char* b) {
    Decimal x{}, y{};
    REQUIRE((parse_decimal(a, x) && parse_decimal(b, y)));
    return compare_decimal(x, y);
  };
  CHECK(compare("1.50", "1.5") == 0);
  CHECK(compare("-1", "1") == -1);
  CHECK(compare("-2", "-1.99") == -1);
  CHECK(compare("99999999999999999999999999999999999999999999999999999999999999999", "0.000000000000000000000000000001") == 1);
}
