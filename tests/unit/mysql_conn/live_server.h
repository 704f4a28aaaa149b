// Real servers for tests, from TAILRACE_MARIADB_URL and TAILRACE_MYSQL9_URL (`scripts/services env`).
#pragma once
#include <string>
#include <vector>

#include "base/status.h"
#include "mysql/connection.h"

namespace tailrace::test {

struct LiveServer {
  std::string name;        // "mariadb", "mysql9"
  ConnectOptions options;  // an account that may do everything
};
// Those that can be had; says on stderr why another is left out.
std::vector<LiveServer> live_servers();

// Stops the test with the failure's text.
template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().to_string());
  return std::move(result).value();
}
void must(const Status& status);

// A database of this process' own, dropped at the end.
class ScratchDatabase {
 public:
  explicit ScratchDatabase(const LiveServer& server);
  ~ScratchDatabase();
  const std::string& name() const { return name_; }
  Connection& connection() { return connection_; }
  void run(const std::string& sql) { must(connection_.execute(sql)); }

 private:
  Connection connection_;
  std::string name_;
};

}  // namespace tailrace::test
