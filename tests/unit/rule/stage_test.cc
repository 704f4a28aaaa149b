#include <fmt/format.h>

#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef user_table(const std::string& name = "user_07") {
  return make_table("shop", name, {"id int not null", "email varchar(80)", "card text"});
}

// Runs the events through the rules; the error's text when it fails.
std::string run(const std::string& rules, BatchBuilder builder, RuleStageConfig config = {}) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  return status.ok() ? show(builder.batch) : status.to_string();
}

Cells user(int id, const char* email) { return {Value::of_int(id), text_value(email), Value::null()}; }

}  // namespace

TEST_CASE("without a rule file the stage is the identity") {
  auto table = user_table();
  BatchBuilder builder;
  builder.insert(table, user(1, "a@x")).update(table, user(1, "a@x"), user(1, "b@x")).remove(table, user(1, "b@x"));
  auto stage = make_rule_stage(RuleStageConfig{}).value();
  REQUIRE(stage->run(builder.batch).ok());
  CHECK(show(builder.batch) ==
        "insert shop.user_07 (id=1, email=a@x, card=NULL); "
        "update shop.user_07 (id=1, email=a@x, card=NULL) -> (id=1, email=b@x, card=NULL); "
        "delete shop.user_07 (id=1, email=b@x, card=NULL)");
  CHECK(builder.batch.events[0].table == table.get());
  CHECK(builder.batch.events[0].output->schema == table);
  CHECK(stage->version().empty());
}

TEST_CASE("columns are dropped, renamed, masked and added; the table is renamed") {
  std::string rules = R"lua(
    local mask = require "tailrace.mask"
    return { api = 1, tables = { ["shop.user_*"] = { to = "dw.user", key = { "id", "shard" }, columns = {
      card = false, email = mask.email, id = "id", shard = { "varchar(64)", value = "{db}/{table}" } } } } })lua";
  BatchBuilder builder;
  builder.insert(user_table(), user(1, "jo@x.io"));
  CHECK(run(rules, std::move(builder)) == "insert dw.user (id=1, email=j***@x.io, shard=shop/user_07)");
}

TEST_CASE("a map's verdict per image gives the operation") {
  std::string rules = entry("map = function(row) return row.id < 10 end");
  auto table = user_table();
  BatchBuilder builder;
  builder.update(table, user(1, "a"), user(1, "b"))
      .update(table, user(11, "a"), user(11, "b"))
      .insert(table, user(2, "n"))
      .insert(table, user(12, "n"))
      .remove(table, user(2, "n"))
      .remove(table, user(12, "n"));
  CHECK(run(rules, std::move(builder)) ==
        "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL); "
        "insert shop.user_07 (id=2, email=n, card=NULL); delete shop.user_07 (id=2, email=n, card=NULL)");
}

TEST_CASE("an update crosses the map's verdict: insert, delete, nothing") {
  std::string rules = entry("map = function(row) return row.email ~= 'hidden' end");
  auto table = user_table();
  auto one = [&](const char* before, const char* after) {
    BatchBuilder builder;
    builder.update(table, user(1, before), user(1, after));
    return run(rules, std::move(builder));
  };
  CHECK(one("a", "b") == "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL)");
  CHECK(one("hidden", "b") == "insert shop.user_07 (id=1, email=b, card=NULL)");
  CHECK(one("a", "hidden") == "delete shop.user_07 (id=1, email=a, card=NULL)");
  CHECK(one("hidden", "hidden").empty());
}

TEST_CASE("a snapshot row stays a read, a dropped one goes") {
  auto table = user_table();
  BatchBuilder builder;
  builder.add(Op::kRead, table, {}, user(1, "a")).add(Op::kRead, table, {}, user(2, "b"));
  CHECK(run(entry("map = function(row) return row.id == 1 end"), std::move(builder)) == "read shop.user_07 (id=1, email=a, card=NULL)");
}

