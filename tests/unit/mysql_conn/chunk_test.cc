// Walks over tables by their key, and whole, while others write; and where in the log what they saw lies.
#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>

#include "event/value_text.h"
#include "mysql/snapshot_reader.h"
#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

struct KeyCase {
  std::string name, columns, key;
  std::string row;  // SQL for the key columns of row number {n}, of MariaDB and MySQL alike
  int rows = 700;
};

// {n} is the row number, unique; even ones are there from the start, odd ones arrive during the walk.
const std::vector<KeyCase>& key_cases() {
  static const std::vector<KeyCase> all = {
      {"int", "a BIGINT NOT NULL", "a", "({n} - 350) * 7"},
      {"unsigned", "a BIGINT UNSIGNED NOT NULL", "a", "18446744073709551615 - {n} * 3"},
      {"composite", "a INT NOT NULL, b VARCHAR(30) NOT NULL, c DATE NOT NULL", "a, b, c",
       "{n} % 5, CONCAT(CHAR(65 + {n} % 7), ''''), '2020-01-01' + INTERVAL {n} DAY"},
      {"text", "a VARCHAR(60) NOT NULL", "a", "CONCAT(LPAD(HEX({n} * 2654435761 % 4294967296), 32, '0'), ' \\\\ ''é😀')"},
      {"text ci", "a VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", "a",
       "CONCAT(IF({n} % 3, 'Straße', 'STRASSE'), IF({n} % 2, UPPER(HEX({n})), LOWER(HEX({n}))))"},
      {"latin1", "a VARCHAR(60) CHARACTER SET latin1 NOT NULL", "a", "CONCAT(CHAR(192 + {n} % 60 USING latin1), {n})"},
      {"utf16", "a VARCHAR(60) CHARACTER SET utf16 NOT NULL", "a", "CONCAT('€', LPAD(HEX({n} * 2654435761 % 4294967296), 32, '0'))"},
      {"sjis", "a VARCHAR(60) CHARACTER SET sjis NOT NULL", "a", "CONCAT(IF({n} % 2, '日', 'ｱ'), {n})"},
      {"char bin", "a CHAR(12) COLLATE utf8mb4_bin NOT NULL", "a", "CONCAT(CHAR(97 + {n} % 26), {n}, '  ')"},
      {"decimal", "a DECIMAL(40,20) NOT NULL", "a", "({n} - 350) * 100000000000000.00000000000000000001"},
      {"datetime", "a DATETIME(6) NOT NULL", "a", "TIMESTAMP('2024-01-01 00:00:00.000000') + INTERVAL {n} * 37 MICROSECOND"},
      {"zero date", "a DATE NOT NULL, b INT NOT NULL", "a, b", "IF({n} % 3, '0000-00-00', '2024-00-00'), {n}"},
      {"timestamp", "a TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01 00:00:00', b INT NOT NULL", "a, b",
       "IF({n} % 10, TIMESTAMP('2024-03-31 01:59:59.500') + INTERVAL {n} % 50 SECOND, '0000-00-00 00:00:00'), {n}"},
      {"time", "a TIME(6) NOT NULL", "a", "SEC_TO_TIME(({n} - 350) * 8000.000001)"},
      {"year", "a YEAR NOT NULL, b INT NOT NULL", "a, b", "IF({n} % 4, 1901 + {n} % 200, 0), {n}"},
      {"binary", "a BINARY(8) NOT NULL", "a", "UNHEX(LPAD(HEX({n} * 65521), 8, '0'))"},
      {"varbinary", "a VARBINARY(40) NOT NULL", "a",
       "CONCAT(REPEAT(x'00', {n} % 3), UNHEX(LPAD(HEX({n} * 2654435761 % 4294967296), 32, '0')))"},
      {"enum set bit", "a ENUM('z','y','it''s','a') NOT NULL, b SET('q','p') NOT NULL, c BIT(20) NOT NULL", "a, b, c",
       "1 + {n} % 4, {n} % 4, {n}"},
      {"double", "a DOUBLE NOT NULL", "a", "({n} - 350) * 0.1e0"},
      {"float", "a FLOAT NOT NULL", "a", "({n} - 350) / 3"},
  };
  return all;
}

