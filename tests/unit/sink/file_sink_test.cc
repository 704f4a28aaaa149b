#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "unit/sink/sink_fixture.h"

using namespace tailrace;
using namespace tailrace::testing;

namespace {

// {"id":1} per insert; deletes have no message.
class IdSerializer final : public Serializer {
 public:
  Status encode(const EventBatch&, const ChangeEvent& event, Record& out) const override {
    out.skip = event.op == Op::kDelete;
    out.value.clear();
    if (!out.skip) out.value = "{\"id\":" + std::to_string(event.after[0].i) + "}";
    return Status();
  }
};

struct Bench {
  Folder folder;
  std::string path = folder.path + "/out";
  Acks acks;
  IdSerializer serializer;
  std::unique_ptr<Sink> sink;
  uint64_t sequence = 0;
  std::shared_ptr<OutputTable> t = same(table("d", "t", {column("id", "int(11)", Kind::kInt, false)}, {0}));

  Status open(const std::map<std::string, std::string>& options = {}) {
    sink.reset();
    sink = make_sink("file://" + path, options);
    SinkContext context;
    context.job_id = "job";
    context.serializer = &serializer;
    return sink->open(context, acks);
  }
  std::string segment(int n) const {
    char name[64];
    std::snprintf(name, sizeof name, "/changes-%08d.jsonl", n);
    std::ifstream in(path + name);
    std::stringstream text;
    text << in.rdbuf();
    return in ? text.str() : "none";
  }
  Status insert(int64_t id) {
    BatchMaker maker(++sequence);
    maker.insert(t, {num(id)});
    return sink->write(maker.whole(), {});
  }
};

}  // namespace

TEST_CASE("lines are on disk when their batch is acknowledged") {
  Bench b;
  REQUIRE(b.open().ok());
  REQUIRE(b.insert(1).ok());
  BatchMaker maker(++b.sequence);
  maker.remove(b.t, {num(1)}).insert(b.t, {num(2)});
  REQUIRE(b.sink->write(maker.whole(), {}).ok());
  CHECK(b.acks.sequences.empty());
  REQUIRE(b.sink->flush({}).ok());
  CHECK(b.acks.sequences == std::vector<uint64_t>{1, 2});
  CHECK(b.segment(1) == "{\"id\":1}\n{\"id\":2}\n");
}

TEST_CASE("segments end at the first transaction end past their size") {
  Bench b;
  REQUIRE(b.open({{"segment_bytes", "20"}}).ok());
  REQUIRE(b.insert(1).ok());
  BatchMaker open(++b.sequence);
  open.insert(b.t, {num(2)}).insert(b.t, {num(3)});
  REQUIRE(b.sink->write(open.slice(), {}).ok());  // past the size, but in mid-transaction
  for (int64_t id = 4; id <= 5; ++id) REQUIRE(b.insert(id).ok());
  REQUIRE(b.sink->flush({}).ok());
  CHECK(b.segment(1) == "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n");
  CHECK(b.segment(2) == "{\"id\":5}\n");
}

TEST_CASE("a segment that is removed while it is written stops the job") {
  Bench b;
  REQUIRE(b.open().ok());
  REQUIRE(b.insert(1).ok());
  REQUIRE(b.sink->flush({}).ok());
  std::filesystem::remove(b.path + "/changes-00000001.jsonl");
  REQUIRE(b.insert(2).ok());
  Status status = b.sink->flush({});
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkMismatch);
  CHECK(status.to_string().find("changes-00000001.jsonl") != std::string::npos);
  CHECK(b.acks.sequences == std::vector<uint64_t>{1});
}

TEST_CASE("a torn last line is cut and a new segment begun") {
  Bench b;
  std::string torn = GENERATE(std::string("{\"id\":1}\n{\"id\":2"), std::string("{\"id\":1}\n"), std::string("{\"i"),
                              "{\"id\":1}\n" + std::string(200000, 'x'));
  std::filesystem::create_directories(b.path);
  std::ofstream(b.path + "/changes-00000007.jsonl") << torn;
  std::ofstream(b.path + "/changes-00000003.jsonl") << "older, left alone";
  std::ofstream(b.path + "/notes.txt") << "not ours";
  REQUIRE(b.open().ok());
  CHECK(b.segment(7) == (torn[2] == 'i' && torn.size() == 3 ? "" : "{\"id\":1}\n"));
  CHECK(b.segment(3) == "older, left alone");
  REQUIRE(b.insert(9).ok());
  REQUIRE(b.sink->flush({}).ok());
  CHECK(b.segment(8) == "{\"id\":9}\n");
}

TEST_CASE("two processes do not write into one folder") {
  Bench b;
  REQUIRE(b.open().ok());
  REQUIRE(b.insert(1).ok());
  REQUIRE(b.sink->flush({}).ok());
  auto second = make_sink("file://" + b.path);
  Acks acks;
  SinkContext context;
  context.serializer = &b.serializer;
  Status status = second->open(context, acks);
  REQUIRE_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kSinkMismatch);
}

TEST_CASE("a full disk is named and nothing is acknowledged") {
  // RLIMIT_FSIZE makes write fail with EFBIG, as a full disk does with ENOSPC; in a child, the limit is per
  // process.
  pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    Bench b;
    if (!b.open({{"segment_bytes", "1GiB"}}).ok()) ::_exit(1);
    struct rlimit limit {
      100000, 100000
    };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Status status;
    for (int64_t i = 0; i < 20000 && status.ok(); ++i) status = b.insert(i);
    if (status.ok()) status = b.sink->flush({});
    bool right = !status.ok() && status.code() == ErrorCode::kSinkFull && b.acks.sequences.empty() && !b.sink->flush({}).ok();
    std::filesystem::remove_all(b.folder.path);
    ::_exit(right ? 0 : 2);
  }
  int state = 0;
  ::waitpid(child, &state, 0);
  CHECK(WIFEXITED(state));
  CHECK(WEXITSTATUS(state) == 0);
}

TEST_CASE("the null sink acknowledges at once") {
  auto sink = make_sink("null:");
  Acks acks;
  REQUIRE(sink->open({}, acks).ok());
  CHECK_FALSE(sink->caps().wants_records);
  REQUIRE(sink->write(BatchMaker(4).whole(), {}).ok());
  CHECK(acks.sequences == std::vector<uint64_t>{4});
  CHECK(make_sink("null:", {{"records", "true"}})->caps().wants_records);
}
