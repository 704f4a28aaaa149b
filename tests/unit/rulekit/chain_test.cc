// Chains of rule files: what the second file gets is what the first one gave, and what leaves is of the source.
#include <fmt/format.h>

#include "event/ddl_kind.h"
#include "rule/rule_memory.h"
#include "rulekit/rule_check.h"
#include "unit/catch.h"
#include "unit/rulekit/kit_fixture.h"

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

// Holds every statement until somebody decides.
struct Desk final : DdlDesk {
  DdlState decision = DdlState::kHeld;
  std::vector<StoppedDdl> held;
  Result<DdlState> hold(const StoppedDdl& statement) override {
    held.push_back(statement);
    return decision;
  }
  Status note(const StoppedDdl&, DdlState) override { return {}; }
};

RuleOptions chain(const Folder& folder, const std::vector<std::string>& rules) {
  RuleOptions options;
  for (size_t i = 0; i < rules.size(); ++i) {
    std::string name(1, static_cast<char>('a' + i));
    options.file += (i ? "\n" : "") + folder.write(name + ".lua", rules[i]);
  }
  return options;
}

std::string tables(const std::string& entries) { return "return { api = 1, tables = { " + entries + " } }"; }

std::unique_ptr<RuleSession> open(const Folder& folder, const std::vector<std::string>& rules) {
  auto session = RuleSession::open(lua_kit(), chain(folder, rules), "chain.case");
  REQUIRE(session.status().to_string() == Status().to_string());
  return std::move(session).value();
}

std::unique_ptr<RuleStage> stage_of(const RuleOptions& options, RuleStageConfig config = {}) {
  config.rules = options;
  auto rules = lua_kit().load(options);
  REQUIRE(rules.status().to_string() == Status().to_string());
  auto stage = lua_kit().make_stage(*rules, config);
  REQUIRE(stage.status().to_string() == Status().to_string());
  return std::move(stage).value();
}

std::string load_error_of(const Folder& folder, const std::vector<std::string>& rules, std::map<std::string, std::string> given = {}) {
  RuleOptions options = chain(folder, rules);
  options.options = std::move(given);
  auto loaded = lua_kit().load(options);
  return loaded.ok() ? "loads as " + (*loaded)->version : loaded.status().to_string();
}

const std::string kMask = tables(R"lua(["shop.user_*"] = { to = "stage.user", key = { "id", "shard" }, columns = {
  email = require "tailrace.mask".email, card = false, shard = { "varchar(64)", value = "{table}" } } })lua");

}  // namespace

