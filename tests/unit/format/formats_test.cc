#include <atomic>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "event/value_text.h"
#include "format/builtin.h"
#include "unit/catch.h"

using namespace tailrace;
using Json = nlohmann::json;

namespace {

std::unique_ptr<MessageFormat> make(std::string_view name, const std::map<std::string, std::string>& given = {}) {
  const FormatInfo* info = find_format(name);
  REQUIRE(info);
  auto options = Options::parse("format", info->options, given);
  REQUIRE(options.ok());
  auto format = info->create(*options);
  REQUIRE(format.ok());
  return std::move(format).value();
}

SchemaRef orders(std::vector<uint16_t> key = {0}) {
  auto schema = std::make_shared<TableSchema>();
  schema->schema_id = next_schema_id();
  schema->database = "shop";
  schema->table = "orders";
  schema->columns.resize(3);
  schema->columns[0].name = "id";
  schema->columns[0].type_name = "bigint";
  schema->columns[0].kind = Kind::kInt;
  schema->columns[1].name = "na\"me";
  schema->columns[1].type_name = "varchar";
  schema->columns[2].name = "u";
  schema->columns[2].type_name = "bigint";
  schema->columns[2].kind = Kind::kUint;
  schema->columns[2].is_unsigned = true;
  schema->primary_key = std::move(key);
  return schema;
}

struct Fixture {
  EventBatch batch;
  SchemaRef schema;

  explicit Fixture(SchemaRef given = orders()) : schema(std::move(given)) {
    Transaction txn;
    txn.id = "0-1-42";
    txn.commit_time_us = 1'609'432'877'654'321;
    txn.file = "bin.000007";
    txn.end_offset = 4711;
    txn.server_id = 9;
    batch.txns.push_back(txn);
  }
  Row row(int64_t id, std::string_view name, uint64_t u) {
    Row row = batch.new_row(3);
    row[0] = Value::of_int(id);
    row[1] = Value::of_text(Kind::kText, batch.arena.copy(name), static_cast<uint32_t>(name.size()));
    row[2] = Value::of_uint(u);
    return row;
  }
  ChangeEvent event(Op op, Row before, Row after) {
    ChangeEvent event;
    event.op = op;
    event.ordinal = 5;
    event.table = batch.keep(schema);
    event.before = before;
    event.after = after;
    return event;
  }
};

}  // namespace