std::string expand(std::string text, int n) {
  for (size_t at; (at = text.find("{n}")) != std::string::npos;) text.replace(at, 3, std::to_string(n));
  return text;
}

SchemaRef schema_of(ScratchDatabase& scratch, const std::string& table) {
  return must(read_schema(scratch.connection(), scratch.name(), table));
}

std::unique_ptr<SnapshotReader> reader_for(const LiveServer& server, const ScratchDatabase& scratch) {
  return make_snapshot_reader(server.options, [name = scratch.name()](auto database, auto) { return database == name; });
}

}  // namespace

TEST_CASE("a walk in chunks meets every row once, in the server's order, while rows are inserted") {
  for (const LiveServer& server : live_servers()) {
    ScratchDatabase scratch(server);
    auto reader = reader_for(server, scratch);
    int number = 0;
    for (const KeyCase& c : key_cases()) {
      INFO(server.name << " key " << c.name);
      std::string table = "t" + std::to_string(++number);
      scratch.run("CREATE TABLE " + table + " (n INT NOT NULL, " + c.columns + ", PRIMARY KEY (" + c.key + "))");
      std::string values;
      for (int n = 0; n < c.rows; n += 2) values += (values.empty() ? "" : ", ") + expand("({n}, " + c.row + ")", n);
      scratch.run("INSERT INTO " + table + " VALUES " + values);
      SchemaRef schema = schema_of(scratch, table);
      REQUIRE(schema->primary_key.size() >= 1);

      std::atomic<bool> stop{false};
      std::string writer_failure;
      std::thread writer([&] {
        try {
          Connection own = must(Connection::open(server.options));
          for (int n = 1; n < c.rows && !stop; n += 2) {
            must(own.execute("INSERT INTO " + scratch.name() + "." + table + " VALUES " + expand("({n}, " + c.row + ")", n)));
          }
        } catch (const std::exception& failure) {
          writer_failure = failure.what();
        }
      });
      std::vector<int> seen;
      std::string key, failure;
      int chunks = 0;
      // Nothing here may leave the thread behind.
      while (true) {
        auto chunk = reader->read_chunk(schema, key, 41, 1 << 20);
        if (!chunk.ok()) {
          failure = chunk.status().to_string();
          break;
        }
        ++chunks;
        if (chunk->rows.events.size() > 41) failure = "more rows than asked for";
        if (!chunk->rows.is_snapshot || chunk->rows.txns.size() != 1) failure = "not a snapshot batch";
        for (const ChangeEvent& event : chunk->rows.events) seen.push_back(static_cast<int>(event.after[0].i));
        key = chunk->next_key;
        if (key.empty() || !failure.empty()) break;
      }
      stop = true;
      writer.join();
      CHECK(failure == "");
      CHECK(writer_failure == "");
      CHECK(chunks >= c.rows / 2 / 41);
      std::set<int> once(seen.begin(), seen.end());
      CHECK(once.size() == seen.size());
      int missing = 0;
      for (int n = 0; n < c.rows; n += 2) missing += !once.count(n);
      CHECK(missing == 0);
      // The order of the walk is the server's, restricted to what was seen.
      auto order = must(scratch.connection().query("SELECT n FROM " + table + " ORDER BY " + c.key));
      std::vector<int> expected;
      for (const auto& row : order.rows) {
        int n = std::stoi(*row[0]);
        if (once.count(n)) expected.push_back(n);
      }
      CHECK((seen == expected));
      // The walk can be taken up again from a key that was written down, by another reader.
      auto first = must(reader->read_chunk(schema, "", 10, 1 << 20));
      auto other = reader_for(server, scratch);
      auto second = must(other->read_chunk(schema, first.next_key, 10, 1 << 20));
      REQUIRE(order.rows.size() >= 20);
      for (size_t i = 0; i < 10; ++i) CHECK(second.rows.events[i].after[0].i == std::stoi(*order.rows[10 + i][0]));
    }
  }
}

