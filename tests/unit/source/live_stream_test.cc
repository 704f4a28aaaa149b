// The change stream of real servers: order, slices, resume, schema changes, refusals.
#include <thread>

#include "event/value_text.h"
#include "source/mysql_source.h"
#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"
#include "unit/source/stream_reader.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

// "insert t 0 1|x|" per event, in order; transactions as "[" and "]".
std::string transcript(const std::vector<std::unique_ptr<EventBatch>>& batches) {
  std::string out;
  for (const auto& batch : batches) {
    size_t next = 0;
    for (uint32_t t = 0; t < batch->txns.size(); ++t) {
      if (batch->txns[t].begins_here) out += "[";
      for (; next < batch->events.size() && batch->events[next].txn == t; ++next) {
        const ChangeEvent& event = batch->events[next];
        out += std::string(op_name(event.op)) + " " + event.table->table + " " + std::to_string(event.ordinal);
        for (Row row : {event.before, event.after}) {
          if (!row.empty()) out += " ";
          for (size_t i = 0; i < row.size(); ++i) {
            out += row[i].is_null() ? "NULL|" : row[i].is_absent() ? "-|" : to_text(row[i], event.table->columns[i]) + "|";
          }
        }
        out += ";";
      }
      if (batch->txns[t].ends_here) out += "]";
    }
  }
  return out;
}

struct Stream {
  explicit Stream(const LiveServer& live) : server(live), scratch(live) {
    patterns = {scratch.name() + ".*", "!" + scratch.name() + ".skip*"};
    filter = must(TableFilter::parse(patterns));
    scratch.run("SET SESSION sql_mode=''");
  }
  Position now() { return must(current_position(scratch.connection())); }
  std::unique_ptr<MysqlSource> source() const { return std::make_unique<MysqlSource>(server.options, SourceContext{&filter, nullptr}); }
  std::string read(const Position& from, const Position& to, size_t max_bytes = 256 * 1024) {
    auto stream = source();
    must(stream->open(from));
    return transcript(read_all(*stream, &to, max_bytes));
  }
  const LiveServer& server;
  ScratchDatabase scratch;
  std::vector<std::string> patterns;
  TableFilter filter;
};

Position without(const Position& position, std::string_view part) {
  LogPosition parsed = must(parse_log_position(position));
  auto earlier = parsed.restart ? std::make_shared<LogPosition>(*parsed.restart) : nullptr;
  for (LogPosition* place : {&parsed, earlier.get()}) {
    if (place && part == "gtid") place->has_gtid = false;
    if (place && part == "file") place->file.clear();
  }
  parsed.restart = earlier;
  return {"mysql", parsed.text()};
}

}  // namespace

TEST_CASE("Transactions come whole and in order, by GTID and by file") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE t (id int primary key, v varchar(20))");
    s.scratch.run("CREATE TABLE skipped (id int primary key)");
    Position from = s.now();
    s.scratch.run("INSERT INTO t VALUES (1,'a'),(2,NULL)");
    s.scratch.run("INSERT INTO skipped VALUES (1)");
    s.scratch.run("BEGIN");
    s.scratch.run("UPDATE t SET v = 'b' WHERE id = 1");
    s.scratch.run("SAVEPOINT one");
    s.scratch.run("INSERT INTO t VALUES (9,'gone')");
    s.scratch.run("ROLLBACK TO one");
    s.scratch.run("UPDATE t SET id = 3 WHERE id = 2");
    s.scratch.run("COMMIT");
    s.scratch.run("DELETE FROM t");
    Position to = s.now();
    std::string expected =
        "[insert t 0 1|a|;insert t 1 2|NULL|;][update t 0 1|a| 1|b|;update t 1 2|NULL| 3|NULL|;][delete t 0 1|b|;delete t 1 3|NULL|;]";
    CHECK(s.read(from, to) == expected);
    CHECK(s.read(without(from, "gtid"), to) == expected);
    CHECK(s.read(without(from, "file"), to) == expected);
  }
}

