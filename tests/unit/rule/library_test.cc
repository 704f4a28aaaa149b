// json, time and hash of the rule library, as column functions and in map. Expected values are MySQL's (JSON_EXTRACT, JSON_SET,
// JSON_REMOVE, UNIX_TIMESTAMP in UTC), and Python's hashlib for the hashes.
#include <cstdlib>

#include "rule/json_path.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef table() {
  return make_table("shop", "t",
                    {"id int not null", "doc json", "at datetime(3)", "seen timestamp", "day date", "name varchar(60)", "n bigint"});
}
Cells row(const char* doc, const char* name = "x") {
  return {Value::of_int(7),
          doc ? text_value(doc, Kind::kJson) : Value::null(),
          Value::of_bits(Kind::kDateTime, pack_datetime({2026, 1, 31}, {12, 34, 56, 789000}), 3),
          Value::of_bits(Kind::kTimestamp, 1767225600000000),
          Value::of_bits(Kind::kDate, pack_date(2026, 1, 31)),
          name ? text_value(name) : Value::null(),
          Value::null()};
}

std::string run(const std::string& body, const Cells& cells, std::string* types = nullptr) {
  Folder folder;
  auto stage = try_stage(
      folder, "local json, time, hash = require 'tailrace.json', require 'tailrace.time', require 'tailrace.hash'\n" + entry(body));
  if (!stage.ok()) return stage.status().to_string();
  BatchBuilder builder;
  builder.insert(table(), cells);
  Status status = (*stage)->run(builder.batch);
  if (!status.ok()) return status.to_string();
  if (types) {
    for (const Column& column : builder.batch.events[0].table->columns) *types += column.name + " " + column.type_text + "; ";
  }
  return show(builder.batch);
}

// The expression's text in map, written to `name`.
std::string eval(const std::string& expression, const Cells& cells) {
  std::string shown =
      run("columns = { doc = false, at = false, seen = false, day = false, n = false }, map = function(row) local v = " + expression +
              " row.name = v == nil and 'nil' or type(v) .. ' ' .. tostring(v) end",
          cells);
  size_t at = shown.find("name=");
  return at == std::string::npos ? shown : shown.substr(at + 5, shown.size() - at - 6);
}

}  // namespace

TEST_CASE("json paths find, set and remove without touching the rest") {
  const std::string document = R"({"a": 1, "b c": [10, {"d": null}, "x"], "e": {}, "big": 12345678901234567890123, "s": "q\"\u00e4"})";
  auto find = [&](const char* path) {
    std::string_view value;
    auto parsed = parse_json_path(path);
    REQUIRE(parsed.ok());
    JsonFound found = find_json(document, *parsed, value);
    return found == JsonFound::kYes ? std::string(value) : found == JsonFound::kNo ? "none" : "no json";
  };
  CHECK(find("$.a") == "1");
  CHECK(find("$.\"b c\"[1].d") == "null");
  CHECK(find("$.\"b c\"[2]") == "\"x\"");
  CHECK(find("$.big") == "12345678901234567890123");
  CHECK(find("$.x") == "none");
  CHECK(find("$.a.b") == "none");
  CHECK(find("$.\"b c\"[3]") == "none");
  CHECK(find("$") == document);
  auto set = [](const char* in, const char* path, const char* value) {
    std::string out;
    JsonFound found = set_json(in, *parse_json_path(path), value, out);
    return found == JsonFound::kYes ? out : found == JsonFound::kNo ? "none" : "no json";
  };
  CHECK(set(R"({"a": 1, "b": 2})", "$.a", "\"x\"") == R"({"a": "x", "b": 2})");
  CHECK(set(R"({"a": 1})", "$.b", "[1]") == R"({"a": 1, "b": [1]})");
  CHECK(set("{}", "$.b", "1") == R"({"b": 1})");
  CHECK(set("[1, 2]", "$[5]", "3") == "[1, 2, 3]");
  CHECK(set("[]", "$[0]", "3") == "[3]");
  CHECK(set(R"({"a": 1})", "$.b.c", "1") == "none");
  CHECK(set(R"({"a": 1})", "$.a[0]", "1") == "none");
  CHECK(set(R"({"a": )", "$.a", "1") == "no json");
  auto remove = [](const char* in, const char* path) {
    std::string out;
    JsonFound found = remove_json(in, *parse_json_path(path), out);
    return found == JsonFound::kYes ? out : found == JsonFound::kNo ? "none" : "no json";
  };
  CHECK(remove(R"({"a": 1, "b": 2, "c": 3})", "$.a") == R"({"b": 2, "c": 3})");
  CHECK(remove(R"({"a": 1, "b": 2, "c": 3})", "$.b") == R"({"a": 1, "c": 3})");
  CHECK(remove(R"({"a": 1, "b": 2})", "$.b") == R"({"a": 1})");
  CHECK(remove(R"({"a": 1})", "$.a") == "{}");
  CHECK(remove("[1, [2, 3]]", "$[1][0]") == "[1, [3]]");
  CHECK(remove("[1]", "$[1]") == "none");
  for (const char* bad : {"", "a", "$.", "$[", "$[x]", "$[0", "$.*", "$**.a", "$.a b", "$.\"a", "$a"}) {
    INFO(bad);
    CHECK(!parse_json_path(bad).ok());
  }
  std::string deep(1000, '[');
  std::string_view value;
  CHECK(find_json(deep, *parse_json_path("$[0]"), value) == JsonFound::kNoJson);
}