TEST_CASE("a chunk ends at its bytes") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE t (id INT PRIMARY KEY, b LONGTEXT)");
    for (int i = 0; i < 60; ++i) scratch.run("INSERT INTO t VALUES (" + std::to_string(i) + ", REPEAT('x', 10000))");
    auto reader = reader_for(server, scratch);
    SchemaRef schema = schema_of(scratch, "t");
    std::string key;
    int next = 0, chunks = 0;
    do {
      auto chunk = must(reader->read_chunk(schema, key, 1000, 50000));
      CHECK(chunk.rows.events.size() <= 6);
      for (const ChangeEvent& event : chunk.rows.events) CHECK(event.after[0].i == next++);
      key = chunk.next_key;
      ++chunks;
    } while (!key.empty());
    CHECK(next == 60);
    CHECK(chunks >= 10);
  }
}

TEST_CASE("a table that was altered or dropped is a named error") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)");
    scratch.run("CREATE TABLE k (a INT)");
    auto reader = reader_for(server, scratch);
    SchemaRef t = schema_of(scratch, "t"), k = schema_of(scratch, "k");
    auto sink = [](SnapshotChunk) { return Status(); };
    scratch.run("ALTER TABLE t ADD COLUMN b INT");
    CHECK(reader->read_chunk(t, "", 10, 1000).status().code() == ErrorCode::kSchemaMismatch);
    scratch.run("ALTER TABLE t DROP COLUMN b, MODIFY a BIGINT");
    CHECK(reader->read_chunk(t, "", 10, 1000).status().code() == ErrorCode::kSchemaMismatch);
    scratch.run("ALTER TABLE t DROP COLUMN a");
    CHECK(reader->read_chunk(t, "", 10, 1000).status().code() == ErrorCode::kSchemaMismatch);
    scratch.run("DROP TABLE t");
    Status dropped = reader->read_chunk(t, "", 10, 1000).status();
    CHECK(dropped.code() == ErrorCode::kSchemaMissing);
    CHECK(dropped.to_string().find("table=" + scratch.name() + ".t") != std::string::npos);
    scratch.run("ALTER TABLE k ADD COLUMN b INT");
    CHECK(reader->read_whole(k, 1000, sink).status().code() == ErrorCode::kSchemaMismatch);
    // A place in the table that is none.
    scratch.run("CREATE TABLE u (id INT PRIMARY KEY)");
    SchemaRef u = schema_of(scratch, "u");
    CHECK(reader->read_chunk(u, "{\"v\":1,\"columns\":[\"id\"],\"after\":[\"1 OR 1\"]}", 10, 1000).status().code() ==
          ErrorCode::kConfigBadValue);
    CHECK(reader->read_chunk(u, "{\"v\":1,\"columns\":[\"x\"],\"after\":[\"1\"]}", 10, 1000).status().code() == ErrorCode::kSchemaMismatch);
    CHECK(reader->read_chunk(u, "garbage", 10, 1000).status().code() == ErrorCode::kConfigBadValue);
    // And the reader is none the worse for it.
    CHECK(must(reader->read_chunk(u, "", 10, 1000)).rows.events.empty());
  }
}

