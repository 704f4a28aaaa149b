// What the bytecode of hooks tells before they run: assignments to what is outside of them, loops, calls that are not compiled.
#include <algorithm>

#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef table() { return make_table("shop", "t", {"id bigint not null", "v varchar(200)"}); }

std::string load(const std::string& rules) {
  Folder folder;
  auto stage = try_stage(folder, rules);
  if (!stage.ok()) return stage.status().to_string();
  auto output = (*stage)->output(table());
  return output.ok() ? "ok" : output.status().to_string();
}

// "loop 3; slow-call 4": code and line of what is warned of.
std::string notes(const std::string& rules) {
  Folder folder;
  auto stage = try_stage(folder, rules);
  REQUIRE(stage.status().to_string() == Status().to_string());
  REQUIRE((*stage)->output(table()).ok());
  std::string out;
  for (const RuleNote& note : (*stage)->notes()) {
    size_t colon = note.text.find("shop.lua:");
    REQUIRE(colon != std::string::npos);
    size_t line = colon + 9;
    out += (out.empty() ? "" : "; ") + note.code + " " + note.text.substr(line, note.text.find(':', line) - line);
  }
  return out;
}

std::string map(const std::string& body) {
  return "local string, n, t, gsub = string, 0, {}, string.gsub\n" + entry("map = function(row)\n" + body + " end");
}

}  // namespace

TEST_CASE("a hook that assigns a variable outside of it does not load") {
  for (const char* body :
       {"n = n + 1", "n = 'x'", "n = 5", "n = nil", "local function f() n = 2 end f()",
        "local function f() return function() n = 2 end end f()()", "if row.id == 5 then for i = 1, 2 do n = i end end"}) {
    INFO(body);
    std::string said = load(map(body));
    CHECK_THAT(said, Contains("RULE-0101") && Contains("shop.lua:3: map() assigns `n`"));
  }
  std::string counter = "local n = 0\nlocal function next_id()\n n = n + 1 return n end\n";
  CHECK_THAT(load(counter + entry("row = function(ev) return next_id() > 3 end")),
             Contains("RULE-0101") && Contains("shop.lua:3: row() assigns `n`"));
  CHECK_THAT(load(counter + entry("serialize = function(ev, out) out:put(next_id()) end")), Contains("serialize() assigns `n`"));
  CHECK_THAT(load("local n\nreturn { api = 1, tables = {}, txn = function(t) n = t.id end }"), Contains("shop.lua:2: txn() assigns `n`"));
  CHECK_THAT(load("local n\nreturn { api = 1, tables = {}, ddl = function(ev) n = ev.table end }"), Contains("ddl() assigns `n`"));
  CHECK_THAT(load("local n\nreturn { api = 1, tables = {}, on_error = function(err) n = err.code end }"),
             Contains("on_error() assigns `n`"));
  // The function of an entry makes hooks of its own.
  CHECK_THAT(
      load("return { api = 1, tables = { ['shop.*'] = function(t) local n = 0 return { map = function(row)\n n = n + 1 end } end } }"),
      Contains("RULE-0101") && Contains("shop.lua:2: map() assigns `n`"));
}

TEST_CASE("what a hook keeps to itself is its own affair") {
  for (const char* body : {"local m = 0 m = m + 1", "local m = 0 local function add() m = m + 1 end add()", "row.v = 'x'",
                           "local t = {} t.x = 1 t[1] = 2", "if row.v == nil then return false end"}) {
    INFO(body);
    std::string found = notes(map(body));
    CHECK((found.empty() || found == "slow-call 3"));  // a function per row
  }
  CHECK(load("local n\nreturn { api = 1, tables = {}, start = function() n = 1 end }") == "ok");
  CHECK(load("local n\nreturn { api = 1, tables = { ['shop.*'] = function(t) n = t.db return true end } }") == "ok");
}

TEST_CASE("ordered rules are warned that a variable forgets") {
  std::string rules = "local n = 0\nreturn { api = 1, mode = 'ordered', tables = { ['shop.*'] = { row = function(ev)\n n = n + 1 end } } }";
  CHECK(notes(rules) == "upvalue-write 3");
  CHECK_THAT(load("local n = 0\nreturn { api = 1, mode = 'ordered', tables = { ['shop.*'] = { map = function(row) n = n + 1 end } } }"),
             Contains("RULE-0101"));
}

TEST_CASE("loops, tables outside and calls that are not compiled are warned of, with their line") {
  CHECK(notes(map("for i = 1, 3 do local x = i end")) == "loop 3");
  CHECK(notes(map("for i, v in ipairs({ 1 }) do local x = v end")) == "loop 3");
  CHECK(notes(map("\nwhile n > 3 do local x = n end")) == "loop 4");
  CHECK(notes(map("repeat local x = n until x > 3")) == "loop 3");
  CHECK(notes(map("::top:: if row.id == 77 then goto top end")) == "loop 3");
  CHECK(notes(map("t[row.v or ''] = true")) == "upvalue-write 3");
  CHECK(notes(map("t.x = 1")) == "upvalue-write 3");
  CHECK(notes(map("t[1] = 1")) == "upvalue-write 3");
  for (const char* body :
       {"return (row.v or ''):match('x') == nil", "return string.match(row.v or '', 'x') == nil", "gsub(row.v or '', 'a', 'b')",
        "local a = ('x'):gmatch('y')", "return (row.v or ''):find('a.') == nil", "return string.find(row.v or '', 'a.') == nil",
        "table.sort({ 1 })", "local a = unpack({ 1 })", "local f = function() return row end"}) {
    INFO(body);
    CHECK(notes(map(body)) == "slow-call 3");
  }
  CHECK(notes(map("for k, v in pairs({ a = 1 }) do local x = k end")) == "slow-call 3; loop 3");
  for (const char* body : {"return (row.v or ''):find('a', 1, true) == nil", "return (row.v or ''):find('ab') == nil",
                           "return string.find(row.v or '', 'a.', 1, true) == nil", "return (row.v or ''):upper() == ''",
                           "row.v = table.concat({ 'a' })", "row.v = string.format('%d', 3)", "row.v = (row.v or ''):sub(1, 2)"}) {
    INFO(body);
    CHECK(notes(map(body)).empty());
  }
}
