// Rows that a map gives to `outputs`: one per image, diffed by key.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef customer() {
  return make_table("crm", "customer", {"id bigint not null", "first varchar(40)", "home varchar(80)", "work varchar(80)"});
}

Cells row(int id, const char* home, const char* work) {
  auto city = [](const char* text) { return text ? text_value(text) : Value::null(); };
  return {Value::of_int(id), text_value("Jo"), city(home), city(work)};
}

// The example of the manual: a customer and up to two addresses.
std::string crm(const std::string& more = "") {
  return R"lua(return { api = 1,
    outputs = { ["dw.address"] = { key = { "customer_id", "kind" },
      columns = { "customer_id bigint not null", "kind varchar(8) not null", "city varchar(80)" } },
      ["dw.log"] = { append = true, columns = { "id bigint not null", "what varchar(20)" } } },
    tables = { ["crm.customer"] = { to = "dw.customer", columns = { home = false, work = false },
      map = function(row, out)
        )lua" +
         more + R"lua(
        if row.home then out:add("dw.address", { customer_id = row.id, kind = "home", city = row.home }) end
        if row.work then out:add("dw.address", { customer_id = row.id, kind = "work", city = row.work }) end
      end } } })lua";
}

std::string run(const std::string& rules, BatchBuilder builder) {
  Folder folder;
  auto stage = try_stage(folder, rules);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  return status.ok() ? show(builder.batch) : status.to_string();
}

std::string update(const Cells& before, const Cells& after, const std::string& more = "") {
  BatchBuilder builder;
  builder.update(customer(), before, after);
  return run(crm(more), std::move(builder));
}

const std::string kMain = "update dw.customer (id=1, first=Jo) -> (id=1, first=Jo)";

}  // namespace

TEST_CASE("one row becomes several, and goes with all of them") {
  BatchBuilder builder;
  builder.insert(customer(), row(1, "Rome", "Oslo")).remove(customer(), row(1, "Rome", "Oslo"));
  builder.add(Op::kRead, customer(), {}, row(2, "Bern", nullptr));
  CHECK(run(crm(), std::move(builder)) ==
        "insert dw.customer (id=1, first=Jo); insert dw.address (customer_id=1, kind=home, city=Rome) #1; "
        "insert dw.address (customer_id=1, kind=work, city=Oslo) #2; "
        "delete dw.customer (id=1, first=Jo); delete dw.address (customer_id=1, kind=home, city=Rome) #1; "
        "delete dw.address (customer_id=1, kind=work, city=Oslo) #2; "
        "read dw.customer (id=2, first=Jo); read dw.address (customer_id=2, kind=home, city=Bern) #1");
}

TEST_CASE("an update gives insert, update and delete per row of the output") {
  CHECK(update(row(1, "Rome", nullptr), row(1, nullptr, nullptr)) ==
        kMain + "; delete dw.address (customer_id=1, kind=home, city=Rome) #1");
  CHECK(update(row(1, nullptr, nullptr), row(1, "Rome", nullptr)) ==
        kMain + "; insert dw.address (customer_id=1, kind=home, city=Rome) #1");
  CHECK(update(row(1, "Rome", "Oslo"), row(1, "Bern", "Oslo")) ==
        kMain + "; update dw.address (customer_id=1, kind=home, city=Rome) -> (customer_id=1, kind=home, city=Bern) #1");
  CHECK(update(row(1, "Rome", nullptr), row(1, nullptr, "Oslo")) == kMain +
                                                                        "; delete dw.address (customer_id=1, kind=home, city=Rome) #1; "
                                                                        "insert dw.address (customer_id=1, kind=work, city=Oslo) #2");
  CHECK(update(row(1, "Rome", "Oslo"), row(1, "Rome", "Oslo")) == kMain);
}

TEST_CASE("a changed key of the row changes the keys of its outputs") {
  CHECK(update(row(1, "Rome", nullptr), row(2, "Rome", nullptr)) ==
        "delete dw.customer (id=1, first=Jo); insert dw.customer (id=2, first=Jo) #1; "
        "delete dw.address (customer_id=1, kind=home, city=Rome) #2; insert dw.address (customer_id=2, kind=home, city=Rome) #3");
}

TEST_CASE("a dropped image keeps what it gave to outputs") {
  std::string rules = R"lua(return { api = 1,
    outputs = { ["dw.tag"] = { key = { "id", "tag" }, columns = { "id bigint not null", "tag varchar(20) not null" } } },
    tables = { ["crm.customer"] = { map = function(row, out)
      for tag in (row.home or ""):gmatch("%a+") do out:add("dw.tag", { id = row.id, tag = tag }) end
      return false
    end } } })lua";
  BatchBuilder builder;
  builder.update(customer(), row(1, "a b", nullptr), row(1, "b c", nullptr)).insert(customer(), row(2, nullptr, nullptr));
  CHECK(run(rules, std::move(builder)) == "delete dw.tag (id=1, tag=a); insert dw.tag (id=1, tag=c) #1");
}

