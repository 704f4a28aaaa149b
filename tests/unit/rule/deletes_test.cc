// `deletes`, and columns made from others and from meta fields.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

SchemaRef user_table() { return make_table("shop", "user_07", {"id int not null", "email varchar(80)", "name varchar(20) not null"}); }

Cells user(int id, const char* email, const char* name = "Jo") {
  return {Value::of_int(id), email ? text_value(email) : Value::null(), text_value(name)};
}

std::string run(const std::string& rules, BatchBuilder builder) {
  Folder folder;
  auto stage = try_stage(folder, rules);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  return status.ok() ? show(builder.batch) : status.to_string();
}

std::string one(const std::string& rules, Op op, const Cells& before, const Cells& after) {
  BatchBuilder builder;
  builder.add(op, user_table(), before, after);
  return run(rules, std::move(builder));
}

}  // namespace

TEST_CASE("deletes are applied, dropped, or become a mark") {
  CHECK(one(entry("deletes = 'apply'"), Op::kDelete, user(1, "a"), {}) == "delete shop.user_07 (id=1, email=a, name=Jo)");
  CHECK(one(entry("deletes = 'drop'"), Op::kDelete, user(1, "a"), {}).empty());
  std::string soft = entry("columns = { gone = { 'tinyint(1)', value = 0 } }, deletes = { set = { gone = 1, email = null } }");
  CHECK(one(soft, Op::kInsert, {}, user(1, "a")) == "insert shop.user_07 (id=1, email=a, name=Jo, gone=0)");
  CHECK(one(soft, Op::kDelete, user(1, "a"), {}) ==
        "update shop.user_07 (id=1, email=a, name=Jo, gone=0) -> (id=1, email=NULL, name=Jo, gone=1)");
  // A partial image stays one.
  CHECK(one(soft, Op::kDelete, {Value::of_int(1), Value::absent(), Value::absent()}, {}) ==
        "update shop.user_07 (id=1, email=absent, name=absent, gone=0) -> (id=1, email=NULL, name=absent, gone=1)");
}

TEST_CASE("`deletes` is about the target: rows that leave a filter, and old keys") {
  std::string filter = "map = function(row) return row.email ~= 'hidden' end, ";
  CHECK(one(entry(filter + "deletes = 'drop'"), Op::kUpdate, user(1, "a"), user(1, "hidden")).empty());
  CHECK(one(entry(filter + "deletes = { set = { name = 'gone' } }"), Op::kUpdate, user(1, "a"), user(1, "hidden")) ==
        "update shop.user_07 (id=1, email=a, name=Jo) -> (id=1, email=a, name=gone)");
  CHECK(one(entry("deletes = 'drop'"), Op::kUpdate, user(1, "a"), user(2, "a")) == "insert shop.user_07 (id=2, email=a, name=Jo)");
  CHECK(one(entry("deletes = { set = { name = 'gone' } }"), Op::kUpdate, user(1, "a"), user(2, "a")) ==
        "update shop.user_07 (id=1, email=a, name=Jo) -> (id=1, email=a, name=gone); "
        "insert shop.user_07 (id=2, email=a, name=Jo) #1");
}

TEST_CASE("TRUNCATE follows `deletes`") {
  CHECK(one(entry("deletes = 'drop'"), Op::kTruncate, {}, {}).empty());
  CHECK_THAT(one(entry("deletes = { set = { name = 'x' } }"), Op::kTruncate, {}, {}), Contains("SCH-0003") && Contains("`deletes`"));
}

TEST_CASE("mistakes in `deletes`") {
  auto error = [](const std::string& body) { return one(entry(body), Op::kInsert, {}, user(1, "a")); };
  CHECK_THAT(error("deletes = 'never'"), Contains("RULE-0101") && Contains("\"apply\", \"drop\""));
  CHECK_THAT(error("deletes = { ste = {} }"), Contains("did you mean `set`?"));
  CHECK_THAT(error("deletes = { set = { nmae = 'x' } }"), Contains("RULE-0105") && Contains("did you mean `name`?"));
  CHECK_THAT(error("deletes = { set = { id = 7 } }"), Contains("RULE-0101") && Contains("key"));
  CHECK_THAT(error("deletes = { set = { name = null } }"), Contains("RULE-0104") && Contains("NOT NULL"));
  CHECK_THAT(error("deletes = { set = { name = 'a name beyond twenty characters' } }"), Contains("RULE-0104"));
}

