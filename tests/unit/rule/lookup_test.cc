// Lookups: tables that functions read by key.
#include "rule/csv_reader.h"
#include "rule/rule_memory.h"
#include "sqlite/database.h"
#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

// "a|b|;c|": fields end in | (quoted ones in "), records in ;. Or the error.
std::string csv(std::string_view text) {
  CsvReader reader(text, "f.csv");
  std::vector<CsvField> fields;
  std::string out;
  for (;;) {
    auto more = reader.next(fields);
    if (!more.ok()) return more.status().detail();
    if (!*more) return out;
    out += std::to_string(reader.line()) + ":";
    for (const CsvField& field : fields) out += field.text + (field.is_quoted ? "\"" : "|");
    out += ";";
  }
}

SchemaRef table() { return make_table("shop", "t", {"id bigint not null", "c varchar(9)", "out varchar(99)"}); }

std::string file_of(const std::string& lookups, const std::string& map) {
  return "return { api = 1, lookups = { " + lookups + " }, tables = { ['shop.*'] = { map = function(row, out, ctx) " + map + " end } } }";
}

// What the map writes for a row (7, c); or the error.
std::string mapped(const Folder& folder, const std::string& lookups, const std::string& map, const char* c = "de",
                   RuleStageConfig config = {}) {
  auto stage = try_stage(folder, file_of(lookups, map), config);
  if (!stage.ok()) return stage.status().to_string();
  BatchBuilder builder;
  builder.insert(table(), {Value::of_int(7), c ? text_value(c) : Value::null(), Value::null()});
  Status status = (*stage)->run(builder.batch);
  if (!status.ok()) return status.to_string();
  const Value& out = builder.batch.events[0].after[2];
  return out.is_null() ? "NULL" : std::string(out.text());
}

void make_database(const std::string& path, const std::string& sql) {
  sqlite::OpenOptions options;
  auto database = sqlite::Database::open(path, options, {ErrorCode::kInternal, ErrorCode::kInternal, ErrorCode::kInternal});
  REQUIRE(database.ok());
  REQUIRE((*database)->execute(sql).ok());
}

const std::string kCountry = "country = { csv = 'country.csv', key = 'code' }";

}  // namespace

TEST_CASE("CSV is read as RFC 4180 has it") {
  CHECK(csv("") == "");
  CHECK(csv("a,b\n1,2\n") == "1:a|b|;2:1|2|;");
  CHECK(csv("a,b\r\n1,2\r\n") == "1:a|b|;2:1|2|;");
  CHECK(csv("a,b\r\n1,2") == "1:a|b|;2:1|2|;");
  CHECK(csv("\xEF\xBB\xBF"
            "a\n") == "1:a|;");
  CHECK(csv("a,,\"\"\n,\n") == "1:a||\";2:||;");
  CHECK(csv("\"a\"\"b\",\"c,d\"\n") == "1:a\"b\"c,d\";");
  CHECK(csv("\"two\nlines\",x\ny\n\nz\n") == "1:two\nlines\"x|;3:y|;5:z|;");
  CHECK(csv("\"two\r\nlines\"\r\nx\r\n") == "1:two\r\nlines\";3:x|;");
  CHECK(csv("a \"b\",c\n") == "f.csv:1: a quote inside of a field without quotes: quote the field, and write its quotes twice");
  CHECK(csv("x\n\"a\"b,c\n") == "f.csv:2: text behind the closing quote of a field");
  CHECK(csv("x\n\"a,b\nc") == "f.csv:2: a quoted field does not end");
}

TEST_CASE("a CSV file is a table of rows by key") {
  Folder folder;
  folder.write("country.csv", "code,name,population,area\nde,Germany,83000000,\nfr,\"France, la\",,543940.90\n42,Answer,1,2.5\n");
  const std::string typed = "country = { csv = 'country.csv', key = 'code', columns = { population = 'bigint', area = 'decimal(10,2)' } }";
  CHECK(mapped(folder, kCountry, "row.out = ctx.lookup.country[row.c].name") == "Germany");
  CHECK(mapped(folder, kCountry, "local r = ctx.lookup.country[row.c] row.out = r and r.name", "xx") == "NULL");
  CHECK(mapped(folder, kCountry, "row.out = ctx.lookup.country[row.c] == nil and 'none'", nullptr) == "none");
  CHECK(mapped(folder, typed, "row.out = ctx.lookup.country.fr.name") == "France, la");
  CHECK(mapped(folder, typed, "row.out = tostring(ctx.lookup.country.fr.population)") == "nil");
  CHECK(mapped(folder, typed, "row.out = text(ctx.lookup.country.de.population * 1000000000)") == "83000000000000000");
  CHECK(mapped(folder, typed, "row.out = text(ctx.lookup.country.fr.area + 1)") == "543941.90");
  CHECK(mapped(folder, typed, "row.out = type(ctx.lookup.country.de.population) .. type(ctx.lookup.country.fr.area)") == "bigintdecimal");
  CHECK(mapped(folder, kCountry, "row.out = ctx.lookup.country[42].name .. ctx.lookup.country[row.id * 6].name") == "AnswerAnswer");
  CHECK(mapped(folder, kCountry, "row.out = ctx.lookup.country:must(row.c).name") == "Germany");
  CHECK_THAT(mapped(folder, kCountry, "row.out = ctx.lookup.country:must(row.c).name", "xx"),
             Contains("RULE-0102") && Contains("shop.lua:1") && Contains("ctx.lookup.country has no row with code = xx") &&
                 Contains("country.csv"));
  CHECK_THAT(mapped(folder, kCountry, "row.out = ctx.lookup.country:must(row.c).name", nullptr), Contains("code = NULL"));
}

