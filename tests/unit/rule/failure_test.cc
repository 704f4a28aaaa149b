// Events on which a rule fails: never delivered, and then what the policy says. Also the functions of the whole file.
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

class Letters final : public DeadLetterStore {
 public:
  Result<int64_t> add(const DeadLetter& letter) override {
    letters.push_back(letter);
    return static_cast<int64_t>(letters.size());
  }
  std::vector<DeadLetter> letters;
};

SchemaRef table() { return make_table("shop", "t", {"id int not null", "v varchar(20)", "b varbinary(8)"}); }

Cells row(int id, const char* v) { return {Value::of_int(id), v ? text_value(v) : Value::null(), text_value("\x01\x02", Kind::kBytes)}; }

struct Outcome {
  std::string events;
  std::vector<DeadLetter> letters;
  uint64_t dead = 0, skipped = 0;
};

Outcome run(const std::string& rules, OnRuleError policy, BatchBuilder builder, ErrorScope scope = ErrorScope::kRow) {
  Letters letters;
  RuleStageConfig config;
  config.rules.on_error = policy;
  config.rules.error_scope = scope;
  config.dead_letters = &letters;
  Folder folder;
  auto stage = try_stage(folder, rules, config);
  if (!stage.ok()) return {stage.status().to_string(), {}};
  Status status = (*stage)->run(builder.batch);
  std::string shown;
  if (status.ok()) {
    for (const ChangeEvent& event : builder.batch.events) {
      Row image = event.op == Op::kDelete ? event.before : event.after;
      shown += std::string(op_name(event.op)) + " " + event.table->table + ":" + to_text(image[0], event.table->columns[0]) +
               (event.sub_ordinal ? "#" + std::to_string(event.sub_ordinal) : "") + " ";
    }
  }
  const RuleStats& stats = (*stage)->stats();
  return {status.ok() ? shown : status.to_string(), letters.letters, stats.dead_letters, stats.skipped};
}

// Three rows of which the middle one fails.
BatchBuilder three() {
  BatchBuilder builder;
  auto t = table();
  builder.insert(t, row(1, "a")).update(t, row(2, "a"), row(2, "bad")).insert(t, row(3, "c"));
  return builder;
}

const std::string kMap = entry("map = function(row) row.v = row.v .. '!' if row.v == 'bad!' then error('no') end end");

}  // namespace

TEST_CASE("a failed event is left out, in every place where a rule can fail") {
  for (const std::string& body : {
           std::string("map = function(row) row.v = row.v .. '!' if row.v == 'bad!' then error('no') end end"),
           std::string("row = function(ev) if ev.v == 'bad' then error('no') end end"),
           std::string("columns = { x = { 'varchar(1)', value = '{v}' } }"),
           std::string("topic = '{v|bucket:8}', serialize = function(ev, out) out:put(ev.v) if ev.v == 'bad' then error('no') end end"),
           std::string("map = function(row) if row.v == 'bad' then return nil end end"),
           std::string("key = { 'v' }, map = function(row) if row.v == 'bad' then row.v = nil end end"),
       }) {
    INFO(body);
    auto skipped = run(entry(body), OnRuleError::kSkip, three());
    CHECK(skipped.events == "insert t:1 insert t:3 ");
    CHECK(skipped.skipped == 1);
    auto kept = run(entry(body), OnRuleError::kDeadLetter, three());
    CHECK(kept.events == "insert t:1 insert t:3 ");
    REQUIRE(kept.letters.size() == 1);
    CHECK(kept.dead == 1);
    const DeadLetter& letter = kept.letters[0];
    CHECK(letter.position.text == "0-1-42:1");
    CHECK(letter.database == "shop");
    CHECK(letter.table == "t");
    CHECK(letter.key == "id=2");
    CHECK_THAT(letter.message, Contains("RULE-010") && Contains("table=shop.t"));
    // The event as the source had it, whatever the rule did to its copies.
    CHECK_THAT(letter.payload, Contains(R"("op":"update","gtid":"0-1-42","ordinal":1)") &&
                                   Contains(R"("before":{"id":"2","v":"a","b":{"base64":"AQI="}},"after":{"id":"2","v":"bad")") &&
                                   Contains("\"schema\":{"));
    CHECK_THAT(run(entry(body), OnRuleError::kStop, three()).events, Contains("RULE-010"));
  }
}

