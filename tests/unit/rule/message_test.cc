// What rules say about messages: topic, partition, headers, and messages of their own.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef orders() {
  return make_table("shop", "orders", {"id bigint not null", "country char(2)", "price decimal(10,2)", "at timestamp(3)", "note text"});
}

Cells order(int id, const char* country, const char* price = "1.50") {
  Value at = Value::of_int(1700000000123000);
  at.kind = Kind::kTimestamp;
  at.scale = 3;
  Value amount = text_value(price, Kind::kDecimal);
  amount.scale = 2;
  return {Value::of_int(id), country ? text_value(country) : Value::null(), amount, at, text_value("a, b=c")};
}

std::string show_route(const ChangeEvent& event) {
  std::string out = std::string(op_name(event.op));
  if (event.output && !event.output->topic.empty()) out += " topic:" + event.output->topic;
  if (event.output && !event.output->format.empty()) out += " format:" + event.output->format;
  if (!event.route) return out;
  const EventRoute& route = *event.route;
  if (!route.topic.empty()) out += " topic=" + std::string(route.topic);
  if (!route.partition_key.empty()) {
    std::string key(route.partition_key);
    std::replace(key.begin(), key.end(), '\x01', '/');
    out += " partition=" + key;
  }
  for (const MessageHeader& header : route.headers) out += " " + std::string(header.name) + ":" + std::string(header.value);
  if (route.has_key) out += " key=" + std::string(route.key);
  if (route.has_payload) out += " <" + std::string(route.payload) + ">";
  return out;
}

std::string run(const std::string& rules, BatchBuilder builder, RuleStageConfig config = {}) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  if (!status.ok()) return status.to_string();
  std::string out;
  for (const ChangeEvent& event : builder.batch.events) out += (out.empty() ? "" : "; ") + show_route(event);
  return out;
}

std::string insert(const std::string& body, const Cells& row = order(7, "DE")) {
  BatchBuilder builder;
  builder.insert(orders(), row);
  return run(entry(body), std::move(builder));
}

std::string update(const std::string& body, const Cells& before, const Cells& after) {
  BatchBuilder builder;
  builder.update(orders(), before, after);
  return run(entry(body), std::move(builder));
}

}  // namespace

TEST_CASE("a constant topic is said once per table, one of columns per row") {
  CHECK(insert("topic = 'all'") == "insert topic:all");
  CHECK(insert("topic = '{db}-{table}'") == "insert topic:shop-orders");
  CHECK(insert("topic = 'orders.{country|lower}'") == "insert topic=orders.de");
  CHECK(insert("topic = 'orders.{country|or:none}'", order(1, nullptr)) == "insert topic=orders.none");
  CHECK(insert("topic = 'b{id|bucket:8}', columns = { country = false }") == "insert topic=b6");
  CHECK(insert("topic = '{land}', columns = { country = 'land' }") == "insert topic=DE");
  CHECK_THAT(insert("topic = 'orders.{country}'", order(1, nullptr)),
             Contains("RULE-0102") && Contains("topic: `country` is NULL") && Contains("{x|or:text}") && Contains("key=id=1"));
  CHECK_THAT(insert("topic = '{contry}'"), Contains("RULE-0105") && Contains("did you mean `country`?"));
  CHECK_THAT(insert("topic = '{country|lowr}'"), Contains("RULE-0101") && Contains("did you mean `lower`?"));
  CHECK_THAT(insert("topic = '{country:^.}'"), Contains("RULE-0101") && Contains("take a pattern"));
  CHECK_THAT(insert("topic = '{meta.gitd}'"), Contains("RULE-0101") && Contains("did you mean `gtid`?"));
}

TEST_CASE("a row that changes its topic or partition leaves the one and enters the other") {
  CHECK(update("topic = '{country}'", order(7, "DE"), order(7, "DE", "2.00")) == "update topic=DE");
  CHECK(update("topic = '{country}'", order(7, "DE"), order(7, "FR")) == "delete topic=DE; insert topic=FR");
  CHECK(update("partition_by = { 'country' }", order(7, "DE"), order(7, "FR")) == "delete partition=DE; insert partition=FR");
  CHECK(update("topic = '{country}', deletes = 'drop'", order(7, "DE"), order(7, "FR")) == "insert topic=FR");
}

