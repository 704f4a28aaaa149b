// SQL as a column's value, `sql[[…]]`, and as a function of a row, `where[[…]]`.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef items() {
  return make_table("shop", "items",
                    {"id int not null", "name varchar(20)", "price decimal(10,2)", "count int not null", "seen timestamp"});
}

Cells row(int id, const char* name, const char* price, int count) {
  return {Value::of_int(id), name ? text_value(name) : Value::null(), price ? text_value(price, Kind::kDecimal) : Value::null(),
          Value::of_int(count), Value::of_bits(Kind::kTimestamp, 0)};
}

std::string run(const std::string& rules, BatchBuilder& builder, std::string* types = nullptr) {
  Folder folder;
  auto stage = try_stage(folder, rules);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  if (!status.ok()) return status.to_string();
  if (types && !builder.batch.events.empty()) {
    for (const Column& column : builder.batch.events[0].table->columns) {
      *types += column.name + " " + column.type_text + (column.nullable ? "" : " not null") + "; ";
    }
  }
  return show(builder.batch);
}

}  // namespace

TEST_CASE("a column made by SQL has the expression's type, over the row as it comes, in both images") {
  BatchBuilder builder;
  builder.update(items(), row(1, "a", "1.50", 2), row(1, nullptr, "2.00", 3));
  std::string types;
  CHECK(run(entry("columns = { seen = false, price = false, total = sql [[ price * count ]], count = sql [[ count + 1 ]], "
                  "label = sql { [[ CONCAT(name, '-', id) ]] }, big = { 'int', value = sql [[ price > 1.7 ]] } }"),
            builder, &types) ==
        "update shop.items (id=1, name=a, count=3, big=0, label=a-1, total=3.00) -> (id=1, name=NULL, count=4, big=1, label=NULL, "
        "total=6.00)");
  CHECK(types == "id int not null; name varchar(20); count bigint not null; big int; label varchar(47); total decimal(30,2); ");
}

TEST_CASE("SQL sees what map wrote, and what it makes must fit the declared type") {
  BatchBuilder builder;
  builder.insert(items(), row(1, "abc", "1.50", 2));
  CHECK(
      run(entry("columns = { seen = false, price = false, twice = sql [[ CONCAT(name, name) ]] }, map = function(row) row.name = 'x' end"),
          builder) == "insert shop.items (id=1, name=x, count=2, twice=xx)");
  BatchBuilder wide;
  wide.insert(items(), row(1, "abc", "1.50", 200));
  CHECK_THAT(run(entry("columns = { small = { 'tinyint', value = sql [[ count ]] } }"), wide),
             Contains("RULE-0104") && Contains("columns.small") && Contains("key=id=1"));
  BatchBuilder null;
  null.insert(items(), row(1, nullptr, "1.50", 200));
  CHECK_THAT(run(entry("columns = { n = { 'varchar(9) not null', value = sql [[ name ]] } }"), null),
             Contains("RULE-0104") && Contains("columns.n"));
}

TEST_CASE("mistakes in SQL columns are named") {
  BatchBuilder builder;
  builder.insert(items(), row(1, "abc", "1.50", 2));
  CHECK_THAT(run("return { api = 1, tables = {\n ['shop.*'] = { columns = {\n  x = sql [[ prise ]] } } } }", builder),
             Contains("shop.lua:3: sql: unknown column `prise` in shop.items (did you mean `price`?)"));
  CHECK_THAT(run(entry("columns = { x = sql [[ id + ]] }"), builder),
             Contains("RULE-0101") && Contains("sql: the expression ends too early"));
  CHECK_THAT(run(entry("columns = { x = sql [[ :nix ]] }"), builder), Contains("no readable option `nix`"));
  CHECK_THAT(run(entry("columns = { id = sql [[ id % 10 ]] }"), builder), Contains("RULE-0110") && Contains("columns.id"));
  CHECK(run(entry("key = { 'id' }, columns = { id = sql [[ id + 10 ]], name = false, price = false, count = false, seen = false }"),
            builder) == "insert shop.items (id=11)");
  CHECK_THAT(run(entry("map = function(row) return sql [[ id ]] end"), builder), Contains("compiled once, at the top of the file"));
}