TEST_CASE("lookups cannot be written, and misspelt names are told") {
  Folder folder;
  folder.write("country.csv", "code,name\nde,Germany\n");
  auto fails = [&](const std::string& map) { return mapped(folder, kCountry, map); };
  CHECK_THAT(fails("ctx.lookup.country.de.name = 'x'"), Contains("RULE-0102") && Contains("read-only"));
  CHECK_THAT(fails("ctx.lookup.country.de = nil"), Contains("read-only"));
  CHECK_THAT(fails("ctx.lookup.x = 1"), Contains("read-only"));
  CHECK_THAT(fails("row.out = ctx.lookup.country.de.nam"), Contains("RULE-0105") && Contains("did you mean `name`"));
  CHECK_THAT(fails("row.out = ctx.lookup.contry.de"), Contains("did you mean `country`"));
  CHECK_THAT(fails("row.out = ctx.lookup.country[{}]"), Contains("a key is text or a number, not a table"));
  CHECK_THAT(fails("row.out = getmetatable(ctx.lookup.country.de) == false and rawget and 'x'"), Contains("`rawget` is not defined"));
  CHECK(fails("local s = '' for name, v in col.each(ctx.lookup.country.de) do s = s .. name .. '=' .. v .. ';' end row.out = s") ==
        "code=de;name=Germany;");
  CHECK_THAT(fails("for _ in pairs(ctx.lookup.country.de) do end"), Contains("use col.each(row)"));
  CHECK_THAT(fails("for _ in pairs(ctx.lookup.country) do end"), Contains("RULE-0102"));
  CHECK_THAT(fails("for _ in col.each(ctx.lookup.country) do end"), Contains("is read by key"));
  CHECK_THAT(fails("row.out = col.text(ctx.lookup.country.de, 'name')"), Contains("shop.lua:1") && Contains("is read by name"));
  CHECK_THAT(mapped(folder, "", "row.out = ctx.lookup.country"), Contains("does not declare"));
}

TEST_CASE("a SELECT of a SQLite file is a table of rows by key") {
  Folder folder;
  std::string path = folder.write("ref.db", "");
  std::filesystem::remove(path);
  make_database(path,
                "CREATE TABLE fx(code TEXT, rate REAL, n INTEGER, mixed); INSERT INTO fx VALUES ('eur', 1.5, 9007199254740993, 1), "
                "('usd', 1, NULL, NULL), (NULL, 2, 2, 2)");
  const std::string fx = "fx = { sqlite = 'ref.db', sql = [[SELECT code, rate, n FROM fx WHERE code IS NOT NULL]], key = 'code' }";
  CHECK(mapped(folder, fx, "local r = ctx.lookup.fx.eur row.out = text(r.rate) .. ' ' .. text(r.n)") == "1.5 9007199254740993");
  CHECK(mapped(folder, fx, "local r = ctx.lookup.fx.usd row.out = type(r.rate) .. type(r.n)") == "numbernil");
  auto fails = [&](const std::string& sql, const std::string& more = "") {
    return mapped(folder, "fx = { sqlite = 'ref.db', key = 'code', sql = [[" + sql + "]]" + more + " }", "");
  };
  CHECK_THAT(fails("SELECT code FROM fx WHERE n = 2"), Contains("RULE-0101") && Contains("no key, it is NULL"));
  CHECK_THAT(fails("SELECT code, n FROM fx"), Contains("the key `code` is NULL"));
  CHECK_THAT(fails("SELECT 'a' code UNION ALL SELECT 'a'"), Contains("row with code = a: it is there twice"));
  CHECK_THAT(fails("SELECT rate FROM fx"), Contains("ref.db has no column `code`"));
  CHECK_THAT(fails("SELECT 'a' AS code, x'00' AS b"), Contains("holds a BLOB in `b`"));
  CHECK_THAT(fails("SELECT 'a' AS code, 1 AS v UNION ALL SELECT 'b', 'x'"), Contains("lookups.fx.columns.v"));
  CHECK(fails("SELECT 'a' AS code, 1 AS v UNION ALL SELECT 'b', 'x'", ", columns = { v = 'text' }") == "NULL");
  CHECK_THAT(fails("SELECT 'a' AS code, 300 AS v", ", columns = { v = 'tinyint' }"), Contains("row with code = a") && Contains("`v`"));
  CHECK_THAT(fails("DELETE FROM fx"), Contains("RULE-0101"));
  CHECK_THAT(fails("SELECT 'a' AS code; SELECT 1"), Contains("one SELECT is expected"));
  CHECK_THAT(fails("SELECT nothing FROM fx"), Contains("nothing"));
  CHECK_THAT(mapped(folder, "fx = { sqlite = 'gone.db', sql = 'SELECT 1 AS code', key = 'code' }", ""), Contains("there is no file"));
}

