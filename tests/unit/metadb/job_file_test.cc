#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "metadb/metadb.h"
#include "unit/catch.h"

using namespace tailrace;
using Mode = JobFile::Mode;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/tailrace_metadb_XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string job() const { return path + "/shop.db"; }
};

constexpr const char* kConfig = R"({"sink":{"url":"sqlite:///a.db"},"tables":["shop.*"],"version":1})";

std::unique_ptr<JobFile> must_open(const std::string& path, Mode mode) {
  auto job = JobFile::open(path, mode);
  INFO((job.ok() ? "" : job.status().to_string()));
  REQUIRE(job.ok());
  return std::move(job).value();
}

// Runs `body` in a child process; its return value is the exit code.
template <class F>
int in_child(F body) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int state = 0;
  ::waitpid(child, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

}  // namespace

TEST_CASE("identity and configuration are kept, a changed configuration is refused with the difference") {
  Folder folder;
  std::string id;
  {
    auto job = must_open(folder.job(), Mode::kCreate);
    auto row = job->create_or_check_config("shop", kConfig, "sqlite:///a.db");
    REQUIRE(row.ok());
    id = row->id;
    CHECK(id.size() == 36);
    CHECK_FALSE(*job->has_started());
    REQUIRE(job->mark_started().ok());
  }
  auto job = must_open(folder.job(), Mode::kCreate);
  CHECK(*job->has_started());
  // The same value, written differently.
  auto same =
      job->create_or_check_config("shop", R"({ "version": 1, "tables": ["shop.*"], "sink": {"url": "sqlite:///a.db"} })", "sqlite:///a.db");
  REQUIRE(same.ok());
  CHECK(same->id == id);
  auto other =
      job->create_or_check_config("shop", R"({"sink":{"url":"sqlite:///b.db"},"tables":["shop.*"],"version":1,"x":2})", "sqlite:///b.db");
  REQUIRE_FALSE(other.ok());
  CHECK(other.status().code() == ErrorCode::kJobConfigChanged);
  CHECK(other.status().detail() == "sink.url: \"sqlite:///a.db\" -> \"sqlite:///b.db\"; x: (not set) -> 2");
}

TEST_CASE("what may change is kept with its new value, what may not says why, and a literal is not shown beside a reference") {
  Folder folder;
  const ConfigLatitude latitude{{"/rules/on_error", "/pipeline", "/sink/password"},
                                {{"tables", "they are copied"}, {"rules", "swap them"}}};
  auto open = [&](const char* config) {
    auto job = must_open(folder.job(), Mode::kCreate);
    return job->create_or_check_config("shop", config, "s", latitude);
  };
  REQUIRE(open(R"({"tables":["a.*"],"rules":{"file":"r.lua","options":{"pepper":"${env:P}"}},"sink":{"password":"${env:A}"}})").ok());
  const char* changed = R"({"tables":["a.*"],"rules":{"file":"r.lua","on_error":"skip","options":{"pepper":"${env:P}"}},
    "sink":{"password":"${env:B}"},"pipeline":{"memory":"8MiB"}})";
  auto row = open(changed);
  REQUIRE(row.ok());
  CHECK(row->config.find("8MiB") != std::string::npos);
  CHECK(row->config.find("${env:B}") != std::string::npos);
  auto job = must_open(folder.job(), Mode::kRead);
  auto events = job->read_events(0, 10);
  REQUIRE((events.ok() && events->size() == 1));
  CHECK((*events)[0].text.find("rules.on_error: (not set) -> \"skip\"") != std::string::npos);
  job.reset();
  auto refused = open(R"({"tables":["a.*","b.*"],"rules":{"file":"r.lua","options":{"pepper":"hunter2"}},"sink":{}})");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().detail() ==
        "rules.options.pepper: \"${env:P}\" -> (a literal value); tables[1]: (not set) -> \"b.*\". tables: they are copied. rules: swap "
        "them");
}

