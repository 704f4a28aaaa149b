// bench_sqlite FILE TABLE TARGET [COMMIT_ROWS]: what SQLite alone can do. Reads TABLE (id, k, c, pad) of FILE into memory,
// then writes the same rows with one prepared upsert into a new file TARGET, with the settings of the SQLite sink, and
// prints the seconds that took.
#include <sqlite3.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Line {
  sqlite3_int64 id, k;
  std::string c, pad;
};

void check(sqlite3* database, int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  std::fprintf(stderr, "bench_sqlite: %s\n", sqlite3_errmsg(database));
  std::exit(1);
}
void run(sqlite3* database, const std::string& sql) { check(database, sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr)); }

std::vector<Line> read_rows(const char* path, const std::string& table) {
  sqlite3* database = nullptr;
  check(database, sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, nullptr));
  sqlite3_stmt* select = nullptr;
  check(database, sqlite3_prepare_v2(database, ("SELECT id, k, c, pad FROM \"" + table + '"').c_str(), -1, &select, nullptr));
  std::vector<Line> rows;
  while (sqlite3_step(select) == SQLITE_ROW) {
    auto text = [&](int column) { return std::string(reinterpret_cast<const char*>(sqlite3_column_text(select, column))); };
    rows.push_back({sqlite3_column_int64(select, 0), sqlite3_column_int64(select, 1), text(2), text(3)});
  }
  sqlite3_finalize(select);
  sqlite3_close(database);
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: bench_sqlite FILE TABLE TARGET [COMMIT_ROWS]\n");
    return 2;
  }
  std::vector<Line> rows = read_rows(argv[1], argv[2]);
  long commit_rows = argc > 4 ? std::atol(argv[4]) : 10000;
  sqlite3* database = nullptr;
  check(database, sqlite3_open(argv[3], &database));
  auto start = std::chrono::steady_clock::now();
  run(database, "PRAGMA journal_mode=WAL");
  run(database, "PRAGMA synchronous=FULL");
  run(database, "PRAGMA cache_size=-8192");
  run(database, "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, k INTEGER NOT NULL, c TEXT NOT NULL, pad TEXT NOT NULL) STRICT");
  sqlite3_stmt* upsert = nullptr;
  check(database,
        sqlite3_prepare_v2(database, "INSERT INTO t VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET k = ?2, c = ?3, pad = ?4", -1,
                           &upsert, nullptr));
  run(database, "BEGIN IMMEDIATE");
  long open = 0;
  for (const Line& row : rows) {
    sqlite3_bind_int64(upsert, 1, row.id);
    sqlite3_bind_int64(upsert, 2, row.k);
    sqlite3_bind_text(upsert, 3, row.c.data(), static_cast<int>(row.c.size()), SQLITE_STATIC);
    sqlite3_bind_text(upsert, 4, row.pad.data(), static_cast<int>(row.pad.size()), SQLITE_STATIC);
    check(database, sqlite3_step(upsert));
    sqlite3_reset(upsert);
    if (++open == commit_rows) {
      run(database, "COMMIT; BEGIN IMMEDIATE");
      open = 0;
    }
  }
  run(database, "COMMIT");
  sqlite3_finalize(upsert);
  sqlite3_close(database);
  double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"rows\":%zu,\"seconds\":%.4f}\n", rows.size(), wall);
}