TEST_CASE("rows, keys and filters go right through") {
  Folder folder;
  auto session = open(folder, {kMask, tables(R"lua(["stage.user"] = { to = "dw.client", where = "email LIKE 'j%'",
      columns = { email = "mail", size = { "int" } }, map = function(row) row.size = #row.email return row.id ~= 13 end })lua")});
  CHECK_THAT(arrows(*session, "CREATE TABLE shop.user_07 (id BIGINT PRIMARY KEY, email VARCHAR(80), card TEXT)"),
             Contains("ddl CREATE TABLE dw.client (id bigint") && Contains("mail varchar(83)") && !Contains("card"));
  CHECK(arrows(*session, "INSERT INTO shop.user_07 VALUES (9007199254740993, 'jo@x.io', 'X')") ==
        "insert dw.client (id=9007199254740993, mail='j***@x.io', shard='user_07', size=9)");
  CHECK(arrows(*session, "UPDATE shop.user_07 SET card = 'Y'") ==
        "update dw.client (id=9007199254740993, mail='j***@x.io', shard='user_07', size=9)");
  // Out of the filter of the second file, and back.
  CHECK(arrows(*session, "UPDATE shop.user_07 SET email = 'anna@x.io'") == "delete dw.client (id=9007199254740993, shard='user_07')");
  CHECK(arrows(*session, "UPDATE shop.user_07 SET email = 'jim@x.io'") ==
        "insert dw.client (id=9007199254740993, mail='j***@x.io', shard='user_07', size=9)");
  // A key that changes is a delete and an insert for the second file; it drops the insert.
  CHECK(arrows(*session, "UPDATE shop.user_07 SET id = 13") == "delete dw.client (id=9007199254740993, shard='user_07')");
  CHECK(arrows(*session, "ALTER TABLE shop.user_07 ADD COLUMN nick VARCHAR(20) AFTER id") ==
        "ddl ALTER TABLE dw.client ADD COLUMN nick varchar(20) AFTER id");
  CHECK(session->unmatched().empty());
  CHECK(session->finish().to_string() == Status().to_string());
}

TEST_CASE("rows for further outputs are tables of the next file") {
  Folder folder;
  auto session = open(
      folder, {R"lua(return { api = 1,
      outputs = { ["stage.address"] = { key = { "id", "kind" }, columns = { "id int not null", "kind varchar(8) not null", "city varchar(80)" } } },
      tables = { ["crm.c"] = { columns = { home = false }, map = function(row, out)
        if row.home then out:add("stage.address", { id = row.id, kind = "home", city = row.home }) end end } } })lua",
               tables(R"lua(["stage.address"] = { to = "dw.place", key = { "id", "kind", "city" } }, ["crm.c"] = { to = "dw.c" })lua")});
  arrows(*session, "CREATE TABLE crm.c (id INT PRIMARY KEY, home VARCHAR(80))");
  CHECK(arrows(*session, "INSERT INTO crm.c VALUES (1, 'Rome')") == "insert dw.c (id=1)\ninsert dw.place (id=1, kind='home', city='Rome')");
  CHECK(arrows(*session, "UPDATE crm.c SET home = 'Oslo'") ==
        "update dw.c (id=1)\ndelete dw.place (id=1, kind='home', city='Rome')\ninsert dw.place (id=1, kind='home', city='Oslo')");
  CHECK(arrows(*session, "UPDATE crm.c SET home = NULL") == "update dw.c (id=1)\ndelete dw.place (id=1, kind='home', city='Oslo')");
  CHECK(session->unmatched().empty());
  CHECK(session->finish().to_string() == Status().to_string());
}

TEST_CASE("tables that ev.to names are tables of the next file") {
  Folder folder;
  auto session = open(folder, {tables("['shop.t'] = { topic = 'a', row = function(ev) ev.to = 'mid.' .. ev.region end }"),
                               tables("['mid.de'] = { to = 'dw.de', columns = { region = false } }, ['mid.f*'] = false")});
  arrows(*session, "CREATE TABLE shop.t (id INT PRIMARY KEY, region VARCHAR(9))");
  CHECK(arrows(*session, "INSERT INTO shop.t VALUES (1, 'de'), (2, 'fr')") == "insert dw.de (id=1) topic='a'");
  CHECK(session->finish().to_string() == Status().to_string());
}

TEST_CASE("events are numbered over the chain, and meta is of the source") {
  Folder folder;
  auto stage = stage_of(chain(folder, {tables(R"lua(["shop.t"] = { to = "stage.t" })lua"),
                                       tables(R"lua(["stage.t"] = { to = "dw.t", columns = { op = meta.op, db = meta.db,
                                                    tab = meta.table, by = meta.rule, told = { "varchar(20)", value = "{table}" } } })lua")}));
  auto t = make_table("shop", "t", {"id int not null"});
  BatchBuilder builder;
  builder.update(t, {Value::of_int(1)}, {Value::of_int(2)}).insert(t, {Value::of_int(3)});
  REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
  std::string by = stage->version();
  CHECK(by.substr(0, 4) == "a+b@");
  CHECK(show(builder.batch) == "delete dw.t (id=1, by=" + by + ", db=shop, op=update, tab=t, told=t); insert dw.t (id=2, by=" + by +
                                   ", db=shop, op=update, tab=t, told=t) #1; insert dw.t (id=3, by=" + by +
                                   ", db=shop, op=insert, tab=t, told=t)");
  const OutputTable& output = *builder.batch.events[0].output;
  CHECK(output.source->qualified_name() == "shop.t");
  CHECK(output.schema->qualified_name() == "dw.t");
  CHECK(output.origins == std::vector<int>{0, -1, -1, -1, -1, -1});
  CHECK(stage->stats().events_in == 2);
  CHECK(stage->stats().events_out == 3);
}

TEST_CASE("a later file's word on messages goes before an earlier one's") {
  Folder folder;
  auto t = make_table("shop", "t", {"id int not null", "c varchar(9)"});
  auto run = [&](const std::string& first, const std::string& second) {
    auto stage = stage_of(chain(folder, {tables("['shop.t'] = {" + first + "}"), tables("['shop.t'] = {" + second + "}")}));
    BatchBuilder builder;
    builder.insert(t, {Value::of_int(1), text_value("x")});
    Status status = stage->run(builder.batch);
    if (!status.ok()) return status.to_string();
    const ChangeEvent& event = builder.batch.events[0];
    std::string topic = event.route && !event.route->topic.empty() ? std::string(event.route->topic) : event.output->topic;
    std::string out = topic + " " + event.output->format;
    if (!event.route) return out;
    out += " " + std::string(event.route->partition_key) + " " + std::string(event.route->payload);
    for (const MessageHeader& header : event.route->headers) out += fmt::format(" {}={}", header.name, header.value);
    return out;
  };
  CHECK(run("topic = 'a'", "") == "a ");
  CHECK(run("topic = 'a'", "topic = 'b'") == "b ");
  CHECK(run("topic = 'a.{c}', headers = { h = '1', k = '{c}' }, partition_by = { 'c' }", "columns = { c = false }") == "a.x  x  h=1 k=x");
  CHECK(run("topic = 'a.{c}', headers = { h = '1', k = '1' }", "topic = 'b', headers = { k = '2' }") == "b    h=1 k=2");
  CHECK(run("topic = 'a'", "row = function(ev) ev.topic = 'r' end") == "r   ");
  CHECK(run("row = function(ev) ev.topic = 'r' end", "columns = { n = { 'int', value = '1' } }") == "r   ");
  CHECK(run("serialize = 'canal'", "") == " canal");
  CHECK(run("serialize = 'canal'", "serialize = 'debezium'") == " debezium");
  CHECK(run("serialize = line 'v={c}'", "serialize = line 'w={c}'") == "   w=x");
  CHECK(run("serialize = line 'v={c}'", "serialize = 'canal'") == " canal  ");
  // What the message was made of, the second file would change.
  CHECK_THAT(run("serialize = line 'v={c}'", "columns = { c = false }"),
             Contains("RULE-0101") && Contains("b.lua") && Contains("move `serialize`"));
}

TEST_CASE("a message that an earlier file made stays where later files leave the table alone") {
  Folder folder;
  auto stage = stage_of(chain(folder, {tables("['shop.t'] = { serialize = line 'v={id}' }"), tables("['shop.u'] = { to = 'x.u' }")}));
  auto t = make_table("shop", "t", {"id int not null"});
  BatchBuilder builder;
  builder.insert(t, {Value::of_int(7)});
  REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
  CHECK(builder.batch.events[0].route->payload == "v=7");
}

TEST_CASE("dead letters hold the event of the source, whichever file failed") {
  Folder folder;
  RuleOptions options =
      chain(folder, {tables(R"lua(["shop.t"] = { to = "stage.t", columns = { secret = false, id = "n" } })lua"),
                     tables(R"lua(["stage.t"] = { to = "dw.t", map = function(row) if row.n == 2 then error("two") end end })lua")});
  options.on_error = OnRuleError::kDeadLetter;
  Letters letters;
  RuleStageConfig config;
  config.dead_letters = &letters;
  auto stage = stage_of(options, config);
  auto t = make_table("shop", "t", {"id int not null", "secret varchar(9)"});
  BatchBuilder builder;
  // The key change leaves the first file as two events; one of them fails in the second, so neither leaves.
  builder.insert(t, {Value::of_int(1), text_value("s1")})
      .update(t, {Value::of_int(2), text_value("s2")}, {Value::of_int(3), text_value("s3")})
      .insert(t, {Value::of_int(4), text_value("s4")});
  REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
  CHECK(show(builder.batch) == "insert dw.t (n=1); insert dw.t (n=4)");
  REQUIRE(letters.letters.size() == 1);
  CHECK(letters.letters[0].table == "t");
  CHECK(letters.letters[0].database == "shop");
  CHECK_THAT(letters.letters[0].payload, Contains(R"("op":"update")") && Contains(R"("secret":"s2")") && Contains(R"("secret":"s3")"));
  CHECK_THAT(letters.letters[0].message, Contains("b.lua:1") && Contains("rule=b@"));
  CHECK(stage->stats().dead_letters == 1);
}

TEST_CASE("whole transactions are left out over the chain") {
  Folder folder;
  RuleOptions options = chain(folder, {tables(R"lua(["shop.*"] = { to = "stage.{table}" })lua"),
                                       tables(R"lua(["stage.t"] = { map = function(row) if row.id == 2 then error("two") end end })lua")});
  options.on_error = OnRuleError::kDeadLetter;
  options.error_scope = ErrorScope::kTransaction;
  Letters letters;
  RuleStageConfig config;
  config.dead_letters = &letters;
  auto stage = stage_of(options, config);
  auto t = make_table("shop", "t", {"id int not null"}), u = make_table("shop", "u", {"id int not null"});
  BatchBuilder builder;
  builder.insert(u, {Value::of_int(1)}).insert(t, {Value::of_int(2)}).insert(t, {Value::of_int(3)});
  REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
  CHECK(builder.batch.events.empty());
  CHECK(letters.letters.size() == 3);
  for (const DeadLetter& letter : letters.letters) CHECK(letter.database == "shop");
}

TEST_CASE("a failure stops the chain and names the file") {
  Folder folder;
  auto stage = stage_of(chain(folder, {tables("['shop.t'] = { to = 'x.t' }"), tables("['x.t'] = { map = function() error('no') end }")}));
  auto t = make_table("shop", "t", {"id int not null"});
  BatchBuilder builder;
  builder.insert(t, {Value::of_int(1)});
  CHECK_THAT(stage->run(builder.batch).to_string(), Contains("RULE-0102") && Contains("b.lua:1") && Contains("x.t"));
}

TEST_CASE("on_error of a file is asked about what it got") {
  Folder folder;
  RuleOptions options = chain(folder, {tables("['shop.t'] = { to = 'x.t', columns = { id = 'n' } }"), R"lua(return { api = 1,
      on_error = function(err, ev) return ev.n == 1 and "skip" or "dead_letter" end,
      tables = { ["x.t"] = { map = function() error("no") end } } })lua"});
  options.on_error = OnRuleError::kSkip;
  Letters letters;
  RuleStageConfig config;
  config.dead_letters = &letters;
  auto stage = stage_of(options, config);
  auto t = make_table("shop", "t", {"id int not null"});
  BatchBuilder builder;
  builder.insert(t, {Value::of_int(1)}).insert(t, {Value::of_int(2)});
  REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
  CHECK(stage->stats().skipped == 1);
  REQUIRE(letters.letters.size() == 1);
  CHECK_THAT(letters.letters[0].payload, Contains(R"("id":"2")"));
}

namespace {

void add_statement(BatchBuilder& builder, const SchemaRef& before, const SchemaRef& after, const char* sql, uint32_t kinds) {
  ChangeEvent event;
  event.op = Op::kSchemaChange;
  event.table = before ? builder.batch.keep(before) : nullptr;
  event.sql = sql;
  event.ddl_kinds = kinds;
  if (after) {
    builder.batch.keep(after);
    event.new_schema = &builder.batch.schemas.back();
  }
  builder.batch.events.push_back(event);
}

std::string sent(RuleStage& stage, BatchBuilder builder) {
  Status status = stage.run(builder.batch);
  if (!status.ok()) return status.to_string();
  std::string out;
  for (size_t i = 0; i < builder.batch.events.size(); ++i) out.append(i ? " | " : "").append(builder.batch.events[i].sql);
  return out;
}

std::string sent(RuleStage& stage, const SchemaRef& before, const SchemaRef& after, const char* sql, uint32_t kinds) {
  BatchBuilder builder;
  add_statement(builder, before, after, sql, kinds);
  return sent(stage, std::move(builder));
}

const std::vector<std::string> kTwo{"id int not null", "a varchar(20)"};
const std::vector<std::string> kThree{"id int not null", "a varchar(20)", "b int"};

}  // namespace

TEST_CASE("a statement is told in the last target's words") {
  Folder folder;
  RuleStageConfig config;
  config.writes_statements = true;
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  constexpr uint32_t kAdd = ddl_bit(DdlKind::kAddColumn);
  auto told = [&](const std::string& first, const std::string& second) {
    auto stage = stage_of(chain(folder, {first, second}), config);
    return sent(*stage, two, three, "ALTER TABLE t ADD COLUMN b int", kAdd);
  };
  CHECK(told(tables("['shop.t'] = { to = 'x.t' }"), tables("['x.t'] = { to = 'dw.t', columns = { a = 'z' } }")) ==
        "ALTER TABLE `dw`.`t` ADD COLUMN `b` int");
  CHECK(told(tables("['shop.t'] = { to = 'x.t' }"), tables("")) == "ALTER TABLE `x`.`t` ADD COLUMN `b` int");
  CHECK(told(tables(""), tables("")) == "ALTER TABLE t ADD COLUMN b int");
  CHECK(told(tables("['shop.t'] = { to = 'x.t', columns = { a = false } }"), tables("")) == "ALTER TABLE `x`.`t` ADD COLUMN `b` int");
  // What one file leaves out or says stays so.
  CHECK(told("return { api = 1, ddl = function(ev) return ev:sql 'SELECT 1' end }", tables("['shop.t'] = { to = 'x.t' }")) == "SELECT 1");
  CHECK(told("return { api = 1, ddl = function(ev) return ev:sql 'SELECT 1' end }",
             "return { api = 1, ddl = function(ev) return ev:sql(ev.statement .. ' + 1') end }") == "SELECT 1 + 1");
  CHECK(told("return { api = 1, ddl = function(ev) return false end }", tables("")).empty());
  constexpr uint32_t kBoth = ddl_bit(DdlKind::kAddColumn) | ddl_bit(DdlKind::kDropColumn);
  auto other = make_table("shop", "t", {"id int not null", "b int"});
  auto stage = stage_of(
      chain(folder, {"return { api = 1, ddl = function(ev) return ev:without 'drop_column' end }", tables("['shop.t'] = { to = 'x.t' }")}),
      config);
  CHECK(sent(*stage, two, other, "ALTER TABLE t ADD COLUMN b int, DROP COLUMN a", kBoth) == "ALTER TABLE `x`.`t` ADD COLUMN `b` int");
}

TEST_CASE("both halves of a rename are one statement at the end") {
  Folder folder;
  RuleStageConfig config;
  config.writes_statements = true;
  auto stage = stage_of(chain(folder, {tables("['shop.*'] = { to = 'x.{table}' }"), tables("['x.*'] = { to = 'dw.{table}' }")}), config);
  auto old = make_table("shop", "t", kTwo), now = make_table("shop", "u", kTwo);
  const char* sql = "RENAME TABLE t TO u";
  constexpr uint32_t kRename = ddl_bit(DdlKind::kRenameTable);
  CHECK(sent(*stage, old, nullptr, sql, kRename).empty());
  CHECK(sent(*stage, now, now, sql, kRename) == "RENAME TABLE `dw`.`t` TO `dw`.`u`");
}

TEST_CASE("a target of several tables outlives one of them, also where an earlier file merges") {
  Folder folder;
  RuleStageConfig config;
  config.writes_statements = true;
  auto stage = stage_of(chain(folder, {tables("['shop.*'] = { to = 'x.t', key = { 'id' } }"), tables("")}), config);
  auto a = make_table("shop", "a", kTwo), b = make_table("shop", "b", kTwo), b3 = make_table("shop", "b", kThree),
       a3 = make_table("shop", "a", kThree);
  constexpr uint32_t kAdd = ddl_bit(DdlKind::kAddColumn);
  BatchBuilder both;
  both.insert(a, {Value::of_int(1), Value::null()}).insert(b, {Value::of_int(2), Value::null()});
  CHECK(sent(*stage, std::move(both)) == " | ");  // rows are no statements
  CHECK(sent(*stage, a, a3, "ALTER TABLE a ADD COLUMN b int", kAdd) == "ALTER TABLE `x`.`t` ADD COLUMN `b` int");
  CHECK(sent(*stage, b, b3, "ALTER TABLE b ADD COLUMN b int", kAdd).empty());
  CHECK(sent(*stage, a3, nullptr, "DROP TABLE a", ddl_bit(DdlKind::kDropTable)).empty());

  // All in one batch: each statement is judged by what stood before it.
  auto other = stage_of(chain(folder, {tables("['shop.*'] = { to = 'x.t', key = { 'id' } }"), tables("")}), config);
  BatchBuilder builder;
  builder.insert(a, {Value::of_int(1), Value::null()}).insert(b, {Value::of_int(2), Value::null()});
  add_statement(builder, b, b3, "ALTER TABLE b ADD COLUMN b int", kAdd);
  add_statement(builder, a, a3, "ALTER TABLE a ADD COLUMN b int", kAdd);
  builder.insert(a3, {Value::of_int(3), Value::null(), Value::null()});
  CHECK(sent(*other, std::move(builder)) == " |  | ALTER TABLE `x`.`t` ADD COLUMN `b` int | ");
}

TEST_CASE("the first file that holds a statement wins, and one decision is for all") {
  Folder folder;
  Desk desk;
  RuleStageConfig config;
  config.ddl = &desk;
  const std::string first =
      "return { api = 1, ddl = { deny = { 'add_column' }, on_denied = 'hold' }, tables = { ['shop.t'] = { to = 'x.t' } } }";
  const std::string second = "return { api = 1, ddl = function(ev) return ev:hold('second: ' .. ev.table) end }";
  auto stage = stage_of(chain(folder, {first, second}), config);
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  const char* sql = "ALTER TABLE t ADD COLUMN b int";
  CHECK_THAT(sent(*stage, two, three, sql, ddl_bit(DdlKind::kAddColumn)), Contains("SCH-0005") && Contains("the rules deny add_column"));
  REQUIRE(desk.held.size() == 1);
  desk.decision = DdlState::kReleased;
  CHECK(sent(*stage, two, three, sql, ddl_bit(DdlKind::kAddColumn)) == sql);
  REQUIRE(desk.held.size() == 3);
  for (const StoppedDdl& held : desk.held) CHECK(held.database + "." + held.table + " " + held.sql == std::string("shop.t ") + sql);
}

TEST_CASE("what a chain may be made of") {
  Folder folder;
  const std::string ordered = R"lua(return { api = 1, mode = "ordered", state = { s = { key = "bigint", value = "number" } },
    tables = { ["shop.t"] = { row = function(ev, ctx) local s = ctx.state.s s[ev.id] = (s[ev.id] or 0) + 1 return s[ev.id] == 1 end } } })lua";
  CHECK_THAT(load_error_of(folder, {ordered, ordered}),
             Contains("RULE-0101") && Contains("a.lua") && Contains("b.lua") && Contains("ordered"));
  CHECK_THAT(load_error_of(folder, {tables(""), "return { api = 2 }"}), Contains("RULE-0101") && Contains("b.lua"));
  const std::string a = "return { api = 1, options = { region = 'us', both = 1 } }",
                    b = "return { api = 1, options = { both = 2, limit = 3 } }";
  CHECK_THAT(load_error_of(folder, {a, b}, {{"region", "eu"}, {"both", "7"}, {"limit", "9"}}), Contains("loads as a+b@"));
  CHECK(load_error_of(folder, {a, b}, {{"limit", "9"}}) != load_error_of(folder, {a, b}));
  CHECK(load_error_of(folder, {a, b}) != load_error_of(folder, {b, a}));
  CHECK_THAT(load_error_of(folder, {a, b}, {{"limits", "9"}}),
             Contains("`limits`") && Contains("did you mean `limit`") && Contains("a.lua"));

  // One file that remembers may stand anywhere, and the same file may be there twice.
  auto stage = stage_of(chain(folder, {tables("['x.t'] = { to = 'shop.t' }"), ordered}));
  REQUIRE(stage->memory());
  auto t = make_table("x", "t", {"id int not null"});
  BatchBuilder builder;
  builder.insert(t, {Value::of_int(1)}).insert(t, {Value::of_int(1)}).insert(t, {Value::of_int(2)});
  REQUIRE(stage->run(builder.batch).to_string() == Status().to_string());
  CHECK(show(builder.batch) == "insert shop.t (id=1); insert shop.t (id=2)");
  const std::string more = tables("['shop.*'] = { map = function(row) row.id = row.id * 10 end }");
  auto twice = stage_of(chain(folder, {more, more}));
  BatchBuilder other;
  other.insert(make_table("shop", "t", {"id int not null"}), {Value::of_int(1)});
  REQUIRE(twice->run(other.batch).to_string() == Status().to_string());
  CHECK(show(other.batch) == "insert shop.t (id=100)");
}

