// `where` of an entry in the rule stage: both images of an event, together with map, row, ops and partial images.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef orders() { return make_table("shop", "orders", {"id int not null", "region varchar(10)", "price int"}); }

Cells row(int id, const char* region, int price) {
  return {Value::of_int(id), region ? text_value(region) : Value::null(), Value::of_int(price)};
}

std::string run(const std::string& body, BatchBuilder& builder, uint64_t* dropped = nullptr) {
  Folder folder;
  auto stage = try_stage(folder, entry(body));
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  if (dropped) *dropped = (*stage)->stats().dropped_where;
  return status.ok() ? show(builder.batch) : status.to_string();
}

constexpr const char* kFilter = "where = [[ region = 'eu' ]]";

}  // namespace

TEST_CASE("an update that crosses the filter becomes an insert or a delete") {
  auto table = orders();
  BatchBuilder builder;
  builder.insert(table, row(1, "eu", 1)).insert(table, row(2, "us", 1)).insert(table, row(3, nullptr, 1));
  builder.update(table, row(1, "eu", 1), row(1, "eu", 2));
  builder.update(table, row(2, "us", 1), row(2, "us", 2));
  builder.update(table, row(2, "us", 2), row(2, "eu", 2));
  builder.update(table, row(1, "eu", 2), row(1, "us", 2));
  builder.update(table, row(3, nullptr, 1), row(3, "EU", 3));
  builder.remove(table, row(2, "eu", 2)).remove(table, row(1, "us", 2));
  uint64_t dropped = 0;
  CHECK(run(kFilter, builder, &dropped) ==
        "insert shop.orders (id=1, region=eu, price=1); "
        "update shop.orders (id=1, region=eu, price=1) -> (id=1, region=eu, price=2); "
        "insert shop.orders (id=2, region=eu, price=2); "
        "delete shop.orders (id=1, region=eu, price=2); "
        "insert shop.orders (id=3, region=EU, price=3); "
        "delete shop.orders (id=2, region=eu, price=2)");
  CHECK(dropped == 4);
}

TEST_CASE("the filter and map decide together, and map sees only what the filter takes") {
  auto table = orders();
  BatchBuilder builder;
  builder.update(table, row(1, "eu", 1), row(1, "eu", 20));   // map drops the one before
  builder.update(table, row(2, "us", 20), row(2, "eu", 20));  // the filter drops the one before
  builder.update(table, row(3, "eu", 20), row(3, "us", 20));  // the filter drops the one after
  builder.update(table, row(4, "us", 20), row(4, "eu", 1));   // neither is taken
  builder.insert(table, row(5, "us", 20));
  CHECK(
      run(std::string(kFilter) + ", map = function(row) assert(row.region == 'eu') row.region = 'EU' return row.price > 10 end", builder) ==
      "insert shop.orders (id=1, region=EU, price=20); "
      "insert shop.orders (id=2, region=EU, price=20); "
      "delete shop.orders (id=3, region=EU, price=20)");
}

TEST_CASE("row decides after the filter, ops before it, and both key change and columns after") {
  auto table = orders();
  BatchBuilder builder;
  builder.update(table, row(1, "us", 1), row(1, "eu", 1)).update(table, row(2, "eu", 1), row(9, "eu", 1));
  builder.insert(table, row(3, "eu", 7)).insert(table, row(4, "us", 7));
  CHECK(run(std::string(kFilter) +
                ", row = function(ev) assert(ev.after.region == 'eu') return ev.price ~= 7 end, columns = { price = false }",
            builder) ==
        "insert shop.orders (id=1, region=eu); delete shop.orders (id=2, region=eu); insert shop.orders (id=9, region=eu) #1");
  BatchBuilder inserts;
  inserts.insert(table, row(1, "eu", 1)).update(table, row(2, "us", 1), row(2, "eu", 1));
  CHECK(run(std::string(kFilter) + ", ops = { 'insert' }", inserts) == "insert shop.orders (id=1, region=eu, price=1)");
}

