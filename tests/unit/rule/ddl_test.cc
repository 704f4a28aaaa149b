// Schema changes: what the target is told, and what the rules stop.
#include <algorithm>

#include "event/ddl_kind.h"
#include "rule/schema_diff.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

OutputTable plain(const SchemaRef& table) {
  OutputTable out;
  out.source = out.schema = table;
  return out;
}

std::string ddl(const SchemaRef& before, const SchemaRef& after, uint32_t kinds = 0, uint32_t without = 0) {
  OutputTable from, to;
  if (before) from = plain(before);
  if (after) to = plain(after);
  return schema_ddl(before ? &from : nullptr, after ? &to : nullptr, kinds, without);
}

// Keeps what it was asked about, and decides as it is told.
struct Desk final : DdlDesk {
  DdlState decision = DdlState::kHeld;
  std::vector<StoppedDdl> held;
  std::vector<std::pair<StoppedDdl, DdlState>> noted;
  Result<DdlState> hold(const StoppedDdl& statement) override {
    held.push_back(statement);
    return decision;
  }
  Status note(const StoppedDdl& statement, DdlState state) override {
    noted.emplace_back(statement, state);
    return {};
  }
};

constexpr uint32_t bits(std::initializer_list<DdlKind> kinds) {
  uint32_t out = 0;
  for (DdlKind kind : kinds) out |= ddl_bit(kind);
  return out;
}

struct Change {
  SchemaRef before, after;
  const char* sql;
  uint32_t kinds;
};

void add(BatchBuilder& builder, const Change& change) {
  ChangeEvent event;
  event.op = change.kinds == ddl_bit(DdlKind::kTruncate) ? Op::kTruncate : Op::kSchemaChange;
  event.ordinal = builder.batch.events.size();
  event.table = builder.batch.keep(change.before ? change.before : change.after);
  event.sql = change.sql;
  event.ddl_kinds = change.kinds;
  if (change.after) {
    builder.batch.keep(change.after);
    event.new_schema = &builder.batch.schemas.back();
  }
  builder.batch.events.push_back(event);
}

// The statements that come out of the rules, joined by " | "; or the failure.
std::string sent(RuleStage& stage, const Change& change) {
  BatchBuilder builder;
  add(builder, change);
  Status status = stage.run(builder.batch);
  if (!status.ok()) return status.to_string();
  std::string out;
  for (const ChangeEvent& event : builder.batch.events) out.append(out.empty() ? "" : " | ").append(event.sql);
  return out;
}

std::unique_ptr<RuleStage> stage_of(const Folder& folder, const std::string& rules, Desk* desk, bool writes_statements = true) {
  RuleStageConfig config;
  config.ddl = desk;
  config.writes_statements = writes_statements;
  auto stage = try_stage(folder, rules, config);
  INFO((stage.ok() ? "" : stage.status().to_string()));
  REQUIRE(stage.ok());
  return std::move(*stage);
}

const std::vector<std::string> kTwo{"id int not null", "a varchar(20)"};
const std::vector<std::string> kThree{"id int not null", "a varchar(20)", "b int"};

}  // namespace

