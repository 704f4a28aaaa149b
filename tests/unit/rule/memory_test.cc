// Ordered rules: what they remember, and when.
#include "rule/rule_memory.h"
#include "rule_fixture.h"
#include "unit/catch.h"

using namespace tailrace;
using namespace tailrace::rule_test;

namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNoon = 1'700'000'000 * kSecond;

SchemaRef readings() {
  static SchemaRef table = make_table("iot", "reading", {"id bigint not null", "sensor_id bigint", "value int"});
  return table;
}

std::string ordered(const std::string& state, const std::string& row, const std::string& more = "") {
  return "return { api = 1, mode = 'ordered', state = {" + state + "}, " + more +
         " tables = { ['iot.reading'] = { row = function(ev, ctx) " + row + " end } } }";
}
const std::string kDedupe = ordered("last = { key = 'bigint', value = 'bigint' }",
                                    "local last, v = ctx.state.last, bigint(ev.value) if last[ev.sensor_id] == v then return false end "
                                    "last[ev.sensor_id] = v");

std::unique_ptr<RuleStage> must_stage(const Folder& folder, const std::string& rules, OnRuleError policy = OnRuleError::kStop) {
  RuleStageConfig config;
  config.rules.on_error = policy;
  auto stage = try_stage(folder, rules, config);
  INFO((stage.ok() ? "" : stage.status().to_string()));
  REQUIRE(stage.ok());
  return std::move(stage).value();
}

std::string load_failure(const std::string& rules) {
  Folder folder;
  auto stage = try_stage(folder, rules);
  REQUIRE_FALSE(stage.ok());
  CHECK(stage.status().code() == ErrorCode::kRuleLoad);
  return stage.status().detail();
}

struct Reading {
  int64_t id, sensor, value;
};

BatchBuilder batch_of(std::initializer_list<Reading> rows, int64_t at_us = kNoon) {
  BatchBuilder builder;
  builder.batch.txns[0].commit_time_us = at_us;
  for (const Reading& row : rows) builder.insert(readings(), {Value::of_int(row.id), Value::of_int(row.sensor), Value::of_int(row.value)});
  return builder;
}

// Ids of the rows that are left.
std::string run(RuleStage& stage, BatchBuilder builder) {
  Status status = stage.run(builder.batch);
  if (!status.ok()) return status.to_string();
  std::string out;
  for (const ChangeEvent& event : builder.batch.events) out += (out.empty() ? "" : " ") + std::to_string(event.after[0].i);
  return out;
}

}  // namespace

TEST_CASE("a rule remembers over rows and batches, with keys beyond 2^53 told apart") {
  Folder folder;
  auto stage = must_stage(folder, kDedupe);
  constexpr int64_t kLarge = 9007199254740993;
  CHECK(run(*stage, batch_of({{1, kLarge, 5}, {2, kLarge, 5}, {3, kLarge - 1, 5}, {4, kLarge, 6}})) == "1 3 4");
  CHECK(run(*stage, batch_of({{5, kLarge, 6}, {6, kLarge - 1, 6}})) == "6");
  CHECK(stage->memory()->size(0) == 2);
}

TEST_CASE("an event that fails leaves nothing in the memory") {
  Folder folder;
  auto stage = must_stage(folder,
                          ordered("seen = { key = 'bigint', value = 'number' }",
                                  "local seen = ctx.state.seen if seen[ev.sensor_id] then return false end seen[ev.sensor_id] = 1 "
                                  "if ev.value == 0 then error('bad value') end"),
                          OnRuleError::kSkip);
  CHECK(run(*stage, batch_of({{1, 7, 0}, {2, 7, 1}, {3, 7, 2}})) == "2");
}