TEST_CASE("a kept chain is the same version from its bytes") {
  Folder folder, elsewhere;
  folder.write("lib/names.lua", "return { suffix = '_x' }");
  RuleOptions options = chain(folder, {"local n = require 'names' return { api = 1, tables = { ['shop.t'] = { to = 'x.t' .. n.suffix } } }",
                                       tables("['x.*'] = { to = 'dw.{table}' }")});
  auto first = stage_of(options);
  RuleOptions kept = options;
  kept.stored = std::make_shared<RuleSource>(first->source());
  std::filesystem::remove_all(std::filesystem::path(chain_files(options.file)[0]).parent_path());
  auto second = stage_of(kept);
  CHECK(second->version() == first->version());
  CHECK(second->source().hash == first->source().hash);
  auto output = second->output(make_table("shop", "t", {"id int not null"}));
  REQUIRE(output.ok());
  CHECK((*output)->schema->qualified_name() == "dw.t_x");
}

TEST_CASE("each file of a chain is checked with the tables of the one before") {
  Folder folder;
  RuleOptions options = chain(folder, {tables("['shop.t'] = { to = 'x.t', columns = { v = 'w' } }"),
                                       tables("['x.t'] = { columns = { v = false } }, ['y.t'] = {}")});
  auto report = check_rules(lua_kit(), options, {make_table("shop", "t", {"id int not null", "v int"})});
  REQUIRE(report.ok());
  REQUIRE(report->tables.size() == 2);
  CHECK(report->tables[0].target == "x.t");
  CHECK(!report->tables[0].is_last);
  CHECK(report->tables[1].source == "x.t");
  REQUIRE(report->findings.size() == 2);
  for (const CheckFinding& found : report->findings) CHECK(found.file == 1);
  CHECK_THAT(report->findings[0].text, Contains("x.t has no such column"));
  CHECK(report->findings[1].code == "unmatched");
}
