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
