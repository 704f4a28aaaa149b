#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;

namespace {

SchemaRef user_table(const std::string& name = "user_07") {
  return make_table("shop", name, {"id int not null", "email varchar(80)", "card text"});
}

// Runs the events through the rules; the error's text when it fails.
std::string run(const std::string& rules, BatchBuilder builder, RuleStageConfig config = {}) {
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return stage.status().to_string();
  Status status = (*stage)->run(builder.batch);
  return status.ok() ? show(builder.batch) : status.to_string();
}

Cells user(int id, const char* email) { return {Value::of_int(id), text_value(email), Value::null()}; }

}  // namespace

TEST_CASE("without a rule file the stage is the identity") {
  auto table = user_table();
  BatchBuilder builder;
  builder.insert(table, user(1, "a@x")).update(table, user(1, "a@x"), user(1, "b@x")).remove(table, user(1, "b@x"));
  auto stage = make_rule_stage(RuleStageConfig{}).value();
  REQUIRE(stage->run(builder.batch).ok());
  CHECK(show(builder.batch) ==
        "insert shop.user_07 (id=1, email=a@x, card=NULL); "
        "update shop.user_07 (id=1, email=a@x, card=NULL) -> (id=1, email=b@x, card=NULL); "
        "delete shop.user_07 (id=1, email=b@x, card=NULL)");
  CHECK(builder.batch.events[0].table == table.get());
  CHECK(builder.batch.events[0].output->schema == table);
  CHECK(stage->version().empty());
}

TEST_CASE("columns are dropped, renamed, masked and added; the table is renamed") {
  std::string rules = R"lua(
    local mask = require "tailrace.mask"
    return { api = 1, tables = { ["shop.user_*"] = { to = "dw.user", key = { "id", "shard" }, columns = {
      card = false, email = mask.email, id = "id", shard = { "varchar(64)", value = "{db}/{table}" } } } } })lua";
  BatchBuilder builder;
  builder.insert(user_table(), user(1, "jo@x.io"));
  CHECK(run(rules, std::move(builder)) == "insert dw.user (id=1, email=j***@x.io, shard=shop/user_07)");
}

TEST_CASE("a map's verdict per image gives the operation") {
  std::string rules = entry("map = function(row) return row.id < 10 end");
  auto table = user_table();
  BatchBuilder builder;
  builder.update(table, user(1, "a"), user(1, "b"))
      .update(table, user(11, "a"), user(11, "b"))
      .insert(table, user(2, "n"))
      .insert(table, user(12, "n"))
      .remove(table, user(2, "n"))
      .remove(table, user(12, "n"));
  CHECK(run(rules, std::move(builder)) ==
        "update shop.user_07 (id=1, email=a, card=NULL) -> (id=1, email=b, card=NULL); "
        "insert shop.user_07 (id=2, email=n, card=NULL); delete shop.user_07 (id=2, email=n, card=NULL)");
}