TEST_CASE("A large transaction flows in slices whose ordinals go on, and is read again from its start") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE t (id int primary key, pad varchar(1000))");
    Position from = s.now();
    s.scratch.run("BEGIN");
    for (int i = 0; i < 40; ++i) {
      std::string sql = "INSERT INTO t VALUES ";
      for (int k = 0; k < 50; ++k) sql += (k ? ",(" : "(") + std::to_string(i * 50 + k) + ",repeat('x',900))";
      s.scratch.run(sql);
    }
    s.scratch.run("COMMIT");
    Position to = s.now();
    auto stream = s.source();
    for (int round = 0; round < 2; ++round) {
      must(stream->open(from));
      auto batches = read_all(*stream, &to, 64 * 1024);
      // Others may write to this server: what they do only moves the position.
      std::erase_if(batches, [](const auto& batch) { return batch->txns.empty(); });
      CHECK(batches.size() > 10);
      uint64_t rows = 0;
      for (size_t b = 0; b < batches.size(); ++b) {
        REQUIRE(batches[b]->txns.size() == 1);
        CHECK(batches[b]->txns[0].begins_here == (b == 0));
        CHECK(batches[b]->txns[0].ends_here == (b + 1 == batches.size()));
        CHECK(batches[b]->boundary.has_value() == (b + 1 == batches.size()));
        CHECK(batches[b]->txns[0].id == batches[0]->txns[0].id);
        CHECK_FALSE(stream->covers(from, batches[b]->txns[0]));
        CHECK(stream->covers(to, batches[b]->txns[0]));
        for (const ChangeEvent& event : batches[b]->events) {
          CHECK(event.ordinal == rows);
          CHECK(event.after[0].i == static_cast<int64_t>(rows));
          ++rows;
        }
      }
      CHECK(rows == 2000);
    }
  }
}

TEST_CASE("Schema changes come in their place and rows after them have the new schema") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE t (id int primary key)");
    Position from = s.now();
    s.scratch.run("INSERT INTO t VALUES (1)");
    s.scratch.run("ALTER TABLE t ADD COLUMN v varchar(5) DEFAULT 'new'");
    s.scratch.run("INSERT INTO t (id) VALUES (2)");
    s.scratch.run("RENAME TABLE t TO u");
    s.scratch.run("INSERT INTO u (id) VALUES (3)");
    s.scratch.run("TRUNCATE u");
    s.scratch.run("CREATE TABLE w AS SELECT 7 AS a");
    s.scratch.run("DROP TABLE u");
    Position to = s.now();
    std::string expected =
        "[insert t 0 1|;][ddl t 0;][insert t 0 2|new|;][ddl t 0;ddl u 1;][insert u 0 3|new|;][truncate u 0;]"
        "[ddl w 0;insert w 1 7|;][ddl u 0;]";
    CHECK(s.read(from, to) == expected);
  }
}

TEST_CASE("Dropping a database drops each of its tables that is wanted") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE t (id int primary key)");
    s.scratch.run("CREATE TABLE u (id int primary key)");
    s.scratch.run("CREATE TABLE skipped (id int primary key)");
    auto stream = s.source();
    Position from = s.now();
    must(stream->open(from));  // the tables are there when it opens
    s.scratch.run("INSERT INTO t VALUES (1)");
    s.scratch.run("DROP DATABASE " + s.scratch.name());
    Position to = s.now();
    s.scratch.run("CREATE DATABASE " + s.scratch.name());
    std::string dropped;
    for (const auto& batch : read_all(*stream, &to, 256 * 1024)) {
      for (const ChangeEvent& event : batch->events) {
        if (event.op != Op::kSchemaChange) continue;
        CHECK(event.new_schema == nullptr);
        dropped += event.table->table + ";";
      }
    }
    CHECK(dropped == "t;u;");
  }
}

TEST_CASE("A replaced table is dropped first") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    if (!s.scratch.connection().server().is_mariadb) continue;  // MySQL has no CREATE OR REPLACE TABLE
    s.scratch.run("CREATE TABLE t (id int primary key)");
    auto stream = s.source();
    must(stream->open(s.now()));
    s.scratch.run("CREATE OR REPLACE TABLE t (id int primary key)");
    s.scratch.run("INSERT INTO t VALUES (2)");
    Position to = s.now();
    std::string seen;
    for (const auto& batch : read_all(*stream, &to, 256 * 1024)) {
      for (const ChangeEvent& event : batch->events) {
        seen += event.op == Op::kInsert ? "insert;" : event.new_schema ? "create;" : "drop;";
      }
    }
    CHECK(seen == "drop;create;insert;");
  }
}