TEST_CASE("a changed key leaves as delete and insert") {
  auto table = user_table();
  SECTION("without rules") {
    BatchBuilder builder;
    builder.insert(table, user(9, "z")).update(table, user(1, "a"), user(2, "a")).update(table, user(3, "c"), user(4, "c"));
    auto stage = make_rule_stage(RuleStageConfig{}).value();
    REQUIRE(stage->run(builder.batch).ok());
    CHECK(show(builder.batch) ==
          "insert shop.user_07 (id=9, email=z, card=NULL); "
          "delete shop.user_07 (id=1, email=a, card=NULL); insert shop.user_07 (id=2, email=a, card=NULL) #1; "
          "delete shop.user_07 (id=3, email=c, card=NULL); insert shop.user_07 (id=4, email=c, card=NULL) #1");
    CHECK(builder.batch.events[3].ordinal == builder.batch.events[4].ordinal);
  }
  SECTION("the map makes the key") {
    BatchBuilder builder;
    builder.update(table, user(1, "a"), user(1, "b"));
    CHECK(run(entry("key = { 'id', 'email' }, map = function(row) row.email = row.email .. '!' end"), std::move(builder)) ==
          "delete shop.user_07 (id=1, email=a!, card=NULL); insert shop.user_07 (id=1, email=b!, card=NULL) #1");
  }
  SECTION("the map undoes the change") {
    BatchBuilder builder;
    builder.update(table, user(1, "a"), user(2, "b"));
    CHECK(run(entry("map = function(row) row.id = 7 end"), std::move(builder)) ==
          "update shop.user_07 (id=7, email=a, card=NULL) -> (id=7, email=b, card=NULL)");
  }
}

TEST_CASE("partial images: absent cells stay absent, or stop the row that needs them") {
  auto table = user_table();
  Cells before = {Value::of_int(1), Value::absent(), Value::absent()};
  Cells after = {Value::absent(), text_value("b"), Value::absent()};
  SECTION("an update stays partial") {
    BatchBuilder builder;
    builder.update(table, before, after);
    CHECK(run(entry("columns = { card = 'pan' }"), std::move(builder)) ==
          "update shop.user_07 (id=1, email=absent, pan=absent) -> (id=absent, email=b, pan=absent)");
  }
  SECTION("reading an absent column is an error, col.has asks") {
    BatchBuilder builder;
    builder.update(table, before, after);
    CHECK_THAT(run(entry("map = function(row) return row.email ~= '' end"), std::move(builder)),
               Contains("RULE-0105") && Contains("email") && Contains("col.has"));
    BatchBuilder second;
    second.update(table, before, after);
    CHECK_THAT(run(entry("map = function(row) if col.has(row, 'email') then row.email = 'c' end end"), std::move(second)),
               Contains("(id=1, email=absent, card=absent) -> (id=absent, email=c, card=absent)"));
  }
  SECTION("an absent column may be written, and read from then on; a native function leaves it absent") {
    BatchBuilder builder;
    builder.update(table, before, after);
    CHECK(run(entry("map = function(row) row.card = 'w'; row.card = row.card .. '!' end"), std::move(builder)) ==
          "update shop.user_07 (id=1, email=absent, card=w!) -> (id=absent, email=b, card=w!)");
    BatchBuilder second;
    second.update(table, before, after);
    CHECK(run("local mask = require 'tailrace.mask'\n" + entry("columns = { email = mask.full, card = mask.full }"), std::move(second)) ==
          "update shop.user_07 (id=1, email=absent, card=absent) -> (id=absent, email=*, card=absent)");
  }
  SECTION("a key change of a partial image") {
    BatchBuilder builder;
    builder.update(table, before, {Value::of_int(2), Value::absent(), Value::absent()});
    CHECK(run(entry("columns = { card = 'pan' }"), std::move(builder)) ==
          "update shop.user_07 (id=1, email=absent, pan=absent) -> (id=2, email=absent, pan=absent)");
    BatchBuilder whole;
    whole.update(table, user(1, "a"), {Value::of_int(2), Value::absent(), Value::absent()});
    CHECK(run(entry("columns = { card = 'pan' }"), std::move(whole)) ==
          "delete shop.user_07 (id=1, email=a, pan=NULL); insert shop.user_07 (id=2, email=a, pan=NULL) #1");
  }
  SECTION("an update that a map turns into an insert") {
    BatchBuilder builder;
    builder.update(table, before, after);
    CHECK_THAT(run(entry("map = function(row) return col.has(row, 'email') end"), std::move(builder)),
               Contains("RULE-0105") && Contains("binlog_row_image=FULL") && Contains("card"));
  }
  SECTION("an explicit key that the image before lacks") {
    BatchBuilder builder;
    builder.update(table, before, after);
    CHECK_THAT(run(entry("key = { 'email' }"), std::move(builder)),
               Contains("RULE-0105") && Contains("binlog_row_image=FULL") && Contains("email"));
    BatchBuilder removal;
    removal.remove(table, before);
    CHECK_THAT(run(entry("key = { 'email' }"), std::move(removal)), Contains("RULE-0105") && Contains("email"));
  }
}