TEST_CASE("json in map: typed values, NULL in and out") {
  Cells cells = row(
      R"({"s": "a\"b", "i": 9007199254740993, "d": 1.50, "e": 1e3, "t": true, "z": null, "o": {"k": [1, 2]}, "u": 18446744073709551616})");
  CHECK(eval("json.get(row.doc, '$.s')", cells) == "string a\"b");
  CHECK(eval("json.get(row.doc, '$.i')", cells) == "bigint 9007199254740993");
  CHECK(eval("json.get(row.doc, '$.u')", cells) == "decimal 18446744073709551616");
  CHECK(eval("json.get(row.doc, '$.d')", cells) == "decimal 1.50");
  CHECK(eval("json.get(row.doc, '$.e')", cells) == "number 1000");
  CHECK(eval("json.get(row.doc, '$.t')", cells) == "boolean true");
  CHECK(eval("json.get(row.doc, '$.z')", cells) == "nil");
  CHECK(eval("json.get(row.doc, '$.nix')", cells) == "nil");
  CHECK(eval("json.get(row.doc, '$.o')", cells) == R"(string {"k": [1, 2]})");
  CHECK(eval("json.get(row.n, '$.o')", cells) == "nil");
  CHECK(eval("json.set('{\"a\": 1}', '$.b', \"x\\\"y\")", cells) == R"(string {"a": 1, "b": "x\"y"})");
  CHECK(eval("json.set('{\"a\": 1}', '$.a', bigint '9007199254740993')", cells) == R"(string {"a": 9007199254740993})");
  CHECK(eval("json.set('[1]', '$[0]', null)", cells) == "string [null]");
  CHECK(eval("json.remove('{\"a\": 1, \"b\": 2}', '$.a')", cells) == R"(string {"b": 2})");
  CHECK_THAT(eval("json.get('{', '$.a')", cells), Contains("RULE-0102") && Contains("shop.lua:2: json.get: the text is no JSON document"));
  CHECK_THAT(eval("json.get('{}', 'a')", cells), Contains("`a` is no path"));
  CHECK(eval("json.set('{}', '$.a', { 1, null, { x = decimal '1.50' } })", cells) == R"(string {"a": [1, null, {"x": 1.50}]})");
  CHECK_THAT(eval("json.set('{}', '$.a', 0/0)", cells), Contains("NaN"));
}