TEST_CASE("a job file has one owner") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  CHECK(JobFile::owner_of(folder.job()).find(std::to_string(::getpid()) + "@") == 0);
  SECTION("in this process") {
    auto second = JobFile::open(folder.job(), Mode::kOwn);
    REQUIRE_FALSE(second.ok());
    CHECK(second.status().code() == ErrorCode::kJobOwned);
    CHECK(second.status().to_string().find(std::to_string(::getpid()) + "@") != std::string::npos);
  }
  SECTION("in another process") {
    CHECK(in_child([&] {
            auto second = JobFile::open(folder.job(), Mode::kCreate);
            return !second.ok() && second.status().code() == ErrorCode::kJobOwned ? 7 : 1;
          }) == 7);
  }
  SECTION("until it is closed") {
    job.reset();
    CHECK(JobFile::owner_of(folder.job()) == "");
    CHECK(JobFile::open(folder.job(), Mode::kOwn).ok());
  }
  SECTION("also after a reader in this process opened and closed it") {
    must_open(folder.job(), Mode::kRead).reset();
    CHECK(in_child([&] {
            auto second = JobFile::open(folder.job(), Mode::kOwn);
            return !second.ok() && second.status().code() == ErrorCode::kJobOwned ? 7 : 1;
          }) == 7);
  }
}

TEST_CASE("a job file has one owner, by whatever link it is named") {
  Folder folder;
  std::string link = folder.path + "/link.db", far = folder.path + "/far";
  std::filesystem::create_symlink("shop.db", link);  // before the file itself
  std::filesystem::create_directory_symlink(".", far);
  std::string first = GENERATE(as<std::string>{}, "shop.db", "link.db", "far/link.db");
  auto job = must_open(folder.path + "/" + first, Mode::kCreate);
  for (const std::string& name : {folder.job(), link, far + "/shop.db", far + "/link.db"}) {
    INFO(name);
    auto second = JobFile::open(name, Mode::kCreate);
    REQUIRE_FALSE(second.ok());
    CHECK(second.status().code() == ErrorCode::kJobOwned);
    CHECK(JobFile::owner_of(name).find(std::to_string(::getpid()) + "@") == 0);
  }
  CHECK(std::filesystem::exists(folder.job() + ".lock"));
  CHECK_FALSE(std::filesystem::exists(link + ".lock"));
}

TEST_CASE("a job file that was removed while it is open takes no checkpoint") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  Checkpoint checkpoint;
  checkpoint.position = {"mysql", "gtid=0-1-1"};
  REQUIRE(job->save(checkpoint).ok());
  std::filesystem::remove(folder.job() + GENERATE("", "-wal"));
  Status status = job->save(checkpoint);
  CHECK(status.code() == ErrorCode::kMetaWrite);
  CHECK(status.to_string().find(folder.job()) != std::string::npos);
}

TEST_CASE("what is not a job file is named") {
  Folder folder;
  auto missing = JobFile::open(folder.job(), Mode::kRead);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.status().code() == ErrorCode::kJobMissing);
  CHECK(JobFile::open(folder.job(), Mode::kOwn).status().code() == ErrorCode::kJobMissing);

  std::string text = folder.path + "/text.db";
  int fd = ::open(text.c_str(), O_CREAT | O_WRONLY, 0644);
  std::string garbage(5000, 'x');
  REQUIRE(::write(fd, garbage.data(), garbage.size()) == 5000);
  ::close(fd);
  CHECK(JobFile::open(text, Mode::kCreate).status().code() == ErrorCode::kMetaOpen);
  CHECK(JobFile::open(folder.path + "/no/such/folder/x.db", Mode::kCreate).status().code() == ErrorCode::kMetaOpen);

  std::string foreign = folder.path + "/foreign.db";
  REQUIRE(std::system(("sqlite3 " + foreign + " 'create table t(a)'").c_str()) == 0);
  CHECK(JobFile::open(foreign, Mode::kCreate).status().code() == ErrorCode::kMetaOpen);
}