TEST_CASE("the difference of two layouts is a statement") {
  auto two = make_table("dw", "t", kTwo), three = make_table("dw", "t", kThree);
  CHECK(ddl(nullptr, two) == "CREATE TABLE `dw`.`t` (`id` int NOT NULL, `a` varchar(20), PRIMARY KEY (`id`))");
  CHECK(ddl(two, nullptr) == "DROP TABLE `dw`.`t`");
  CHECK(ddl(two, two).empty());
  CHECK(ddl(two, three) == "ALTER TABLE `dw`.`t` ADD COLUMN `b` int");
  CHECK(ddl(three, two) == "ALTER TABLE `dw`.`t` DROP COLUMN `b`");
  CHECK(ddl(two, make_table("dw", "t", {"id int not null", "x int", "a varchar(20)"})) ==
        "ALTER TABLE `dw`.`t` ADD COLUMN `x` int AFTER `id`");
  CHECK(ddl(two, make_table("dw", "t", {"id bigint not null", "a varchar(20) not null"})) ==
        "ALTER TABLE `dw`.`t` MODIFY COLUMN `id` bigint NOT NULL, MODIFY COLUMN `a` varchar(20) NOT NULL");
  CHECK(ddl(two, make_table("dw", "u", kThree)) == "RENAME TABLE `dw`.`t` TO `dw`.`u`;\nALTER TABLE `dw`.`u` ADD COLUMN `b` int");
  CHECK(ddl(two, make_table("dw", "t", kTwo, 2)) == "ALTER TABLE `dw`.`t` DROP PRIMARY KEY, ADD PRIMARY KEY (`id`, `a`)");
  CHECK(ddl(two, three, 0, ddl_bit(DdlKind::kAddColumn)).empty());
  CHECK(ddl(nullptr, make_table("d`w", "t", {"a`b int"}, 0)) == "CREATE TABLE `d``w`.`t` (`a``b` int)");
}

TEST_CASE("a new name in the place of an old one is a rename only if the statement renames") {
  auto a = make_table("dw", "t", kTwo), b = make_table("dw", "t", {"id int not null", "b varchar(20)"});
  CHECK(ddl(a, b) == "ALTER TABLE `dw`.`t` DROP COLUMN `a`, ADD COLUMN `b` varchar(20)");
  CHECK(ddl(a, b, ddl_bit(DdlKind::kRenameColumn)) == "ALTER TABLE `dw`.`t` RENAME COLUMN `a` TO `b`");
}

TEST_CASE("columns made of the same source column are one column under another name") {
  auto source = make_table("shop", "t", kThree);
  OutputTable before = plain(source), after = plain(make_table("shop", "t", {"id int not null", "renamed varchar(20)"}));
  after.source = source;
  after.origins = {0, 1};
  CHECK(schema_ddl(&before, &after) == "ALTER TABLE `shop`.`t` DROP COLUMN `b`, RENAME COLUMN `a` TO `renamed`");
  // b takes the name of a: its values, not those of a.
  after = plain(make_table("shop", "t", {"id int not null", "a int"}));
  after.source = source;
  after.origins = {0, 2};
  CHECK(schema_ddl(&before, &after) == "ALTER TABLE `shop`.`t` DROP COLUMN `a`, RENAME COLUMN `b` TO `a`");
}

TEST_CASE("the target hears of a statement in its own words") {
  Folder folder;
  auto stage = stage_of(folder, entry("to = 'dw.{table}', columns = { a = 'named', b = false }"), nullptr);
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  auto four = make_table("shop", "t", {"id int not null", "a varchar(20)", "b int", "c int"});
  // What the rules leave out does not reach the target; the source's own text does not either.
  CHECK(sent(*stage, {three, three, "ALTER TABLE t ADD INDEX (a)", bits({DdlKind::kAddIndex})}).empty());
  CHECK(sent(*stage, {three, four, "ALTER TABLE t ADD c INT", bits({DdlKind::kAddColumn})}) == "ALTER TABLE `dw`.`t` ADD COLUMN `c` int");
  auto wider = make_table("shop", "t", {"id int not null", "a varchar(90)", "b int"});
  CHECK(sent(*stage, {three, wider, "ALTER TABLE t MODIFY a VARCHAR(90)", bits({DdlKind::kModifyColumn})}) ==
        "ALTER TABLE `dw`.`t` MODIFY COLUMN `named` varchar(90)");
  CHECK(sent(*stage, {three, nullptr, "DROP TABLE t", bits({DdlKind::kDropTable})}) == "DROP TABLE `dw`.`t`");
  CHECK(sent(*stage, {three, nullptr, "TRUNCATE t", bits({DdlKind::kTruncate})}) == "TRUNCATE TABLE `dw`.`t`");
  auto made = make_table("shop", "u", kThree);
  CHECK(sent(*stage, {nullptr, made, "CREATE TABLE u …", bits({DdlKind::kCreateTable})}) ==
        "CREATE TABLE `dw`.`u` (`id` int NOT NULL, `named` varchar(20), PRIMARY KEY (`id`))");
  BatchBuilder renamed;
  add(renamed, {three, nullptr, "RENAME TABLE t TO v", bits({DdlKind::kRenameTable})});
  add(renamed, {nullptr, make_table("shop", "v", kThree), "RENAME TABLE t TO v", bits({DdlKind::kRenameTable})});
  REQUIRE(stage->run(renamed.batch).ok());
  REQUIRE(renamed.batch.events.size() == 1);
  CHECK(renamed.batch.events[0].sql == "RENAME TABLE `dw`.`t` TO `dw`.`v`");
  // A table as it is keeps the statement as it was logged; so does a sink that reads it itself.
  auto as_is = stage_of(folder, "return { api = 1 }", nullptr);
  CHECK(sent(*as_is, {two, three, "ALTER TABLE t ADD b INT", bits({DdlKind::kAddColumn})}) == "ALTER TABLE t ADD b INT");
  auto rows = stage_of(folder, entry("to = 'dw.{table}', columns = { a = 'named' }"), nullptr, false);
  CHECK(sent(*rows, {two, three, "ALTER TABLE t ADD b INT", bits({DdlKind::kAddColumn})}) == "ALTER TABLE t ADD b INT");
}

