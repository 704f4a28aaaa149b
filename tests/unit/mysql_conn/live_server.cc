#include "unit/mysql_conn/live_server.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace tailrace::test {

void must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.to_string());
}

namespace {
std::vector<LiveServer> find_servers() {
  std::vector<LiveServer> out;
  for (const char* name : {"mariadb", "mysql9"}) {
    std::string upper = std::string(name) == "mariadb" ? "MARIADB" : "MYSQL9";
    const char* url = std::getenv(("TAILRACE_" + upper + "_URL").c_str());
    if (!url) {
      const char* why = std::getenv(("TAILRACE_SKIP_" + upper).c_str());
      std::fprintf(stderr, "skipped on %s: %s\n", name, why ? why : "TAILRACE_*_URL is not set, see scripts/services env");
      continue;
    }
    Url parsed = must(parse_url(url));
    Options options = must(Options::parse("source", mysql_option_specs(), parsed.query));
    out.push_back({name, must(connect_options(parsed, options))});
  }
  return out;
}
}  // namespace

std::vector<LiveServer> live_servers() {
  static const std::vector<LiveServer> found = find_servers();
  return found;
}

ScratchDatabase::ScratchDatabase(const LiveServer& server) : connection_(must(Connection::open(server.options))) {
  static std::atomic<int> count{0};
  name_ = "tr_conn_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
  run("CREATE DATABASE " + name_ + " CHARACTER SET utf8mb4");
  run("USE " + name_);
}

ScratchDatabase::~ScratchDatabase() {
  Status dropped = connection_.execute("DROP DATABASE IF EXISTS " + name_);
  if (!dropped.ok()) std::fprintf(stderr, "%s\n", dropped.to_string().c_str());
}

}  // namespace tailrace::test