TEST_CASE("default: metadata of a MySQL transaction, real clock, rising sequence") {
  Fixture f;
  auto format = make("default");
  Record record;
  ChangeEvent event = f.event(Op::kInsert, {}, f.row(7, "a", 1));
  uint64_t previous = 0;
  for (int i = 0; i < 5; ++i) {
    auto before = std::chrono::system_clock::now();
    REQUIRE(format->encode(f.batch, event, record).ok());
    Json meta = Json::parse(record.value).at("allMetaData");
    uint64_t sequence = meta.at("storeDataSequence");
    CHECK(sequence > previous);
    previous = sequence;
    auto skew = std::chrono::milliseconds(sequence / 100'000) - before.time_since_epoch();
    CHECK(std::chrono::abs(skew) < std::chrono::seconds(5));
    CHECK(meta.at("timestamp") == "1609432877");
    CHECK(meta.at("checkpoint") == "1609432877");
    CHECK(meta.at("uniqueId") == "0-1-42");
    CHECK(meta.at("transId") == "0-1-42");
    CHECK(meta.at("clusterId") == "9");
    CHECK(meta.at("dbType") == "MYSQL");
    CHECK(meta.at("db") == "shop");
    CHECK(meta.at("source_identity").is_null());
  }
}

TEST_CASE("sequence numbers never repeat, also when the clock stands or goes back") {
  SequenceClock clock;
  CHECK(clock.next(1000) == 100'000'000);
  CHECK(clock.next(1000) == 100'000'001);
  CHECK(clock.next(999) == 100'000'002);
  CHECK(clock.next(1001) == 100'100'000);
  std::atomic<uint64_t> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) sum += clock.next(2000) - 200'000'000;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(sum == uint64_t{40'000} * 39'999 / 2);  // every number from 0 to 39,999 once
}

TEST_CASE("debezium: position, whole seconds, unsigned BIGINT as text, DDL left out") {
  Fixture f;
  auto format = make("debezium");
  Record record;
  REQUIRE(format->encode(f.batch, f.event(Op::kInsert, {}, f.row(7, "a", 3)), record).ok());
  Json payload = Json::parse(record.value).at("payload");
  CHECK(payload.at("source").at("ts_ms") == 1'609'432'877'000);
  CHECK(payload.at("source").at("pos") == "bin.000007@4711");
  CHECK(payload.at("source").at("connector") == "MYSQL");
  CHECK(payload.at("after") == Json({{"id", 7}, {"na\"me", "a"}, {"u", "3"}}));
  CHECK_FALSE(payload.contains("before"));
  CHECK_FALSE(record.skip);

  ChangeEvent ddl = f.event(Op::kSchemaChange, {}, {});
  ddl.sql = "ALTER TABLE orders ADD c INT";
  REQUIRE(format->encode(f.batch, ddl, record).ok());
  CHECK(record.skip);
  CHECK_FALSE(record.has_key);
  REQUIRE(format->encode(f.batch, f.event(Op::kInsert, {}, f.row(8, "b", 3)), record).ok());
  CHECK_FALSE(record.skip);
}

TEST_CASE("the key is the primary key as text, of an update the image before") {
  for (const FormatInfo* info : builtin_formats()) {
    auto format = make(info->name);
    Record record;
    Fixture f(orders({2, 1}));
    REQUIRE(format->encode(f.batch, f.event(Op::kUpdate, f.row(1, "old", 10), f.row(1, "new", 11)), record).ok());
    CHECK(record.has_key);
    CHECK(record.key == std::string("10\x01old"));
    REQUIRE(format->encode(f.batch, f.event(Op::kDelete, f.row(1, "x", 18'446'744'073'709'551'615u), {}), record).ok());
    CHECK(record.key == std::string("18446744073709551615\x01x"));
    REQUIRE(format->encode(f.batch, f.event(Op::kRead, {}, f.row(1, "", 2)), record).ok());
    CHECK(record.key == std::string("2\x01"));

    Fixture keyless(orders({}));
    REQUIRE(format->encode(keyless.batch, keyless.event(Op::kInsert, {}, keyless.row(1, "x", 2)), record).ok());
    CHECK_FALSE(record.has_key);
    CHECK(record.key.empty());
  }
}

TEST_CASE("default: a key change shows the new key in the message, also from a partial image") {
  Fixture f(orders({0, 1}));
  auto format = make("default");
  Record record;
  Row after = f.row(2, "x", 10);
  after[1] = Value::absent();
  REQUIRE(format->encode(f.batch, f.event(Op::kUpdate, f.row(1, "old", 10), after), record).ok());
  Json message = Json::parse(record.value);
  CHECK(record.key == std::string("1\x01old"));
  CHECK(message.at("allMetaData").at("record_primary_key") == "id\x01na\"me");
  CHECK(message.at("allMetaData").at("record_primary_value") == "2\x01old");
  CHECK(message.at("postStruct") == Json({{"id", 2}, {"u", 10}}));
}

TEST_CASE("a value that is no UTF-8 is refused with its place") {
  Fixture f;
  for (const FormatInfo* info : builtin_formats()) {
    if (info->name == "avro") continue;  // its text is bytes
    Record record;
    Status status = make(info->name)->encode(f.batch, f.event(Op::kInsert, {}, f.row(7, "bad \xC3", 1)), record);
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kFormatValue);
    std::map<std::string, std::string> places(status.context().begin(), status.context().end());
    CHECK(places["table"] == "shop.orders");
    CHECK(places["key"] == "id=7");
    CHECK(places["position"] == "0-1-42:5");
    CHECK(status.detail().find("na\"me") != std::string::npos);
  }
}

TEST_CASE("a key column that is not in the image is refused") {
  Fixture f;
  Row row = f.row(7, "a", 1);
  row[0] = Value::absent();
  Record record;
  Status status = make("default")->encode(f.batch, f.event(Op::kInsert, {}, row), record);
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kFormatValue);
}

TEST_CASE("debezium: dates that do not exist become null or the epoch") {
  auto schema = std::make_shared<TableSchema>(*orders());
  schema->schema_id = next_schema_id();
  schema->columns[1].kind = Kind::kDateTime;
  schema->columns[2].kind = Kind::kTimestamp;
  schema->columns[2].nullable = false;
  Fixture f(schema);
  Row row = f.row(1, "", 0);
  row[1] = Value::of_bits(Kind::kDateTime, pack_datetime({2020, 0, 0}, {0, 0, 0, 0}));
  row[2] = Value::of_int(0);
  row[2].kind = Kind::kTimestamp;
  Record record;
  REQUIRE(make("debezium")->encode(f.batch, f.event(Op::kInsert, {}, row), record).ok());
  Json after = Json::parse(record.value).at("payload").at("after");
  CHECK(after.at("na\"me").is_null());
  CHECK(after.at("u") == "1970-01-01T00:00:00Z");
}

TEST_CASE("truncate, heartbeat and snapshot rows") {
  Fixture f;
  Record record;
  auto format = make("default");
  ChangeEvent truncate = f.event(Op::kTruncate, {}, {});
  truncate.sql = "truncate orders;";
  REQUIRE(format->encode(f.batch, truncate, record).ok());
  Json message = Json::parse(record.value);
  CHECK(message.at("recordType") == "DDL");
  CHECK(message.at("allMetaData").at("ddlType") == "TRUNCATE_TABLE");
  CHECK(message.at("postStruct") == Json({{"ddl", "truncate orders"}}));
  CHECK_FALSE(record.has_key);

  ChangeEvent heartbeat;
  heartbeat.op = Op::kHeartbeat;
  REQUIRE(format->encode(f.batch, heartbeat, record).ok());
  message = Json::parse(record.value);
  CHECK(message.at("recordType") == "HEARTBEAT");
  CHECK(message.at("allMetaData").at("timestamp") == "1609432877");
  REQUIRE(make("debezium")->encode(f.batch, heartbeat, record).ok());
  CHECK(Json::parse(record.value).at("payload").at("op") == "HEARTBEAT");

  REQUIRE(format->encode(f.batch, f.event(Op::kRead, {}, f.row(1, "a", 1)), record).ok());
  message = Json::parse(record.value);
  CHECK(message.at("recordType") == "ROW");
  for (const char* name : {"timestamp", "uniqueId", "transId", "clusterId"}) CHECK(message.at("allMetaData").at(name).is_null());
}