TEST_CASE("Rows that were logged and then rolled back are not delivered, whether they fit in memory or not") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    if (!s.scratch.connection().server().is_mariadb) continue;  // with GTIDs MySQL logs no such transaction
    s.scratch.run("CREATE TABLE t (id int primary key, v varchar(2000))");
    s.scratch.run("CREATE TABLE m (id int primary key) ENGINE=MyISAM");
    Position from = s.now();
    auto rows = [&](int first, int n) {
      for (int i = 0; i < n; ++i) s.scratch.run("INSERT INTO t VALUES (" + std::to_string(first + i) + ",repeat('x',1500))");
    };
    for (int n : {1, 40}) {  // of rows in each part
      int base = n * 1000;
      s.scratch.run("BEGIN");
      rows(base, n);
      s.scratch.run("CREATE TEMPORARY TABLE x (a int)");  // from here the server logs a rollback instead of nothing
      s.scratch.run("DROP TEMPORARY TABLE x");
      rows(base + 100, n);
      s.scratch.run("ROLLBACK");
      s.scratch.run("BEGIN");
      rows(base + 200, n);
      s.scratch.run("SAVEPOINT `A b`");
      rows(base + 300, n);
      s.scratch.run("INSERT INTO m VALUES (" + std::to_string(base) + ")");
      s.scratch.run("SAVEPOINT c");
      rows(base + 400, n);
      s.scratch.run("ROLLBACK TO `a B`");
      rows(base + 500, n);
      s.scratch.run("COMMIT");
    }
    Position to = s.now();
    for (size_t max_bytes : {size_t{1} << 20, size_t{8} << 10}) {
      auto stream = s.source();
      must(stream->open(from));
      std::vector<int64_t> ids;
      uint64_t next = 0;
      for (const auto& batch : read_all(*stream, &to, max_bytes)) {
        if (max_bytes < 1 << 20) CHECK(batch->events.size() < 16);
        for (const ChangeEvent& event : batch->events) {
          if (event.table->table == "m") continue;
          if (event.ordinal == 0) next = 0;
          CHECK(event.ordinal == next++);
          ids.push_back(event.after[0].i);
        }
      }
      std::vector<int64_t> expected{1200, 1500};
      for (int base : {40200, 40500}) {
        for (int i = 0; i < 40; ++i) expected.push_back(base + i);
      }
      CHECK(ids == expected);
    }
  }
}

TEST_CASE("An XA transaction from before the start is named at its commit, and what to do") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE skipped (id int primary key)");
    Position before = s.now();
    Connection other = must(Connection::open(server.options));
    const std::string xid = "'" + s.scratch.name() + "'";
    for (const std::string& part : {"USE " + s.scratch.name(), "XA START " + xid, std::string("INSERT INTO skipped VALUES (1)"),
                                    "XA END " + xid, "XA PREPARE " + xid}) {
      must(other.execute(part));
    }
    Position between = s.now();
    must(other.execute("XA COMMIT " + xid));
    Position to = s.now();
    auto stream = s.source();
    must(stream->open(between));
    std::string failure;
    try {
      read_all(*stream, &to, 1);
    } catch (const std::runtime_error& error) {
      failure = error.what();
    }
    CHECK(failure.find("SRC-0011") != std::string::npos);
    CHECK(failure.find("before its XA PREPARE") != std::string::npos);
    CHECK(failure.find("XA RECOVER") != std::string::npos);
    CHECK(s.read(before, to) == "");  // read from before it, it is no trouble
  }
}

TEST_CASE("A prepared XA transaction is delivered where it is committed, also after a restart in between") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE t (id int primary key)");
    s.scratch.run("CREATE TABLE u (id int primary key)");
    s.scratch.run("CREATE TABLE skipped (id int primary key)");
    auto xa = [&](const std::string& name, const std::string& sql) {
      Connection other = must(Connection::open(server.options));
      must(other.execute("USE " + s.scratch.name()));
      for (const std::string& part : {"XA START '" + name + "'", sql, "XA END '" + name + "'", "XA PREPARE '" + name + "'"}) {
        must(other.execute(part));
      }
    };
    // A session that ends leaves its prepared transaction to others, once the server has noticed.
    auto decide = [&](const std::string& sql) {
      Status status;
      for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60); std::chrono::steady_clock::now() < end;) {
        status = s.scratch.connection().execute(sql);
        if (status.ok()) return;
      }
      must(status);
    };
    Position from = s.now();
    xa("one", "INSERT INTO t VALUES (1)");
    xa("two", "INSERT INTO t VALUES (2),(20)");
    xa("three", "INSERT INTO skipped VALUES (3)");
    s.scratch.run("INSERT INTO u VALUES (4)");
    s.scratch.run("ALTER TABLE u ADD COLUMN v int");
    decide("XA COMMIT 'one'");
    Position between = s.now();
    s.scratch.run("INSERT INTO u VALUES (5,5)");
    decide("XA COMMIT 'two'");
    decide("XA COMMIT 'three'");
    xa("four", "INSERT INTO t VALUES (6)");
    decide("XA ROLLBACK 'four'");
    s.scratch.run("INSERT INTO u VALUES (7,7)");
    Position to = s.now();

    const std::string first = "[insert u 0 4|;][ddl u 0;][insert t 0 1|;]";
    const std::string second = "[insert u 0 5|5|;][insert t 0 2|;insert t 1 20|;][insert u 0 7|7|;]";
    CHECK(s.read(from, to) == first + second);

    auto stream = s.source();
    must(stream->open(from));
    auto batches = read_all(*stream, &between, 1);
    CHECK(transcript(batches) == first);
    Position stored = *batches.back()->boundary;
    CHECK(stored.text.find(";xa_") != std::string::npos);
    CHECK(s.read(stored, to) == second);
    CHECK(s.read(without(stored, "gtid"), to) == second);
    auto again = s.source();
    must(again->open(stored));
    batches = read_all(*again, &to);
    CHECK(batches.back()->boundary->text.find(";xa_") == std::string::npos);  // nothing is waiting any more

    Status status;
    try {
      s.read(between, to);  // a place that does not tell of the prepared ones
    } catch (const std::exception& error) {
      CHECK(std::string(error.what()).find("prepared before reading began") != std::string::npos);
      continue;
    }
    FAIL("no refusal");
  }
}