TEST_CASE("ops and row decide per event") {
  auto table = user_table();
  auto events = [&] {
    BatchBuilder builder;
    builder.insert(table, user(1, "a")).update(table, user(1, "a"), user(1, "b")).remove(table, user(1, "b"));
    return builder;
  };
  CHECK(run(entry("ops = { 'insert' }"), events()) == "insert shop.user_07 (id=1, email=a, card=NULL)");
  CHECK(run(entry("row = function(ev) return ev.op ~= op.insert end"), events()) ==
        "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL); "
        "delete shop.user_07 (id=1, email=b, card=NULL)");
  CHECK(run(entry("row = function(ev) if not ev:changed('email') then return false end end"), events()) ==
        "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL)");
  CHECK(run(entry("row = function(ev) return ev:changed_only('email') end"), events()) ==
        "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL)");
  CHECK(run(entry("row = function(ev) return ev.op == 'update' end, map = function(row) row.email = 'm' end"), events()) ==
        "update shop.user_07 (id=1, email=m, card=NULL) -> (id=1, email=m, card=NULL)");
}

TEST_CASE("the event's fields") {
  auto table = user_table();
  BatchBuilder builder;
  builder.update(table, user(1, "a"), user(1, "b"));
  CHECK(run(entry(R"lua(row = function(ev, ctx)
      assert(ev.op == op.update and ev.db == "shop" and ev.table == "user_07")
      assert(ev.ts_us == 1700000000000000 and ev.gtid == "0-1-42" and ev.pos == "bin.000007:4321")
      assert(ev.txn.id == "0-1-42" and ev.txn.ordinal == 0 and ev.key == "id=1" and ev.snapshot == false)
      assert(ev.before.email == "a" and ev.after.email == "b" and ev.email == "b" and ev.id == 1 and ev.card == nil)
    end)lua"),
            std::move(builder)) == "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL)");
}

