#include "mysql/connection.h"

#include <stdexcept>

#include "unit/catch.h"
#include "unit/mysql_conn/live_server.h"

using namespace tailrace;
using namespace tailrace::test;

namespace {
ConnectOptions options_of(const std::string& url) {
  Url parsed = must(parse_url(url));
  return must(connect_options(parsed, must(Options::parse("source", mysql_option_specs(), parsed.query))));
}
}  // namespace

TEST_CASE("TLS is verified by default except on loopback") {
  CHECK(options_of("mysql://u@db.example:3307").tls == TlsMode::kVerify);
  CHECK(options_of("mysql://u@127.0.0.1").tls == TlsMode::kPreferred);
  CHECK(options_of("mysql://u@127.8.9.1").tls == TlsMode::kPreferred);
  CHECK(options_of("mysql://u@localhost").tls == TlsMode::kPreferred);
  CHECK(options_of("mysql://u@[::1]:3306").tls == TlsMode::kPreferred);
  CHECK(options_of("mysql://u@127.0.0.1.example.org").tls == TlsMode::kVerify);
  CHECK(options_of("mysql://u@127.0.0.1?tls=required").tls == TlsMode::kRequired);
  CHECK(options_of("mysql://u:p@h:3307?connect_timeout=3s").connect_timeout_us == 3'000'000);
}

TEST_CASE("A URL may name several hosts") {
  auto hosts_of = [](const std::string& text) {
    Url url = must(parse_url(text));
    return host_options(url, must(Options::parse("source", mysql_option_specs(), url.query)));
  };
  auto addresses = [&](const std::string& text) {
    std::string out;
    for (const ConnectOptions& host : must(hosts_of(text))) out += host.address() + " " + (host.tls == TlsMode::kVerify ? "verify " : "");
    return out;
  };
  CHECK(addresses("mysql://u@db1:3307") == "db1:3307 verify ");
  CHECK(addresses("mysql://u@db1:3307,127.0.0.1,db3") == "db1:3307 verify 127.0.0.1:3306 db3:3306 verify ");
  CHECK(addresses("mysql://u@[::1]:3307,[::1]") == "[::1]:3307 [::1]:3306 ");
  CHECK(must(hosts_of("mysql://u:pw@a,b"))[1].password == "pw");
  for (const char* bad :
       {"mysql://u@a,,b", "mysql://u@a,", "mysql://u@a:x,b", "mysql://u@a:0,b", "mysql://u@a:70000,b", "mysql://u@a:,b"}) {
    INFO(bad);
    auto hosts = hosts_of(bad);
    REQUIRE_FALSE(hosts.ok());
    CHECK(hosts.status().code() == ErrorCode::kConfigUrl);
  }
  CHECK_FALSE(hosts_of("mysql://u@a,b?socket=/x").ok());
}

TEST_CASE("a server that is not there is kSourceConnect") {
  ConnectOptions options = options_of("mysql://u@127.0.0.1:1");
  auto connection = Connection::open(options);
  REQUIRE_FALSE(connection.ok());
  CHECK(connection.status().code() == ErrorCode::kSourceConnect);
  CHECK(connection.status().to_string().find("127.0.0.1:1") != std::string::npos);
}

TEST_CASE("wrong credentials are kSourceAuth and stay secret") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ConnectOptions options = server.options;
    options.user = "mig";
    options.password = "open-sesame";
    auto connection = Connection::open(options);
    REQUIRE_FALSE(connection.ok());
    CHECK(connection.status().code() == ErrorCode::kSourceAuth);
    CHECK(connection.status().to_string().find("1045") != std::string::npos);
    CHECK(connection.status().to_string().find("open-sesame") == std::string::npos);
    options.password = "mig-secret";
    auto good = Connection::open(options);
    REQUIRE(good.ok());
    // What the account may not do is told apart from what is wrong with the statement.
    CHECK(good->execute("CREATE DATABASE tr_conn_forbidden").code() == ErrorCode::kSourcePrivilege);
    CHECK(good->execute("SELECT FROM WHERE").code() == ErrorCode::kSourceQuery);
  }
}