TEST_CASE("a job file of a newer engine is not owned, but may be read") {
  Folder folder;
  must_open(folder.job(), Mode::kCreate).reset();
  REQUIRE(std::system(("sqlite3 " + folder.job() + " 'pragma user_version=999'").c_str()) == 0);
  CHECK(JobFile::open(folder.job(), Mode::kOwn).status().code() == ErrorCode::kMetaSchema);
  CHECK(JobFile::open(folder.job(), Mode::kRead).ok());
}

TEST_CASE("a command that nobody has taken can be withdrawn, one that was taken cannot") {
  Folder folder;
  auto owner = must_open(folder.job(), Mode::kCreate);
  auto asker = must_open(folder.job(), Mode::kRead);
  auto first = asker->post_command("rules", "{}", "test");
  REQUIRE(first.ok());
  CHECK(asker->withdraw_command(*first).value());
  CHECK(owner->poll_commands()->empty());
  auto second = asker->post_command("rules", "{}", "test");
  REQUIRE(second.ok());
  REQUIRE(owner->poll_commands()->size() == 1);
  CHECK_FALSE(asker->withdraw_command(*second).value());
  CHECK(asker->read_command(*second)->value().state == "taken");
}

TEST_CASE("a copied row that the stream has brought already is no second dead letter") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  auto streamed =
      job->add({"RULE-0102", {"mysql", "0-1-5:0"}, "shop", "user", "id=7", R"({"op":"insert","after":{"id":"7","v":"1"}})", "x"});
  REQUIRE(streamed.ok());
  CHECK(job->add({"RULE-0102", {}, "shop", "user", "id=7", R"({"op":"read","after":{"id":"7","v":"1"}})", "x"}).value() == *streamed);
  // Another state of the row, another failure, another event: letters of their own.
  CHECK(job->add({"RULE-0102", {}, "shop", "user", "id=7", R"({"op":"read","after":{"id":"7","v":"2"}})", "x"}).value() != *streamed);
  CHECK(job->add({"SINK-0006", {}, "shop", "user", "id=7", R"({"op":"read","after":{"id":"7","v":"1"}})", "x"}).value() != *streamed);
  CHECK(
      job->add({"RULE-0102", {"mysql", "0-1-6:0"}, "shop", "user", "id=7", R"({"op":"update","after":{"id":"7","v":"1"}})", "x"}).value() !=
      *streamed);
}