TEST_CASE("a failing rule lets nothing of the batch through and says where") {
  auto table = user_table();
  auto events = [&] {
    BatchBuilder builder;
    builder.insert(table, user(1, "a")).update(table, user(2, "a"), user(2, "bad")).insert(table, user(3, "c"));
    return builder;
  };
  std::string text = run(entry("\nmap = function(row)\n  if row.email == 'bad' then error('no ' .. row.email) end\nend"), events());
  CHECK_THAT(text, Contains("RULE-0102") && Contains("shop.lua:3: no bad"));
  CHECK_THAT(text, Contains("hook=map, after image of update") && Contains("table=shop.user_07") && Contains("key=id=2"));
  CHECK_THAT(text, Contains("gtid=0-1-42") && Contains("position=bin.000007:4321") && Contains("rule=shop@"));
  CHECK_THAT(run(entry("row = function(ev) if ev.id == 2 then local x = ev.card .. 'x' end end"), events()),
             Contains("RULE-0102") && Contains("hook=row") && Contains("key=id=2"));
  CHECK_THAT(run(entry("map = function(row) return nil end"), events()), Contains("RULE-0103") && Contains("map() returned nil"));
  CHECK_THAT(run(entry("map = function(row) return 1 end"), events()), Contains("RULE-0103") && Contains("the number 1"));
  CHECK_THAT(run(entry("map = function(row) return true, 2 end"), events()), Contains("RULE-0103") && Contains("2 values"));
  CHECK_THAT(run(entry("map = function(row) row.id = 'x' end"), events()), Contains("RULE-0104") && Contains("column `id`"));
  CHECK_THAT(run(entry("map = function(row) row.id = 1.5 end"), events()), Contains("RULE-0104"));
  CHECK_THAT(run(entry("map = function(row) row.id = 3e9 end"), events()), Contains("RULE-0104") && Contains("range"));
  CHECK_THAT(run(entry("map = function(row) row.id = nil end"), events()), Contains("RULE-0104") && Contains("NOT NULL"));
  CHECK_THAT(run(entry("map = function(row) row.email = ('x'):rep(81) end"), events()), Contains("RULE-0104") && Contains("too long"));
  CHECK_THAT(run(entry("map = function(row) row.email = '\\255' end"), events()), Contains("RULE-0104") && Contains("UTF-8"));
  CHECK_THAT(run(entry("map = function(row) row.email = {} end"), events()), Contains("RULE-0104") && Contains("a table"));
  CHECK_THAT(run(entry("map = function(row) row.emial = 'x' end"), events()), Contains("RULE-0105") && Contains("did you mean `email`?"));
  CHECK_THAT(run(entry("map = function(row) return row.emial == 1 end"), events()), Contains("RULE-0105"));
  CHECK_THAT(run(entry("row = function(ev) ev.email = 'x' end"), events()), Contains("values are changed in map(row)"));
  CHECK_THAT(run(entry("row = function(ev) ev.after.email = 'x' end"), events()), Contains("values are changed in map(row)"));
  CHECK_THAT(run(entry("map = function(row, out) out:add('dw.x', {}) end"), events()), Contains("RULE-0106") && Contains("no `dw.x`"));
  CHECK_THAT(run(entry("map = function(row) for k in pairs(row) do end end"), events()), Contains("col.each"));
}

TEST_CASE("the stage goes on after a failure, and a swallowed error leaves no trace") {
  auto table = user_table();
  Folder folder;
  auto stage =
      try_stage(folder, entry("map = function(row) pcall(function() row.id = 'x' end) if row.email == 'bad' then error('x') end end"))
          .value();
  BatchBuilder bad;
  bad.insert(table, user(1, "bad"));
  Status status = stage->run(bad.batch);
  REQUIRE(!status.ok());
  CHECK(status.code() == ErrorCode::kRuleRuntime);
  BatchBuilder good;
  good.insert(table, user(1, "good"));
  REQUIRE(stage->run(good.batch).ok());
  CHECK(show(good.batch) == "insert shop.user_07 (id=1, email=good, card=NULL)");
  CHECK(stage->stats().errors == 1);
}

TEST_CASE("merged tables need a key that tells them apart") {
  Folder folder;
  auto place = [&](const std::string& body, bool detects, const SchemaRef& a, const SchemaRef& b) {
    RuleStageConfig config;
    config.sink_detects_collisions = detects;
    auto stage = try_stage(folder, entry(body), config).value();
    REQUIRE(stage->output(a).ok());
    auto second = stage->output(b);
    return second.ok() ? second.value()->schema->qualified_name() : second.status().to_string();
  };
  auto a = user_table("user_1");
  auto b = user_table("user_2");
  CHECK_THAT(place("to = 'dw.user'", false, a, b), Contains("RULE-0110") && Contains("shop.user_1") && Contains("shop.user_2"));
  CHECK(place("to = 'dw.user'", true, a, b) == "dw.user");
  CHECK(place("to = 'dw.user', key = { 'id', 's' }, columns = { s = { 'varchar(64)', value = '{table}' } }", false, a, b) == "dw.user");
  CHECK(place("to = 'dw.{table}'", false, a, b) == "dw.user_2");
  auto keyless = make_table("shop", "k1", {"v int"}, 0);
  auto keyless_too = make_table("shop", "k2", {"v int"}, 0);
  CHECK(place("to = 'dw.all'", false, keyless, keyless_too) == "dw.all");
  auto other = make_table("shop", "user_3", {"id int not null", "email text", "card text"});
  CHECK_THAT(place("to = 'dw.user', key = { 'id' }", false, a, other),
             Contains("RULE-0101") && Contains("`email`") && Contains("shop.user_1") && Contains("shop.user_3"));
  auto wider = make_table("shop", "user_4", {"id int not null", "email varchar(80)", "card text", "nick text"});
  CHECK(place("to = 'dw.user', key = { 'id' }", false, a, wider) == "dw.user");
  auto strict = make_table("shop", "user_5", {"id int not null", "email varchar(80)", "card text", "nick text not null"});
  CHECK_THAT(place("to = 'dw.user', key = { 'id' }", false, a, strict), Contains("`nick` NOT NULL is only in shop.user_5"));
}