TEST_CASE("What cannot be read stops with its name") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    s.scratch.run("CREATE TABLE t (id int primary key)");
    auto refusal = [&](const std::vector<std::string>& statements) {
      Position from = s.now();
      s.scratch.run("INSERT INTO t VALUES (1)");
      for (const std::string& sql : statements) s.scratch.run(sql);
      s.scratch.run("DELETE FROM t");
      Position to = s.now();
      auto stream = s.source();
      must(stream->open(from));
      std::stop_source stop;
      size_t rows = 0;
      for (int i = 0; i < 100; ++i) {
        std::unique_ptr<RawBatch> raw;
        auto state = stream->read(raw, 256 * 1024, stop.get_token());
        if (!state.ok()) {
          CHECK(rows == 1);  // what came before it was handed out
          return state.status().to_string();
        }
        EventBatch batch;
        if (raw) must(stream->decode(*raw, batch));
        rows += batch.events.size();
      }
      return std::string("no refusal");
    };
    std::string statement = refusal({"SET SESSION binlog_format=STATEMENT", "INSERT INTO t VALUES (2)", "SET SESSION binlog_format=ROW"});
    CHECK(statement.find("SRC-0006") != std::string::npos);
    CHECK(statement.find("INSERT INTO t VALUES (2)") != std::string::npos);
    CHECK(statement.find("position=") != std::string::npos);
    s.scratch.run(
        "CREATE TABLE p (id int primary key) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (9), PARTITION p1 VALUES LESS THAN "
        "(99))");
    std::string partition = refusal({"ALTER TABLE p TRUNCATE PARTITION p0"});
    CHECK(partition.find("SRC-0011") != std::string::npos);
    CHECK(partition.find(".p") != std::string::npos);
  }
}

TEST_CASE("Positions that are not there are refused with their own codes") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    auto code = [&](const std::string& text) {
      auto stream = s.source();
      Status status = stream->open(Position{"mysql", text});
      std::stop_source stop;
      std::unique_ptr<RawBatch> raw;
      for (int i = 0; status.ok() && i < 50; ++i) status = stream->read(raw, 1 << 20, stop.get_token()).status();
      return status.ok() ? "ok" : std::string(error_info(status.code()).text);
    };
    LogPosition now = must(parse_log_position(s.now()));
    CHECK(code("file=nosuch.999999;offset=4") == "SRC-0007");
    CHECK(code("file=" + now.file + ";offset=4000000000") == "SRC-0015");
    CHECK(code("nonsense") == "SRC-0015");
  }
}

TEST_CASE("A read is interrupted from another thread, and the source opens again") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    auto stream = s.source();
    must(stream->open(std::nullopt));
    std::atomic<bool> reading{false};
    std::jthread interrupter([&] {
      while (!reading) std::this_thread::yield();
      stream->interrupt();
    });
    std::stop_source stop;
    std::unique_ptr<RawBatch> raw;
    Status status;
    auto begin = std::chrono::steady_clock::now();
    while (status.ok() && std::chrono::steady_clock::now() - begin < std::chrono::seconds(60)) {
      reading = true;
      status = stream->read(raw, 1 << 20, stop.get_token()).status();
    }
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSourceLost);
    interrupter.join();
    CHECK(stream->open(std::nullopt).ok());
  }
}

TEST_CASE("A VECTOR column stands among those with a character set in the log's metadata") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Stream s(server);
    if (server.name != "mysql9") continue;
    s.scratch.run("CREATE TABLE t (id int primary key, a varchar(5), b text, v vector(1), c varchar(5) character set latin1)");
    Position from = s.now();
    s.scratch.run("INSERT INTO t VALUES (1,'ä','ö',X'0000803F',X'FC')");
    CHECK(s.read(from, s.now()) == "[insert t 0 1|ä|ö|" + std::string("\0\0\x80?", 4) + "|ü|;]");
  }
}