TEST_CASE("a column's value is made of other columns, as the target has them") {
  std::string rules = "local mask = require 'tailrace.mask'\n" +
                      entry(
                          "columns = { email = mask.email, name = 'who', label = { 'varchar(200)', value = '{who|upper} <{email}>' }, "
                          "bucket = { 'int', value = '{id|bucket:8}' }, mail = { 'varchar(80)', value = '{email|or:none}' } }");
  // FNV-1a 64 of "1" is af63ac4c86019afc: 4 of 8.
  CHECK(one(rules, Op::kInsert, {}, user(1, "jo@x.io")) ==
        "insert shop.user_07 (id=1, email=j***@x.io, who=Jo, bucket=4, label=JO <j***@x.io>, mail=j***@x.io)");
  CHECK(one(rules, Op::kInsert, {}, user(1, nullptr)) == "insert shop.user_07 (id=1, email=NULL, who=Jo, bucket=4, label=NULL, mail=none)");
  CHECK(one(rules, Op::kUpdate, {Value::of_int(1), Value::absent(), Value::absent()},
            {Value::absent(), text_value("jo@x.io"), text_value("Al")}) ==
        "update shop.user_07 (id=1, email=absent, who=absent, bucket=4, label=absent, mail=absent) -> "
        "(id=absent, email=j***@x.io, who=Al, bucket=absent, label=AL <j***@x.io>, mail=j***@x.io)");
  CHECK_THAT(one(entry("columns = { x = { 'varchar(9)', value = '{nmae}' } }"), Op::kInsert, {}, user(1, "a")),
             Contains("RULE-0105") && Contains("did you mean `name`?"));
  CHECK_THAT(one(entry("columns = { x = { 'varchar(9)', value = '{name|uper}' } }"), Op::kInsert, {}, user(1, "a")),
             Contains("RULE-0101") && Contains("`uper` is no filter: did you mean `upper`?"));
  CHECK_THAT(one(entry("columns = { x = { 'varchar(1)', value = '{name}' } }"), Op::kInsert, {}, user(1, "a")),
             Contains("RULE-0104") && Contains("columns.x") && Contains("key=id=1"));
  CHECK_THAT(one(entry("columns = { x = { 'varchar(9)', value = '{email}', null = false } }"), Op::kInsert, {}, user(1, nullptr)),
             Contains("RULE-0104") && Contains("`email` is NULL"));
  CHECK_THAT(one(entry("columns = { x = { 'varchar(9)', value = '{name}' }, y = { 'varchar(9)', value = '{x}' } }"), Op::kInsert, {},
                 user(1, "a")),
             Contains("RULE-0101") && Contains("made of columns itself"));
}

TEST_CASE("meta fields as columns") {
  std::string rules = entry(
      "columns = { name = false, email = false, _gtid = meta.gtid, _op = meta.op, _ts = meta.ts, _us = meta.ts_us, "
      "_at = meta.pos, _t = { 'varchar(64)', value = meta.table }, _db = meta.db, _n = meta.ordinal }");
  CHECK(one(rules, Op::kInsert, {}, user(1, "a")) ==
        "insert shop.user_07 (id=1, _at=bin.000007:4321, _db=shop, _gtid=0-1-42, _n=0, _op=insert, _t=user_07, "
        "_ts=2023-11-14 22:13:20.000000, _us=1700000000000000)");
  CHECK_THAT(one(entry("columns = { _g = meta.gitd }"), Op::kInsert, {}, user(1, "a")), Contains("meta has no `gitd`"));
  CHECK_THAT(one(entry("columns = { _g = { 'int', value = meta.gtid } }"), Op::kInsert, {}, user(1, "a")),
             Contains("RULE-0101") && Contains("meta.gtid is varchar(512)"));
  CHECK_THAT(one(entry("columns = { _g = meta.gtid }, key = { '_g' }"), Op::kInsert, {}, user(1, "a")), Contains("RULE-0101"));
  // The rule's version, so that every row says by which rules it went.
  CHECK_THAT(one(entry("columns = { name = false, email = false, _rule = meta.rule }"), Op::kInsert, {}, user(1, "a")),
             Contains("_rule=shop@"));
}

TEST_CASE("`to` takes the capture of a Lua pattern") {
  auto place = [](const std::string& to) {
    Folder folder;
    auto stage = try_stage(folder, entry("to = '" + to + "'"));
    if (!stage.ok()) return stage.status().to_string();
    auto output = (*stage)->output(user_table());
    return output.ok() ? (*output)->schema->qualified_name() : output.status().to_string();
  };
  CHECK(place("dw.{table:^(.+)_%d+$}") == "dw.user");
  CHECK(place("{db|upper}.{table:%d+}_x") == "SHOP.07_x");
  CHECK(place("dw.{{{table}}}") == "dw.{user_07}");
  CHECK_THAT(place("dw.{table:^order}"), Contains("RULE-0101") && Contains("does not match `user_07`"));
  CHECK_THAT(place("dw.{table:(}"), Contains("RULE-0101") && Contains("unfinished capture"));
  CHECK_THAT(place("dw.{tabel}"), Contains("did you mean `table`?"));
  CHECK_THAT(place("dw.{table"), Contains("unmatched brace"));
}
