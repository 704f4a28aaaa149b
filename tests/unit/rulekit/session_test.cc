#include <algorithm>

#include "rulekit/rule_check.h"
#include "unit/catch.h"
#include "unit/rulekit/kit_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

std::unique_ptr<RuleSession> open(const Folder& folder, const std::string& rules) {
  RuleOptions options;
  options.file = folder.write("shop.lua", rules);
  auto session = RuleSession::open(lua_kit(), options, "shop.case");
  REQUIRE(session.status().to_string() == Status().to_string());
  return std::move(session).value();
}

const char* const kUsers = R"lua(
  local mask = require "tailrace.mask"
  return { api = 1, tables = { ["shop.user_*"] = { to = "dw.user", key = { "id", "shard" }, columns = {
    card = false, email = mask.email, ctime = "created_at", shard = { "varchar(64)", value = "{table}" } },
    map = function(row) return row.id ~= 13 end } } })lua";
const char* const kCreate = "CREATE TABLE shop.user_07 (id BIGINT PRIMARY KEY, email VARCHAR(80), card TEXT, ctime DATETIME)";

}  // namespace

TEST_CASE("statements go through the rules and come out as arrows") {
  Folder folder;
  auto session = open(folder, kUsers);
  CHECK_THAT(arrows(*session, kCreate), Contains("ddl CREATE TABLE dw.user (id bigint"));
  CHECK(arrows(*session, "INSERT INTO shop.user_07 VALUES (9007199254740993, 'jo@x.io', 'X', '2026-01-02 03:04:05')") ==
        "insert dw.user (id=9007199254740993, email='j***@x.io', created_at='2026-01-02 03:04:05', shard='user_07')");
  CHECK(arrows(*session, "UPDATE shop.user_07 SET id = 13") == "delete dw.user (id=9007199254740993, shard='user_07')");
  CHECK(arrows(*session, "UPDATE shop.user_07 SET card = 'Y'").empty());
  CHECK(arrows(*session, "ALTER TABLE shop.user_07 ADD COLUMN nick VARCHAR(20) AFTER id, MODIFY ctime DATETIME(3) NOT NULL") ==
        "ddl ALTER TABLE dw.user ADD COLUMN nick varchar(20) AFTER id, MODIFY COLUMN created_at datetime(3) NOT NULL");
  CHECK(arrows(*session, "ALTER TABLE shop.user_07 ADD INDEX (nick)").empty());
  CHECK(session->unmatched().empty());
  CHECK(session->finish().to_string() == Status().to_string());
}

TEST_CASE("a rule's failure has its own code, a statement's RULE-0120") {
  Folder folder;
  auto session = open(folder, entry("map = function(row) row.n = row.n * 1000 end"));
  arrows(*session, "CREATE TABLE shop.a (id INT PRIMARY KEY, n SMALLINT)");
  CHECK_THAT(arrows(*session, "INSERT INTO shop.a VALUES (1, 33)"),
             Contains("RULE-0104") && Contains("shop.lua:1") && Contains("shop.case"));
  CHECK_THAT(arrows(*session, "INSERT INTO shop.a VALUES (1, 33", 5), Contains("RULE-0120") && Contains("shop.case:5"));
}

TEST_CASE("tables that no pattern names are the identity, key changes included") {
  Folder folder;
  auto session = open(folder, kUsers);
  arrows(*session, "CREATE TABLE other.t (id INT PRIMARY KEY, v TEXT)");
  CHECK(arrows(*session, "INSERT INTO other.t VALUES (1, 'a')") == "insert other.t (id=1, v='a')");
  CHECK(arrows(*session, "UPDATE other.t SET id = 2") == "delete other.t (id=1)\ninsert other.t (id=2, v='a')");
}

TEST_CASE("check runs functions over edge rows and says what they read") {
  Folder folder;
  RuleOptions options;
  options.file = folder.write("shop.lua", R"lua(
    local mask = require "tailrace.mask"
    return { api = 1, options = { region = "eu" }, tables = {
      ["shop.user"] = { columns = { email = mask.email, never = { "int" }, big = { "bigint" } },
        map = function(row)
          if row.amount > 100 then row.big = 1 end
          row.big = #row.email
        end },
      ["shop.gone"] = false, ["shop.typo_*"] = { to = "dw.x" } } })lua");
  auto report = check_rules(lua_kit(), options,
                            {make_table("shop", "user", {"id int not null", "email varchar(80) not null", "amount decimal(10,2)"}),
                             make_table("shop", "gone", {"id int not null"})})
                    .value();
  std::string text;
  for (const CheckFinding& found : report.findings) text += (found.is_error ? "error " : "warn ") + found.code + " " + found.text + "\n";
  CHECK_THAT(text, Contains("warn read-masked map reads `email` in clear"));
  CHECK_THAT(text, Contains("warn never-filled `never`") && !Contains("`big`"));
  CHECK_THAT(text, Contains("warn edge-value") && Contains("shop.lua:6") && Contains("RULE-0102 with amount=NULL"));
  CHECK_THAT(text, Contains("warn unmatched no table matches `shop.typo_*`"));
  REQUIRE(report.tables.size() == 2);
  CHECK(report.tables[0].reads == std::vector<std::string>{"email", "amount"});
  CHECK(report.tables[0].rows > 20);
  CHECK_THAT(report.tables[0].create, Contains("never int"));
  CHECK(report.tables[1].target.empty());
  CHECK(report.options == std::vector<std::string>{"region"});
}