TEST_CASE("one serializer serves threads whose schemas come and go") {
  auto format = make("debezium");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Record record;
      for (int i = 0; i < 300; ++i) {
        auto schema = std::make_shared<TableSchema>(*orders());
        schema->schema_id = next_schema_id();
        schema->table = "t" + std::to_string(t) + "_" + std::to_string(i);
        Fixture f(schema);
        for (int row = 0; row < 3; ++row) {
          if (!format->encode(f.batch, f.event(Op::kInsert, {}, f.row(row, "x", 1)), record).ok()) ++wrong;
          if (Json::parse(record.value)["payload"]["source"]["table"] != schema->table) ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a table whose rows are known by another unique key says so only where a key of any kind is meant") {
  auto schema = std::make_shared<TableSchema>(*orders());
  schema->schema_id = next_schema_id();
  schema->complete = true;
  schema->keys = {{"u1", true, {{0, 0}}}};
  Fixture f(schema);
  auto encoded = [&](const char* name, std::map<std::string, std::string> options = {}) {
    Record record;
    REQUIRE(make(name, options)->encode(f.batch, f.event(Op::kInsert, {}, f.row(7, "a", 1)), record).ok());
    CHECK(record.key == "7");
    return Json::parse(record.value);
  };
  CHECK(encoded("default").at("allMetaData").at("record_primary_key").is_null());
  CHECK(encoded("canal").at("pkNames") == Json::array());
  CHECK(encoded("dataworks").at("schema").at("pk") == Json({"id"}));
  CHECK(encoded("shareplex").at("meta").at("rowid") == "shop.orders-");
  CHECK(encoded("avro", {{"encoding", "print"}}).at("tags") == Json::object());
}

TEST_CASE("partial images: what an update changed") {
  Fixture f;
  Row before = f.row(7, "", 0), after = f.row(7, "new", 0);
  before[1] = before[2] = Value::absent();
  after[0] = after[2] = Value::absent();
  ChangeEvent event = f.event(Op::kUpdate, before, after);
  Record record;
  REQUIRE(make("shareplex")->encode(f.batch, event, record).ok());
  CHECK(Json::parse(record.value).at("data") == Json({{"na\"me", "new"}}));
  REQUIRE(make("canal")->encode(f.batch, event, record).ok());
  Json message = Json::parse(record.value);
  CHECK(message.at("data") == Json::array({{{"na\"me", "new"}}}));
  CHECK(message.at("old") == Json::array({Json::object()}));
}

TEST_CASE("formats for MySQL mode refuse a source in Oracle mode") {
  for (const char* name : {"debezium", "debeziumflatten", "debeziumsmt", "avro"}) {
    auto options = Options::parse("format", find_format(name)->options, {{"db_type", "OB_ORACLE"}});
    REQUIRE(options.ok());
    auto format = find_format(name)->create(*options);
    REQUIRE_FALSE(format.ok());
    CHECK(format.status().code() == ErrorCode::kConfigBadValue);
  }
  (void)make("shareplex", {{"db_type", "OB_ORACLE"}});
}

TEST_CASE("formats without a message for a heartbeat or a DDL skip it") {
  Fixture f;
  ChangeEvent heartbeat, ddl = f.event(Op::kSchemaChange, {}, {});
  heartbeat.op = Op::kHeartbeat;
  ddl.sql = "ALTER TABLE orders ADD c INT;";
  const std::map<std::string_view, std::pair<bool, bool>> skips = {{"default", {false, false}},
                                                                   {"defaultextendcolumntype", {false, false}},
                                                                   {"canal", {true, false}},
                                                                   {"dataworks", {false, false}},
                                                                   {"shareplex", {true, false}},
                                                                   {"debezium", {false, true}},
                                                                   {"debeziumflatten", {false, true}},
                                                                   {"debeziumsmt", {true, true}},
                                                                   {"avro", {true, false}}};
  for (const FormatInfo* info : builtin_formats()) {
    INFO(info->name);
    Record record;
    REQUIRE(make(info->name)->encode(f.batch, heartbeat, record).ok());
    CHECK(record.skip == skips.at(info->name).first);
    REQUIRE(make(info->name)->encode(f.batch, ddl, record).ok());
    CHECK(record.skip == skips.at(info->name).second);
    CHECK_FALSE(record.has_key);
  }
}

TEST_CASE("formats are found by name in any case") {
  CHECK(find_format("DefaultExtendColumnType") != nullptr);
  CHECK(find_format("Debezium") != nullptr);
  CHECK(find_format("DEFAULT") != nullptr);
  CHECK(find_format("nothing") == nullptr);
}