TEST_CASE("time in map") {
  Cells cells = row(nullptr);
  CHECK(eval("time.epoch_us(row.at)", cells) == "bigint 1769862896789000");
  CHECK(eval("time.epoch_ms(row.at)", cells) == "bigint 1769862896789");
  CHECK(eval("time.epoch_s(row.seen)", cells) == "bigint 1767225600");
  CHECK(eval("time.epoch_s(row.day)", cells) == "bigint 1769817600");
  CHECK(eval("time.epoch_s('1969-12-31 23:59:59.500000')", cells) == "bigint -1");
  CHECK(eval("time.epoch_us(row.n)", cells) == "nil");
  CHECK(eval("time.epoch_us('0000-00-00 00:00:00')", cells) == "nil");
  CHECK(eval("time.from_epoch_us(bigint '1769862896789000')", cells) == "string 2026-01-31 12:34:56.789000");
  CHECK(eval("time.from_epoch_us(-1)", cells) == "string 1969-12-31 23:59:59.999999");
  CHECK(eval("time.trunc(row.at, 'hour')", cells) == "string 2026-01-31 12:00:00.000");
  CHECK(eval("time.trunc(row.at, 'month')", cells) == "string 2026-01-01 00:00:00.000");
  CHECK(eval("time.trunc(row.day, 'year')", cells) == "string 2026-01-01");
  CHECK(eval("time.shift('2026-01-01 00:30:00', '+08:00', 'UTC')", cells) == "string 2025-12-31 16:30:00");
  CHECK(eval("time.shift(row.at, 'UTC', '-05:30')", cells) == "string 2026-01-31 07:04:56.789");
  CHECK(eval("time.shift(row.at, 'UTC', 'Asia/Shanghai')", cells) == "string 2026-01-31 20:34:56.789");
  CHECK(eval("time.shift('2026-07-01 12:00:00', 'America/New_York', 'Europe/Berlin')", cells) == "string 2026-07-01 18:00:00");
  CHECK(eval("time.shift('2050-07-01 12:00:00', 'America/New_York', 'UTC')", cells) == "string 2050-07-01 16:00:00");
  CHECK_THAT(eval("time.shift(row.at, 'UTC', 'Asia/Shangai')", cells),
             Contains("no time zone `Asia/Shangai`: did you mean `Asia/Shanghai`?"));
  CHECK_THAT(eval("time.shift(row.at, 'UTC', '/etc/passwd')", cells), Contains("no time zone `/etc/passwd`"));
  CHECK_THAT(eval("time.shift(row.at, 'UTC', 'localtime')", cells), Contains("no time zone `localtime`"));
  CHECK_THAT(eval("time.shift(row.at, 'UTC', nil)", cells), Contains("a time zone is missing"));
  CHECK_THAT(eval("time.trunc(row.at, 'week')", cells), Contains("`week` is none of"));
  CHECK_THAT(eval("time.trunc('2026-02-30', 'day')", cells), Contains("no date or time of the calendar"));
  CHECK_THAT(eval("time.from_epoch_us(bigint '9223372036854775807')", cells), Contains("years 0 to 9999"));
}

// Values: Python's zoneinfo (fold=0 and 1), and RFC 5545 for times that are skipped.
TEST_CASE("time.shift has a rule for clocks that show a time twice or never") {
  Cells cells = row(nullptr);
  auto shift = [&](const std::string& wall, const std::string& choice) {
    return eval("time.shift('" + wall + "', 'Europe/Berlin', 'UTC'" + (choice.empty() ? "" : ", '" + choice + "'") + ")", cells);
  };
  CHECK(shift("2026-10-25 02:30:00", "") == "string 2026-10-25 00:30:00");
  CHECK(shift("2026-10-25 02:30:00", "earlier") == "string 2026-10-25 00:30:00");
  CHECK(shift("2026-10-25 02:30:00", "later") == "string 2026-10-25 01:30:00");
  CHECK_THAT(shift("2026-10-25 02:30:00", "reject"), Contains("'2026-10-25 02:30:00': the clocks of Europe/Berlin show twice this time"));
  CHECK(shift("2026-03-29 02:30:00", "compatible") == "string 2026-03-29 01:30:00");
  CHECK(shift("2026-03-29 02:30:00", "earlier") == "string 2026-03-29 00:30:00");
  CHECK(shift("2026-03-29 02:30:00", "later") == "string 2026-03-29 01:30:00");
  CHECK_THAT(shift("2026-03-29 02:30:00", "reject"), Contains("never show this time"));
  CHECK_THAT(shift("2026-03-29 02:30:00", "first"), Contains("`first` is none of compatible, earlier, later, reject"));
}

// Zones that were found once stay known, so this needs a process of its own.
TEST_CASE("a system without time zones is told from a wrong name", "[.no-zones]") {
  CHECK_THAT(eval("time.shift(row.at, 'UTC', 'Asia/Tokyo')", row(nullptr)),
             Contains("RULE-0102") && Contains("time.shift: `Asia/Tokyo`: there are no time zones in /nonexistent; install tzdata"));
  CHECK(eval("time.shift(row.at, 'UTC', '+09:00')", row(nullptr)) == "string 2026-01-31 21:34:56.789");
}
TEST_CASE("time zones are optional") {
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(std::system(("TZDIR=/nonexistent " + self + " '[.no-zones]' >/dev/null").c_str()) == 0);
}