TEST_CASE("a file that is no table is a named error with its line") {
  Folder folder;
  auto fails = [&](const std::string& text, const std::string& more = "") {
    folder.write("country.csv", text);
    return mapped(folder, "country = { csv = 'country.csv', key = 'code'" + more + " }", "");
  };
  CHECK_THAT(mapped(folder, kCountry, ""), Contains("RULE-0101") && Contains("country.csv cannot be read"));
  CHECK_THAT(fails(""), Contains("is empty"));
  CHECK_THAT(fails("cod,name\n"), Contains("no column `code`") && Contains("did you mean `cod`"));
  CHECK_THAT(fails("code,code\n"), Contains("country.csv:1: two columns are named `code`"));
  CHECK_THAT(fails("code,name\nde\n"), Contains("country.csv:2:") && Contains("1 fields, the first line has 2"));
  CHECK_THAT(fails("code,name\nde,a\n\nfr,b\nde,c\n"), Contains("country.csv:5:") && Contains("the key `code` = de is in line 2 already"));
  CHECK_THAT(fails("code,name\n,a\n"), Contains("country.csv:2:") && Contains("the key `code` is NULL"));
  CHECK(fails("code,name\n\"\",a\n") == "NULL");
  CHECK_THAT(fails("code,n\nde,x\n", ", columns = { n = 'int' }"), Contains("country.csv:2:") && Contains("column `n`"));
  CHECK_THAT(fails("code,n\nde,\n", ", columns = { n = 'int not null' }"), Contains("country.csv:2:") && Contains("column `n`"));
  CHECK_THAT(fails("code\nde\n", ", columns = { m = 'int' }"), Contains("lookups.country.columns") && Contains("no column `m`"));
  CHECK_THAT(fails("code\n1.5\n", ", columns = { code = 'double' }"), Contains("a key is text or an integer"));
  CHECK_THAT(fails("code\n\xff\n"), Contains("country.csv:2:"));
  CHECK_THAT(fails("code\n" + std::string(5000, 'x') + "\n", ", max_bytes = '4KiB'"), Contains("more than max_bytes = 4096 bytes"));
  std::string many = "code\n";
  for (int i = 0; i < 500; ++i) many += std::to_string(i) + "\n";
  CHECK_THAT(fails(many, ", max_bytes = '8KiB'"), Contains("more than max_bytes = 8192 bytes"));
}

TEST_CASE("a lookup is declared in one way") {
  Folder folder;
  folder.write("country.csv", "code\nde\n");
  auto fails = [&](const std::string& body) { return mapped(folder, "country = " + body, ""); };
  CHECK_THAT(fails("{ csv = 'country.csv' }"), Contains("`key = \"column\"` is missing"));
  CHECK_THAT(fails("{ key = 'code' }"), Contains("either"));
  CHECK_THAT(fails("{ csv = 'country.csv', sqlite = 'x', key = 'code' }"), Contains("either"));
  CHECK_THAT(fails("{ csv = 'country.csv', sql = 'SELECT 1', key = 'code' }"), Contains("`sqlite`"));
  CHECK_THAT(fails("{ sqlite = 'x', key = 'code' }"), Contains("`sql"));
  CHECK_THAT(fails("{ csv = 'country.csv', key = { 'a', 'b' } }"), Contains("lookups.country.key"));
  CHECK_THAT(fails("{ csv = 'country.csv', keys = 'code' }"), Contains("did you mean `key`"));
  CHECK_THAT(fails("{ csv = 'country.csv', key = 'code', refresh = '5m' }"), Contains("refresh") && Contains("swap"));
  CHECK_THAT(fails("{ csv = 'country.csv', key = 'code', columns = { code = 'varchr(2)' } }"), Contains("lookups.country.columns.code"));
  CHECK_THAT(fails("'country.csv'"), Contains("lookups.country is a string"));
}