TEST_CASE("tables without key are read whole, and a failing taker ends it") {
  for (const LiveServer& server : live_servers()) {
    for (const char* engine : {"InnoDB", "MyISAM"}) {
      INFO(server.name << " " << engine);
      ScratchDatabase scratch(server);
      scratch.run(std::string("CREATE TABLE t (a INT, b VARCHAR(200)) ENGINE=") + engine);
      std::string values = "(0, REPEAT('x', 150))";
      for (int i = 1; i < 500; ++i) values += ", (" + std::to_string(i / 2) + ", REPEAT('x', 150))";
      scratch.run("INSERT INTO t VALUES " + values);
      for (int i = 0; i < 8; ++i) scratch.run("INSERT INTO t SELECT * FROM t");  // 128,000 rows
      auto reader = reader_for(server, scratch);
      SchemaRef schema = schema_of(scratch, "t");
      uint64_t rows = 0, sum = 0;
      size_t largest = 0;
      std::set<std::string> positions;
      Position at = must(reader->read_whole(schema, 200'000, [&](SnapshotChunk chunk) {
        rows += chunk.rows.events.size();
        largest = std::max(largest, chunk.rows.bytes());
        for (const ChangeEvent& event : chunk.rows.events) sum += static_cast<uint64_t>(event.after[0].i);
        positions.insert(chunk.low.text);
        positions.insert(chunk.high.text);
        if (!chunk.exact) return Status(ErrorCode::kInternal, "not exact");
        return Status();
      }));
      CHECK(rows == 128'000);
      CHECK(sum == std::stoull(*must(scratch.connection().query_value("SELECT SUM(a) FROM t"))));
      CHECK(largest < 1'000'000);
      CHECK(positions == std::set<std::string>{at.text});
      int calls = 0;
      auto failed = reader->read_whole(schema, 50'000,
                                       [&](SnapshotChunk) { return ++calls == 2 ? Status(ErrorCode::kJobAborted, "enough") : Status(); });
      CHECK(failed.status().code() == ErrorCode::kJobAborted);
      CHECK(calls == 2);
      scratch.run("INSERT INTO t VALUES (1, 'after')");  // no lock was left behind
      scratch.run(std::string("CREATE TABLE keyed (id INT PRIMARY KEY) ENGINE=") + engine);
      scratch.run("INSERT INTO keyed VALUES (1), (2), (3)");
      auto chunk = must(reader->read_chunk(schema_of(scratch, "keyed"), "", 2, 1000));
      CHECK(chunk.rows.events.size() == 2);
      CHECK(must(reader->read_chunk(schema_of(scratch, "keyed"), chunk.next_key, 2, 1000)).rows.events.size() == 1);
    }
  }
}

namespace {

struct LoggedRow {
  std::string file, gtid;
  uint64_t end_offset = 0;  // of the event that names the table; the row's own is behind it
};

// One entry per transaction on `table`, in order, as the server itself lists its log.
std::vector<LoggedRow> logged_rows(Connection& connection, const std::string& database, const std::string& table) {
  std::vector<LoggedRow> out;
  auto logs = must(connection.query("SHOW BINARY LOGS"));
  for (const auto& log : logs.rows) {
    auto events = must(connection.query("SHOW BINLOG EVENTS IN '" + *log[0] + "'"));
    std::string gtid;
    for (const auto& event : events.rows) {
      const std::string& type = *event[2];
      const std::string& info = *event[5];
      if (type == "Gtid" && info.find('\'') != std::string::npos) {
        gtid = info.substr(info.find('\'') + 1);
        gtid = gtid.substr(0, gtid.find('\''));
      }
      if (type == "Table_map" && info.find("(" + database + "." + table + ")") != std::string::npos) {
        out.push_back({*log[0], gtid, std::stoull(*event[4])});
      }
    }
  }
  return out;
}

std::string part_of(const Position& position, const std::string& name) {
  size_t at = position.text.find(name + "=");
  if (at == std::string::npos) return "";
  at += name.size() + 1;
  return position.text.substr(at, position.text.find(';', at) - at);
}

// How many of the logged rows lie before `position`.
size_t rows_before(Connection& connection, const std::vector<LoggedRow>& rows, const Position& position) {
  std::string file = part_of(position, "file"), gtid = part_of(position, "gtid");
  size_t count = 0;
  for (const LoggedRow& row : rows) {
    if (!file.empty()) {
      count += row.file < file || (row.file == file && row.end_offset < std::stoull(part_of(position, "offset")));
    } else {
      count += *must(connection.query_value("SELECT GTID_SUBSET('" + row.gtid + "', '" + gtid + "')")) == "1";
    }
  }
  return count;
}

}  // namespace