TEST_CASE("json as tables: exact numbers, nulls and the kind of arrays stay") {
  auto again = [](const char* document) { return eval("json.encode(json.decode(row.doc))", row(document)); };
  for (const char* same : {"[]", "{}", "[null, 1]", "[[], {}]", R"({"a": 1.50, "b": 18446744073709551615})", R"({"c": [1, null]})",
                           R"(["\"ä\\\n"])", "-12345678901234567890123.456", "true", "\"x\""}) {
    CHECK(again(same) == std::string("string ") + same);
  }
  CHECK(again(R"({"b":1,"a":2})") == R"(string {"a": 2, "b": 1})");
  CHECK(again("1e3") == "string 1000");
  CHECK(eval("json.decode(row.doc).a[2] == null", row(R"({"a": [1, null]})")) == "boolean true");
  CHECK(eval("json.decode(row.doc).a + 1", row(R"({"a": 9007199254740993})")) == "bigint 9007199254740994");
  CHECK(eval("json.decode(row.doc)", row("null")) == "nil");
  CHECK(eval("json.decode(row.n)", row("null")) == "nil");
  CHECK(eval("json.encode(json.array {})", row("null")) == "string []");
  CHECK(eval("json.encode {}", row("null")) == "string {}");
  CHECK(eval("json.encode(nil)", row("null")) == "string null");
  CHECK(eval("#json.decode('[1,2,3]')", row("null")) == "number 3");
  for (auto [text, reason] : {std::pair{"json.decode('{')", "json.decode: the text is no JSON document (at byte 2)"},
                              {"json.decode('[1,]')", "no JSON document"},
                              {"json.decode(1)", "usage: json.decode(text)"},
                              {"json.decode(('['):rep(101))", "nested deeper than 100"},
                              {"json.encode { 1, nil, 3 }", "a list with holes"},
                              {"json.encode { 1, x = 2 }", "a list with holes or other keys"},
                              {"json.encode { [true] = 1 }", "a key of an object is text, not a boolean"},
                              {"json.encode(row)", "a row has no JSON"},
                              {"json.encode(json.encode)", "a function has no JSON"},
                              {"json.encode(0/0)", "NaN and infinity"},
                              {"(function() local t = {} t.t = t return json.encode(t) end)()", "a table that holds itself?"},
                              {"json.array(json.array {})", "usage: json.array"}}) {
    INFO(text);
    CHECK_THAT(eval(text, row("null")), Contains("RULE-0102") && Contains("shop.lua:2: ") && Contains(reason));
  }
}

TEST_CASE("hash.uint is the same for the same values and keeps parts apart") {
  Cells cells = row(nullptr);
  // int(hashlib.sha256(b"1:s2:ab").hexdigest()[:16], 16) * 1000 >> 64
  CHECK(eval("hash.uint(1000, 's', 'ab')", cells) == "number 134");
  CHECK(eval("hash.uint(1000, 's', 'a', 'b') == hash.uint(1000, 's', 'ab')", cells) == "boolean false");
  CHECK(eval("hash.uint(1, row.id)", cells) == "number 0");
  CHECK_THAT(eval("hash.uint(0, 'x')", cells), Contains("from 1 to 2^53"));
  CHECK_THAT(eval("hash.uint(1.5, 'x')", cells), Contains("from 1 to 2^53"));
}

TEST_CASE("as column functions they know their types") {
  std::string types;
  CHECK(run("columns = { doc = json.get { path = '$.a.b' }, at = time.trunc { unit = 'day' }, seen = time.epoch_us, day = time.epoch_s, "
            "name = hash.bucket { n = 16 }, n = false }",
            row(R"({"a": {"b": "x"}})", "abc"),
            &types) == "insert shop.t (id=7, doc=x, at=2026-01-31 00:00:00.000, seen=1767225600000000, day=1769817600, name=11)");
  CHECK(types == "id int; doc longtext; at datetime(3); seen bigint; day bigint; name int unsigned; ");
  Cells nulls = row(nullptr, nullptr);
  nulls[2] = Value::of_bits(Kind::kDateTime, 0, 3);
  nulls[4] = Value::null();
  CHECK(run("columns = { doc = json.get { path = '$.a' }, at = time.epoch_us, seen = time.trunc { unit = 'month' }, day = time.epoch_s, "
            "name = hash.bucket { n = 16 }, n = false }",
            nulls) == "insert shop.t (id=7, doc=NULL, at=NULL, seen=2026-01-01 00:00:00, day=NULL, name=NULL)");
  CHECK_THAT(run("columns = { name = time.epoch_us }", row(nullptr)),
             Contains("needs a date or a point in time, column `name` is varchar(60)"));
  CHECK_THAT(run("columns = { id = json.get { path = '$' } }", row(nullptr)), Contains("json.get needs JSON, column `id` is int"));
  CHECK_THAT(run("columns = { doc = json.get {} }", row(nullptr)), Contains("json.get needs `path`"));
  CHECK_THAT(run("columns = { doc = json.get { path = 'a' } }", row(nullptr)), Contains("`a` is no path"));
  CHECK_THAT(run("columns = { at = time.trunc { unit = 'week' } }", row(nullptr)), Contains("`week` is none of"));
  CHECK_THAT(run("columns = { name = hash.bucket {} }", row(nullptr)), Contains("needs `n`"));
  CHECK_THAT(run("columns = { name = hash.bucket { m = 3 } }", row(nullptr)), Contains("no argument `m`"));
}