TEST_CASE("partition and headers") {
  CHECK(insert("partition_by = { 'country', 'id' }") == "insert partition=DE/7");
  CHECK(insert("partition_by = { 'country' }", order(7, nullptr)) == "insert partition=null");
  CHECK(insert("headers = { kind = 'order', from = '{db}.{table}', op = '{meta.op}', gtid = '{meta.gtid}', land = '{country}' }") ==
        "insert from:shop.orders gtid:0-1-42 kind:order land:DE op:insert");
  CHECK(insert("headers = { land = '{country}', x = 1 }", order(7, nullptr)) == "insert x:1");
  CHECK_THAT(insert("partition_by = { 'contry' }"), Contains("RULE-0105") && Contains("did you mean `country`?"));
  CHECK_THAT(insert("headers = { x = {} }"), Contains("RULE-0101") && Contains("headers.x"));
}

TEST_CASE("row says what becomes of the message, over what the entry says") {
  CHECK(insert("topic = '{country}', headers = { a = '1', b = '2' }, row = function(ev) ev.topic = 'x' ev.headers.b = 3 ev.partition_key = "
               "ev.id end") == "insert topic=x partition=7 a:1 b:3");
  CHECK(insert("row = function(ev) ev.topic = ev.price > 1 and 'dear' or 'cheap' end") == "insert topic=dear");
  CHECK(update("row = function(ev) ev.topic = 't' end", order(7, "DE"), order(8, "DE")) == "delete topic=t; insert topic=t");
  CHECK_THAT(insert("row = function(ev) ev.topic = ev.country end", order(7, nullptr)),
             Contains("RULE-0102") && Contains("ev.topic is text, not nil (NULL)") && Contains("shop.lua:1"));
  CHECK_THAT(insert("row = function(ev) ev.topic = '' end"), Contains("ev.topic is empty"));
  CHECK_THAT(insert("row = function(ev) ev.country = 'x' end"), Contains("values are changed in map(row)"));
  CHECK_THAT(insert("row = function(ev) return ev.headers.x == 1 end"), Contains("only written"));
  CHECK_THAT(insert("row = function(ev) for i = 1, 100 do ev.headers['h' .. i] = 'x' end end"), Contains("64 headers"));
}

TEST_CASE("native messages: line and json") {
  // Line protocol: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ (commas, equals and spaces of tags).
  CHECK(insert("serialize = line 'orders,note={note|influx} price={price} {at|epoch_ns}'") ==
        "insert <orders,note=a\\,\\ b\\=c price=1.50 1700000000123000000>");
  CHECK(insert("serialize = line '{at|epoch_s} {at|epoch_ms} {note|hex} {note|base64} {note|csv} {note|json} {{x}}'") ==
        "insert <1700000000 1700000000123 612c20623d63 YSwgYj1j \"a, b=c\" \"a, b=c\" {x}>");
  CHECK(insert("serialize = json") ==
        "insert <{\"id\":7,\"country\":\"DE\",\"price\":1.50,\"at\":\"2023-11-14 22:13:20.123\",\"note\":\"a, b=c\"}>");
  CHECK(insert("serialize = json, columns = { at = false, note = false }", order(7, nullptr)) ==
        "insert <{\"id\":7,\"country\":null,\"price\":1.50}>");
  BatchBuilder builder;
  builder.remove(orders(), order(7, "DE"));
  CHECK(run(entry("serialize = line '{meta.op} {id}'"), std::move(builder)) == "delete <delete 7>");
  CHECK_THAT(insert("serialize = line '{country}'", order(7, nullptr)), Contains("RULE-0102") && Contains("serialize: `country` is NULL"));
  CHECK_THAT(insert("serialize = line '{country|epoch_s}'"), Contains("no DATE, DATETIME or TIMESTAMP"));
  CHECK_THAT(insert("serialize = true"), Contains("RULE-0101") && Contains("line \"template\""));
}

TEST_CASE("serialize names a format of this build") {
  RuleStageConfig config;
  config.formats = {"default", "debezium"};
  auto one = [&](const std::string& body) {
    BatchBuilder builder;
    builder.insert(orders(), order(7, "DE"));
    return run(entry(body), std::move(builder), config);
  };
  CHECK(one("serialize = 'debezium'") == "insert format:debezium");
  CHECK_THAT(one("serialize = 'debezum'"), Contains("RULE-0101") && Contains("did you mean `debezium`?"));
}