TEST_CASE("checkpoint, schemas and dead letters come back as they were") {
  Folder folder;
  auto schema = std::make_shared<TableSchema>();
  schema->database = "shop";
  schema->table = "user";
  schema->columns.resize(1);
  schema->columns[0].name = "id";
  schema->columns[0].kind = Kind::kUint;
  schema->columns[0].is_unsigned = true;
  schema->primary_key = {0};
  {
    auto job = must_open(folder.job(), Mode::kCreate);
    CHECK_FALSE(job->load()->has_value());
    REQUIRE(job->save({{"mysql", "gtid=0-1-1"}, 1, "", 1}).ok());
    REQUIRE(job->save({{"mysql", "gtid=0-1-9;file=b.1;offset=4"}, 77, R"({"t":1})", 12}).ok());
    SchemaStore::Entry made, dropped;
    made.position = {"mysql", "p1"};
    made.schema = schema;
    made.ddl = "CREATE TABLE user(id INT)";
    dropped.position = {"mysql", "p2"};
    dropped.ddl = "DROP TABLE user";
    made.database = dropped.database = "shop";
    made.table = dropped.table = "user";
    made.origin = dropped.origin = SchemaOrigin::kStatement;
    REQUIRE(job->append({made, dropped}).ok());
    auto id = job->add({"RULE-0102", {"mysql", "p3"}, "shop", "user", "id=7", "{}", "boom"});
    REQUIRE(id.ok());
    // Delivered again after a kill, it is the same letter.
    CHECK(job->add({"RULE-0102", {"mysql", "p3"}, "shop", "user", "id=7", "{}", "boom"}).value() == *id);
    REQUIRE(job->add_event("warn", "SRC-0012", "lost").ok());
  }
  auto job = must_open(folder.job(), Mode::kOwn);
  auto checkpoint = *job->load();
  REQUIRE(checkpoint);
  CHECK(checkpoint->position == Position{"mysql", "gtid=0-1-9;file=b.1;offset=4"});
  CHECK(checkpoint->commit_time_us == 77);
  CHECK(checkpoint->snapshot_state == R"({"t":1})");
  CHECK(checkpoint->rows == 12);
  auto entries = job->load_all();
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[0].schema_json == schema_to_json(*schema));
  CHECK((*entries)[0].origin == SchemaOrigin::kStatement);
  CHECK((*entries)[0].position == Position{"mysql", "p1"});
  CHECK((*entries)[1].schema_json.empty());
  CHECK((*entries)[1].ddl == "DROP TABLE user");
  auto letters = job->query("SELECT code, \"table\", key, message FROM v1_dead_letter");
  REQUIRE(letters.ok());
  REQUIRE(letters->rows.size() == 1);
  CHECK(letters->rows[0] == std::vector<Cell>{std::string("RULE-0102"), std::string("user"), std::string("id=7"), std::string("boom")});
  auto events = job->read_events(0);
  REQUIRE(events->size() == 1);
  CHECK((*events)[0].text == "lost");
  CHECK(job->read_events((*events)[0].id)->empty());
}

namespace {

// What a second process does with a running job; 0 = all as it should be.
int look_and_steer(const std::string& path) {
  auto reader = JobFile::open(path, Mode::kRead);
  if (!reader.ok()) return 1;
  JobFile& r = **reader;
  for (int i = 0; i < 20; ++i) {
    auto seen = r.read_status();
    if (!seen.ok() || !*seen || (*seen)->rows_done != 41 || (*seen)->lag_s || (*seen)->owner_pid != 12) return 2;
    auto stats = r.read_tables();
    if (!stats.ok() || stats->size() != 1 || (*stats)[0].rows_total != 50) return 3;
    if (!r.query("SELECT * FROM v1_checkpoint").ok()) return 4;
  }
  if (r.save({}).ok() || r.mark_started().ok() || r.write_status({}).ok()) return 5;  // not the owner
  auto id = r.post_command("pause", "{}", "cli");
  // The owner of this test writes without a break; on a slow disk its lock may be held longer than a command waits for it.
  for (int i = 0; i < 20 && !id.ok(); ++i) id = r.post_command("pause", "{}", "cli");
  return id.ok() && *id > 0 ? 0 : 6;
}

}  // namespace

