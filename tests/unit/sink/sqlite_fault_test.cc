// Kills, full disks and locks.
#include <signal.h>
#include <sys/wait.h>

#include <random>
#include <thread>

#include "unit/sink/sink_fixture.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

SinkContext job(bool started) {
  SinkContext context;
  context.job_id = "job";
  context.job_has_started = started;
  return context;
}

SchemaRef counters() { return table("d", "t", {column("id", "int(11)", Kind::kInt, false), column("v", "int(11)", Kind::kInt)}, {0}); }

// Transaction n inserts row n and adds one to row 0; every third comes in two batches.
Status write_transaction(Sink& sink, const std::shared_ptr<OutputTable>& t, int64_t n) {
  auto sequence = static_cast<uint64_t>(n);
  if (n % 3 == 0) {
    TAILRACE_OK(sink.write(BatchMaker(sequence * 2).insert(t, {num(n), num(n)}).slice(), {}));
    return sink.write(BatchMaker(sequence * 2 + 1, std::to_string(n)).update(t, {num(0), num(n - 1)}, {num(0), num(n)}).whole(), {});
  }
  return sink.write(
      BatchMaker(sequence * 2 + 1, std::to_string(n)).insert(t, {num(n), num(n)}).update(t, {num(0), num(n - 1)}, {num(0), num(n)}).whole(),
      {});
}

}  // namespace

TEST_CASE("killed at any moment, rows and checkpoint agree") {
  Folder folder;
  std::string file = folder.path + "/copy.db";
  std::mt19937 random(20241120);
  int64_t last = 0;
  int progressed = 0;
  for (int round = 0; round < 15; ++round) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    pid_t child = ::fork();
    if (child == 0) {
      ::close(ready[0]);
      auto url = parse_url("sqlite://" + file);
      const SinkInfo* info = nullptr;
      for (const SinkInfo* candidate : builtin_sinks())
        if (candidate->name == "sqlite") info = candidate;
      auto options = Options::parse("sink", info->options, {{"commit_every", "2ms"}});
      auto sink = info->create(*options, *url);
      Acks acks;
      if (!(*sink)->open(job(round > 0), acks).ok()) ::_exit(1);
      auto t = same(counters());
      auto stored = (*sink)->stored_checkpoint();
      if (!stored.ok()) ::_exit(2);
      int64_t n = *stored ? std::stoll((*stored)->position.text.substr(5)) : 0;
      if (!*stored && !(*sink)->write(BatchMaker(1, "0").insert(t, {num(0), num(0)}).whole(), {}).ok()) ::_exit(3);
      char mark = 1;
      if (::write(ready[1], &mark, 1) != 1) ::_exit(4);
      for (;;)
        if (!write_transaction(**sink, t, ++n).ok()) ::_exit(5);
    }
    ::close(ready[1]);
    char mark;
    REQUIRE(::read(ready[0], &mark, 1) == 1);
    ::close(ready[0]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40000));
    ::kill(child, SIGKILL);
    int state = 0;
    ::waitpid(child, &state, 0);
    REQUIRE(WIFSIGNALED(state));

    // Read by the sqlite3 library afresh, as any reader would.
    std::string position = query(file, "SELECT substr(position, 6) FROM _tailrace_checkpoint");
    int64_t n = position == "\n" ? -1 : std::stoll(position);
    if (n < 0) {
      CHECK(query(file, "SELECT count(*) FROM sqlite_schema WHERE name='t'") == "0\n");
      continue;
    }
    CHECK(n >= last);
    progressed += n > last;
    last = n;
    CHECK(query(file, "SELECT count(*), max(id) FROM t") == std::to_string(n + 1) + "|" + std::to_string(n) + "\n");
    CHECK(query(file, "SELECT v FROM t WHERE id=0") == std::to_string(n) + "\n");
    CHECK(query(file, "PRAGMA integrity_check") == "ok\n");
  }
  CHECK(progressed >= 10);
}

