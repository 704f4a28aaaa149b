#include <sstream>

#include "rulekit/capture_writer.h"
#include "rulekit/script_reader.h"
#include "unit/catch.h"
#include "unit/rulekit/kit_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;
using Catch::Matchers::Contains;

namespace {

// The events of statements, as a source would give them.
EventBatch events_of(const std::vector<std::string>& statements) {
  RowScript script("source");
  EventBatch batch;
  for (const std::string& sql : statements) {
    Status done = script.run(sql, 1, batch);
    REQUIRE(done.to_string() == Status().to_string());
  }
  return batch;
}

std::string captured(const EventBatch& batch, CaptureOptions options) {
  std::ostringstream out;
  CaptureWriter writer(out, std::move(options));
  Status done = writer.add(batch);
  return done.ok() ? out.str() : "failed: " + done.to_string() + "\nwritten: " + out.str();
}

// Reads a capture; its row events.
std::string replayed(const std::string& text) {
  std::istringstream in(text);
  ScriptReader reader(in);
  RowScript script("c");
  EventBatch batch;
  for (;;) {
    ScriptItem item = reader.next().value();
    if (item.kind == ScriptItem::Kind::kEnd) break;
    if (item.kind == ScriptItem::Kind::kCapture) script.begin_capture();
    if (item.kind == ScriptItem::Kind::kStatement) {
      Status done = script.run(item.text, item.line, batch);
      REQUIRE(done.to_string() == Status().to_string());
    }
  }
  std::erase_if(batch.events, [](const ChangeEvent& event) { return event.op == Op::kSchemaChange; });
  return show(batch);
}

const std::vector<std::string> kStatements = {
    "CREATE TABLE shop.u (id BIGINT PRIMARY KEY, email VARCHAR(40), card TEXT, raw VARBINARY(9), amount DECIMAL(8,2), at DATETIME(3))",
    "INSERT INTO shop.u VALUES (9007199254740993, 'Jo.2@x.io', 'it''s', x'00ff', -12.50, '0000-00-00 00:00:00.000')",
    "UPDATE shop.u SET card = NULL, raw = x''",
    "BEGIN",
    "DELETE FROM shop.u",
    "INSERT INTO shop.u VALUES (1, '', 'a\\nb', NULL, NULL, NULL)",
    "COMMIT"};

}  // namespace

TEST_CASE("a capture reads back as the same events") {
  EventBatch batch = events_of(kStatements);
  std::string text = captured(batch, {0, {}, {}, {}});
  CHECK_THAT(text, Contains("capture\n") && Contains("SET GTID_NEXT = 'source:1'") && Contains("BEGIN;"));
  std::erase_if(batch.events, [](const ChangeEvent& event) { return event.op == Op::kSchemaChange; });
  CHECK(replayed(text) == show(batch));
}

TEST_CASE("masked values never reach the capture") {
  CaptureOptions options{0,
                         {},
                         {parse_capture_mask("email=fake").value(), parse_capture_mask("shop.u.card=drop").value(),
                          parse_capture_mask("amount=fake").value(), parse_capture_mask("raw=null").value()},
                         {"email", "*card*"}};
  std::string text = captured(events_of(kStatements), options);
  CHECK_THAT(text, !Contains("Jo.2") && !Contains("it''s") && !Contains("card") && !Contains("12.50") && !Contains("00ff"));
  CHECK_THAT(replayed(text), Contains("insert shop.u (id=9007199254740993, email=") && Contains("raw=NULL") && Contains("amount=-"));
  // The same value is the same everywhere, so that updates still find their rows.
  size_t at = text.find("email = '");
  REQUIRE(at != std::string::npos);
  std::string fake = text.substr(at + 9, text.find('\'', at + 9) - at - 9);
  CHECK(fake.size() == 9);
  CHECK(fake.substr(2, 1) + fake.substr(4, 1) == ".@");
  CHECK_THAT(text, Contains("VALUES (9007199254740993, '" + fake + "'"));
}

TEST_CASE("a sensitive column without a mask, and a mask that cannot work, stop before anything is written") {
  EventBatch batch = events_of(kStatements);
  CHECK_THAT(captured(batch, {0, {}, {}, {"email"}}), Contains("shop.u.email is sensitive") && !Contains("INSERT"));
  CHECK_THAT(captured(batch, {0, {}, {parse_capture_mask("at=fake").value()}, {}}), Contains("datetime(3)") && !Contains("INSERT"));
  CHECK_THAT(captured(batch, {0, {}, {parse_capture_mask("id=null").value()}, {}}), Contains("NOT NULL") && !Contains("INSERT"));
  CHECK_THAT(parse_capture_mask("email=hide").status().to_string(), Contains("email=hide") && Contains("fake"));
}

TEST_CASE("events are picked by what they add") {
  std::vector<std::string> statements = {"CREATE TABLE s.t (id INT PRIMARY KEY, v TEXT)"};
  for (int i = 0; i < 50; ++i) statements.push_back("INSERT INTO s.t VALUES (1" + std::to_string(100 + i) + ", 'abc')");
  statements.push_back("INSERT INTO s.t VALUES (1200, NULL)");
  statements.push_back("DELETE FROM s.t WHERE id = 1100");
  std::ostringstream out;
  CaptureWriter writer(out, {6, {"ops", "null"}, {}, {}});
  REQUIRE(writer.add(events_of(statements)).ok());
  CHECK(writer.events() == 5);  // half of six as they come, then the NULL and the delete
  CHECK_THAT(out.str(), Contains("VALUES (1200, NULL)") && Contains("DELETE FROM s.t"));
}

TEST_CASE("a schema change is kept as the statement it was where that gives the same table") {
  std::vector<std::string> statements = kStatements;
  statements.push_back("ALTER TABLE shop.u ADD COLUMN nick VARCHAR(20)");
  statements.push_back("INSERT INTO shop.u VALUES (2, '', '', NULL, NULL, NULL, 'nick')");
  std::string text = captured(events_of(statements), {0, {}, {}, {}});
  CHECK_THAT(text, Contains("USE shop;\nALTER TABLE shop.u ADD COLUMN nick VARCHAR(20);") && !Contains("nick varchar(20)"));
  std::string masked = captured(events_of(statements), {0, {}, {parse_capture_mask("nick=drop").value()}, {}});
  CHECK_THAT(masked, !Contains("nick"));
}