TEST_CASE("another process reads status while the owner writes, and steers by commands") {
  Folder folder;
  // The child must not inherit an open SQLite connection, so it starts first and waits for its cue.
  int cue[2];
  REQUIRE(::pipe(cue) == 0);
  pid_t child = ::fork();
  if (child == 0) {
    char go;
    ::_exit(::read(cue[0], &go, 1) == 1 ? look_and_steer(folder.job()) : 9);
  }
  auto job = must_open(folder.job(), Mode::kCreate);
  REQUIRE(job->create_or_check_config("shop", kConfig, "sink").ok());
  StatusRow status;
  status.state = "running";
  status.phase = "stream";
  status.rows_done = 41;
  status.position = {"mysql", "gtid=1"};
  status.owner_pid = 12;
  std::vector<TableStat> tables{{"shop", "user", "dw.user", "done", 41, 50, 1.5, 1, 2, 3, 4}};
  REQUIRE(job->write_status(status, tables).ok());

  std::atomic<bool> stop{false};
  std::atomic<int> writes{0};
  Status refused;
  std::atomic<bool> is_refused{false};
  std::thread writer([&] {
    while (!stop) {
      refused = job->save({{"mysql", std::to_string(writes)}, 0, "", 0});
      if (!refused.ok()) {
        is_refused = true;
        break;
      }
      ++writes;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // ten times the rate of a busy job
    }
  });
  while (writes == 0 && !is_refused) std::this_thread::yield();  // the child may be done before a thread gets to run
  REQUIRE(::write(cue[1], "g", 1) == 1);
  int state = 0;
  ::waitpid(child, &state, 0);
  int code = WIFEXITED(state) ? WEXITSTATUS(state) : 128;
  stop = true;
  writer.join();
  CHECK(code == 0);
  INFO(refused.to_string());
  CHECK(refused.ok());
  auto commands = job->poll_commands();
  REQUIRE(commands.ok());
  REQUIRE(commands->size() == 1);
  CHECK((*commands)[0].verb == "pause");
  CHECK((*commands)[0].by == "cli");
  CHECK(job->poll_commands()->empty());
  REQUIRE(job->finish_command((*commands)[0].id, "paused").ok());
  auto answered = *job->read_command((*commands)[0].id);
  REQUIRE(answered);
  CHECK(answered->state == "done");
  CHECK(answered->answer == "paused");
}

TEST_CASE("queries read, with names, types and parameters, and do nothing else") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  std::vector<Cell> parameters{int64_t{7}, std::string("x")};
  auto table = job->query("SELECT ?1 AS a, ?2 AS b, NULL AS c, 1.5 AS d, x'00ff' AS e;", parameters);
  REQUIRE(table.ok());
  CHECK(table->columns == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(table->rows[0] == std::vector<Cell>{int64_t{7}, std::string("x"), std::monostate(), 1.5, Blob{std::string("\0\xff", 2)}});
  for (std::string sql : {"DELETE FROM checkpoint", "UPDATE job SET name='x'", "SELECT 1; SELECT 2", "ATTACH 'x' AS y",
                          "PRAGMA journal_mode=DELETE", "selec 1", "SELECT ?", ""}) {
    CAPTURE(sql);
    auto bad = job->query(sql);
    REQUIRE_FALSE(bad.ok());
    CHECK(bad.status().code() == ErrorCode::kMetaQuery);
  }
  auto cut = job->query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<10) SELECT i FROM n", {}, 3);
  REQUIRE(cut.ok());
  CHECK(cut->rows.size() == 3);
  CHECK(cut->truncated);
  auto views = job->query("SELECT name FROM sqlite_schema WHERE type='view' ORDER BY name");
  REQUIRE(views.ok());
  for (auto& row : views->rows) {
    CHECK(job->query("SELECT * FROM " + std::get<std::string>(row[0])).ok());
  }
  CHECK(views->rows.size() == 11);
}

TEST_CASE("a killed owner leaves a job file that the next one takes over") {
  Folder folder;
  int code = in_child([&] {
    auto job = JobFile::open(folder.job(), Mode::kCreate);
    if (!job.ok() || !(*job)->create_or_check_config("shop", kConfig, "s").ok()) return 1;
    if (!(*job)->save({{"mysql", "kept"}, 0, "", 5}).ok()) return 2;
    ::kill(::getpid(), SIGKILL);
    return 3;
  });
  CHECK(code == 128 + SIGKILL);
  auto job = must_open(folder.job(), Mode::kOwn);
  CHECK((*job->load())->position.text == "kept");
  CHECK(job->create_or_check_config("shop", kConfig, "s").ok());
}