TEST_CASE("the shards of a target are altered one after another, and the target once") {
  Folder folder;
  auto stage =
      stage_of(folder, entry("to = 'dw.all', key = { 'id', 'shard' }, columns = { shard = { 'varchar(20) not null', value = '{table}' } }"),
               nullptr);
  auto table = [](const char* name, const std::vector<std::string>& columns) { return make_table("shop", name, columns); };
  for (const char* name : {"s1", "s2"}) REQUIRE(stage->output(table(name, kTwo)).ok());
  uint32_t kinds = bits({DdlKind::kAddColumn});
  CHECK(sent(*stage, {table("s1", kTwo), table("s1", kThree), "ALTER TABLE s1 ADD b INT", kinds}) ==
        "ALTER TABLE `dw`.`all` ADD COLUMN `b` int AFTER `a`");
  CHECK(sent(*stage, {table("s2", kTwo), table("s2", kThree), "ALTER TABLE s2 ADD b INT", kinds}).empty());
  CHECK_THAT(sent(*stage, {table("s2", kThree), table("s2", {"id int not null", "a varchar(20)", "b bigint"}),
                           "ALTER TABLE s2 MODIFY b BIGINT", bits({DdlKind::kModifyColumn})}),
             Contains("shop.s1") && Contains("shop.s2"));
  auto again =
      stage_of(folder, entry("to = 'dw.all', key = { 'id', 'shard' }, columns = { shard = { 'varchar(20) not null', value = '{table}' } }"),
               nullptr);
  for (const char* name : {"s1", "s2"}) REQUIRE(again->output(table(name, kThree)).ok());
  kinds = bits({DdlKind::kDropColumn});
  CHECK(sent(*again, {table("s1", kThree), table("s1", kTwo), "ALTER TABLE s1 DROP b", kinds}).empty());
  CHECK(sent(*again, {table("s2", kThree), table("s2", kTwo), "ALTER TABLE s2 DROP b", kinds}) == "ALTER TABLE `dw`.`all` DROP COLUMN `b`");
}