TEST_CASE("a column made by SQL of a cell that was not logged is not known either") {
  Cells after = row(1, "a", "1.50", 3);
  after[2] = Value::absent();
  BatchBuilder builder;
  builder.update(items(), row(1, "a", "1.50", 2), after);
  CHECK(run(entry("columns = { seen = false, total = sql [[ price * count ]] }"), builder) ==
        "update shop.items (id=1, name=a, price=1.50, count=2, total=3.00) -> (id=1, name=a, price=absent, count=3, total=absent)");
}

TEST_CASE("where as a function of a row, with and without the JIT") {
  const char* rules =
      "local where = require 'tailrace.where'\n"
      "local cheap = where [[ price < :limit AND name LIKE 'A%' ]]\n"
      "local exact = where { [[ name = 'Abc' ]], dialect = 'oms' }\n"
      "return { api = 1, options = { limit = 2 }, tables = { ['shop.*'] = { columns = { seen = false, price = false },\n"
      "  row = function(ev) return cheap(ev.after) end,\n"
      "  map = function(row) row.count = exact(row) and 1 or 0 end } } }";
  for (bool jit : {true, false}) {
    Folder folder;
    RuleStageConfig config;
    config.rules.jit = jit;
    auto stage = try_stage(folder, rules, config);
    REQUIRE(stage.ok());
    BatchBuilder builder;
    builder.insert(items(), row(1, "abc", "1.50", 2))
        .insert(items(), row(2, "Abc", "1.50", 2))
        .insert(items(), row(3, "Abc", "2.50", 2))
        .insert(items(), row(4, "b", "1.00", 2));
    REQUIRE((*stage)->run(builder.batch).ok());
    CHECK(show(builder.batch) == "insert shop.items (id=1, name=abc, count=0); insert shop.items (id=2, name=Abc, count=1)");
  }
}

TEST_CASE("mistakes with where functions are named") {
  BatchBuilder builder;
  builder.insert(items(), row(1, "abc", "1.50", 2));
  auto fails = [&](const std::string& rules) { return run(rules, builder); };
  CHECK_THAT(fails("local f = where [[ nam = 1 ]]\n" + entry("map = function(row) return f(row) end")),
             Contains("RULE-0105") && Contains("shop.lua:1: where: unknown column `nam` in shop.items (did you mean `name`?)"));
  CHECK_THAT(fails("local f = where [[ id = ]]\n" + entry("map = function(row) return f(row) end")),
             Contains("RULE-0101") && Contains("shop.lua:1: where: the expression ends too early"));
  CHECK_THAT(fails("local f = where [[ id = 1 ]]\n" + entry("map = function(row) return f({}) end")), Contains("where needs a row"));
  CHECK_THAT(fails("local f = where [[ id = 1 ]]\n" + entry("row = function(ev) return f(ev) end")), Contains("where needs a row"));
  CHECK_THAT(fails("local f = where [[ -9223372036854775807 - id - id = 1 ]]\n" + entry("map = function(row) return f(row) end")),
             Contains("RULE-0102") && Contains("out of the range"));
  CHECK_THAT(fails(entry("map = function(row) local f = where [[ id = 1 ]] return f(row) end")),
             Contains("compiled once, at the top of the file"));
  CHECK_THAT(fails("local f = where(5)\n" + entry("map = function(row) return f(row) end")), Contains("usage: where [[expression]]"));
  CHECK_THAT(fails("local f = where [[ id = 1 ]]\nlocal kept = {}\n" +
                   entry("row = function(ev) kept[1] = ev.after end, map = function(row) return f(kept[1]) end")),
             Contains("outside of the call"));
}