TEST_CASE("versions of rules are kept once, and a cut placed later passes over those behind it") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  RuleVersionRow version;
  version.hash = "aa";
  version.version = "shop@aa";
  version.file = "rules/shop.lua";
  version.options = "{}";
  version.files = {{"", "@rules/shop.lua", std::string("return {}\0\xff", 11)}, {"mod", "@rules/mod.lua", "return 1"}};
  auto first = job->keep_rule_version(version);
  REQUIRE(first.ok());
  CHECK(*job->keep_rule_version(version) == *first);
  version.options = R"({"region":"eu"})";
  auto second = job->keep_rule_version(version);
  REQUIRE(second.ok());
  CHECK(*second != *first);
  auto row = job->rule_version(*first);
  REQUIRE(row.ok());
  CHECK(row->options == "{}");
  REQUIRE(row->files.size() == 2);
  CHECK(row->files[0].text == std::string("return {}\0\xff", 11));
  CHECK_FALSE(job->rule_version(99).ok());

  REQUIRE(job->add_rule_cut({0, *first, {"mysql", "gtid=0-1-1"}, "file", ""}).ok());
  auto later = job->add_rule_cut({0, *second, {"mysql", "gtid=0-1-9"}, "swap", "ALTER TABLE …"});
  REQUIRE(later.ok());
  REQUIRE(job->add_rule_cut({0, *second, {}, "swap", ""}).ok());
  auto waiting = job->add_rule_cut({0, *first, {}, "swap", ""});  // the last wish counts
  REQUIRE(waiting.ok());
  auto cuts = job->rule_cuts();
  REQUIRE(cuts.ok());
  REQUIRE(cuts->size() == 3);
  CHECK(cuts->back().id == *waiting);
  CHECK(cuts->back().position.text.empty());
  std::vector<int64_t> passed_over{*later};
  REQUIRE(job->place_rule_cut(*waiting, {"mysql", "gtid=0-1-5"}, passed_over).ok());
  cuts = job->rule_cuts();
  REQUIRE(cuts->size() == 2);
  CHECK(cuts->back().position.text == "gtid=0-1-5");
  auto shown = job->query("SELECT version, position, state FROM v1_rule WHERE state <> 'holds' ORDER BY id");
  REQUIRE(shown.ok());
  CHECK(shown->rows.size() == 2);
}

TEST_CASE("a statement is held until it is decided about, all its tables at once") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  StoppedDdl drop{"0-1-7", 0, "shop", "a", "DROP TABLE a, b", "drop_table", "the rules deny drop_table"};
  CHECK(*job->hold(drop) == DdlState::kHeld);
  CHECK(*job->hold(drop) == DdlState::kHeld);
  auto held = job->held_ddl();
  REQUIRE(held.ok());
  REQUIRE(held->size() == 1);
  CHECK(job->decide_ddl(held->front() + 1, DdlState::kReleased).code() == ErrorCode::kJobState);
  REQUIRE(job->decide_ddl(held->front(), DdlState::kReleased).ok());
  CHECK(job->decide_ddl(held->front(), DdlState::kSkipped).code() == ErrorCode::kJobState);
  CHECK(*job->hold(drop) == DdlState::kReleased);
  drop.ordinal = 1;
  drop.table = "b";
  CHECK(*job->hold(drop) == DdlState::kReleased);
  drop.txn = "0-1-8";
  CHECK(*job->hold(drop) == DdlState::kHeld);
  StoppedDdl skipped{"0-1-9", 0, "shop", "c", "TRUNCATE c", "truncate", "no"};
  REQUIRE(job->note(skipped, DdlState::kSkipped).ok());
  auto shown = job->query(R"(SELECT state, "table", reason FROM v1_ddl ORDER BY id)");
  REQUIRE(shown.ok());
  REQUIRE(shown->rows.size() == 4);
  CHECK(std::get<std::string>(shown->rows[3][0]) == "skipped");
}

