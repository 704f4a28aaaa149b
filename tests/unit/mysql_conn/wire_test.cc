#include "mysql/binlog_wire.h"

#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {

std::string field(const Position& position, const std::string& name) {
  size_t at = position.text.find(name + "=") + name.size() + 1;
  return position.text.substr(at, position.text.find(';', at) - at);
}

uint32_t le32(const uint8_t* at) { return at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24; }

// Reads until the log's end at `offset`; counts rows events (old and new form) of all tables.
int rows_events_until(BinlogWire& wire, uint32_t offset) {
  int count = 0;
  while (true) {
    auto event = must(wire.next());
    if (!event) throw std::runtime_error("the stream ended");
    const uint8_t* bytes = event->data();
    if (event->size() < 19) throw std::runtime_error("an event without header");
    if (le32(bytes + 9) != event->size()) throw std::runtime_error("event length differs from packet length");
    uint8_t type = bytes[4];
    if (type == 23 || type == 30) ++count;
    if (le32(bytes + 13) >= offset) return count;
  }
}

}  // namespace

TEST_CASE("events arrive from a file position, then heartbeats") {
  for (const LiveServer& server : live_servers()) {
    for (TlsMode tls : {TlsMode::kOff, TlsMode::kPreferred}) {
      INFO(server.name << " tls " << static_cast<int>(tls));
      ScratchDatabase scratch(server);
      scratch.run("CREATE TABLE t (a INT, b LONGTEXT)");
      Position from = must(current_position(scratch.connection()));
      scratch.run("INSERT INTO t VALUES (1, REPEAT('x', 1000))");
      scratch.run("INSERT INTO t VALUES (2, REPEAT('y', 3000000))");
      Position to = must(current_position(scratch.connection()));
      if (field(from, "file") != field(to, "file")) return;  // somebody rotated the log meanwhile
      ConnectOptions options = server.options;
      options.tls = tls;
      options.heartbeat_us = 200'000;
      auto wire = must(BinlogWire::open(options));
      must(wire->start(field(from, "file"), std::stoull(field(from, "offset"))));
      CHECK(rows_events_until(*wire, static_cast<uint32_t>(std::stoul(field(to, "offset")))) >= 2);
      // Quiet now, or others write: something comes within a few heartbeats either way.
      auto begin = std::chrono::steady_clock::now();
      auto event = must(wire->next());
      CHECK(event.has_value());
      CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));
    }
  }
}

TEST_CASE("a GTID start of MariaDB delivers GTID events") {
  for (const LiveServer& server : live_servers()) {
    if (server.name != "mariadb") continue;
    ScratchDatabase scratch(server);
    scratch.run("CREATE TABLE t (a INT)");
    Position from = must(current_position(scratch.connection()));
    scratch.run("INSERT INTO t VALUES (1)");
    auto wire = must(BinlogWire::open(server.options));
    must(wire->start_mariadb_gtid(field(from, "gtid")));
    bool saw_gtid = false, saw_rows = false;
    while (!saw_rows) {
      auto event = must(wire->next());
      REQUIRE(event);
      saw_gtid |= (*event)[4] == 162;
      saw_rows = (*event)[4] == 23 || (*event)[4] == 30;
    }
    CHECK(saw_gtid);
  }
}

TEST_CASE("an interrupt ends a waiting read at once") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Connection connection = must(Connection::open(server.options));
    Position now = must(current_position(connection));
    ConnectOptions options = server.options;
    options.heartbeat_us = 30'000'000;
    auto wire = must(BinlogWire::open(options));
    must(wire->start(field(now, "file"), std::stoull(field(now, "offset"))));
    auto reader = std::async(std::launch::async, [&] {
      while (true) {
        auto event = wire->next();
        if (!event.ok()) return event.status();
      }
    });
    wire->interrupt();
    REQUIRE(reader.wait_for(std::chrono::seconds(5)) == std::future_status::ready);
    CHECK(reader.get().code() == ErrorCode::kSourceLost);
    CHECK(wire->interrupted());
  }
}

TEST_CASE("a log that is gone is kSourcePurged") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    auto wire = must(BinlogWire::open(server.options));
    must(wire->start("binlog.999999", 4));
    auto event = wire->next();
    while (event.ok() && *event) event = wire->next();
    REQUIRE_FALSE(event.ok());
    CHECK(event.status().code() == ErrorCode::kSourcePurged);
    CHECK(event.status().to_string().find("1236") != std::string::npos);
  }
}

TEST_CASE("a position inside an event or behind the end is the server's error") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Connection connection = must(Connection::open(server.options));
    Position now = must(current_position(connection));
    auto wire = must(BinlogWire::open(server.options));
    must(wire->start(field(now, "file"), 4'000'000'000));
    auto event = wire->next();
    while (event.ok() && *event) event = wire->next();
    REQUIRE_FALSE(event.ok());
    CHECK(event.status().code() == ErrorCode::kSourceQuery);
    // Beyond 4 GiB only MySQL's newer command can ask; that it does is seen by what the server finds wrong with it.
    auto far = must(BinlogWire::open(server.options));
    Status asked = far->start(field(now, "file"), 5'000'000'000);
    if (far->server().gtid_mode != "ON") {
      REQUIRE_FALSE(asked.ok());
      CHECK(asked.code() == ErrorCode::kSourceUnsupported);
      continue;
    }
    must(asked);
    event = far->next();
    while (event.ok() && *event) event = far->next();
    REQUIRE_FALSE(event.ok());
    CHECK(event.status().detail().find("position > file size") != std::string::npos);
  }
}