TEST_CASE("partial images: what an update leaves out is what it was; what neither image has is a named error") {
  auto table = orders();
  Cells after = row(1, "eu", 5);
  after[1] = Value::absent();
  BatchBuilder builder;
  builder.update(table, row(1, "eu", 1), after);
  CHECK(run(kFilter, builder) == "update shop.orders (id=1, region=eu, price=1) -> (id=1, region=absent, price=5)");
  after = row(2, "eu", 5);
  after[2] = Value::absent();
  BatchBuilder crossing;
  crossing.update(table, row(2, "us", 1), after);
  CHECK(run(std::string(kFilter) + ", map = function(row) row.price = row.price + 1 end", crossing) ==
        "insert shop.orders (id=2, region=eu, price=2)");
  Cells before = row(3, "eu", 5);
  before[1] = Value::absent();
  BatchBuilder lacking;
  lacking.update(table, before, row(3, "eu", 6));
  CHECK_THAT(run(kFilter, lacking), Contains("RULE-0105") && Contains("column `region` is not in this row image") &&
                                        Contains("hook=where, before image of update") && Contains("table=shop.orders") &&
                                        Contains("key=id=3"));
}

TEST_CASE("errors of a filter name file, line, table and key") {
  Folder folder;
  std::string file =
      "return {\n  api = 1,\n  options = { region = 'eu' },\n  tables = { ['shop.*'] = {\n    where = [[\n      regoin = :region ]] } } }";
  auto stage = try_stage(folder, file);
  REQUIRE(stage.ok());
  BatchBuilder builder;
  builder.insert(orders(), row(1, "eu", 1));
  CHECK_THAT(
      (*stage)->run(builder.batch).to_string(),
      Contains("shop.lua:6: where: unknown column `regoin` in shop.orders (did you mean `region`?)") && Contains("table=shop.orders"));
  CHECK_THAT(try_stage(folder, "return {\n  api = 1, tables = {\n ['shop.*'] = { where = [[ id > ]] } } }").status().to_string(),
             Contains("RULE-0101") && Contains("shop.lua:3: where: the expression ends too early"));
  CHECK_THAT(try_stage(folder, entry("where = 5")).status().to_string(), Contains("tables[\"shop.*\"].where: SQL is a text"));
  CHECK_THAT(try_stage(folder, entry("where = { 'id = 1', dialekt = 'oms' }")).status().to_string(), Contains("did you mean `dialect`?"));
  CHECK_THAT(try_stage(folder, entry("where = { 'id = 1', dialect = 'db2' }")).status().to_string(),
             Contains("dialect is \"mysql\" or \"oms\""));
  CHECK_THAT(try_stage(folder, entry("where = 'id' .. ' ='")).status().to_string(),
             Contains("tables[\"shop.*\"].where: the expression ends too early"));

  BatchBuilder overflow;
  overflow.insert(orders(), row(7, "eu", 1));
  CHECK_THAT(run("where = [[ id + 9223372036854775807 > 0 ]]", overflow),
             Contains("RULE-0102") && Contains("shop.lua:1: where: the result is out of the range of BIGINT") && Contains("key=id=7"));
}

TEST_CASE("options and the dialect reach the filter") {
  auto table = orders();
  Folder folder;
  RuleStageConfig config;
  config.rules.options = {{"region", "us"}};
  auto stage = try_stage(folder,
                         "return { api = 1, options = { region = 'eu' }, tables = { ['shop.*'] = { where = { [[ NOT (region = :region) ]], "
                         "dialect = 'oms' } } } }",
                         config);
  REQUIRE(stage.ok());
  BatchBuilder builder;
  builder.insert(table, row(1, "us ", 1)).insert(table, row(2, "US", 1)).insert(table, row(3, nullptr, 1));
  REQUIRE((*stage)->run(builder.batch).ok());
  CHECK(show(builder.batch) == "insert shop.orders (id=2, region=US, price=1); insert shop.orders (id=3, region=NULL, price=1)");
}