TEST_CASE("what rules remember goes back to the checkpoint, and the journal does not grow") {
  using Change = RuleStateChange;
  Folder folder;
  auto at = [](const std::string& position, uint64_t rows) {
    Checkpoint checkpoint;
    checkpoint.position = {"mysql", position};
    checkpoint.rows = rows;
    return checkpoint;
  };
  auto entries = [](JobFile& job, const Checkpoint& checkpoint) {
    auto found = job.go_back(checkpoint);
    REQUIRE(found.ok());
    std::string out = found->is_known ? "" : "? ";
    for (const Change& entry : found->entries)
      out += entry.state + "." + entry.key + "=" + entry.value + "@" + std::to_string(entry.at_us) + " ";
    return out;
  };
  auto count = [](JobFile& job, const std::string& table) {
    return std::get<int64_t>(job.query("SELECT count(*) FROM " + table)->rows[0][0]);
  };
  {
    auto job = must_open(folder.job(), Mode::kCreate);
    REQUIRE(job->keep(at("p1", 1), {{Change::Kind::kClear, "", "", "", 0},
                                    {Change::Kind::kPut, "last", "a", "1", 10},
                                    {Change::Kind::kPut, "last", "b", "1", 10}})
                .ok());
    REQUIRE(job->keep(at("p2", 2), {{Change::Kind::kPut, "last", "a", "2", 20},
                                    {Change::Kind::kRemove, "last", "b", "", 20},
                                    {Change::Kind::kPut, "other", "a", "x", 20}})
                .ok());
    REQUIRE(
        job->keep(at("p3", 3), {{Change::Kind::kPut, "last", "c", std::string("\0z", 2), 30}, {Change::Kind::kClear, "other", "", "", 0}})
            .ok());
  }
  auto job = must_open(folder.job(), Mode::kOwn);
  CHECK(entries(*job, at("p2", 2)) == "last.a=2@20 other.a=x@20 ");
  CHECK(entries(*job, at("p3", 3)) == "? last.a=2@20 other.a=x@20 ");  // it lay behind
  REQUIRE(job->keep(at("p3", 3), {{Change::Kind::kPut, "last", "d", "4", 30}}).ok());
  REQUIRE(job->settle(at("p3", 3)).ok());
  CHECK(count(*job, "rule_state_journal") == 0);
  CHECK(count(*job, "rule_state_mark") == 1);
  CHECK(entries(*job, at("p3", 3)) == "last.a=2@20 other.a=x@20 last.d=4@30 ");
  REQUIRE(job->forget_all().ok());
  CHECK(entries(*job, at("p3", 3)) == "? ");
}

TEST_CASE("what rules cost is kept per version and table, of the newest versions only") {
  Folder folder;
  auto job = must_open(folder.job(), Mode::kCreate);
  auto row = [](const std::string& version, const std::string& table, uint64_t in) {
    RuleProfileRow out;
    out.version = version;
    out.table = table;
    out.hook = "map";
    out.in = in;
    out.out = in + 1;
    out.timed_ns = 7;
    out.serialize_ns = 9;
    return out;
  };
  std::vector<RuleProfileRow> first{row("shop@1", "shop.a", 5), row("shop@1", "shop.b", 6)};
  REQUIRE(job->write_rule_profile(first).ok());
  std::vector<RuleProfileRow> later{row("shop@1", "shop.a", 8)};
  REQUIRE(job->write_rule_profile(later).ok());
  CHECK(job->read_rule_profile().value() == std::vector<RuleProfileRow>{row("shop@1", "shop.a", 8), row("shop@1", "shop.b", 6)});
  for (int i = 2; i <= 9; ++i) {
    std::vector<RuleProfileRow> next{row("shop@" + std::to_string(i), "shop.a", 1)};
    REQUIRE(job->write_rule_profile(next).ok());
  }
  auto kept = job->query("SELECT DISTINCT version FROM v1_rule_profile ORDER BY version");
  REQUIRE(kept.ok());
  CHECK(kept->rows.size() == 5);
  CHECK(std::get<std::string>(kept->rows[4][0]) == "shop@9");
  CHECK(job->write_status(StatusRow{}).ok());
  StatusRow slow;
  slow.warning = "map of shop.a has not returned";
  REQUIRE(job->write_status(slow).ok());
  CHECK(job->read_status().value()->warning == slow.warning);
}
