// ev.to: `row` sends events to other tables of the entry's layout.
#include <algorithm>

#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef table(const std::string& name = "t") { return make_table("shop", name, {"id int not null", "region varchar(200)"}); }
Cells row(int id, const char* region) { return {Value::of_int(id), text_value(region)}; }

std::string run(const std::string& rules, BatchBuilder builder, RuleStageConfig config = {}) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  return status.ok() ? show(builder.batch) : status.to_string();
}

const std::string kByRegion = entry("to = 'dw.t', row = function(ev) if ev.region ~= 'de' then ev.to = 'dw.t_' .. ev.region end end");

}  // namespace

TEST_CASE("row sends events to other tables of one layout") {
  auto t = table();
  BatchBuilder builder;
  builder.insert(t, row(1, "de")).insert(t, row(2, "fr")).update(t, row(2, "fr"), row(2, "us")).remove(t, row(3, "fr"));
  CHECK(run(kByRegion, std::move(builder)) ==
        "insert dw.t (id=1, region=de); insert dw.t_fr (id=2, region=fr); update dw.t_us (id=2, region=fr) -> (id=2, region=us); "
        "delete dw.t_fr (id=3, region=fr)");
}

TEST_CASE("what the entry says of rows and messages holds there too") {
  auto t = table();
  Folder folder;
  auto stage = try_stage(folder, entry("to = 'dw.t', columns = { region = 'r', n = { 'varchar(99)', value = '{table}' } }, key = { 'id' }, "
                                       "topic = 'x.{r}', partition_by = { 'r' }, row = function(ev) ev.to = 'eu.' .. ev.region end"));
  REQUIRE(stage.status().to_string() == Status().to_string());
  BatchBuilder builder;
  builder.insert(t, row(1, "fr")).update(t, row(1, "fr"), row(2, "de"));
  REQUIRE((*stage)->run(builder.batch).to_string() == Status().to_string());
  CHECK(show(builder.batch) == "insert eu.fr (id=1, r=fr, n=t); delete eu.de (id=1, r=fr, n=t); insert eu.de (id=2, r=de, n=t) #1");
  const ChangeEvent& first = builder.batch.events[0];
  CHECK(first.route->topic == "x.fr");
  CHECK(first.output->source == t);
  CHECK(first.output->key_is_explicit);
  CHECK(first.output->origins == std::vector<int>{0, 1, -1});
  CHECK(std::any_of(builder.batch.outputs.begin(), builder.batch.outputs.end(),
                    [&](const auto& output) { return output.get() == first.output; }));
  // The output is the same one in the next batch.
  const OutputTable* known = first.output;
  BatchBuilder next;
  next.insert(t, row(3, "fr"));
  REQUIRE((*stage)->run(next.batch).ok());
  CHECK(next.batch.events[0].output == known);
  CHECK(std::any_of(next.batch.outputs.begin(), next.batch.outputs.end(), [&](const auto& output) { return output.get() == known; }));
}

TEST_CASE("serialize knows the layout of each table") {
  auto t = table();
  Folder folder;
  auto stage =
      try_stage(folder, entry("row = function(ev) ev.to = 'eu.' .. ev.region end, serialize = function(ev, out) out:put(ev.region) end"));
  REQUIRE(stage.ok());
  BatchBuilder builder;
  builder.insert(t, row(1, "fr")).insert(t, row(2, "de"));
  REQUIRE((*stage)->run(builder.batch).to_string() == Status().to_string());
  CHECK(builder.batch.events[0].route->payload == "fr");
  CHECK(builder.batch.events[1].route->payload == "de");
}

TEST_CASE("a name that is no table's is an error of the row") {
  auto fails = [&](const std::string& value) {
    BatchBuilder builder;
    builder.insert(table(), row(1, "fr"));
    return run(entry("row = function(ev) ev.to = " + value + " end"), std::move(builder));
  };
  for (const char* value : {"'t'", "'.t'", "'dw.'", "'a.b.c'", "'dw.t '", "'dw.a/b'", "'dw.\\n'", "'dw.' .. ('x'):rep(65)"}) {
    INFO(value);
    CHECK_THAT(fails(value), Contains("RULE-0102") && Contains("shop.lua:1") && Contains("is not of the form database.table"));
  }
  CHECK_THAT(fails("nil"), Contains("ev.to is text, not nil"));
  CHECK_THAT(fails("''"), Contains("ev.to is empty"));
  CHECK(fails("'dw.' .. ('x'):rep(64)").find("insert dw.xxx") == 0);
  BatchBuilder builder;
  builder.insert(table(), row(1, "fr"));
  CHECK_THAT(run(entry("row = function(ev) return ev.to == 'x' end"), builder.take()), Contains("ev.to is only written"));
  CHECK_THAT(run("return { api = 1, outputs = { ['dw.o'] = { append = true, columns = { 'a int' } } }, tables = { ['shop.t'] = { "
                 "row = function(ev) ev.to = 'dw.o' end } } }",
                 [] {
                   BatchBuilder other;
                   other.insert(table(), row(1, "fr"));
                   return other;
                 }()),
             Contains("RULE-0106") && Contains("`outputs`"));
}

TEST_CASE("tables of two sources merge there as anywhere") {
  BatchBuilder builder;
  auto a = table("a"), b = make_table("shop", "b", {"id int not null", "region varchar(10)"});
  builder.insert(a, row(1, "x")).insert(b, row(2, "x"));
  RuleStageConfig config;
  config.sink_detects_collisions = true;
  CHECK_THAT(run(entry("row = function(ev) ev.to = 'dw.all' end"), std::move(builder), config),
             Contains("RULE-0101") && Contains("cannot merge into dw.all") && Contains("varchar(10)"));
}

TEST_CASE("TRUNCATE of a table whose rows may be anywhere stops") {
  auto truncate = [](const std::string& rules) {
    BatchBuilder builder;
    auto t = table();
    builder.add(Op::kTruncate, t, {}, {});
    return run(rules, std::move(builder));
  };
  CHECK_THAT(truncate(kByRegion), Contains("SCH-0003") && Contains("ev.to"));
  CHECK_THAT(truncate(entry("row = function(ev) ev['to'] = 'a.b' end")), Contains("ev.to"));
  CHECK(truncate("return { api = 1, tables = { ['shop.t'] = { to = 'dw.t', row = function(ev) return ev.region ~= 'to' end } } }") ==
        "truncate dw.t");
}

TEST_CASE("names made of every row end in an error") {
  Folder folder;
  auto stage = try_stage(folder, entry("row = function(ev) ev.to = 'dw.t' .. ev.id end"));
  REQUIRE(stage.ok());
  auto t = table();
  for (int from = 0; from < 10000; from += 1000) {
    BatchBuilder builder;
    for (int i = 0; i < 1000; ++i) builder.insert(t, row(from + i, "x"));
    REQUIRE((*stage)->run(builder.batch).to_string() == Status().to_string());
  }
  BatchBuilder builder;
  builder.insert(t, row(10000, "x"));
  CHECK_THAT((*stage)->run(builder.batch).to_string(), Contains("RULE-0106") && Contains("more than 10000 tables"));
}
