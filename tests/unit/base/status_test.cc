#include "base/status.h"

#include <set>

#include "base/bounded_queue.h"
#include "base/memory_budget.h"
#include "base/options.h"
#include "unit/catch.h"

using namespace tailrace;

TEST_CASE("error codes are unique and fully described") {
  std::set<std::string_view> texts;
  for (const ErrorInfo& info : all_errors()) {
    CAPTURE(info.text);
    CHECK(texts.insert(info.text).second);
    CHECK(!info.message.empty());
    CHECK(!info.cause.empty());
    CHECK(!info.solution.empty());
    CHECK(info.http_status >= 400);
    CHECK(find_error(info.text) == &info);
  }
  CHECK(find_error("src-0001") != nullptr);
  CHECK(find_error("SRC-9999") == nullptr);
}

TEST_CASE("a status keeps its first place and its cause") {
  Status status = Status(ErrorCode::kSinkWrite, "refused").with("table", "a.b").with("table", "other");
  status = std::move(status).caused_by(Status(ErrorCode::kOutOfMemory, ""));
  CHECK(status.to_string().find("[table=a.b]") != std::string::npos);
  Status copy = status;
  CHECK(copy.to_string() == status.to_string());
  REQUIRE(copy.cause() != nullptr);
  CHECK(copy.cause()->code() == ErrorCode::kOutOfMemory);
}

TEST_CASE("options name the nearest option and refuse wrong types") {
  static constexpr OptionSpec kSpecs[] = {{"topic", "string", "{db}.{table}", "topic"},
                                          {"linger", "duration", "5ms", "wait"},
                                          {"memory", "bytes", "96MiB", "limit"},
                                          {"tls", "enum:off|verify", "off", "tls"}};
  auto good = Options::parse("sink", kSpecs, {{"memory", "1KiB"}});
  REQUIRE(good.ok());
  CHECK(good->integer("memory") == 1024);
  CHECK(good->integer("linger") == 5000);
  auto unknown = Options::parse("sink", kSpecs, {{"topics", "x"}});
  REQUIRE(!unknown.ok());
  CHECK(unknown.status().code() == ErrorCode::kConfigUnknownKey);
  CHECK(unknown.status().detail().find("'topic'") != std::string::npos);
  auto elsewhere = Options::parse("sink", kSpecs, {{"passwort", "x"}}, {"password"});
  REQUIRE(!elsewhere.ok());
  CHECK(elsewhere.status().detail().find("'password'") != std::string::npos);
  CHECK(elsewhere.status().detail().find("x'") == std::string::npos);
  auto wrong = Options::parse("sink", kSpecs, {{"tls", "on"}});
  REQUIRE(!wrong.ok());
  CHECK(wrong.status().code() == ErrorCode::kConfigBadValue);
}

TEST_CASE("URLs") {
  auto url = parse_url("mysql://mig:p%40ss@db1:3307/shop?tls=off");
  REQUIRE(url.ok());
  CHECK(url->user == "mig");
  CHECK(url->password == "p@ss");
  CHECK(url->host == "db1");
  CHECK(url->port == 3307);
  CHECK(url->path == "/shop");
  CHECK(url->query["tls"] == "off");
  CHECK(redact_url("mysql://mig:secret@db1/x") == "mysql://mig:******@db1/x");
  CHECK(redact_url("kafka://h1:9092,[::1]:9093/t@x") == "kafka://h1:9092,[::1]:9093/t@x");
  // A password with a '/' makes no good URL; the message about it must not show it.
  CHECK(redact_url("mysql://mig:se/cr@et@db1/x").find("cr") == std::string::npos);
  CHECK(parse_url("mysql://mig:se/cret@db1").status().to_string().find("cret") == std::string::npos);
  CHECK(!parse_url("no scheme").ok());
  CHECK(!parse_url("mysql://h:99999").ok());
  CHECK(!parse_url("file:///a%2").ok());
  auto list = parse_url("kafka://a:1,b:2");
  REQUIRE(list.ok());
  CHECK(list->host == "a:1,b:2");
}

TEST_CASE("an empty budget admits one item of any size") {
  MemoryBudget budget(100);
  std::stop_source stop;
  REQUIRE(budget.acquire(1000, stop.get_token()));
  MemoryCharge charge(budget, 1000);
  stop.request_stop();
  CHECK(!budget.acquire(1, stop.get_token()));
  charge.reset();
  CHECK(budget.used() == 0);
  CHECK(budget.peak() == 1000);
}

TEST_CASE("a poisoned queue hands out its failure") {
  BoundedQueue<int> queue(10);
  std::stop_source stop;
  REQUIRE(queue.push(1, 5, stop.get_token()));
  queue.poison(Status(ErrorCode::kInternal, "x"));
  CHECK(!queue.pop(std::chrono::seconds(0), stop.get_token()).has_value());
  CHECK(queue.finished());
  CHECK(queue.failure().code() == ErrorCode::kInternal);
}
