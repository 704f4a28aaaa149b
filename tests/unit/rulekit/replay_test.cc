#include "rulekit/batch_copy.h"
#include "rulekit/rule_replay.h"
#include "unit/catch.h"
#include "unit/rulekit/kit_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;

namespace {

std::unique_ptr<RuleStage> stage_of(const Folder& folder, const std::string& name, const std::string& rules) {
  RuleOptions options;
  options.file = folder.write(name, rules);
  return lua_kit().stage(options).value();
}

std::string capture(int rows) {
  std::string out = "capture\nCREATE TABLE shop.a (id INT PRIMARY KEY, v VARCHAR(20));\n";
  for (int i = 0; i < rows; ++i) out += "INSERT INTO shop.a VALUES (" + std::to_string(i) + ", 'v" + std::to_string(i) + "');\n";
  return out;
}

}  // namespace

TEST_CASE("replay counts what a changed rule makes differently") {
  Folder folder;
  std::string path = folder.write("c.case", capture(10000));
  auto old = stage_of(folder, "old.lua", entry("map = function(row) return row.id ~= 5 end"));
  auto now = stage_of(folder, "new.lua", entry(R"(map = function(row)
    if row.id == 6 then return false end
    if row.id == 9 then row.v = string.rep('x', 30) end
    if row.id >= 9990 then row.v = 'new' end end)"));
  auto events = ScriptEvents::open(path).value();
  ReplayReport report = replay_rules(
                            old.get(), *now, [&] { return events->next(); }, 2)
                            .value();
  CHECK(report.events == 10001);
  const ReplayTable& table = report.tables.at("shop.a");
  CHECK(table.added == 1);
  CHECK(table.dropped == 2);  // 6, and 9 that failed
  CHECK(table.errors == 1);
  CHECK(table.changed == 10);
  CHECK(table.columns == std::map<std::string, uint64_t>{{"v", 10}});
  CHECK(table.same == 10001 - 1 - 2 - 10);  // the CREATE TABLE is an event, too
  std::string shown;
  for (const ReplayExample& example : report.examples) {
    if (example.kind == "changed") shown += example.key + " " + example.column + " " + example.before + " " + example.after + "\n";
  }
  CHECK(shown == "id=9990 v 'v9990' 'new'\nid=9991 v 'v9991' 'new'\n");
}

TEST_CASE("CREATE OR REPLACE drops a table only where there is one") {
  Folder folder;
  std::string path = folder.write("c.case",
                                  "capture\nCREATE OR REPLACE TABLE shop.a (id INT PRIMARY KEY);\nINSERT INTO shop.a VALUES (1);\n"
                                  "CREATE OR REPLACE TABLE shop.a (id INT PRIMARY KEY, v INT);\nINSERT INTO shop.a VALUES (1, 2);\n");
  auto stage = stage_of(folder, "r.lua", "return { api = 1, ddl = { deny = { 'drop_table' }, on_denied = 'stop' } }");
  auto events = ScriptEvents::open(path).value();
  ReplayReport report = replay_rules(
                            nullptr, *stage, [&] { return events->next(); }, 9)
                            .value();
  CHECK(report.tables.at("shop.a").errors == 2);  // the end of the old table, and the statement as that of the new one
  for (const ReplayExample& example : report.examples) {
    if (example.kind == "error") CHECK(example.gtid == "c.case:4");
  }
}

TEST_CASE("the hash is of the output alone: equal for equal rules, other cuts, and not for others") {
  Folder folder;
  std::string path = folder.write("c.case", capture(6000));
  std::string rules = entry("map = function(row) row.v = row.v .. '!' end");
  auto run = [&](const std::string& text, size_t cut) {
    auto stage = stage_of(folder, "r.lua", text);
    auto events = ScriptEvents::open(path).value();
    std::shared_ptr<const EventBatch> rest;
    size_t at = 0;
    // `cut` 0: batches as they come; else so many events at a time.
    BatchSupply supply = [&]() -> Result<std::shared_ptr<const EventBatch>> {
      if (cut == 0) return events->next();
      if (!rest || at == rest->events.size()) {
        auto next = events->next();
        if (!next.ok() || !*next) return next;
        rest = *next;
        at = 0;
      }
      size_t count = std::min(cut, rest->events.size() - at);
      auto part = std::make_shared<EventBatch>(copy_batch(rest, at, count));
      at += count;
      return std::shared_ptr<const EventBatch>(part);
    };
    return replay_rules(nullptr, *stage, supply, 0).value().new_hash;
  };
  std::string hash = run(rules, 0);
  CHECK(hash.size() == 64);
  CHECK(run(rules, 0) == hash);
  CHECK(run(rules, 7) == hash);
  CHECK(run(entry("map = function(row) row.v = row.v .. '?' end"), 0) != hash);
}
