#include "event/table_filter.h"

#include "unit/catch.h"

using namespace tailrace;

TEST_CASE("tables are taken and taken away by pattern") {
  auto filter = TableFilter::parse(std::vector<std::string>{"shop.*", "crm.user_?", "!shop.tmp_*"});
  REQUIRE(filter.ok());
  CHECK(filter->matches("shop", "orders"));
  CHECK(!filter->matches("shop", "tmp_1"));
  CHECK(filter->matches("crm", "user_1"));
  CHECK(!filter->matches("crm", "user_12"));
  CHECK(!filter->matches("Shop", "orders"));
  auto all = TableFilter::parse(std::vector<std::string>{"*.*"});
  REQUIRE(all.ok());
  CHECK(!all->matches("mysql", "user"));
  auto named = TableFilter::parse(std::vector<std::string>{"mysql.*"});
  CHECK(named->matches("mysql", "user"));
  for (const char* bad : {"shop", ".x", "shop.", "!shop.x"}) {
    CAPTURE(bad);
    CHECK(!TableFilter::parse(std::vector<std::string>{bad}).ok());
  }
}