TEST_CASE("every kind of value, lists as keys, and nil that deletes") {
  Folder folder;
  auto stage = must_stage(
      folder, ordered("n = { key = 'text', value = 'number' }, b = { key = 'bigint', value = 'bigint' }, t = { key = {'text', 'bigint'}, "
                      "value = 'text' }, f = { key = 'text', value = 'boolean' }",
                      "local s = ctx.state "
                      "s.n['x'] = 0.5 s.b[1] = bigint '18446744073709551615' s.t[{'a', 1}] = '' s.f['x'] = false "
                      "assert(s.n['x'] == 0.5 and s.b[bigint(1)] == bigint '18446744073709551615') "
                      "assert(s.t[{'a', 1}] == '' and s.t[{'a', 2}] == nil and s.f['x'] == false) "
                      "s.f['x'] = nil assert(s.f['x'] == nil)"));
  CHECK(run(*stage, batch_of({{1, 1, 1}})) == "1");
  CHECK(run(*stage, batch_of({{2, 1, 1}})) == "2");
}

TEST_CASE("the oldest write goes when there are too many, and what was not written for the ttl") {
  Folder folder;
  auto stage =
      must_stage(folder, ordered("last = { key = 'bigint', value = 'boolean', max = 2, ttl = '10s' }",
                                 "local last = ctx.state.last if last[ev.sensor_id] then return false end last[ev.sensor_id] = true"));
  CHECK(run(*stage, batch_of({{1, 1, 0}, {2, 2, 0}, {3, 3, 0}, {4, 2, 0}, {5, 1, 0}})) == "1 2 3 5");  // 1 had made room for 3
  CHECK(stage->memory()->size(0) == 2);
  CHECK(run(*stage, batch_of({{6, 1, 0}}, kNoon + 10 * kSecond - 1)) == "");
  CHECK(run(*stage, batch_of({{7, 1, 0}}, kNoon + 10 * kSecond)) == "7");
}

TEST_CASE("a state takes no more bytes than it may") {
  Folder folder;
  auto stage = must_stage(folder, ordered("last = { key = 'bigint', value = 'text', max_bytes = '1KiB' }",
                                          "ctx.state.last[ev.id] = string.rep('x', ev.value)"));
  CHECK(run(*stage, batch_of({{1, 1, 100}, {2, 1, 100}, {3, 1, 100}, {4, 1, 100}, {5, 1, 100}, {6, 1, 100}})) == "1 2 3 4 5 6");
  CHECK(stage->memory()->size(0) < 6);
  CHECK(run(*stage, batch_of({{7, 1, 2000}})).find("ctx.state.last: the entry is larger than max_bytes") != std::string::npos);
}

TEST_CASE("tick comes by source time, between the transactions it stands between") {
  Folder folder;
  auto stage = must_stage(folder, ordered("count = { key = 'text', value = 'number' }",
                                          "local c = ctx.state.count c['n'] = (c['n'] or 0) + 1 return c['n'] <= 2",
                                          "tick = function(ctx) ctx.state.count['n'] = nil end, tick_every = '10s',"));
  BatchBuilder builder = batch_of({{1, 1, 1}, {2, 1, 1}, {3, 1, 1}});
  Transaction second = builder.batch.txns[0];
  second.id = "0-1-43";
  second.commit_time_us = kNoon + 10 * kSecond;
  builder.batch.txns.push_back(second);
  builder.insert(readings(), {Value::of_int(4), Value::of_int(1), Value::of_int(1)});
  builder.batch.events.back().txn = 1;
  CHECK(run(*stage, std::move(builder)) == "1 2 4");
  CHECK(run(*stage, batch_of({{5, 1, 1}, {6, 1, 1}}, kNoon + 19 * kSecond)) == "5");
  CHECK(run(*stage, batch_of({}, kNoon + 21 * kSecond)) == "");
  CHECK(run(*stage, batch_of({{7, 1, 1}, {8, 1, 1}}, kNoon + 21 * kSecond)) == "7 8");
}

