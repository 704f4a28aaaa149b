// A rule file of a stranger: what it may try on memory, time, the sandbox and the rows. Nothing crashes, nothing gets out,
// limits hold, and no batch is delivered that a rule failed on. Budgets, proxies and handles: see limits_test.cc.
#include <chrono>

#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

RuleStageConfig stranger(int64_t wall_ms = 30'000) {
  RuleStageConfig config;
  config.rules.trusted = false;
  config.rules.memory_bytes = 16u << 20;
  config.rules.wall_ms = wall_ms;
  return config;
}
RuleStageConfig operators_own() {
  RuleStageConfig config;
  config.rules.memory_bytes = 16u << 20;
  return config;
}

// "ok", or the failure of loading or of the first batch.
std::string attempt(const std::string& rules, const RuleStageConfig& config, size_t* arena_bytes = nullptr) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status().to_string();
  auto table = make_table("shop", "t", {"id int not null", "v varchar(200)", "doc longtext", "d decimal(60,2)"});
  BatchBuilder builder;
  for (int i = 0; i < 20; ++i)
    builder.insert(table, {Value::of_int(i), text_value("text"), text_value("long"), text_value("1.00", Kind::kDecimal)});
  Status status = (*stage)->run(builder.batch);
  if (arena_bytes) *arena_bytes = builder.batch.arena.bytes();
  return status.ok() ? "ok" : status.to_string();
}

std::string map(const std::string& body) { return entry("map = function(row) " + body + " end"); }