TEST_CASE("a rule that never ends is stopped at the desk, with its line") {
  Folder folder;
  RuleOptions options;
  options.wall_ms = 300;
  options.file = folder.write("shop.lua", entry("map = function(row)\n  while row.id == 7 do end\n end"));
  auto session = RuleSession::open(lua_kit(), options, "shop.case");
  REQUIRE(session.ok());
  arrows(**session, "CREATE TABLE shop.a (id INT PRIMARY KEY)");
  CHECK(arrows(**session, "INSERT INTO shop.a VALUES (1)") == "insert shop.a (id=1)");
  CHECK_THAT(arrows(**session, "INSERT INTO shop.a VALUES (7)"), Contains("RULE-0107") && Contains("shop.lua:2"));
  options.file = folder.write("ever.lua", entry("map = function(row)\n  while true do end\n end"));
  auto report = check_rules(lua_kit(), options, {make_table("shop", "a", {"id int not null"})});
  REQUIRE(report.ok());
  for (const CheckFinding& found : report->findings) UNSCOPED_INFO(found.code << " " << found.text);
  CHECK(std::any_of(report->findings.begin(), report->findings.end(), [](const CheckFinding& found) {
    return found.is_error && found.code == "RULE-0107" && found.text.find("ever.lua:2") != std::string::npos;
  }));
}

namespace {

std::string checked(const RuleOptions& options, const std::vector<SchemaRef>& tables, const std::vector<std::string>& formats = {}) {
  auto report = check_rules(lua_kit(), options, tables, formats);
  if (!report.ok()) return report.status().to_string();
  std::string out;
  for (const CheckFinding& found : report->findings) out += (found.is_error ? "error " : "warn ") + found.code + " " + found.text + "\n";
  return out;
}

}  // namespace

TEST_CASE("check looks at map behind a where that no plain row passes") {
  Folder folder;
  auto table = make_table("shop", "user", {"id int not null", "region varchar(8) not null", "amount int", "deleted_at datetime"});
  RuleOptions options;
  for (const char* where : {"deleted_at IS NULL", "region = 'eu'"}) {
    INFO(where);
    options.file = folder.write("shop.lua",
                                std::string("return { api = 1, tables = { ['shop.user'] = { where = [[") + where +
                                    "]],\n columns = { twice = { 'bigint' } },\n map = function(row) row.twice = row.amount * 2 end } } }");
    CHECK_THAT(checked(options, {table}),
               Contains("warn edge-value") && Contains("RULE-0102 with amount=NULL") && !Contains("never-filled"));
  }
  options.file = folder.write("shop.lua",
                              "return { api = 1, tables = { ['shop.user'] = { where = [[ region = 'eu' ]],\n"
                              " map = function(row) assert(row.region == 'eu') end } } }");
  CHECK_THAT(checked(options, {table}), Contains("warn edge-value") && Contains("a row that `where` drops") && !Contains("error"));
}

TEST_CASE("check calls the ddl function with sample statements") {
  Folder folder;
  std::vector<SchemaRef> tables = {make_table("shop", "a", {"id int not null"}), make_table("shop", "b", {"id int not null"})};
  RuleOptions options;
  auto with_ddl = [&](const std::string& body) {
    options.file = folder.write("shop.lua", "return { api = 1, tables = {}, ddl = function(ev)\n" + body + "\nend }");
    return checked(options, tables);
  };
  CHECK_THAT(with_ddl("if ev:has 'truncat' then return ev:hold 'x' end"),
             Contains("error RULE-0102") && Contains("shop.lua:2") && Contains("did you mean `truncate`"));
  CHECK_THAT(with_ddl("if ev:has 'truncate' then return ev:hld 'x' end"),
             Contains("did you mean `hold`") && Contains("asked about TRUNCATE"));
  CHECK_THAT(with_ddl("if ev:has 'drop_table' then return 1 end"), Contains("error RULE-0103"));
  CHECK(with_ddl("if ev:has('drop_table', 'truncate') then return ev:hold 'x' end\n if ev:has 'add_index' then return false end").empty());
}

TEST_CASE("check knows the formats that serialize may name") {
  Folder folder;
  RuleOptions options;
  options.file = folder.write("shop.lua", "return { api = 1, tables = { ['shop.a'] = { serialize = 'cannal' } } }");
  CHECK_THAT(checked(options, {make_table("shop", "a", {"id int not null"})}, {"canal", "debezium"}), Contains("did you mean `canal`"));
}
