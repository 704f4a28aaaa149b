// Expected values: what Debezium and Canal document, and java.math.BigInteger, Double.toString, Float.toString.
#include <nlohmann/json.hpp>

#include "event/value_text.h"
#include "format/builtin.h"
#include "format/canal_upstream.h"
#include "unit/catch.h"

using namespace tailrace;
using Json = nlohmann::json;

namespace {

struct Case {
  EventBatch batch;
  std::shared_ptr<TableSchema> schema = std::make_shared<TableSchema>();
  std::vector<Value> row;

  Case() {
    schema->schema_id = next_schema_id();
    schema->database = "shop";
    schema->table = "t";
    Transaction txn;
    txn.id = "36f4c8c5-0000-11ee-8000-000000000000:23";
    txn.commit_time_us = 1'609'432'877'654'321;
    txn.file = "bin.000007";
    txn.end_offset = 4711;
    txn.server_id = 9;
    batch.txns.push_back(txn);
    add("id", "int", "int(11)", Kind::kInt, Value::of_int(7)).nullable = false;
    schema->primary_key = {0};
  }
  Column& add(const char* name, const char* type, const char* text, Kind kind, Value value) {
    Column column;
    column.name = name;
    column.type_name = type;
    column.type_text = text;
    column.kind = kind;
    column.is_unsigned = kind == Kind::kUint;
    schema->columns.push_back(column);
    row.push_back(value);
    return schema->columns.back();
  }
  static Value text(Kind kind, std::string_view bytes) { return Value::of_text(kind, bytes.data(), static_cast<uint32_t>(bytes.size())); }
  Record encode(const char* format, std::map<std::string, std::string> given, Op op, std::vector<Value>* before = nullptr) {
    given["flavor"] = "upstream";
    const FormatInfo* info = find_format(format);
    auto options = Options::parse("format", info->options, given);
    REQUIRE(options.ok());
    auto made = info->create(*options);
    REQUIRE(made.ok());
    ChangeEvent event;
    event.op = op;
    event.table = schema.get();
    if (op != Op::kDelete) event.after = row;
    if (op == Op::kDelete) event.before = row;
    if (before) event.before = *before;
    Record record;
    REQUIRE((*made)->encode(batch, event, record).ok());
    return record;
  }
};

std::string decimal(std::string_view digits, uint8_t scale) {
  Case c;
  c.add("d", "decimal", "decimal(65,30)", Kind::kDecimal, Case::text(Kind::kDecimal, digits)).scale = scale;
  return Json::parse(c.encode("debezium", {}, Op::kInsert).value).at("after").at("d");
}

}  // namespace

