#include "mysql/type_info.h"

#include "unit/catch.h"

using namespace tailrace;

namespace {
Column column(std::string_view type, uint16_t collation = 45) {
  auto result = column_from_type("c", type, true, collation);
  if (!result.ok()) FAIL(result.status().to_string());
  return *result;
}
}  // namespace

TEST_CASE("a type's text gives its kind and sizes") {
  CHECK(column("int(11)").kind == Kind::kInt);
  CHECK(column("int(10) unsigned").kind == Kind::kUint);
  CHECK(column("bigint(20) unsigned zerofill").is_unsigned);
  CHECK(column("smallint(5) ZEROFILL").kind == Kind::kUint);
  CHECK(column("tinyint(1)").kind == Kind::kInt);
  CHECK(column("decimal(12,3)").length == 12);
  CHECK(column("decimal(12,3)").scale == 3);
  CHECK(column("decimal").length == 10);
  CHECK(column("datetime(6)").scale == 6);
  CHECK(column("timestamp").scale == 0);
  CHECK(column("time(3)").scale == 3);
  CHECK(column("bit(17)").length == 17);
  CHECK(column("bit").length == 1);
  CHECK(column("varchar(80)").length == 80);
  CHECK(column("varchar(80)").charset == 45);
  CHECK(column("char").length == 1);
  CHECK(column("binary(16)").kind == Kind::kBytes);
  CHECK(column("binary(16)").charset == 63);
  CHECK(column("longtext").kind == Kind::kText);
  CHECK(column("json").kind == Kind::kJson);
  CHECK(column("point").kind == Kind::kGeometry);
  CHECK(column("inet6", 0).kind == Kind::kText);
  CHECK(column("uuid", 0).kind == Kind::kText);
  CHECK(column("vector(3)").kind == Kind::kBytes);
  CHECK(column("year(4)").kind == Kind::kYear);
  CHECK(column("varchar(10) /*M!100301 COMPRESSED*/").length == 10);
  CHECK(column_from_type("c", "json", true, 46, false)->kind == Kind::kText);
}

TEST_CASE("other words for types are understood") {
  CHECK(column("INTEGER UNSIGNED").type_name == "int");
  CHECK(column("double precision").type_name == "double");
  CHECK(column("BOOLEAN").type_name == "tinyint");
  CHECK(column("numeric(5, 2)").scale == 2);
  CHECK(column("character varying(7)").type_name == "varchar");
  CHECK(column("float(53)").type_name == "double");
  CHECK(column("float(7,4)").type_name == "float");
  CHECK(column("char(5) character set binary").kind == Kind::kBytes);
  CHECK(column("char(5) character set utf8mb4 binary").kind == Kind::kText);
}

TEST_CASE("labels lose their quoting and nothing else") {
  CHECK(column("enum('a','b')").labels == std::vector<std::string>{"a", "b"});
  CHECK(column("enum('it''s','c,d','(e)','x\\\\y','l\\nf','')").labels ==
        std::vector<std::string>{"it's", "c,d", "(e)", "x\\y", "l\nf", ""});
  CHECK(column("set('x','y')").kind == Kind::kSet);
}

TEST_CASE("what cannot be read is a named error") {
  for (const char* type : {"quaternion", "", "enum('a'", "decimal(x)", "decimal(99,1)", "bit(65)", "time(7)", "set()"}) {
    INFO(type);
    auto result = column_from_type("c", type, true, 0);
    REQUIRE_FALSE(result.ok());
    CHECK(result.status().code() == ErrorCode::kSchemaType);
    CHECK(result.status().to_string().find("column=c") != std::string::npos);
  }
}