TEST_CASE("a full disk is named, rolled back, and ends well when there is room again") {
  Folder folder;
  std::string file = folder.path + "/copy.db";
  auto t = same(table("d", "t", {column("id", "int(11)", Kind::kInt, false), column("v", "mediumtext", Kind::kText)}, {0}));
  std::string big(50000, 'x');
  int64_t kept = 0;
  {
    Acks acks;
    auto sink = make_sink("sqlite://" + file, {{"max_page_count", "100"}});
    REQUIRE(sink->open(job(false), acks).ok());
    Status status;
    for (int64_t n = 1; n < 50 && status.ok(); ++n) {
      status = sink->write(BatchMaker(static_cast<uint64_t>(n), std::to_string(n))
                               .insert(t, {num(n), text(big)})
                               .insert(t, {num(n + 1000), text("small")})
                               .whole(),
                           {});
      if (status.ok()) status = sink->flush({});
      if (status.ok()) kept = n;
    }
    REQUIRE_FALSE(status.ok());
    CHECK(status.code() == ErrorCode::kSinkFull);
    CHECK(acks.sequences.size() == static_cast<size_t>(kept));
  }
  REQUIRE(kept > 2);
  CHECK(query(file, "SELECT count(*), max(id) FROM t") == std::to_string(2 * kept) + "|" + std::to_string(kept + 1000) + "\n");
  CHECK(query(file, "SELECT position FROM _tailrace_checkpoint") == "gtid=" + std::to_string(kept) + "\n");
  Acks acks;
  auto sink = make_sink("sqlite://" + file);
  REQUIRE(sink->open(job(true), acks).ok());
  CHECK(sink->write(BatchMaker(99, "99").insert(t, {num(99), text(big)}).whole(), {}).ok());
  CHECK(sink->flush({}).ok());
}

TEST_CASE("a transaction larger than every cache is one commit") {
  Folder folder;
  std::string file = folder.path + "/copy.db";
  Acks acks;
  auto sink = make_sink("sqlite://" + file, {{"cache", "256KiB"}, {"commit_bytes", "64KiB"}, {"commit_every", "0ms"}});
  REQUIRE(sink->open(job(false), acks).ok());
  auto t = same(table("d", "t", {column("id", "int(11)", Kind::kInt, false), column("v", "mediumtext", Kind::kText)}, {0}));
  std::string big(10000, 'x');
  uint64_t sequence = 0;
  for (; sequence < 500;) {
    ++sequence;
    REQUIRE(sink->write(BatchMaker(sequence).insert(t, {num(static_cast<int64_t>(sequence)), text(big)}).slice(), {}).ok());
  }
  CHECK(query(file, "SELECT count(*) FROM sqlite_schema WHERE name='t'") == "0\n");
  CHECK(acks.sequences.empty());
  REQUIRE(sink->write(BatchMaker(501).remove(t, {num(1), Value::null()}).whole(), {}).ok());
  CHECK(acks.sequences.size() == 501);
  CHECK(query(file, "SELECT count(*) FROM t") == "499\n");
}

TEST_CASE("waiting for a locked file ends when asked to stop") {
  Folder folder;
  std::string file = folder.path + "/copy.db";
  Acks acks;
  auto sink = make_sink("sqlite://" + file);
  REQUIRE(sink->open(job(false), acks).ok());
  auto other = sqlite::Database::open(file, {}, {ErrorCode::kSinkOpen, ErrorCode::kSinkWrite, ErrorCode::kSinkFull});
  REQUIRE(other.ok());
  auto held = sqlite::Transaction::begin(**other);
  REQUIRE(held.ok());
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    stop.request_stop();
  });
  auto t = same(counters());
  auto begin = std::chrono::steady_clock::now();
  Status status = sink->write(BatchMaker(1).insert(t, {num(1), num(1)}).whole(), stop.get_token());
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kJobAborted);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(1500));
}
