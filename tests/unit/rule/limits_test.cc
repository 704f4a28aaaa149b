// Rules that mean harm, or run away: budgets, memory, proxies kept too long, metatable tricks.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef table_of_text() { return make_table("shop", "t", {"id int not null", "v varchar(200)"}); }

Status run_rows(const std::string& rules, RuleStageConfig config, int batches = 1) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status();
  auto table = table_of_text();
  for (int i = 0; i < batches; ++i) {
    BatchBuilder builder;
    for (int k = 0; k < 100; ++k) builder.insert(table, {Value::of_int(k), text_value("text")});
    Status status = (*stage)->run(builder.batch);
    if (!status.ok()) return status;
  }
  return Status();
}

RuleStageConfig untrusted() {
  RuleStageConfig config;
  config.rules.trusted = false;
  config.rules.steps = 100000;
  return config;
}

std::string code_text(const Status& status) { return status.ok() ? "ok" : status.to_string(); }

}  // namespace

TEST_CASE("an untrusted rule that never ends is stopped, and cannot catch it") {
  for (const char* body : {
           "map = function(row) while true do end end",
           "map = function(row) for i = 1, 1e15 do end end",
           "map = function(row) repeat until false end",
           "map = function(row) local function f() return f() end f() end",
           "map = function(row) while true do pcall(function() while true do end end) end end",
           "map = function(row) pcall(pcall, function() while true do end end) return true end",
           "row = function(ev) while true do end end",
           "map = function(row) local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do local ok = "
           "pcall(function() return t[1] end) end end",
           "map = function(row) table.sort({ 1, 2, 3 }, function() while true do end end) end",
           "map = function(row) ('x'):rep(1000):gsub('.', function() while true do end end) end",
       }) {
    INFO(body);
    CHECK_THAT(code_text(run_rows(entry(body), untrusted())), Contains("RULE-0107"));
  }
  CHECK_THAT(code_text(run_rows(entry("map = function(row) return (('a'):rep(5000)):find(('.-'):rep(8) .. 'b') == nil end"), untrusted())),
             Contains("RULE-0102") && Contains("pattern could take too long"));
  // The budget is per event: a hundred modest rows pass.
  CHECK(code_text(run_rows(entry("map = function(row) for i = 1, 5000 do end end"), untrusted(), 3)) == "ok");
}

TEST_CASE("a file that never ends loading is stopped, trusted or not") {
  CHECK_THAT(code_text(run_rows("while true do end", {})), Contains("RULE-0107"));
  CHECK_THAT(code_text(run_rows("while true do end", untrusted())), Contains("RULE-0107"));
}

TEST_CASE("a rule that takes too much memory is stopped, with and without the JIT") {
  for (bool trusted : {true, false}) {
    RuleStageConfig config;
    config.rules.trusted = trusted;
    config.rules.memory_bytes = 8u << 20;
    config.rules.steps = 100000000;
    for (const char* body : {
             "map = function(row) local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end",
             "map = function(row) local s = 'x' while true do s = s .. s end end",
             "map = function(row) while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end) end end",
             "map = function(row) row.v = ('x'):rep(15e6) end",
         }) {
      INFO(body << " trusted=" << trusted);
      CHECK_THAT(code_text(run_rows(entry(body), config)), Contains("RULE-0108"));
    }
  }
  // What is dropped is given back.
  RuleStageConfig small;
  small.rules.memory_bytes = 4u << 20;
  CHECK(code_text(run_rows(entry("map = function(row) local t = {} for i = 1, 100 do t[i] = ('x'):rep(100) .. i end end"), small, 50)) ==
        "ok");
}

TEST_CASE("a row kept beyond its call cannot be read") {
  for (bool jit : {true, false}) {
    RuleStageConfig config;
    config.rules.jit = jit;
    std::string kept =
        "local kept = {}\nreturn { api = 1, tables = { ['shop.*'] = { row = function(ev) if kept[1] then return kept[1].v == 1 end kept[1] "
        "= ev.after "
        "end, "
        "map = function(row) return kept[1].v ~= nil end } } }";
    CHECK_THAT(code_text(run_rows(kept, config)), Contains("outside of the call"));
    std::string kept_row =
        "local kept = {}\nreturn { api = 1, tables = { ['shop.*'] = { map = function(row) kept[1] = row end, "
        "row = function(ev) if kept[1] then return kept[1].id == 1 end end } } }";
    CHECK_THAT(code_text(run_rows(kept_row, config, 2)), Contains("outside of the call"));
  }
}

TEST_CASE("tricks on rows and handles") {
  for (const char* body : {
           "map = function(row) setmetatable(row, {}) end",
           "map = function(row) getmetatable(row).__index = nil end",
           "map = function(row) return row[1] end",
           "map = function(row) return row[1e9] end",
           "map = function(row) row[-1] = 5 end",
           "map = function(row) return row[nil] end",
           "map = function(row, out, ctx) ctx.options = {} end",
           "map = function(row, out, ctx) ctx.options.x = 1 end",
           "map = function(row, out, ctx) return ctx.options.nix end",
           "map = function(row, out) out.x = 1 end",
           "map = function(row) require('other') end",
           "map = function(row) require('tailrace.mask').keep { first = 1 } end",
           "map = function(row) col.each({}) end",
           "map = function(row) col.has('x', 'y') end",
           "map = function(row) string.gmatch = 1 end",
           "map = function(row) (''):dump() end",
           "map = function(row) row.v = bigint(1).v end",
           "map = function(row) error() end",
           "map = function(row) error({}) end",
           "map = function(row) error(nil) end",
           "map = function(row) local t = setmetatable({}, { __tostring = error }) error(tostring(t)) end",
       }) {
    INFO(body);
    Status status = run_rows(entry(body), {});
    REQUIRE(!status.ok());
    CHECK_THAT(status.to_string(), Contains("RULE-010"));
  }
  // A raw insert into the proxy is lost, not a column.
  CHECK(code_text(run_rows(entry("map = function(row) table.insert(row, 'x') end"), {})) == "ok");
}

TEST_CASE("deep recursion is an error of the rule") {
  CHECK_THAT(code_text(run_rows(entry("map = function(row) local function f(n) return 1 + f(n + 1) end return f(1) > 0 end"), {})),
             Contains("RULE-010"));
}
