#include <cstdlib>
#include <filesystem>

#include "unit/catch.h"
#include "unit/rule/rule_fixture.h"

using namespace tailrace;
using namespace tailrace::rule_test;

TEST_CASE("the assertions of tests/rules hold") {
  const char* root = std::getenv("TAILRACE_SOURCE_DIR");
  REQUIRE(root);
  for (const char* name : {"numbers.lua", "sandbox.lua"}) {
    RuleOptions options;
    options.file = std::string(root) + "/tests/rules/" + name;
    auto rules = load_rules(options);
    INFO(name << ": " << (rules.ok() ? "" : rules.status().to_string()));
    CHECK(rules.ok());
  }
}

TEST_CASE("a process without Python refuses rules in Python by name") {
  for (const char* name : {"rules/shop.py", "python:users"}) {
    RuleOptions options;
    options.file = name;
    auto rules = load_rules(options);
    REQUIRE_FALSE(rules.ok());
    CHECK(rules.status().code() == ErrorCode::kRuleLoad);
    CHECK(rules.status().detail().find(std::string(name) + ": rules in Python run in a Python process only") == 0);
  }
}
