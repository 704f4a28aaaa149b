#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

std::string load_error(const std::string& rules, RuleStageConfig config = {}) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  return stage.ok() ? "loaded" : stage.status().to_string();
}

// Where a table goes: its target, "dropped", or the error.
std::string target(const std::string& rules, const std::string& table, RuleStageConfig config = {}) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status().to_string();
  size_t dot = table.find('.');
  auto schema = make_table(table.substr(0, dot), table.substr(dot + 1), {"id int not null", "name varchar(10)"});
  auto output = (*stage)->output(schema);
  if (!output.ok()) return output.status().to_string();
  return *output ? (*output)->schema->qualified_name() : "dropped";
}

}  // namespace

TEST_CASE("a rule file that cannot be loaded says where and why") {
  CHECK_THAT(load_error("return {\n api = 1,\n tables = { oops\n}"), Contains("RULE-0101") && Contains("shop.lua:4"));
  CHECK_THAT(load_error("local x = nil\nreturn x.y"), Contains("shop.lua:2") && Contains("index local 'x'"));
  CHECK_THAT(load_error("return 7"), Contains("returns a number"));
  CHECK_THAT(load_error("return {}"), Contains("`api = 1` is missing"));
  CHECK_THAT(load_error("return { api = 2 }"), Contains("api = 2 is not supported"));
  CHECK_THAT(load_error("return { api = 1, tabels = {} }"), Contains("unknown key `tabels`: did you mean `tables`?"));
  CHECK_THAT(load_error("return { api = 1, metrics = {} }"),
             Contains("RULE-0101") && Contains("`metrics` is not supported by this version"));
  CHECK_THAT(load_error("\x1bLJ\x02 bytecode"), Contains("RULE-0101"));
  CHECK_THAT(load_error("return { api = 1, default = 'maybe' }"), Contains("default is"));
}

TEST_CASE("keys of an entry are checked") {
  CHECK_THAT(load_error(entry("colums = {}")), Contains("tables[\"shop.*\"]: unknown key `colums`: did you mean `columns`?"));
  CHECK_THAT(load_error("return { api = 1, tables = { shop = true } }"), Contains("not of the form database.table"));
  CHECK_THAT(load_error("return { api = 1, tables = { ['!a.b'] = true } }"), Contains("names no table"));
  CHECK_THAT(load_error("return { api = 1, tables = { ['a.b'] = 7 } }"), Contains("expected false, true, a table or a function"));
  CHECK_THAT(load_error(entry("map = 'x'")), Contains("map must be a function"));
  CHECK_THAT(load_error(entry("ops = { 'inser' }")), Contains("`inser` is none of"));
  CHECK_THAT(load_error(entry("to = 'user'")), Contains("database.table"));
  CHECK_THAT(load_error(entry("to = 'dw.{tabel}'")), Contains("{tabel}"));
  CHECK_THAT(load_error(entry("key = { 'a', 'a' }")), Contains("twice"));
  CHECK_THAT(load_error(entry("columns = { a = true }")), Contains("true says nothing"));
  CHECK_THAT(load_error(entry("columns = { a = { 'varchar' } }")), Contains("needs an argument"));
  CHECK_THAT(load_error(entry("columns = { a = { 'varchr(3)' } }")), Contains("type `varchr` is not known"));
  CHECK_THAT(load_error(entry("columns = { a = { 'int', valu = 1 } }")), Contains("did you mean `value`"));
  CHECK_THAT(load_error(entry("columns = { a = require('tailrace.mask').keep { frist = 1 } }")), Contains("no argument `frist`"));
}

TEST_CASE("patterns choose the entry: exact before pattern, false before both") {
  std::string rules = R"lua(return { api = 1, tables = {
    ["shop.user_* shop.member_? !shop.user_tmp*"] = { to = "dw.user" },
    ["shop.user_9"] = { to = "dw.nine" },
    ["*.*_bak"] = false,
    ["shop.order_[0-9]"] = true } })lua";
  CHECK(target(rules, "shop.user_1") == "dw.user");
  CHECK(target(rules, "shop.member_x") == "dw.user");
  CHECK(target(rules, "shop.member_xy") == "shop.member_xy");
  CHECK(target(rules, "shop.user_tmp1") == "shop.user_tmp1");
  CHECK(target(rules, "shop.user_9") == "dw.nine");
  CHECK(target(rules, "shop.user_1_bak") == "dropped");
  CHECK(target(rules, "shop.order_5") == "shop.order_5");
  CHECK(target(rules, "SHOP.user_1") == "SHOP.user_1");
  CHECK(target("return { api = 1, default = 'drop' }", "a.b") == "dropped");
  CHECK_THAT(target("return { api = 1, default = 'stop' }", "a.b"), Contains("RULE-0101") && Contains("a.b"));
  std::string both = "return { api = 1, tables = { ['shop.*'] = true, ['*.user'] = {} } }";
  CHECK_THAT(target(both, "shop.user"), Contains("RULE-0109") && Contains("shop.*") && Contains("*.user"));
  CHECK(target("return { api = 1, tables = { ['shop.*'] = true, ['*.user'] = {}, ['*.user '] = false } }", "shop.user") == "dropped");
}