TEST_CASE("NULL in a key that the entry gives stops the row") {
  std::string rules = entry("key = { 'email' }");
  BatchBuilder builder;
  builder.insert(user_table(), user(1, "a")).insert(user_table(), {Value::of_int(2), Value::null(), Value::null()});
  std::string outcome = run(rules, std::move(builder));
  CHECK_THAT(outcome, Contains("RULE-0104"));
  CHECK_THAT(outcome, Contains("column email of the key"));
}

TEST_CASE("DDL follows its table") {
  Folder folder;
  std::string rules =
      "return { api = 1, tables = { ['shop.user_*'] = { to = 'dw.user', key = { 'id' }, columns = { card = false } }, ['shop.tmp'] = false "
      "} }";
  auto stage = try_stage(folder, rules).value();
  auto before = user_table();
  auto after = make_table("shop", "user_07", {"id int not null", "email varchar(80)", "card text", "nick text"});
  auto ddl = [&](const SchemaRef& from, SchemaRef to, BatchBuilder& builder) {
    builder.add(Op::kSchemaChange, from ? from : to, {}, {});
    builder.batch.schemas.push_back(to);
    ChangeEvent& event = builder.batch.events.back();
    event.sql = "ALTER";
    if (!from) event.table = nullptr;
    event.new_schema = to ? &builder.batch.schemas.back() : nullptr;
    return stage->run(builder.batch);
  };
  BatchBuilder altered;
  REQUIRE(ddl(before, after, altered).ok());
  const ChangeEvent& event = altered.batch.events.at(0);
  CHECK(event.table->qualified_name() == "dw.user");
  REQUIRE((*event.new_schema)->columns.size() == 3);
  CHECK((*event.new_schema)->columns[2].name == "nick");
  CHECK(event.sql == "ALTER");
  CHECK(event.output->source->qualified_name() == "shop.user_07");
  BatchBuilder dropped;
  REQUIRE(ddl(make_table("shop", "tmp", {"id int not null"}), nullptr, dropped).ok());
  CHECK(dropped.batch.events.empty());
  BatchBuilder created;
  REQUIRE(ddl(nullptr, make_table("shop", "x", {"id int not null"}), created).ok());
  CHECK((*created.batch.events.at(0).new_schema)->qualified_name() == "shop.x");
  BatchBuilder renamed;
  CHECK_THAT(ddl(before, make_table("shop", "tmp", {"id int not null"}), renamed).to_string(),
             Contains("SCH-0003") && Contains("shop.tmp"));
  BatchBuilder heartbeat;
  heartbeat.batch.events.push_back(ChangeEvent{});
  heartbeat.batch.events[0].op = Op::kHeartbeat;
  REQUIRE(stage->run(heartbeat.batch).ok());
  CHECK(heartbeat.batch.events.size() == 1);
  BatchBuilder truncated;
  truncated.add(Op::kTruncate, before, {}, {});
  CHECK_THAT(stage->run(truncated.batch).to_string(), Contains("SCH-0003") && Contains("TRUNCATE of shop.user_07"));
}