TEST_CASE("where fails on an event") {
  std::string rules = entry("where = [[ CAST(v AS SIGNED) + 9223372036854775807 > 0 ]]");
  BatchBuilder builder;
  builder.insert(table(), row(1, "0")).insert(table(), row(2, "5"));
  auto outcome = run(rules, OnRuleError::kSkip, std::move(builder));
  CHECK(outcome.events == "insert t:1 ");
}

TEST_CASE("all rows of a batch may fail, and many events in many chunks") {
  BatchBuilder builder;
  auto t = table();
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    builder.insert(t, row(i, i % 3 == 0 ? "bad" : "a"));
    if (i % 3 != 0) expected += "insert t:" + std::to_string(i) + " ";
  }
  auto outcome = run(kMap, OnRuleError::kSkip, std::move(builder));
  CHECK(outcome.events == expected);
  CHECK(outcome.skipped == 334);
  BatchBuilder all;
  for (int i = 0; i < 600; ++i) all.insert(t, row(i, "bad"));
  CHECK(run(kMap, OnRuleError::kSkip, std::move(all)).events.empty());
}

TEST_CASE("what a failed event gave to outputs goes with it, and its other half too") {
  std::string rules = R"lua(return { api = 1,
    outputs = { ["dw.o"] = { key = { "id" }, columns = { "id int not null" } } },
    tables = { ["shop.t"] = { serialize = function(ev, out) out:put("x") if ev.op == "delete" and ev.id == 5 then error("no") end end,
      map = function(row, out)
        out:add("dw.o", { id = row.id })
        if row.v == "bad" then error("no") end
      end } } })lua";
  CHECK(run(rules, OnRuleError::kSkip, three()).events == "insert t:1 insert o:1#1 insert t:3 insert o:3#1 ");
  BatchBuilder moved;
  moved.update(table(), row(5, "a"), row(6, "a")).insert(table(), row(7, "a"));
  // The delete's message fails: the insert of the same change must not leave alone.
  CHECK(run(rules, OnRuleError::kSkip, std::move(moved)).events == "insert t:7 insert o:7#1 ");
}

TEST_CASE("whole transactions are left out, when that is the scope") {
  auto builder = three();
  Transaction other = builder.batch.txns[0];
  other.id = "0-1-43";
  builder.batch.txns.push_back(other);
  builder.insert(table(), row(9, "z"));
  builder.batch.events.back().txn = 1;
  auto outcome = run(kMap, OnRuleError::kDeadLetter, std::move(builder), ErrorScope::kTransaction);
  CHECK(outcome.events == "insert t:9 ");
  REQUIRE(outcome.letters.size() == 3);
  CHECK(outcome.letters[0].key == "id=2");
  CHECK_THAT(outcome.letters[1].message, Contains("another row of its transaction failed"));
  // Rows of it that left with an earlier batch cannot be taken back.
  auto begun = three();
  begun.batch.txns[0].begins_here = false;
  CHECK_THAT(run(kMap, OnRuleError::kSkip, std::move(begun), ErrorScope::kTransaction).events,
             Contains("RULE-0102") && Contains("began in an earlier batch"));
}

TEST_CASE("a transaction that failed stays left out in the next batches") {
  Letters letters;
  RuleStageConfig config;
  config.rules.on_error = OnRuleError::kDeadLetter;
  config.rules.error_scope = ErrorScope::kTransaction;
  config.dead_letters = &letters;
  Folder folder;
  auto stage = try_stage(folder, kMap, config).value();
  auto first = three();
  first.batch.txns[0].ends_here = false;
  REQUIRE(stage->run(first.batch).ok());
  CHECK(first.batch.events.empty());
  BatchBuilder second;
  second.batch.txns[0].begins_here = false;
  second.insert(table(), row(4, "d"));
  REQUIRE(stage->run(second.batch).ok());
  CHECK(second.batch.events.empty());
  CHECK(letters.letters.size() == 4);
  BatchBuilder third;
  third.batch.txns[0].id = "0-1-43";
  third.insert(table(), row(5, "e"));
  REQUIRE(stage->run(third.batch).ok());
  CHECK(third.batch.events.size() == 1);
}

