#include "sqlite/database.h"

#include <unistd.h>

#include <filesystem>

#include "unit/catch.h"

using namespace tailrace;
using namespace tailrace::sqlite;

namespace {

constexpr ErrorFamily kFamily{ErrorCode::kSinkOpen, ErrorCode::kSinkWrite, ErrorCode::kSinkFull};

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/tailrace_sqlite_XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("values come back with their storage class") {
  Folder folder;
  auto db = Database::open(folder.path + "/a.db", {}, kFamily);
  REQUIRE(db.ok());
  Database& d = **db;
  REQUIRE(d.execute("CREATE TABLE t(a INTEGER, b REAL, c TEXT, d BLOB, e ANY) STRICT").ok());
  auto in = d.prepare("INSERT INTO t VALUES (?,?,?,?,?)");
  REQUIRE(in.ok());
  in->bind_int(1, INT64_MIN);
  in->bind_double(2, 0.1);
  in->bind_text(3, std::string_view("a\0b", 3));
  in->bind_blob(4, std::string_view());
  in->bind_null(5);
  REQUIRE(in->run().ok());
  auto out = d.prepare("SELECT * FROM t");
  REQUIRE(out.ok());
  REQUIRE(*out->step());
  CHECK(out->column_int(0) == INT64_MIN);
  CHECK(out->column_double(1) == 0.1);
  CHECK(out->column_text(2) == std::string_view("a\0b", 3));
  CHECK(out->column_class(3) == StorageClass::kBlob);
  CHECK(out->column_text(3).empty());
  CHECK(out->is_null(4));
  CHECK_FALSE(*out->step());
}

TEST_CASE("a transaction that is not committed is rolled back") {
  Folder folder;
  auto db = Database::open(folder.path + "/a.db", {}, kFamily);
  REQUIRE(db.ok());
  Database& d = **db;
  REQUIRE(d.execute("CREATE TABLE t(a)").ok());
  {
    auto transaction = Transaction::begin(d);
    REQUIRE(transaction.ok());
    REQUIRE(d.execute("INSERT INTO t VALUES (1)").ok());
  }
  CHECK(**d.query_int("SELECT count(*) FROM t") == 0);
  auto transaction = Transaction::begin(d);
  REQUIRE(d.execute("INSERT INTO t VALUES (1)").ok());
  REQUIRE(transaction->commit().ok());
  CHECK(**d.query_int("SELECT count(*) FROM t") == 1);
}

TEST_CASE("the page limit is the family's code for a full disk") {
  Folder folder;
  OpenOptions options;
  options.max_page_count = 8;
  auto db = Database::open(folder.path + "/a.db", options, kFamily);
  REQUIRE(db.ok());
  REQUIRE((*db)->execute("CREATE TABLE t(a)").ok());
  Status status = (*db)->execute("INSERT INTO t VALUES (zeroblob(100000))");
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkFull);
}

TEST_CASE("opening fails with the file's name and the reason") {
  auto db = Database::open("/nonexistent/folder/a.db", {}, kFamily);
  REQUIRE_FALSE(db.ok());
  CHECK(db.status().code() == ErrorCode::kSinkOpen);
  CHECK(db.status().to_string().find("/nonexistent/folder/a.db") != std::string::npos);
  CHECK(db.status().to_string().find("No such file") != std::string::npos);
}

TEST_CASE("a reading connection refuses writes, ATTACH and PRAGMA") {
  Folder folder;
  std::string path = folder.path + "/a.db";
  auto db = Database::open(path, {}, kFamily);
  REQUIRE(db.ok());
  REQUIRE((*db)->execute("CREATE TABLE t(a); INSERT INTO t VALUES (1)").ok());
  (*db)->allow_reading_only();
  CHECK((*db)->prepare("SELECT * FROM t").ok());
  for (std::string sql : {"DELETE FROM t", "INSERT INTO t VALUES (2)", "CREATE TABLE u(a)", "PRAGMA query_only=OFF",
                          "ATTACH '/tmp/x.db' AS x", "SELECT load_extension('x')"}) {
    CAPTURE(sql);
    auto s = (*db)->prepare(sql);
    CHECK((!s.ok() || !s->run().ok()));
  }
}

TEST_CASE("names and texts are quoted") {
  CHECK(quote_name("a\"b") == "\"a\"\"b\"");
  CHECK(quote_text("it's") == "'it''s'");
}