TEST_CASE("runs of several tables and plans share one batch") {
  std::string rules = R"lua(return { api = 1, tables = {
    ["shop.a"] = { map = function(row) row.v = row.v * 2 end },
    ["shop.b"] = { to = "dw.b", columns = { w = { "int" } }, map = function(row) row.w = row.v + 1 end },
    ["shop.c"] = false } })lua";
  auto table = [](const char* name) { return make_table("shop", name, {"id int not null", "v int not null"}); };
  auto a = table("a"), b = table("b"), c = table("c"), d = table("d");
  BatchBuilder builder;
  for (int i = 1; i <= 2; ++i) {
    Cells row = {Value::of_int(i), Value::of_int(10 * i)};
    builder.insert(a, row).insert(b, row).insert(c, row).insert(d, row);
  }
  CHECK(run(rules, std::move(builder)) ==
        "insert shop.a (id=1, v=20); insert dw.b (id=1, v=10, w=11); insert shop.d (id=1, v=10); "
        "insert shop.a (id=2, v=40); insert dw.b (id=2, v=20, w=21); insert shop.d (id=2, v=20)");
}

TEST_CASE("masks hide, natively and in a map") {
  auto table =
      make_table("shop", "m", {"id int not null", "email varchar(80)", "phone bigint", "name varchar(20)", "h text", "n text not null"});
  std::string natively = R"lua(local mask, hash = require "tailrace.mask", require "tailrace.hash"
    return { api = 1, options = { k = secret }, tables = { ["shop.m"] = { columns = { email = mask.email, phone = mask.phone,
      name = mask.keep { first = 1, last = 1, with = "#" }, h = hash.sha256 { salt = "k" }, n = mask.null } } } })lua";
  RuleStageConfig config;
  config.rules.options = {{"k", "a"}};
  auto rows = [&] {
    BatchBuilder builder;
    builder.insert(table, {Value::of_int(1), text_value("jo@x.io"), Value::of_int(491701234567), text_value("Zo\xC3\xAB"), text_value("bc"),
                           text_value("n")});
    builder.insert(table, {Value::of_int(2), Value::null(), Value::null(), Value::null(), Value::null(), text_value("n")});
    return builder;
  };
  // sha256("abc") as published with the algorithm.
  CHECK(run(natively, rows(), config) ==
        "insert shop.m (id=1, email=j***@x.io, phone=********4567, name=Z#\xC3\xAB, "
        "h=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, n=NULL); "
        "insert shop.m (id=2, email=NULL, phone=NULL, name=NULL, h=NULL, n=NULL)");
  std::string in_map = R"lua(local mask = require "tailrace.mask"
    local keep = mask.keep { first = 1, last = 1, with = "#" }
    return { api = 1, tables = { ["shop.m"] = { map = function(row)
      row.email = mask.email(row.email); row.name = keep(row.name); row.h = mask.phone(row.phone) end } } })lua";
  CHECK(run(in_map, rows()) ==
        "insert shop.m (id=1, email=j***@x.io, phone=491701234567, name=Z#\xC3\xAB, h=********4567, n=n); "
        "insert shop.m (id=2, email=NULL, phone=NULL, name=NULL, h=NULL, n=n)");
}

TEST_CASE("a large batch keeps its order through drops and splits") {
  auto table = make_table("shop", "t", {"id int not null", "v int not null"});
  BatchBuilder builder;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    Cells row = {Value::of_int(i), Value::of_int(1)};
    if (i % 3 == 0) {
      builder.update(table, row, {Value::of_int(i + 5000), Value::of_int(1)});
      expected += fmt::format("delete shop.t (id={}, v=2); insert shop.t (id={}, v=2) #1; ", i, i + 5000);
    } else {
      builder.insert(table, row);
      if (i % 3 == 1) expected += fmt::format("insert shop.t (id={}, v=2); ", i);
    }
  }
  CHECK(run(entry("map = function(row) if row.id < 5000 and row.id % 3 == 2 then return false end row.v = row.v + 1 end"),
            std::move(builder)) +
            "; " ==
        expected);
}