TEST_CASE("columns are checked against the table") {
  CHECK_THAT(target(entry("columns = { nam = false }"), "shop.a"), Contains("RULE-0105") && Contains("did you mean `name`?"));
  CHECK_THAT(target(entry("columns = { name = { 'int', value = 1 } }"), "shop.a"), Contains("the column exists"));
  CHECK_THAT(target(entry("columns = { nme = { 'int not null' } }"), "shop.a"), Contains("no `map` to fill it: did you mean `name`?"));
  CHECK_THAT(target(entry("columns = { name = 'id' }"), "shop.a"), Contains("two columns"));
  CHECK_THAT(target(entry("columns = { id = false }"), "shop.a"), Contains("drops a column of the key"));
  CHECK_THAT(target(entry("key = { 'nix' }"), "shop.a"), Contains("RULE-0105") && Contains("nix"));
  CHECK_THAT(target(entry("columns = { id = require('tailrace.mask').full }"), "shop.a"), Contains("RULE-0110"));
  CHECK_THAT(target(entry("columns = { x = { 'varchar(3)', value = '{table}' } }"), "shop.abcd"), Contains("RULE-0104"));
  CHECK_THAT(target(entry("columns = { x = { 'tinyint', value = 300 } }"), "shop.a"), Contains("RULE-0104"));
}

TEST_CASE("options: the job's values are typed by the file's defaults") {
  std::string rules = R"lua(return { api = 1, options = { region = "eu", limit = 5, on = false, salt = secret },
    tables = { ["shop.*"] = { map = function(row, out, ctx)
      row.name = ctx.options.region .. ":" .. (ctx.options.limit + 1) .. ":" .. tostring(ctx.options.on) end } } })lua";
  RuleStageConfig config;
  CHECK_THAT(load_error(rules, config), Contains("option `salt` is a secret"));
  config.rules.options = {{"salt", "s"}, {"regoin", "us"}};
  CHECK_THAT(load_error(rules, config), Contains("did you mean `region`?"));
  config.rules.options = {{"salt", "s"}, {"limit", "x"}};
  CHECK_THAT(load_error(rules, config), Contains("option `limit` is a number"));
  config.rules.options = {{"salt", "s"}, {"region", "us"}, {"limit", "41"}, {"on", "true"}};
  Folder folder;
  auto stage = try_stage(folder, rules, config).value();
  BatchBuilder builder;
  builder.insert(make_table("shop", "a", {"id int not null", "name varchar(20)"}), {Value::of_int(1), Value::null()});
  REQUIRE(stage->run(builder.batch).ok());
  CHECK(show(builder.batch) == "insert shop.a (id=1, name=us:42:true)");
  CHECK_THAT(stage->version(), Catch::Matchers::StartsWith("shop@"));
}

TEST_CASE("modules beside the rule file are loaded, once and as text") {
  Folder folder;
  folder.write("lib/names.lua", "return { prefix = 'p-' }");
  folder.write("sub/more.lua", "local n = require 'names'\nreturn n.prefix .. 'more'");
  auto stage = try_stage(
      folder,
      "local m = require 'sub.more'\nreturn { api = 1, tables = { ['*.*'] = { columns = { x = { 'varchar(20)', value = m } } } } }");
  INFO((stage.ok() ? "" : stage.status().to_string()));
  REQUIRE(stage.ok());
  auto output = (*stage)->output(make_table("a", "b", {"id int not null"})).value();
  CHECK(output->schema->columns.back().name == "x");
  CHECK_THAT(load_error("return require 'missing'"), Contains("missing.lua"));
}