TEST_CASE("denied kinds are held, skipped or stop the job") {
  Folder folder;
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  Change drop{three, two, "ALTER TABLE t DROP b", bits({DdlKind::kDropColumn})};
  Change extend{two, three, "ALTER TABLE t ADD b INT", bits({DdlKind::kAddColumn})};
  Desk desk;
  auto held = stage_of(folder, "return { api = 1, ddl = { deny = { 'drop_column', 'truncate' } } }", &desk);
  CHECK_THAT(sent(*held, drop), Contains("SCH-0005") && Contains("the rules deny drop_column") && Contains("ALTER TABLE t DROP b"));
  REQUIRE(desk.held.size() == 1);
  CHECK(desk.held[0].txn == "0-1-42");
  CHECK(desk.held[0].database + "." + desk.held[0].table == "shop.t");
  CHECK(desk.held[0].kinds == "drop_column");
  CHECK(sent(*held, extend) == extend.sql);
  CHECK_THAT(sent(*held, {three, nullptr, "TRUNCATE t", bits({DdlKind::kTruncate})}), Contains("SCH-0005"));
  desk.decision = DdlState::kReleased;
  CHECK(sent(*held, drop) == drop.sql);
  desk.decision = DdlState::kSkipped;
  CHECK(sent(*held, drop).empty());
  auto skipped = stage_of(folder, "return { api = 1, ddl = { deny = { 'drop_column' }, on_denied = 'skip' } }", &desk);
  CHECK(sent(*skipped, drop).empty());
  REQUIRE(desk.noted.size() == 1);
  CHECK(desk.noted[0].second == DdlState::kSkipped);
  CHECK(skipped->stats().dropped_row == 1);
  auto stops = stage_of(folder, "return { api = 1, ddl = { deny = { 'drop_column' }, on_denied = 'stop' } }", &desk);
  CHECK_THAT(sent(*stops, drop), Contains("SCH-0003"));
  CHECK(desk.noted.back().second == DdlState::kStopped);
}

TEST_CASE("rules that do not fit the table after a statement name it, behind what they say of such statements") {
  Folder folder;
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  Change drop{three, two, "ALTER TABLE t DROP b", bits({DdlKind::kDropColumn})};
  std::string rules = "return { api = 1, tables = { ['shop.t'] = { columns = { b = false } } }";
  Desk desk;
  auto plain_rules = stage_of(folder, rules + " }", &desk);
  CHECK_THAT(sent(*plain_rules, drop), Contains("RULE-0105") && Contains("columns.b") && Contains("statement=ALTER TABLE t DROP b") &&
                                           Contains("table=shop.t") && Contains("gtid=0-1-42") && Contains("tailrace rule swap"));
  auto held = stage_of(folder, rules + ", ddl = { deny = { 'drop_column' } } }", &desk);
  CHECK_THAT(sent(*held, drop), Contains("SCH-0005") && Contains("ALTER TABLE t DROP b"));
  REQUIRE(desk.held.size() == 1);
  CHECK_THAT(desk.held[0].reason, Contains("the rules deny drop_column, and do not fit the table after it") && Contains("columns.b"));
  desk.decision = DdlState::kSkipped;
  CHECK(sent(*held, drop).empty());
  desk.decision = DdlState::kReleased;
  CHECK_THAT(sent(*held, drop), Contains("RULE-0105") && Contains("statement=ALTER TABLE t DROP b"));
  auto asked = stage_of(folder, rules + ", ddl = function(ev) return ev:hold('target: ' .. ev.target) end }", &desk);
  desk.decision = DdlState::kHeld;
  CHECK_THAT(sent(*asked, drop), Contains("SCH-0005") && Contains("target: ,"));
  // A row behind it, when the statement was skipped: the failure tells its place as well.
  BatchBuilder row;
  row.insert(two, {Value::of_int(1), text_value("x")});
  CHECK_THAT(plain_rules->run(row.batch).to_string(), Contains("RULE-0105") && Contains("table=shop.t") && Contains("gtid=0-1-42"));
}

TEST_CASE("rules corrected for the table after a statement take it, although they do not fit the one before") {
  Folder folder;
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  Change extend{two, three, "ALTER TABLE t ADD b INT", bits({DdlKind::kAddColumn})};
  std::string rules = entry("columns = { b = 'amount' }");
  auto rows = stage_of(folder, rules, nullptr, false);
  CHECK(sent(*rows, extend) == extend.sql);
  auto messages = stage_of(folder, rules, nullptr);
  CHECK(sent(*messages, extend) == "CREATE TABLE `shop`.`t` (`id` int NOT NULL, `a` varchar(20), `amount` int, PRIMARY KEY (`id`))");
}