TEST_CASE("required and verified TLS never end in plain text") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ConnectOptions options = server.options;
    options.tls = TlsMode::kOff;
    Connection plain = must(Connection::open(options));
    CHECK_FALSE(plain.is_encrypted());
    bool has_tls = must(plain.query("SHOW GLOBAL VARIABLES WHERE (Variable_name='have_ssl' AND Value='YES') OR "
                                    "(Variable_name='ssl_cert' AND Value<>'')"))
                       .rows.size() > 0;
    options.tls = TlsMode::kPreferred;
    CHECK(must(Connection::open(options)).is_encrypted() == has_tls);
    options.tls = TlsMode::kRequired;
    auto required = Connection::open(options);
    CHECK(required.ok() == has_tls);
    if (required.ok()) CHECK(required->is_encrypted());
    if (!required.ok()) CHECK(required.status().code() == ErrorCode::kSourceTls);
    // Neither server has a certificate this machine trusts.
    options.tls = TlsMode::kVerify;
    auto verified = Connection::open(options);
    REQUIRE_FALSE(verified.ok());
    CHECK(verified.status().code() == ErrorCode::kSourceTls);
    if (!has_tls) continue;
    // With its own authority the certificate holds, but it was not made for this name.
    auto datadir = must(plain.query_value("SELECT @@datadir"));
    options.tls_ca = *datadir + "/ca.pem";
    auto known = Connection::open(options);
    REQUIRE_FALSE(known.ok());
    CHECK(known.status().code() == ErrorCode::kSourceTls);
  }
}

TEST_CASE("with TLS required no login is tried in plain text") {
  for (const LiveServer& server : live_servers()) {
    if (server.name != "mariadb") continue;  // the one without TLS
    ConnectOptions options = server.options;
    options.user = "mig";
    options.password = "wrong";
    options.tls = TlsMode::kRequired;
    auto refused = Connection::open(options);
    REQUIRE_FALSE(refused.ok());
    // Not kSourceAuth: the server was never asked.
    CHECK(refused.status().code() == ErrorCode::kSourceTls);
  }
}

TEST_CASE("a session is UTC, utf8mb4 and permissive") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Connection connection = must(Connection::open(server.options));
    auto row = must(connection.query("SELECT @@time_zone, @@sql_mode, @@character_set_results, @@character_set_client")).rows[0];
    CHECK(row[0] == "+00:00");
    CHECK(row[1] == "");
    CHECK(row[2] == "utf8mb4");
    CHECK(row[3] == "utf8mb4");
    CHECK(connection.server().is_mariadb == (server.name == "mariadb"));
    CHECK(connection.server().log_bin);
    CHECK(connection.server().binlog_format == "ROW");
    CHECK(connection.server().server_id != 0);
    CHECK(connection.server().gtid_mode == (server.name == "mariadb" ? "" : "ON"));
    CHECK(must(connection.query_value("SELECT NULL")) == std::nullopt);
    CHECK(must(connection.query_value("SELECT 'a\\'b'")) == "a'b");
    CHECK(must(connection.query_value("SELECT " + quote_text("a'b\\c\"d"))) == "a'b\\c\"d");
  }
}

TEST_CASE("the position moves with the log") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    ScratchDatabase scratch(server);
    Position before = must(current_position(scratch.connection()));
    scratch.run("CREATE TABLE t (a INT)");
    Position after = must(current_position(scratch.connection()));
    CHECK(before.source_kind == "mysql");
    CHECK(before.text != after.text);
    CHECK(after.text.find("\n") == std::string::npos);
    CHECK(after.text.substr(0, 5) == "gtid=");
    CHECK(after.text.find(";file=binlog.") != std::string::npos);
    CHECK(after.text.find(";offset=") != std::string::npos);
  }
}

TEST_CASE("a killed session is kSourceLost") {
  for (const LiveServer& server : live_servers()) {
    INFO(server.name);
    Connection victim = must(Connection::open(server.options)), killer = must(Connection::open(server.options));
    auto id = must(victim.query_value("SELECT CONNECTION_ID()"));
    must(killer.execute("KILL " + *id));
    auto after = victim.query("SELECT 1");
    if (after.ok()) after = victim.query("SELECT 1");  // the kill may arrive after one more answer
    REQUIRE_FALSE(after.ok());
    CHECK(after.status().code() == ErrorCode::kSourceLost);
  }
}
