// What `columns` says of columns that exist: names in bulk, another type, plain numbers; and entries made by a function.
#include "rule/name_rule.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef table() {
  return make_table(
      "shop", "t1",
      {"ID bigint not null", "userName varchar(40)", "HTTPCode int", "f_price decimal(10,2)", "day date", "big bigint unsigned"});
}
Cells row() {
  return {Value::of_int(7),
          text_value("jo"),
          Value::of_int(404),
          text_value("1.50", Kind::kDecimal),
          Value::of_bits(Kind::kDate, pack_date(2026, 1, 31)),
          Value::null()};
}

std::string run(const std::string& rules, const Cells& cells = row(), std::string* types = nullptr) {
  Folder folder;
  auto stage = try_stage(folder, "local name, mask = require 'tailrace.name', require 'tailrace.mask'\n" + rules);
  if (!stage.ok()) return stage.status().to_string();
  BatchBuilder builder;
  builder.insert(table(), cells);
  Status status = (*stage)->run(builder.batch);
  if (!status.ok()) return status.to_string();
  if (types && !builder.batch.events.empty()) {
    for (const Column& column : builder.batch.events[0].table->columns)
      *types += column.name + " " + column.type_text + (column.nullable ? "; " : " not null; ");
  }
  return show(builder.batch);
}

}  // namespace

TEST_CASE("words of a name") {
  for (auto [name, snake] : {std::pair{"createdAt", "created_at"},
                             {"HTTPServer", "http_server"},
                             {"userID2", "user_id2"},
                             {"ID", "id"},
                             {"user ID-2", "user_id_2"},
                             {"already_so", "already_so"},
                             {"_x", "x"},
                             {"größeM", "größe_m"},
                             {"A1B", "a1_b"}}) {
    CHECK(snake_case(name) == snake);
  }
}

TEST_CASE("names in bulk") {
  CHECK(run(entry("columns = name.snake {}")) ==
        "insert shop.t1 (id=7, user_name=jo, http_code=404, f_price=1.50, day=2026-01-31, big=NULL)");
  CHECK(run(entry("columns = name.lower { except = { 'HTTPCode' } }")) ==
        "insert shop.t1 (id=7, username=jo, HTTPCode=404, f_price=1.50, day=2026-01-31, big=NULL)");
  CHECK(run(entry("key = { 's_id' }, columns = { name.sub('^f_', ''), name.snake(), name.prefix 's_', day = false, HTTPCode = 'code', "
                  "userName = mask.full, "
                  "extra = { 'int', value = 1 } }")) ==
        "insert shop.t1 (s_id=7, s_user_name=**, code=404, s_price=1.50, s_big=NULL, extra=1)");
  CHECK_THAT(run(entry("columns = name.lower { except = { 'userNme' } }")),
             Contains("RULE-0105") && Contains("`except` names `userNme`, shop.t1 has no such column: did you mean `userName`?"));
  CHECK_THAT(run(entry("columns = { name.sub('^.*$', 'x') }")), Contains("two columns of the target are named `x`"));
  CHECK_THAT(run(entry("columns = { name.sub('.*', '') }")), Contains("nothing is left of the name `ID`"));
  CHECK_THAT(run(entry("columns = name.sub('(', '')")), Contains("shop.lua:2: name.sub: unfinished capture"));
  CHECK_THAT(run(entry("columns = name.snake { only = {} }")), Contains("name.snake: unknown key `only`"));
  CHECK_THAT(run(entry("columns = name.snake")), Contains("columns is a function; expected a table or name.snake {} and its like"));
}

TEST_CASE("a column gets another type") {
  std::string types;
  CHECK(run(entry("columns = { ID = { 'varchar(30)' }, HTTPCode = { 'bigint', name = 'code' }, f_price = { 'decimal(12,4)' }, day = { "
                  "'varchar(10)' } }"),
            row(), &types) == "insert shop.t1 (ID=7, userName=jo, code=404, f_price=1.5000, day=2026-01-31, big=NULL)");
  CHECK_THAT(types, Contains("ID varchar(30) not null; ") && Contains("code bigint; ") && Contains("f_price decimal(12,4); "));
  CHECK_THAT(run(entry("columns = { HTTPCode = { 'tinyint' } }")),
             Contains("RULE-0104") && Contains("columns.HTTPCode: the number is out of the range of tinyint") && Contains("shop.t1"));
  CHECK_THAT(run(entry("columns = { userName = { 'int' } }")),
             Contains("RULE-0104") && Contains("columns.userName: the text has not the canonical form of int"));
  CHECK_THAT(run(entry("columns = { big = { 'bigint not null' } }")), Contains("RULE-0104") && Contains("columns.big: "));
  CHECK_THAT(run(entry("columns = { f_price = { 'int' } }")), Contains("digits after the point that int cannot keep"));
  CHECK_THAT(run(entry("columns = { HTTPCode = { 'int', value = 1 } }")), Contains("RULE-0101") && Contains("the column exists"));
  CHECK(run(entry("columns = { HTTPCode = { 'varchar(9)', value = sql [[ HTTPCode + 1 ]] } }")) ==
        "insert shop.t1 (ID=7, userName=jo, HTTPCode=405, f_price=1.50, day=2026-01-31, big=NULL)");
  CHECK_THAT(run(entry("key = { 'ID' }, columns = { ID = { 'varchar(1)' } }"),
                 [] {
                   Cells c = row();
                   c[0] = Value::of_int(77);
                   return c;
                 }()),
             Contains("columns.ID: the text is too long for varchar(1)"));
  // map sees the source's type; the conversion comes behind it.
  CHECK(run(entry("columns = { HTTPCode = { 'varchar(9)' } }, map = function(row) row.HTTPCode = row.HTTPCode + 1 end")) ==
        "insert shop.t1 (ID=7, userName=jo, HTTPCode=405, f_price=1.50, day=2026-01-31, big=NULL)");
}

