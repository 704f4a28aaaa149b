#include "mysql/create_table.h"

#include "unit/catch.h"

using namespace tailrace;

TEST_CASE("A dump gives schemas") {
  auto read = read_create_tables(R"(
-- a dump
/*!40101 SET NAMES utf8mb4 */;
CREATE DATABASE IF NOT EXISTS `shop`;
USE `shop`;
DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT COMMENT 'it''s, the (key)',
  `name` varchar(80) CHARACTER SET latin1 DEFAULT 'a,b)',
  `price` decimal(10,2) DEFAULT (1 + (2)),
  kind enum('a','b,c') COLLATE utf8mb4_bin NOT NULL,
  `twice` int(11) GENERATED ALWAYS AS (`id` * 2) VIRTUAL,
  at datetime(3) NOT NULL DEFAULT current_timestamp(3),
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`name`(10),`kind`),
  KEY `k` (`price`),
  CONSTRAINT `c` CHECK (`price` > 0)
) ENGINE=InnoDB DEFAULT CHARSET=gbk;
INSERT INTO t VALUES (1,'x);CREATE TABLE no (a int);');
create table other.u (a int not null, b int, c binary(4), unique (b), unique key using btree (a)) comment='x';
)");
  REQUIRE(read.ok());
  REQUIRE(read->size() == 2);
  const TableSchema& t = *read->front();
  CHECK(t.qualified_name() == "shop.t");
  REQUIRE(t.columns.size() == 6);
  CHECK(t.columns[0].type_name == "bigint");
  CHECK(t.columns[0].is_unsigned);
  CHECK_FALSE(t.columns[0].nullable);
  CHECK(t.columns[1].charset == 8);
  CHECK(t.columns[1].length == 80);
  CHECK(t.columns[2].length == 10);
  CHECK(t.columns[2].scale == 2);
  CHECK(t.columns[3].labels == std::vector<std::string>{"a", "b,c"});
  CHECK(t.columns[4].generated);
  CHECK(t.columns[5].scale == 3);
  CHECK(t.primary_key == std::vector<uint16_t>{0});
  const TableSchema& u = *read->back();
  CHECK(u.qualified_name() == "other.u");
  CHECK(u.primary_key == std::vector<uint16_t>{0});
  CHECK(u.columns[2].kind == Kind::kBytes);
}

TEST_CASE("A CREATE TABLE that cannot be followed is told with its line") {
  auto broken = read_create_tables("\ncreate table t (a int");
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.status().to_string().find("line 2") != std::string::npos);
  auto unknown = read_create_tables("create table t (a frob)");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.status().code() == ErrorCode::kSchemaType);
  auto like = read_create_tables("use d;\n\ncreate table t like u;");
  REQUIRE_FALSE(like.ok());
  CHECK(like.status().code() == ErrorCode::kConfigSyntax);
  CHECK(like.status().to_string().find("line 3: CREATE TABLE d.t LIKE d.u, and the file has no d.u above it") != std::string::npos);
  CHECK(like.status().to_string().find("table=d.t") != std::string::npos);
  auto charset = read_create_tables("create table t (a char(3) charset nosuch)");
  REQUIRE_FALSE(charset.ok());
  CHECK(charset.status().to_string().find("nosuch") != std::string::npos);
}

TEST_CASE("CREATE TABLE LIKE takes the columns of a table above it") {
  auto read = read_create_tables("use d; create table u (a int primary key, b char(3) charset latin1); create table e.t like u;");
  REQUIRE(read.ok());
  REQUIRE(read->size() == 2);
  CHECK(read->back()->qualified_name() == "e.t");
  CHECK(same_layout(*read->front(), *read->back()));
}

TEST_CASE("A schema file may be of either family") {
  for (const char* collation : {"utf8mb4_uca1400_ai_ci", "utf8mb4_0900_ai_ci"}) {
    auto read = read_create_tables(std::string("create table t (a char(3), unique (a)) collate ") + collation);
    REQUIRE(read.ok());
    CHECK(read->front()->complete);
    CHECK(read->front()->keys.size() == 1);
  }
}

TEST_CASE("A schema file of nothing but CONSTRAINT does not exhaust the stack") {
  std::string sql = "create table t (";
  for (int i = 0; i < 1000000; ++i) sql += "constraint ";
  auto read = read_create_tables(sql);
  REQUIRE_FALSE(read.ok());
  CHECK(read.status().code() == ErrorCode::kConfigSyntax);
  CHECK(read_create_tables("create table t (a int, constraint primary key (a), constraint u unique (a), constraint c check (a > 0))").ok());
}