TEST_CASE("what a read saw lies between its two positions") {
  for (const LiveServer& server : live_servers()) {
    for (bool keyed : {true, false}) {
      INFO(server.name << (keyed ? " keyed" : " without key"));
      ScratchDatabase scratch(server);
      scratch.run(keyed ? "CREATE TABLE t (n INT PRIMARY KEY)" : "CREATE TABLE t (n INT)");
      auto reader = reader_for(server, scratch);
      SchemaRef schema = schema_of(scratch, "t");
      std::atomic<bool> stop{false};
      std::vector<std::thread> writers;
      for (int w = 0; w < 3; ++w) {
        writers.emplace_back([&, w] {
          auto own = Connection::open(server.options);
          for (int i = 0; own.ok() && !stop; ++i) {
            if (!own->execute("INSERT INTO " + scratch.name() + ".t VALUES (" + std::to_string(3 * i + w) + ")").ok()) break;
          }
        });
      }
      struct Seen {
        Position low, high;
        size_t rows;
        bool exact;
      };
      std::vector<Seen> seen;
      std::string failure;
      std::set<size_t> different;
      // Until enough of the writing was seen, whoever gets the processor first.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      for (int i = 0; failure.empty() && (i < 15 || (different.size() < 6 && std::chrono::steady_clock::now() < deadline)); ++i) {
        Seen one{{}, {}, 0, true};
        if (keyed) {
          auto chunk = reader->read_chunk(schema, "", 100000, 1 << 30);
          if (!chunk.ok()) failure = chunk.status().to_string();
          else one = {chunk->low, chunk->high, chunk->rows.events.size(), chunk->exact};
        } else {
          auto at = reader->read_whole(schema, 1 << 30, [&](SnapshotChunk chunk) {
            one.rows += chunk.rows.events.size();
            return Status();
          });
          if (!at.ok()) failure = at.status().to_string();
          else one.low = one.high = *at;
        }
        seen.push_back(one);
        different.insert(one.rows);
      }
      stop = true;
      for (std::thread& writer : writers) writer.join();
      CHECK(failure == "");
      auto logged = logged_rows(scratch.connection(), scratch.name(), "t");
      CHECK(logged.size() == std::stoull(*must(scratch.connection().query_value("SELECT COUNT(*) FROM t"))));
      for (const Seen& one : seen) {
        INFO(one.low.text << " | " << one.high.text << " | " << one.rows);
        size_t low = rows_before(scratch.connection(), logged, one.low);
        size_t high = rows_before(scratch.connection(), logged, one.high);
        CHECK(low <= one.rows);
        CHECK(one.rows <= high);
        if (one.exact) {
          CHECK(one.low == one.high);
          CHECK(low == one.rows);
        }
      }
      CHECK(seen[0].exact == !(keyed && server.name == "mysql9"));
      CHECK(different.size() >= 6);  // else nobody was writing, and this proved nothing
    }
  }
}

TEST_CASE("the grant that a copy under a lock lacks is named") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE t (n INT PRIMARY KEY) ENGINE=MyISAM");
    scratch.run("DROP USER IF EXISTS nolock@'%'");
    scratch.run("CREATE USER nolock@'%' IDENTIFIED BY 'no-lock'");
    scratch.run("GRANT REPLICATION CLIENT ON *.* TO nolock@'%'");
    scratch.run("GRANT SELECT ON " + scratch.name() + ".* TO nolock@'%'");
    ConnectOptions options = server.options;
    options.user = "nolock";
    options.password = "no-lock";
    auto reader = make_snapshot_reader(options, [](auto, auto) { return true; });
    auto read = reader->read_whole(schema_of(scratch, "t"), 1 << 30, [](SnapshotChunk) { return Status(); });
    REQUIRE_FALSE(read.ok());
    CHECK(read.status().code() == ErrorCode::kSourcePrivilege);
    std::string text = read.status().to_string();
    CHECK(text.find("GRANT SELECT, LOCK TABLES ON `" + scratch.name() + "`.* TO nolock") != std::string::npos);
    CHECK(text.find("table=" + scratch.name() + ".t") != std::string::npos);
    scratch.run("GRANT LOCK TABLES ON " + scratch.name() + ".* TO nolock@'%'");
    CHECK(make_snapshot_reader(options, [](auto, auto) {
            return true;
          })->read_whole(schema_of(scratch, "t"), 1 << 30, [](SnapshotChunk) {
              return Status();
            }).ok());
    scratch.run("DROP USER nolock@'%'");
  }
}