TEST_CASE("two keys of a column must not become the same") {
  Folder folder;
  auto text_key = make_table("shop", "t2", {"code varchar(9) not null"});
  for (bool has_key : {false, true}) {
    auto stage = try_stage(folder, entry(std::string("columns = { code = { 'bigint' } }") + (has_key ? ", key = { 'code' }" : "")));
    REQUIRE(stage.ok());
    BatchBuilder builder;
    builder.insert(text_key, {text_value("12")});
    Status status = (*stage)->run(builder.batch);
    if (has_key) CHECK(status.ok());
    else
      CHECK_THAT(status.to_string(),
                 Contains("RULE-0110") && Contains("two keys of varchar(9) can become the same; give the entry a `key`"));
  }
}

TEST_CASE("a 64-bit integer as a plain number") {
  auto with = [](const std::string& type, Value id, Value big) {
    Cells cells = row();
    cells[0] = id;
    cells[5] = big;
    return run(entry("columns = { ID = { as = 'number' }, big = { as = 'number' } }, map = function(row) row.userName = type(row." + type +
                     ") .. ' ' .. (text(row." + type + ") or 'nil') end"),
               cells);
  };
  CHECK_THAT(with("ID", Value::of_int(-9007199254740992), Value::null()), Contains("userName=number -9007199254740992"));
  CHECK_THAT(with("ID", Value::of_int(42), Value::null()), Contains("userName=number 42"));
  CHECK_THAT(with("big", Value::of_int(42), Value::null()), Contains("userName=nil nil"));
  CHECK_THAT(with("ID", Value::of_int(9007199254740993), Value::null()),
             Contains("RULE-0102") && Contains("shop.lua:2: column `ID`: 9007199254740993 is beyond 2^53"));
  CHECK_THAT(with("big", Value::of_int(1), Value::of_uint(~uint64_t{0})), Contains("column `big`: 18446744073709551615 is beyond 2^53"));
  CHECK_THAT(run(entry("columns = { day = { as = 'number' } }")), Contains("as = \"number\" is for integers, this is date"));
  CHECK_THAT(run(entry("columns = { ID = { as = 'text' } }")), Contains("`as` is \"number\""));
}

TEST_CASE("an entry made by a function of the table") {
  auto made = [](const std::string& body) { return run("return { api = 1, tables = { ['shop.*'] = function(t) " + body + " end } }"); };
  CHECK(made("return { to = 'dw.' .. t.table .. '_' .. #t.columns, key = t.key, columns = { [t.columns[2].name] = mask.keep { first = 1 } "
             "} }") == "insert dw.t1_6 (ID=7, userName=j*, HTTPCode=404, f_price=1.50, day=2026-01-31, big=NULL)");
  CHECK(made("local out = {} for _, c in ipairs(t.columns) do if c.nullable then out[c.name] = false end end return { columns = out }") ==
        "insert shop.t1 (ID=7)");
  CHECK(made("local small = where [[ HTTPCode < 500 ]] return { map = function(row) if not small(row) then return false end row.userName = "
             "t.db end }") == "insert shop.t1 (ID=7, userName=shop, HTTPCode=404, f_price=1.50, day=2026-01-31, big=NULL)");
  CHECK(made("return false").empty());
  CHECK_THAT(made("return true"), Contains("insert shop.t1 (ID=7"));
  CHECK_THAT(made(""),
             Contains("RULE-0103") && Contains("shop.lua:2: tables[\"shop.*\"]() returned 0 values; expected an entry, true or false"));
  CHECK_THAT(made("return nil"), Contains("RULE-0103"));
  CHECK_THAT(made("return { colums = {} }"), Contains("RULE-0101") && Contains("did you mean `columns`?") && Contains("shop.t1"));
  CHECK_THAT(made("return { columns = { x = false } }"), Contains("RULE-0105"));
  CHECK_THAT(made("error('no luck')"), Contains("RULE-0102") && Contains("shop.lua:2: no luck") && Contains("shop.t1"));
  CHECK_THAT(made("return { where = [[ nix = 1 ]] }"), Contains("unknown column `nix`"));
}

TEST_CASE("tables of one layout share the row that map sees, not what is theirs") {
  Folder folder;
  auto stage = try_stage(folder, entry("map = function(row) if row.n == 1 then row.n = 300 elseif row.n == 2 then row.m = 1 end end"));
  REQUIRE(stage.ok());
  auto small = make_table("shop", "small", {"id int not null", "n tinyint"});
  auto large = make_table("shop", "large", {"id int not null", "n int"});
  auto run = [&](const SchemaRef& table, int64_t n) {
    BatchBuilder builder;
    for (const SchemaRef& each : {large, small, table}) builder.insert(each, {Value::of_int(7), Value::of_int(each == table ? n : 0)});
    Status status = (*stage)->run(builder.batch);
    return status.ok() ? show(builder.batch) : status.to_string();
  };
  CHECK(run(large, 1) == "insert shop.large (id=7, n=300); insert shop.small (id=7, n=0); insert shop.large (id=7, n=300)");
  CHECK_THAT(run(small, 1),
             Contains("RULE-0104") && Contains("column `n`: the number is out of the range of tinyint") && Contains("table=shop.small"));
  CHECK_THAT(run(small, 2), Contains("RULE-0105") && Contains("shop.small has no column `m`"));
  CHECK_THAT(run(large, 2), Contains("RULE-0105") && Contains("shop.large has no column `m`"));
}