TEST_CASE("failures that are not about one event stop the job") {
  RuleStageConfig config;
  config.rules.on_error = OnRuleError::kSkip;
  config.rules.memory_bytes = 8u << 20;
  Folder folder;
  auto stage =
      try_stage(folder, entry("map = function(row) local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end"), config).value();
  auto rows = three();
  CHECK_THAT(stage->run(rows.batch).to_string(), Contains("RULE-0108"));
}

TEST_CASE("on_error decides, but never weaker than the policy") {
  auto rules = [](const std::string& answer) {
    return "return { api = 1, on_error = function(err, ev) assert(err.code == 'RULE-0102' and err.hook == 'map' and ev.id == 2 and "
           "ev.before.v == 'a' and ev.after.v == 'bad' and err.message:find('no')) " +
           answer +
           " end, tables = { ['shop.*'] = { "
           "map = function(row) if row.v == 'bad' then row.v = 'x' error('no') end end } } }";
  };
  CHECK(run(rules("return 'skip'"), OnRuleError::kSkip, three()).events == "insert t:1 insert t:3 ");
  CHECK(run(rules(""), OnRuleError::kSkip, three()).skipped == 1);
  CHECK(run(rules("return 'dead_letter'"), OnRuleError::kSkip, three()).letters.size() == 1);
  CHECK(run(rules("return 'skip'"), OnRuleError::kDeadLetter, three()).letters.size() == 1);
  CHECK_THAT(run(rules("return 'stop'"), OnRuleError::kSkip, three()).events, Contains("RULE-0102") && Contains("no"));
  CHECK_THAT(run(rules("return 'skip'"), OnRuleError::kStop, three()).events, Contains("RULE-0102"));
  CHECK_THAT(run(rules("return 'skp'"), OnRuleError::kSkip, three()).events, Contains("RULE-0103") && Contains("\"dead_letter\""));
  CHECK_THAT(run(rules("error('worse')"), OnRuleError::kSkip, three()).events, Contains("worse") && Contains("hook=on_error"));
  CHECK_THAT(run("return { api = 1, on_error = 'skip' }", OnRuleError::kSkip, three()).events, Contains("on_error must be a function"));
}

TEST_CASE("txn drops a transaction whole, also over several batches") {
  std::string rules =
      "return { api = 1, txn = function(t, ctx) assert(t.ts_us == 1700000000000000) if t.id == '0-1-42' then return false end end }";
  Folder folder;
  auto stage = try_stage(folder, rules).value();
  auto first = three();
  first.batch.txns[0].ends_here = false;
  REQUIRE(stage->run(first.batch).ok());
  CHECK(first.batch.events.empty());
  BatchBuilder second;
  second.batch.txns[0].begins_here = false;
  Transaction other = second.batch.txns[0];
  other.id = "0-1-43";
  other.begins_here = true;
  second.batch.txns.push_back(other);
  second.insert(table(), row(4, "d")).insert(table(), row(5, "e"));
  second.batch.events[1].txn = 1;
  REQUIRE(stage->run(second.batch).ok());
  REQUIRE(second.batch.events.size() == 1);
  CHECK(second.batch.events[0].txn == 1);
  // Rows of a copy belong to no transaction of the source.
  auto copy = three();
  copy.batch.is_snapshot = true;
  REQUIRE(stage->run(copy.batch).ok());
  CHECK(copy.batch.events.size() == 3);
  auto failing = try_stage(folder, "return { api = 1, txn = function(t) return t.sever_id == 1 end }").value();
  auto more = three();
  CHECK_THAT(failing->run(more.batch).to_string(), Contains("RULE-0102") && Contains("t has no `sever_id`") && Contains("gtid=0-1-42"));
  auto bad = try_stage(folder, "return { api = 1, txn = function(t) return 1 end }").value();
  auto again = three();
  CHECK_THAT(bad->run(again.batch).to_string(), Contains("RULE-0103") && Contains("txn() returned the number 1"));
}

TEST_CASE("start runs when the rules are loaded") {
  Folder folder;
  CHECK_THAT(try_stage(folder,
                       "return { api = 1, options = { n = 3 }, start = function(ctx) if ctx.options.n ~= 4 then error('n is ' .. "
                       "ctx.options.n) end end }")
                 .status()
                 .to_string(),
             Contains("n is 3") && Contains("hook=start") && Contains("shop.lua:1"));
  CHECK(try_stage(folder, "return { api = 1, start = function(ctx) log.info('ready') end }").ok());
}