TEST_CASE("what is written comes back from the changes, in the order of the writes") {
  Folder folder;
  const std::string rules = ordered("last = { key = 'bigint', value = 'boolean', max = 2, durable = true }",
                                    "local last = ctx.state.last if last[ev.sensor_id] then return false end last[ev.sensor_id] = true");
  auto first = must_stage(folder, rules);
  CHECK(run(*first, batch_of({{1, 1, 0}, {2, 2, 0}, {3, 3, 0}})) == "1 2 3");
  RuleStateStore::Found kept{true, first->memory()->take_changes()};
  std::erase_if(kept.entries,
                [](const RuleStateChange& change) { return change.kind != RuleStateChange::Kind::kPut || change.key == "1"; });
  auto second = must_stage(folder, rules);
  REQUIRE(second->memory()->restore(kept).ok());
  CHECK(run(*second, batch_of({{4, 3, 0}, {5, 2, 0}, {6, 1, 0}, {7, 3, 0}, {8, 2, 0}})) == "6 8");

  auto other = must_stage(folder, ordered("last = { key = 'bigint', value = 'text', durable = true }", ""));
  Status refused = other->memory()->restore(kept);
  CHECK(refused.code() == ErrorCode::kRuleSwap);
  CHECK(refused.detail().find("state.last was declared as bigint -> boolean and now is bigint -> text") != std::string::npos);
  kept.is_known = false;
  CHECK(second->memory()->restore(kept).code() == ErrorCode::kJobState);
}

TEST_CASE("another version of the rules goes on with what the first one remembered") {
  Folder folder;
  auto first = must_stage(folder, kDedupe);
  CHECK(run(*first, batch_of({{1, 1, 5}})) == "1");
  auto second = must_stage(folder, kDedupe + " ");
  REQUIRE(second->memory()->can_follow(first->memory()).ok());
  second->memory()->follow(first->memory());
  CHECK(run(*second, batch_of({{2, 1, 5}, {3, 1, 6}})) == "3");
  auto other = must_stage(folder, ordered("last = { key = 'text', value = 'bigint' }", ""));
  CHECK(other->memory()->can_follow(first->memory()).code() == ErrorCode::kRuleSwap);
}

TEST_CASE("mistakes with the memory are named with their line") {
  Folder folder;
  auto fails = [&](const std::string& row) {
    auto stage = must_stage(folder, ordered("last = { key = 'bigint', value = 'text' }", row));
    return run(*stage, batch_of({{1, 1, 1}}));
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(fails("ctx.state.lost[1] = 'x'"), Contains("shop.lua:1: `state` declares no `lost`: did you mean `last`?"));
  CHECK_THAT(fails("ctx.state.last['a'] = 'x'"), Contains("shop.lua:1: ctx.state.last: the key is a bigint, not a string"));
  CHECK_THAT(fails("ctx.state.last[1] = 2"), Contains("shop.lua:1: ctx.state.last holds text, not a number"));
  CHECK_THAT(fails("return ctx.state.last[nil] == nil"), Contains("shop.lua:1: ctx.state.last: the key is a bigint, not nil (NULL)"));
  auto in_map =
      must_stage(folder,
                 "return { api = 1, mode = 'ordered', state = { last = { key = 'bigint', value = 'text' } }, tables = { ['iot.reading'] = {"
                 " map = function(row, out, ctx) ctx.state.last[1] = 'x' end } } }");
  CHECK_THAT(run(*in_map, batch_of({{1, 1, 1}})), Contains("ctx.state is there in row and tick"));
  auto stateless = must_stage(
      folder, "return { api = 1, tables = { ['iot.reading'] = { row = function(ev, ctx) return ctx.state.last[1] == nil end } } }");
  CHECK_THAT(run(*stateless, batch_of({{1, 1, 1}})), Contains("ctx.state needs mode = \"ordered\""));

  CHECK_THAT(load_failure("return { api = 1, state = {} }"), Contains("`state` needs mode = \"ordered\""));
  CHECK_THAT(load_failure(ordered("last = { key = 'bigin', value = 'text' }", "")),
             Contains("state.last.key: `bigin` is none of bigint, text: did you mean `bigint`?"));
  CHECK_THAT(load_failure(ordered("last = { key = 'bigint', value = 'text', ttl = 'soon' }", "")),
             Contains("state.last.ttl is a time such as"));
  CHECK_THAT(load_failure(ordered("last = { key = 'bigint', value = 'text', mx = 5 }", "")), Contains("did you mean `max`?"));
  CHECK_THAT(load_failure(ordered("", "", "tick = function() end,")), Contains("`tick` needs `tick_every"));
  RuleStageConfig config;
  config.rules.error_scope = ErrorScope::kTransaction;
  CHECK_THAT(try_stage(folder, kDedupe, config).status().detail(), Contains("rules.error_scope = \"transaction\" cannot take it back"));
}