TEST_CASE("what a lookup holds is part of the version, and kept with it") {
  Folder folder;
  std::string csv_path = folder.write("country.csv", "code,name\nde,Germany\n");
  std::string db_path = folder.write("ref.db", "");
  std::filesystem::remove(db_path);
  make_database(db_path, "CREATE TABLE fx(code TEXT, rate INTEGER); INSERT INTO fx VALUES ('de', 4), ('', NULL)");
  const std::string both = kCountry + ", fx = { sqlite = 'ref.db', sql = 'SELECT * FROM fx', key = 'code' }";
  const std::string rules =
      file_of(both, "row.out = ctx.lookup.country[row.c].name .. text(ctx.lookup.fx[row.c].rate) .. tostring(ctx.lookup.fx[''].rate)");
  auto first = try_stage(folder, rules);
  REQUIRE(first.status().to_string() == Status().to_string());
  RuleStageConfig config;
  config.rules.stored = std::make_shared<RuleSource>((*first)->source());
  folder.write("country.csv", "code,name\nde,Deutschland\n");
  auto second = try_stage(folder, rules);
  REQUIRE(second.ok());
  CHECK((*second)->version() != (*first)->version());
  std::filesystem::remove(csv_path);
  std::filesystem::remove(db_path);
  auto kept = make_rule_stage(config);
  REQUIRE(kept.status().to_string() == Status().to_string());
  CHECK((*kept)->version() == (*first)->version());
  BatchBuilder builder;
  builder.insert(table(), {Value::of_int(7), text_value("de"), Value::null()});
  REQUIRE((*kept)->run(builder.batch).to_string() == Status().to_string());
  CHECK(std::string(builder.batch.events[0].after[2].text()) == "Germany4nil");
}

TEST_CASE("all functions that run per row or event have lookups") {
  Folder folder;
  folder.write("country.csv", "code,name\nde,Germany\nfr,France\n");
  auto stage = try_stage(folder, R"lua(return { api = 1, mode = "ordered", state = { n = { key = "text", value = "number" } },
    lookups = { country = { csv = "country.csv", key = "code" } },
    start = function(ctx) ctx.lookup.country:must("de") end,
    tables = { ["shop.t"] = {
      row = function(ev, ctx)
        if not ctx.lookup.country[ev.c] then return false end
        ctx.state.n[ev.c] = (ctx.state.n[ev.c] or 0) + 1
        ev.topic = ctx.lookup.country[ev.c].name
      end,
      serialize = function(ev, out, ctx) out:put(ctx.lookup.country:must(ev.c).name) end } } })lua");
  REQUIRE(stage.status().to_string() == Status().to_string());
  BatchBuilder builder;
  for (const char* c : {"de", "xx", "fr"}) builder.insert(table(), {Value::of_int(7), text_value(c), Value::null()});
  REQUIRE((*stage)->run(builder.batch).to_string() == Status().to_string());
  REQUIRE(builder.batch.events.size() == 2);
  CHECK(builder.batch.events[0].route->topic == "Germany");
  CHECK(builder.batch.events[1].route->payload == "France");
}

TEST_CASE("rules that are not trusted read files beside them only") {
  Folder folder;
  folder.write("data/country.csv", "code,name\nde,Germany\n");
  std::filesystem::create_symlink("/etc/passwd", std::filesystem::path(folder.write("data/x", "")).parent_path() / "link.csv");
  RuleStageConfig config;
  config.rules.trusted = false;
  auto with = [&](const std::string& body) {
    return mapped(folder, "country = { " + body + ", key = 'code' }", "row.out = ctx.lookup.country[row.c].name", "de", config);
  };
  CHECK(with("csv = 'data/country.csv'") == "Germany");
  CHECK_THAT(with("csv = '/etc/passwd'"), Contains("RULE-0101") && Contains("trusted"));
  CHECK_THAT(with("csv = '../x.csv'"), Contains("trusted"));
  CHECK_THAT(with("csv = 'data/link.csv'"), Contains("trusted"));
  CHECK_THAT(with("sqlite = 'ref.db', sql = 'SELECT 1 AS code'"), Contains("CSV files only"));
}

TEST_CASE("more rows than a state keeps are right all the same") {
  Folder folder;
  std::string text = "code,name\n";
  for (int i = 0; i < 10000; ++i) text += std::to_string(i) + ",n" + std::to_string(i) + "\n";
  folder.write("country.csv", text);
  CHECK(mapped(folder, kCountry,
               "local wrong = 0 for i = 0, 19999 do local r = ctx.lookup.country[i % 10000] if r.name ~= 'n' .. (i % 10000) then wrong = "
               "wrong + 1 end "
               "end row.out = text(wrong)") == "0");
}