TEST_CASE("serialize in Lua") {
  std::string body = R"lua(columns = { country = "site", note = false }, serialize = function(ev, out)
      out:put("orders,site="):col("site", "influx"):put(" price="):col "price":put(" "):col("at", "epoch_ns"):put(" "):put(ev.id)
      out.key = ev.op .. ev.id
      out.topic = "t"
      out.headers.table = ev.table
    end)lua";
  CHECK(insert(body) == "insert topic=t table:orders key=insert7 <orders,site=DE price=1.50 1700000000123000000 7>");
  BatchBuilder builder;
  builder.update(orders(), order(7, "DE"), order(8, "DE")).remove(orders(), order(9, "FR"));
  CHECK(run(entry(body), std::move(builder)) ==
        "delete topic=t table:orders key=delete7 <orders,site=DE price=1.50 1700000000123000000 7>; "
        "insert topic=t table:orders key=insert8 <orders,site=DE price=1.50 1700000000123000000 8>; "
        "delete topic=t table:orders key=delete9 <orders,site=FR price=1.50 1700000000123000000 9>");
  // What the entry and row said stays, what serialize says goes over it.
  CHECK(insert("topic = 'a{id}', headers = { h = '1' }, row = function(ev) ev.headers.r = 2 end, "
               "serialize = function(ev, out) out:put('x') out.headers.h = 3 end") == "insert topic=a7 r:2 h:3 <x>");
  CHECK(insert("serialize = function(ev, out) return false end").empty());
}

TEST_CASE("serialize that fails") {
  CHECK_THAT(insert("\nserialize = function(ev, out)\n out:col('nix') end"),
             Contains("RULE-0105") && Contains("shop.lua:3") && Contains("hook=serialize") && Contains("key=id=7"));
  CHECK_THAT(insert("serialize = function(ev, out) out:col('country', 'lowr') end"),
             Contains("RULE-0102") && Contains("did you mean `lower`?"));
  CHECK_THAT(insert("serialize = function(ev, out) out:col('country') end", order(7, nullptr)), Contains("`country` is NULL"));
  CHECK_THAT(insert("serialize = function(ev, out) end"), Contains("serialize() wrote nothing") && Contains("shop.lua:1"));
  CHECK_THAT(insert("serialize = function(ev, out) out:put('x') return nil end"),
             Contains("RULE-0103") && Contains("serialize() returned nil"));
  CHECK_THAT(insert("serialize = function(ev, out) out:put(nil) end"), Contains("out:put wants text, not nil (NULL)"));
  CHECK_THAT(insert("serialize = function(ev, out) out.tpic = 'x' end"), Contains("out.tpic cannot be set"));
  CHECK_THAT(insert("serialize = function(ev, out) ev.topic = 'x' end"), Contains("values are changed in map(row)"));
  CHECK_THAT(insert("serialize = function(ev, out) error('no') end"), Contains("RULE-0102") && Contains("shop.lua:1: no"));
  std::string kept =
      "local kept = {}\nreturn { api = 1, tables = { ['shop.*'] = { serialize = function(ev, out) kept[1] = out out:put('x') end, "
      "row = function(ev) if kept[1] then kept[1]:put('y') end end } } }";
  BatchBuilder first, second;
  first.insert(orders(), order(1, "DE"));
  second.insert(orders(), order(2, "DE"));
  Folder folder;
  auto stage = try_stage(folder, kept).value();
  REQUIRE(stage->run(first.batch).ok());
  CHECK_THAT(stage->run(second.batch).to_string(), Contains("outside of the call"));
}

TEST_CASE("a sink that takes rows hears nothing of messages") {
  RuleStageConfig config;
  config.sink_takes_messages = false;
  BatchBuilder builder;
  builder.update(orders(), order(7, "DE"), order(7, nullptr));
  CHECK(run(entry("topic = '{country}', serialize = function(ev, out) error('x') end"), std::move(builder), config) == "update");
}

TEST_CASE("outputs say what becomes of their messages, too") {
  std::string rules = R"lua(return { api = 1,
    outputs = { ["dw.line"] = { key = { "id" }, columns = { "id bigint not null", "country char(2)" }, topic = "lines.{country}",
                                serialize = function(ev, out) out:put("line "):col "id" end } },
    tables = { ["shop.orders"] = { serialize = json, columns = { at = false, note = false, price = false },
                                   map = function(row, out) out:add("dw.line", { id = row.id, country = row.country }) end } } })lua";
  BatchBuilder builder;
  builder.insert(orders(), order(7, "DE")).update(orders(), order(7, "DE"), order(7, "FR"));
  CHECK(run(rules, std::move(builder)) ==
        "insert <{\"id\":7,\"country\":\"DE\"}>; insert topic=lines.DE <line 7>; "
        "update <{\"id\":7,\"country\":\"FR\"}>; delete topic=lines.DE <line 7>; insert topic=lines.FR <line 7>");
}