double seconds_of(const std::string& rules, const RuleStageConfig& config, std::string& result) {
  auto begin = std::chrono::steady_clock::now();
  result = attempt(rules, config);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("no name leads out of the sandbox") {
  for (const char* expression : {"os",
                                 "io",
                                 "ffi",
                                 "jit",
                                 "debug",
                                 "package",
                                 "_G",
                                 "load",
                                 "loadstring",
                                 "loadfile",
                                 "dofile",
                                 "require('ffi')",
                                 "require('jit')",
                                 "require('debug')",
                                 "require('bit.ffi')",
                                 "setfenv",
                                 "getfenv",
                                 "rawget",
                                 "rawset",
                                 "rawequal",
                                 "rawlen",
                                 "collectgarbage",
                                 "newproxy",
                                 "coroutine",
                                 "coroutine.wrap",
                                 "next",
                                 "module",
                                 "xpcall",
                                 "string.dump",
                                 "table.foreach",
                                 "math.random",
                                 "gcinfo",
                                 "_VERSION",
                                 "arg",
                                 "core",
                                 "host",
                                 "tr_host"}) {
    INFO(expression);
    std::string result = attempt(map(std::string("local x = ") + expression + " assert(x == nil)"), stranger());
    CHECK_THAT(result, Contains("RULE-010"));
  }
  // Nor does a metatable, an error object, or what a proxy is made of.
  CHECK(attempt(map("assert(getmetatable(row) == false and getmetatable('') == false and getmetatable(bigint(1)) ~= nil) "
                    "assert(type(getmetatable(bigint(1))) == 'string')"),
                stranger()) == "ok");
  CHECK(attempt(map("for _, f in ipairs({ 'gmatch', 'rep', 'format' }) do assert(string[f]) end assert(not pcall(function() string.rep = 1 "
                    "end) and not pcall(function() ('').rep = 1 end))"),
                stranger()) == "ok");
  CHECK_THAT(attempt(map("string.upper = function() end"), stranger()), Contains("read-only"));
  CHECK_THAT(attempt(map("_ENV = {}"), stranger()), Contains("new global"));
}

TEST_CASE("numbers of the FFI are no way to memory") {
  for (const char* body : {"row.v = 1LL", "row.id = 1ULL", "row.v = 2i", "local x = bigint(1) x.v = 5", "local x = decimal '1' x.w0 = 5",
                           "return bigint(1)[0]", "return decimal '1'[1]", "return (1LL)()", "return (1LL).x",
                           "bigint(1).is_unsigned = true", "setmetatable(bigint(1), {})", "return bigint(1)()", "return #bigint(1)",
                           "string.format('%d', 1LL .. '')", "return bigint(1) .. {}", "row.v = bigint", "return decimal(1LL)"}) {
    INFO(body);
    CHECK_THAT(attempt(map(body), stranger()), Contains("RULE-010"));
    CHECK_THAT(attempt(map(body), operators_own()), Contains("RULE-010"));
  }
}

TEST_CASE("bytecode is not loaded, from the file or a module") {
  CHECK_THAT(attempt(std::string("\x1bLJ\x02\x00", 5), stranger()), Contains("RULE-0101"));
  Folder folder;
  folder.write("lib/evil.lua", std::string("\x1bLJ\x02\x00\x00", 6));
  CHECK_THAT(try_stage(folder, "require 'evil'\n" + map(""), stranger()).status().to_string(), Contains("RULE-0101"));
}

TEST_CASE("memory bombs end at the limit, trusted or not, and cannot be caught") {
  for (const char* body : {
           "local t = {} for i = 1, 1e9 do t[i] = i end",
           "local t = {} while true do t = { t, t } end",
           "local t = {} for i = 1, 1e9 do t[('k'):rep(100) .. i] = i end",
           "local s = ('x'):rep(1e6) while true do s = s .. s end",
           "local t = {} for i = 1, 1e6 do t[i] = ('x'):rep(1e5) .. i end",
           "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1e5) end table.concat(t)",
           "('x'):rep(1e6):gsub('.', ('y'):rep(1000))",
           "('x'):rep('90000000')",
           "while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = i end end) end",
           "local f f = function(n) local a = ('x'):rep(1000) .. n return f(n + 1) .. a end f(1)",
           "table.insert({}, -2e9, 1)",
       }) {
    INFO(body);
    for (const RuleStageConfig& each : {stranger(), operators_own()}) {
      RuleStageConfig config = each;
      config.rules.steps = 100'000'000;
      std::string result = attempt(map(body), config);
      CHECK_THAT(result, Contains("RULE-0108") || Contains("RULE-0102"));
    }
  }
}

TEST_CASE("a rule cannot fill the memory of the batch in place of its own") {
  for (const RuleStageConfig& config : {stranger(), operators_own()}) {
    size_t arena_bytes = 0;
    std::string result = attempt(map("local big = ('x'):rep(1e6) for i = 1, 1e4 do row.doc = big .. i end"), config, &arena_bytes);
    CHECK_THAT(result, Contains("RULE-0108"));
    CHECK(arena_bytes < (24u << 20));
    result =
        attempt(map("local big = ('x'):rep(1e6) for i = 1, 1e4 do pcall(function() row.doc = big .. i end) end"), config, &arena_bytes);
    CHECK_THAT(result, Contains("RULE-0108"));
    result = attempt(map("for i = 1, 1e6 do row.d = decimal '123456789012345678901234567890.5' + i end"), config, &arena_bytes);
    CHECK_THAT(result, Contains("RULE-010"));
    CHECK(arena_bytes < (24u << 20));
    CHECK(attempt(map("row.doc = ('x'):rep(1e5) .. row.id"), config) == "ok");
  }
}

TEST_CASE("one call that takes long is bounded too: patterns, copies, sorting") {
  std::string result;
  for (const char* body : {
           "('a'):rep(1e6):find('.-b')",
           "('a'):rep(3000):gsub('.-.-b', '')",
           "for _ in ('a'):rep(1e6):gmatch('.-b') do end",
           "('a'):rep(40000):match('^.*.*b')",
           "for i = 1, 1e6 do ('a'):rep(20000):find('.-b') end",
       }) {
    INFO(body);
    double seconds = seconds_of(map(body), stranger(), result);
    CHECK_THAT(result, Contains("pattern could take too long") || Contains("RULE-0107"));
    CHECK(seconds < 20);
  }
  for (const char* body : {
           "while true do ('x'):rep(8e6) end",
           "local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e6 do table.remove(t, 1) table.insert(t, 1, i) end",
           "local t = {} for i = 1, 1e5 do t[i] = (i * 7919) % 100003 end for i = 1, 1e5 do table.sort(t) end",
           "while true do pcall(function() while true do ('x'):rep(8e6) end end) end",
       }) {
    INFO(body);
    RuleStageConfig config = stranger(300);
    config.rules.memory_bytes = 64u << 20;
    config.rules.steps = INT64_C(1) << 50;
    double seconds = seconds_of(map(body), config, result);
    CHECK_THAT(result, Contains("RULE-0107"));
    CHECK(seconds < 20);
  }
  CHECK_THAT(attempt("while true do ('x'):rep(6e6) end", stranger(300)), Contains("RULE-0107"));
  // Modest use passes.
  CHECK(attempt(map("assert(('key = value'):match('^(%w+)%s*=%s*(%w+)$') == 'key') assert(('a,b'):gsub(',', ';') == 'a;b') "
                    "assert(('x'):rep(5000):find('y', 1, true) == nil)"),
                stranger()) == "ok");
  CHECK(attempt(map("assert((''):rep(1e18) == '' and ('ab'):rep(2, '-') == 'ab-ab' and ('x'):rep('3') == 'xxx' and ('x'):rep(-1) == '')"),
                stranger()) == "ok");
}

TEST_CASE("deep recursion of every kind is an error, not a crash") {
  for (const char* body : {
           "local function f(n) return 1 + f(n + 1) end f(1)",
           "local function f() pcall(f) error('x') end f()",
           "local t t = setmetatable({}, { __index = function(_, k) return t[k + 1] end }) return t[1]",
           "local a, b = {}, {} setmetatable(a, { __index = b }) setmetatable(b, { __index = a }) return a.x",
           "local function f(s) return (s:gsub('.', f)) end f('x')",
           "local t = setmetatable({}, { __call = function(self) return self() .. 'x' end }) t()",
           "local t = setmetatable({}, { __concat = function(a, b) return a .. b end }) return t .. t",
           "local t = setmetatable({}, { __tostring = function(t) return tostring(t) .. 'x' end }) tostring(t)",
           "local t = setmetatable({}, { __lt = function(a, b) return a < b end }) return t < t",
           "local function f() table.sort({ 3, 2, 1 }, function() f() return true end) end f()",
           "return (('('):rep(400) .. 'x'):find(('('):rep(400))",
           "return ('a'):rep(1e5):find(('a?'):rep(1e4) .. 'b')",
       }) {
    INFO(body);
    CHECK_THAT(attempt(map(body), stranger()), Contains("RULE-010"));
  }
  for (const char* body : {"local function f(n) return 1 + f(n + 1) end f(1)",
                           "local t = setmetatable({}, { __concat = function(a, b) return a .. b end }) return t .. t",
                           "local function f(s) return (s:gsub('.', f)) end f('x')"}) {
    INFO(body);
    CHECK_THAT(attempt(map(body), operators_own()), Contains("RULE-010"));
  }
  CHECK_THAT(attempt("return " + std::string(10000, '(') + "1" + std::string(10000, ')'), stranger()), Contains("RULE-0101"));
  CHECK_THAT(attempt("return " + std::string(10000, '{') + std::string(10000, '}'), stranger()), Contains("RULE-0101"));
}

TEST_CASE("error objects that misbehave are only told about") {
  for (const char* body : {
           "error(setmetatable({}, { __tostring = function() while true do end end }))",
           "error(setmetatable({}, { __tostring = error }))",
           "error(setmetatable({}, { __concat = error, __index = error, __len = error }))",
           "error(row)",
           "error(bigint(1))",
           "error(print)",
           "error(nil)",
           "error()",
           "error(('x'):rep(1e6))",
           "assert(false, {})",
           "assert(nil)",
           "pcall(error, setmetatable({}, { __gc = error })) error('after')",
       }) {
    INFO(body);
    std::string result = attempt(map(body), stranger());
    CHECK_THAT(result, Contains("RULE-0102"));
    CHECK(result.size() < 4000);
  }
}

TEST_CASE("rows smuggled out of their hook are of no use") {
  for (const RuleStageConfig& config : {stranger(), operators_own()}) {
    CHECK_THAT(
        attempt("local kept = {}\n" + entry("row = function(ev) kept[1] = ev end, map = function(row) return kept[1].id == 1 end"), config),
        Contains("outside of the call"));
    CHECK_THAT(
        attempt(
            "local kept = {}\n" +
                entry("row = function(ev) for n, v in col.each(ev.after) do kept[1] = col.each end kept[2] = { col.each(ev.after) } end, "
                      "map = function(row) local f, s, c = unpack(kept[2]) return f(s, c) == nil end"),
            config),
        Contains("outside of the call"));
    CHECK_THAT(attempt("local f = where [[ id = 1 ]] local kept = {}\n" +
                           entry("row = function(ev) kept[1] = ev.after end, map = function(row) return f(kept[1]) end"),
                       config),
               Contains("outside of the call"));
    CHECK_THAT(attempt("local kept = {}\n" +
                           entry("row = function(ev) kept[1] = ev.changed end, map = function(row) return kept[1](nil, 'id') end"),
                       config),
               Contains("outside of the call"));
    CHECK_THAT(attempt("local kept = {}\n" +
                           entry("row = function(ev) kept[1] = ev.changed_only end, map = function(row) return kept[1](nil, 'id') end"),
                       config),
               Contains("outside of the call"));
    CHECK_THAT(attempt("local kept = {}\n" +
                           entry("row = function(ev) kept[1] = ev.append end, map = function(row) return kept[1](nil, 'dw.x', {}) end"),
                       config),
               Contains("RULE-010"));
    CHECK_THAT(
        attempt(
            "local kept = {}\nreturn { api = 1, outputs = { ['dw.x'] = { key = { 'id' }, columns = { 'id int not null' } } }, tables = { "
            "['shop.*'] = { "
            "row = function(ev) if kept[1] then kept[1]:add('dw.x', { id = 1 }) end end, map = function(row, out) kept[1] = out end } } }",
            config),
        Contains("ok") || Contains("RULE-010"));
  }
}

TEST_CASE("the table a file returns is bounded") {
  CHECK_THAT(
      attempt("local t = { 1 } for i = 1, 7 do local n = {} for k = 1, 1000 do n[k] = t end t = n end return { api = 1, tables = t }",
              stranger()),
      Contains("too many values"));
  CHECK_THAT(attempt("local t = {} t.x = t return { api = 1, tables = t }", stranger()), Contains("nested too deeply"));
  CHECK_THAT(attempt("local s, t = ('x'):rep(1e6), {} for i = 1, 1e5 do t[i] = s end return { api = 1, tables = t }", stranger()),
             Contains("too m"));
  CHECK_THAT(
      attempt("return { api = 1, tables = setmetatable({}, { __index = error, __pairs = error }), options = { [print] = 1 } }", stranger()),
      Contains("neither text nor number"));
}

TEST_CASE("a rule that failed lets nothing of its batch through, and goes on failing") {
  Folder folder;
  auto stage = try_stage(folder, map("if row.id == 3 then while true do end end"), stranger());
  REQUIRE(stage.ok());
  auto table = make_table("shop", "t", {"id int not null"});
  for (int round = 0; round < 3; ++round) {
    BatchBuilder builder;
    for (int i = 0; i < 5; ++i) builder.insert(table, {Value::of_int(i)});
    Status status = (*stage)->run(builder.batch);
    REQUIRE(!status.ok());
    CHECK_THAT(status.to_string(), Contains("RULE-0107") && Contains("key=id=3"));
  }
  BatchBuilder good;
  good.insert(table, {Value::of_int(1)});
  CHECK((*stage)->run(good.batch).ok());
}

TEST_CASE("logging cannot fill a disk by one line") { CHECK(attempt(map("print(('x'):rep(1e6))"), stranger()) == "ok"); }