TEST_CASE("Debezium upstream: envelope, source, key, tombstone") {
  Case c;
  Record record = c.encode("debezium", {{"name", "srv"}}, Op::kDelete);
  Json message = Json::parse(record.value);
  CHECK(record.key == R"({"id":7})");
  CHECK(record.tombstone);
  CHECK(message.at("op") == "d");
  CHECK(message.at("before") == Json({{"id", 7}}));
  CHECK(message.at("after").is_null());
  CHECK(message.at("transaction").is_null());
  const Json& source = message.at("source");
  CHECK(source.at("connector") == "mysql");
  CHECK(source.at("name") == "srv");
  CHECK(source.at("ts_ms") == 1'609'432'877'654);
  CHECK(source.at("ts_us") == 1'609'432'877'654'321);
  CHECK(source.at("ts_ns") == 1'609'432'877'654'321'000);
  CHECK(source.at("snapshot") == "false");
  CHECK(source.at("gtid") == "36f4c8c5-0000-11ee-8000-000000000000:23");
  CHECK(source.at("file") == "bin.000007");
  CHECK(source.at("pos") == 4711);
  CHECK(source.at("server_id") == 9);
  CHECK_FALSE(c.encode("debezium", {{"tombstones", "false"}}, Op::kDelete).tombstone);
  CHECK_FALSE(c.encode("debezium", {}, Op::kInsert).tombstone);
  CHECK(Json::parse(c.encode("debezium", {}, Op::kRead).value).at("op") == "r");
  CHECK(Json::parse(c.encode("debezium", {}, Op::kRead).value).at("source").at("snapshot") == "true");
}

TEST_CASE("Debezium upstream: DECIMAL as the bytes of a BigInteger") {
  CHECK(decimal("123.45", 2) == "MDk=");  // 0x3039
  CHECK(decimal("123.4", 2) == "MDQ=");   // 12340 = 0x3034
  CHECK(decimal("-1.5", 1) == "8Q==");    // -15 = 0xF1
  CHECK(decimal("0.00", 2) == "AA==");
  CHECK(decimal("1.28", 2) == "AIA=");   // 128 = 0x0080
  CHECK(decimal("-1.28", 2) == "gA==");  // -128 = 0x80
  CHECK(decimal("-2.56", 2) == "/wA=");  // -256 = 0xFF00
  CHECK(decimal("18446744073709551616", 0) == "AQAAAAAAAAAA");
  CHECK(decimal("-18446744073709551616", 0) == "/wAAAAAAAAAA");
  Case c;
  c.add("d", "decimal", "decimal(10,2)", Kind::kDecimal, Case::text(Kind::kDecimal, "1.50")).scale = 2;
  CHECK(Json::parse(c.encode("debezium", {{"decimal_handling", "string"}}, Op::kInsert).value)["after"]["d"] == "1.50");
  CHECK(Json::parse(c.encode("debezium", {{"decimal_handling", "double"}}, Op::kInsert).value)["after"]["d"] == 1.5);
}

TEST_CASE("Debezium upstream: values and their schema") {
  Case c;
  c.add("b1", "bit", "bit(1)", Kind::kBit, Value::of_bits(Kind::kBit, 1)).length = 1;
  c.add("b10", "bit", "bit(10)", Kind::kBit, Value::of_bits(Kind::kBit, 0x0201)).length = 10;
  c.add("u", "bigint", "bigint unsigned", Kind::kUint, Value::of_uint(UINT64_MAX));
  c.add("iu", "int", "int unsigned", Kind::kUint, Value::of_uint(4'294'967'295));
  Column& ms = c.add("ms", "datetime", "datetime(3)", Kind::kDateTime,
                     Value::of_bits(Kind::kDateTime, pack_datetime({2018, 6, 20}, {6, 37, 3, 123'000}), 3));
  ms.scale = 3;
  c.add("us", "datetime", "datetime(6)", Kind::kDateTime,
        Value::of_bits(Kind::kDateTime, pack_datetime({2018, 6, 20}, {6, 37, 3, 123'456}), 6))
      .scale = 6;
  Value ts = Value::of_int(1'606'233'662'500'000);
  ts.kind = Kind::kTimestamp;
  c.add("ts", "timestamp", "timestamp(3)", Kind::kTimestamp, ts).scale = 3;
  c.add("bin", "varbinary", "varbinary(4)", Kind::kBytes, Case::text(Kind::kBytes, std::string_view("\0\xFF", 2)));
  c.add("e", "enum", "enum('a','b')", Kind::kEnum, Value::of_bits(Kind::kEnum, 2)).labels = {"a", "b"};
  Record record = c.encode("debezium", {{"include_schema", "true"}, {"name", "srv"}}, Op::kInsert);
  Json message = Json::parse(record.value);
  Json after = message.at("payload").at("after");
  CHECK(after.at("b1") == true);
  CHECK(after.at("b10") == "AQI=");  // little-endian
  CHECK(after.at("u") == -1);
  CHECK(after.at("iu") == 4'294'967'295);
  CHECK(after.at("ms") == 1'529'476'623'123);
  CHECK(after.at("us") == 1'529'476'623'123'456);
  CHECK(after.at("ts") == "2020-11-24T16:01:02.500Z");
  CHECK(after.at("bin") == "AP8=");
  CHECK(after.at("e") == "b");
  const Json& schema = message.at("schema");
  CHECK(schema.at("name") == "srv.shop.t.Envelope");
  CHECK(schema.at("version") == 2);
  const Json& fields = schema.at("fields");
  CHECK(fields[0].at("field") == "before");
  CHECK(fields[0].at("name") == "srv.shop.t.Value");
  CHECK(fields[2].at("name") == "io.debezium.connector.mysql.Source");
  std::map<std::string, std::string> names;
  for (const Json& field : fields[1].at("fields"))
    names[field.at("field")] = field.value("name", "") + ":" + field.at("type").get<std::string>();
  CHECK(names["id"] == ":int32");
  CHECK(names["b1"] == ":boolean");
  CHECK(names["b10"] == "io.debezium.data.Bits:bytes");
  CHECK(names["iu"] == ":int64");
  CHECK(names["ms"] == "io.debezium.time.Timestamp:int64");
  CHECK(names["us"] == "io.debezium.time.MicroTimestamp:int64");
  CHECK(names["ts"] == "io.debezium.time.ZonedTimestamp:string");
  CHECK(names["e"] == "io.debezium.data.Enum:string");
  CHECK(Json::parse(record.key).at("schema").at("name") == "srv.shop.t.Key");
  CHECK(Json::parse(record.key).at("payload") == Json({{"id", 7}}));
}

TEST_CASE("Canal upstream: texts, declared types, promoted numbers") {
  Case c;
  c.add("u", "tinyint", "tinyint(3) unsigned", Kind::kUint, Value::of_uint(200));
  c.add("f", "float", "float", Kind::kDouble, Value::of_float(1e10F));
  c.add("e", "enum", "enum('a','b')", Kind::kEnum, Value::of_bits(Kind::kEnum, 2)).labels = {"a", "b"};
  Value time = Value::of_int(-3'723'500'000);
  time.kind = Kind::kTime;
  time.scale = 3;
  c.add("t", "time", "time(3)", Kind::kTime, time).scale = 3;
  c.add("v", "varchar", "varchar(255)", Kind::kText, Case::text(Kind::kText, "new"));
  std::vector<Value> before = c.row;
  before[5] = Case::text(Kind::kText, "old");
  before[1] = Value::of_uint(100);
  Json message = Json::parse(c.encode("canal", {{"time_zone", "UTC"}}, Op::kUpdate, &before).value);
  CHECK(message.at("data") ==
        Json::array({{{"id", "7"}, {"u", "200"}, {"f", "1.0E10"}, {"e", "2"}, {"t", "-01:02:03.500"}, {"v", "new"}}}));
  CHECK(message.at("old") == Json::array({{{"u", "100"}, {"v", "old"}}}));
  CHECK(message.at("mysqlType").at("v") == "varchar(255)");
  CHECK(message.at("mysqlType").at("u") == "tinyint(3) unsigned");
  CHECK(message.at("sqlType") == Json({{"id", 4}, {"u", 5}, {"f", 7}, {"e", 4}, {"t", 92}, {"v", 12}}));
  CHECK(message.at("pkNames") == Json({"id"}));
  CHECK(message.at("es") == 1'609'432'877'000);
  CHECK(message.at("gtid") == "36f4c8c5-0000-11ee-8000-000000000000:23");
  CHECK(message.at("id").is_number());
  CHECK(message.at("sql") == "");
}

TEST_CASE("numbers as Java prints them") {
  auto text = [](double value, bool is_float) {
    std::string out;
    append_java_double(value, is_float, out);
    return out;
  };
  CHECK(text(1, false) == "1.0");
  CHECK(text(-0.0, false) == "-0.0");
  CHECK(text(1e7, false) == "1.0E7");
  CHECK(text(9'999'999, false) == "9999999.0");
  CHECK(text(0.001, false) == "0.001");
  CHECK(text(0.0001, false) == "1.0E-4");
  CHECK(text(1.5e-300, false) == "1.5E-300");
  CHECK(text(static_cast<double>(1.2222F), true) == "1.2222");
}