TEST_CASE("the ddl hook decides") {
  Folder folder;
  Desk desk;
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  auto stage = stage_of(folder, R"(return { api = 1, ddl = function(ev, ctx)
    if ev:has("drop_column", "truncate") then return ev:hold("destructive: " .. ev.table .. " of " .. ev.db) end
    if ev:has "add_index" then return ev:without "add_index" end
    if ev:has "modify_column" then return false end
    if ev:has "rename_table" then return ev:sql("-- " .. ev.statement) end
  end })",
                        &desk);
  CHECK_THAT(sent(*stage, {three, two, "ALTER TABLE t DROP b", bits({DdlKind::kDropColumn})}), Contains("destructive: t of shop"));
  CHECK(sent(*stage, {two, three, "ALTER TABLE t ADD b INT, ADD INDEX (b)", bits({DdlKind::kAddColumn, DdlKind::kAddIndex})}) ==
        "ALTER TABLE `shop`.`t` ADD COLUMN `b` int");
  CHECK(sent(*stage, {two, two, "ALTER TABLE t ADD INDEX (a)", bits({DdlKind::kAddIndex})}).empty());
  CHECK(desk.noted.back().first.reason == "the rules leave out add_index");
  CHECK(sent(*stage, {two, two, "ALTER TABLE t MODIFY a INT", bits({DdlKind::kModifyColumn})}).empty());
  CHECK(sent(*stage, {two, nullptr, "RENAME TABLE t TO x", bits({DdlKind::kRenameTable})}) == "-- RENAME TABLE t TO x");
  CHECK(sent(*stage, {two, three, "ALTER TABLE t ADD b INT", bits({DdlKind::kAddColumn})}) == "ALTER TABLE t ADD b INT");
}

TEST_CASE("mistakes about schema changes are named") {
  Folder folder;
  auto load_error = [&](const std::string& ddl_text) {
    auto stage = try_stage(folder, "return { api = 1, ddl = " + ddl_text + " }");
    return stage.ok() ? std::string("ok") : stage.status().to_string();
  };
  CHECK_THAT(load_error("{ deny = { 'drop_colum' } }"), Contains("RULE-0101") && Contains("did you mean `drop_column`?"));
  CHECK_THAT(load_error("{ deni = { 'drop_column' } }"), Contains("did you mean `deny`?"));
  CHECK_THAT(load_error("{ deny = { 'drop_column' }, on_denied = 'ask' }"), Contains("\"hold\", \"skip\" or \"stop\""));
  CHECK_THAT(load_error("{}"), Contains("deny names no kind"));
  CHECK_THAT(load_error("true"), Contains("a function, or"));
  auto two = make_table("shop", "t", kTwo), three = make_table("shop", "t", kThree);
  auto failure = [&](const std::string& body) {
    auto stage = stage_of(folder, "return { api = 1, ddl = function(ev)\n" + body + "\nend }", nullptr);
    return sent(*stage, {two, three, "ALTER TABLE t ADD b INT", bits({DdlKind::kAddColumn})});
  };
  CHECK_THAT(failure("return ev:has 'drop_colum'"),
             Contains("RULE-0102") && Contains("shop.lua:1: ") && Contains("did you mean `drop_column`?"));
  CHECK_THAT(failure("return ev:without 'add_column'"),
             Contains("RULE-0102") && Contains("shop.lua:") && Contains("the rows have it all the same"));
  CHECK_THAT(failure("return 'skip'"), Contains("RULE-0103") && Contains("ddl() returned a string"));
  CHECK_THAT(failure("return ev.sqll"), Contains("shop.lua:2: ") && Contains("ev has no field `sqll`") && Contains("did you mean `sql`?"));
  CHECK_THAT(failure("ev.statement = 'x'"), Contains("read only"));
  CHECK_THAT(failure("return ev:hold()"), Contains("ev:hold takes a text"));
  CHECK_THAT(failure("ev:hold 'wait'"), Contains("SCH-0005"));  // the return is not needed
}
