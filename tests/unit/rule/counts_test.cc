// What a stage counts per table, and where it says its functions are.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;

namespace {

SchemaRef orders() { return make_table("shop", "orders", {"id int not null", "n int"}); }

TableRuleCounts of(const RuleStage& stage, const std::string& table) {
  for (const TableRuleCounts& one : stage.counts()) {
    if (one.table == table) return one;
  }
  return {};
}

}  // namespace

TEST_CASE("events are counted per table, with what dropped them") {
  Folder folder;
  auto stage = try_stage(folder, R"lua(return { api = 1,
    outputs = { ["dw.log"] = { append = true, columns = { "id int" } } },
    tables = {
      ["shop.orders"] = { ops = { "insert", "update" }, where = [[ n IS NULL OR n < 100 ]],
        row = function(ev, ctx) if ev.n == 7 then return false end end,
        map = function(row, out) if row.n == 8 then return false end end },
      ["shop.plain"] = { to = "dw.plain" }, ["shop.gone"] = false } })lua")
                   .value();
  auto table = orders();
  auto plain = make_table("shop", "plain", {"id int not null"});
  auto gone = make_table("shop", "gone", {"id int not null"});
  for (int round = 0; round < 3; ++round) {
    BatchBuilder builder;
    for (int n : {1, 2, 7, 8, 100, 200}) builder.insert(table, {Value::of_int(n), Value::of_int(n)});
    builder.remove(table, {Value::of_int(1), Value::of_int(1)});
    builder.update(table, {Value::of_int(1), Value::of_int(1)}, {Value::of_int(5), Value::of_int(1)});  // another key: two events
    builder.insert(plain, {Value::of_int(1)}).insert(gone, {Value::of_int(1)});
    REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
    REQUIRE(builder.batch.events.size() == 5);
  }
  TableRuleCounts counts = of(*stage, "shop.orders");
  CHECK(counts.hook == "row+map");
  CHECK(counts.in == 24);
  CHECK(counts.out == 12);
  CHECK(counts.dropped_ops == 3);
  CHECK(counts.dropped_where == 6);
  CHECK(counts.dropped_row == 3);
  CHECK(counts.dropped_map == 3);
  CHECK(counts.errors == 0);
  // The first batch is not timed; five events of each came to the functions.
  CHECK(counts.hook_events == 10);
  CHECK(counts.hook_ns > 0);
  CHECK(of(*stage, "shop.plain").in == 3);
  CHECK(of(*stage, "shop.plain").hook.empty());
  CHECK(of(*stage, "shop.gone").in == 3);
  CHECK(of(*stage, "shop.gone").out == 0);
  CHECK(of(*stage, "").hook_events == 20);  // the native steps of all tables
}

TEST_CASE("failures are counted for their table, with serialize too") {
  Folder folder;
  RuleStageConfig config;
  config.rules.on_error = OnRuleError::kSkip;
  auto stage = try_stage(folder, R"lua(return { api = 1, tables = { ["shop.orders"] = {
      map = function(row) if row.n == 1 then error("no") end end,
      serialize = function(ev, out) if ev.n == 2 then error("no") end out:put("x") end } } })lua",
                         config)
                   .value();
  auto table = orders();
  for (int round = 0; round < 2; ++round) {
    BatchBuilder builder;
    for (int n : {1, 2, 3}) builder.insert(table, {Value::of_int(n), Value::of_int(n)});
    REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
    CHECK(builder.batch.events.size() == 1);
  }
  TableRuleCounts counts = of(*stage, "shop.orders");
  CHECK(counts.errors == 4);
  CHECK(counts.serialize_events > 0);
}

TEST_CASE("a stage that was given up fails, whatever its functions made") {
  Folder folder;
  auto stage = try_stage(folder, entry("map = function(row) row.n = 1 end")).value();
  CHECK(!stage->place());
  BatchBuilder builder;
  builder.insert(orders(), {Value::of_int(1), Value::of_int(1)});
  stage->give_up();
  CHECK(stage->run(builder.batch).code() == ErrorCode::kRuleBudget);
}