TEST_CASE("rows that an output cannot take are named errors") {
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.adress', {})"),
             Contains("RULE-0106") && Contains("`dw.adress`: did you mean `dw.address`?") && Contains("shop.lua:7"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.address', { customer_id = 1, kind = 'x', cty = 'y' })"),
             Contains("RULE-0105") && Contains("`cty`: did you mean `city`?") && Contains("shop.lua:7"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.address', { customer_id = row.id })"),
             Contains("RULE-0106") && Contains("column `kind` of dw.address needs a value") && Contains("shop.lua:7"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.address', { customer_id = 1.5, kind = 'x' })"),
             Contains("RULE-0104") && Contains("`customer_id`") && Contains("shop.lua:7"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.address', { customer_id = 1, kind = 'far too long' })"),
             Contains("RULE-0104") && Contains("`kind`") && Contains("varchar(8)"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.address', row)"),
             Contains("RULE-0106") && Contains("wants a table"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:add('dw.log', { id = 1 })"),
             Contains("RULE-0106") && Contains("append = true"));
  CHECK_THAT(update(row(1, "a", nullptr), row(1, "a", nullptr), "out:put('x')"), Contains("RULE-0102") && Contains("`put`"));
  CHECK_THAT(update(row(1, nullptr, nullptr), row(1, "a", nullptr),
                    "if row.home then out:add('dw.address', { customer_id = 1, kind = 'home' }) end"),
             Contains("RULE-0106") && Contains("two rows with the key customer_id=1 kind=home") && Contains("key=id=1"));
  CHECK_THAT(update(row(1, nullptr, nullptr), row(1, "a", nullptr),
                    "for i = 1, 1001 do out:add('dw.address', { customer_id = i, kind = 'x' }) end"),
             Contains("RULE-0106") && Contains("more than 1000 rows"));
  CHECK_THAT(
      run("return { api = 1, outputs = { ['dw.x'] = { key = { 'id' }, columns = { 'id bigint not null' } } }, tables = { ['crm.*'] = { "
          "to = 'dw.x', map = function() end } } }",
          BatchBuilder().insert(customer(), row(1, nullptr, nullptr)).take()),
      Contains("RULE-0101") && Contains("give it another `to`"));
}

TEST_CASE("what `outputs` declares is checked") {
  auto error = [](const std::string& body) {
    Folder folder;
    auto stage = try_stage(folder, "return { api = 1, outputs = { " + body + " } }");
    return stage.ok() ? std::string("loaded") : stage.status().to_string();
  };
  CHECK_THAT(error("['dw.x'] = { columns = { 'id int' } }"), Contains("needs a `key`, or append = true"));
  CHECK_THAT(error("['dw.x'] = { append = true, key = { 'id' }, columns = { 'id int' } }"), Contains("a key and append"));
  CHECK_THAT(error("['dw.x'] = { key = { 'di' }, columns = { 'id int' } }"), Contains("did you mean `id`?"));
  CHECK_THAT(error("['dw.x'] = { key = { 'id' }, columns = { 'id' } }"), Contains("name sql type"));
  CHECK_THAT(error("['dw.x'] = { key = { 'id' }, columns = { 'id itn' } }"), Contains("`itn` is not known"));
  CHECK_THAT(error("['dw.x'] = { key = { 'id' }, columns = { 'id int', 'id int' } }"), Contains("twice"));
  CHECK_THAT(error("x = { key = { 'id' }, columns = { 'id int' } }"), Contains("database.table"));
  CHECK_THAT(error("['dw.x'] = { kye = { 'id' }, columns = { 'id int' } }"), Contains("did you mean `key`?"));
}

TEST_CASE("row appends; the order is that of the events, and a dropped event keeps its rows") {
  std::string rules = R"lua(return { api = 1,
    outputs = { ["dw.log"] = { append = true, columns = { "id bigint not null", "what varchar(20)" } } },
    tables = { ["crm.customer"] = { row = function(ev)
      ev:append("dw.log", { id = ev.id, what = ev.op })
      if ev.id == 2 then return false end
    end } } })lua";
  BatchBuilder builder;
  builder.insert(customer(), row(1, nullptr, nullptr))
      .insert(customer(), row(2, nullptr, nullptr))
      .remove(customer(), row(1, nullptr, nullptr));
  CHECK(run(rules, std::move(builder)) ==
        "insert crm.customer (id=1, first=Jo, home=NULL, work=NULL); insert dw.log (id=1, what=insert) #1; "
        "insert dw.log (id=2, what=insert); "
        "delete crm.customer (id=1, first=Jo, home=NULL, work=NULL); insert dw.log (id=1, what=delete) #1");
}

TEST_CASE("TRUNCATE reaches the outputs that only this table fills, or stops") {
  BatchBuilder builder;
  builder.add(Op::kTruncate, customer(), {}, {});
  CHECK(run(crm(), std::move(builder)) == "truncate dw.customer; truncate dw.address #1");
  std::string two = R"lua(return { api = 1,
    outputs = { ["dw.tag"] = { key = { "id" }, columns = { "id bigint not null" } } },
    tables = { ["crm.*"] = { map = function(row, out) out:add("dw.tag", { id = row.id }) end } } })lua";
  BatchBuilder other;
  other.add(Op::kTruncate, customer(), {}, {});
  CHECK_THAT(run(two, std::move(other)), Contains("SCH-0003") && Contains("TRUNCATE of crm.customer") && Contains("outputs"));
}

TEST_CASE("many rows per image, over many events") {
  std::string rules = R"lua(return { api = 1,
    outputs = { ["dw.n"] = { key = { "id", "n" }, columns = { "id bigint not null", "n int not null" } } },
    tables = { ["crm.customer"] = { map = function(row, out)
      for i = 1, 3 do out:add("dw.n", { id = row.id, n = i }) end
    end } } })lua";
  BatchBuilder builder;
  auto table = customer();
  std::string expected;
  for (int i = 1; i <= 600; ++i) {
    builder.insert(table, row(i, nullptr, nullptr));
    std::string id = std::to_string(i);
    expected += "insert crm.customer (id=" + id + ", first=Jo, home=NULL, work=NULL); ";
    for (int n = 1; n <= 3; ++n) {
      expected += "insert dw.n (id=" + id + ", n=" + std::to_string(n) + ") #" + std::to_string(n) + "; ";
    }
  }
  CHECK(run(rules, std::move(builder)) + "; " == expected);
}
