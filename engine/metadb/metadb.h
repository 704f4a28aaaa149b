// JobFile: everything a job knows about itself, in one SQLite file. Thread-safe; one writer process, any
// number of readers. Ownership is an flock on "<path>.lock", a file SQLite never opens, so a second SQLite
// library in this process cannot drop it. Only the v1_ views are contract.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "event/ddl_desk.h"
#include "event/quarantine.h"
#include "event/rule_state_store.h"
#include "event/stores.h"
#include "metadb/job_rows.h"

namespace tailrace {

namespace sqlite {
class Database;
}
class JobFileLock;

class JobFile final : public CheckpointStore,
                      public SchemaStore,
                      public DeadLetterStore,
                      public Quarantine,
                      public DdlDesk,
                      public RuleStateStore {
 public:
  // kCreate: makes the file if it is not there, and owns it. kOwn: it must exist. kRead: no ownership; may
  // look and post commands while the owner runs.
  enum class Mode : uint8_t { kCreate, kOwn, kRead };
  // JOB-0005 when somebody else owns the file (modes kCreate and kOwn), JOB-0009 when it does not exist,
  // META-0001 when it is not a job file, META-0002 when a newer engine made it (kRead opens it all the same).
  static Result<std::unique_ptr<JobFile>> open(const std::string& path, Mode mode);
  ~JobFile() override;

  const std::string& path() const noexcept { return path_; }
  Mode mode() const noexcept { return mode_; }
  // "pid@host" of the process that owns the file now, "" when nobody does.
  static std::string owner_of(const std::string& path);

  // The job's identity. First call: keeps name, config and sink identity. Later: JOB-0004 with a readable
  // difference unless the config is the same JSON value, but for the movable places of `latitude`, whose new values are
  // kept. Secrets must be references in it.
  Result<JobRow> create_or_check_config(std::string_view name, std::string_view config_json, std::string_view sink_identity,
                                        const ConfigLatitude& latitude = {});
  Result<std::optional<JobRow>> read_job();
  Status mark_started();  // call after the sink's open succeeded, before the first write
  Result<bool> has_started();

  // CheckpointStore
  Result<std::optional<Checkpoint>> load() override;
  Status save(const Checkpoint& checkpoint) override;
  // SchemaStore
  Status append(const std::vector<Entry>& entries) override;
  Result<std::vector<Entry>> load_all() override;
  // DeadLetterStore
  Result<int64_t> add(const DeadLetter& letter) override;
  // Quarantine
  Result<std::vector<Name>> quarantined() override;
  Status set_aside(const DeadLetter& first) override;

  // RuleStateStore. Not synced to the disk: a kill loses nothing, a power cut takes the newest marks with it.
  Status keep(const Checkpoint& at, const std::vector<RuleStateChange>& changes) override;
  Status settle(const Checkpoint& durable) override;
  Result<RuleStateStore::Found> go_back(const Checkpoint& at) override;
  Status forget_all() override;

  // DdlDesk
  Result<DdlState> hold(const StoppedDdl& statement) override;
  Status note(const StoppedDdl& statement, DdlState state) override;
  // Those that wait for a decision, oldest first.
  Result<std::vector<int64_t>> held_ddl();
  // JOB-0006 when no statement of that number is held.
  Status decide_ddl(int64_t id, DdlState state);

  // One transaction for all of them. Tables and chunks not named stay as they are.
  Status write_status(const StatusRow& status, std::span<const TableStat> tables = {}, std::span<const ChunkRow> chunks = {});
  Result<std::optional<StatusRow>> read_status();
  Result<std::vector<TableStat>> read_tables();
  // Rows not named stay; of versions that were not written for longest nothing stays.
  Status write_rule_profile(std::span<const RuleProfileRow> rows);
  Result<std::vector<RuleProfileRow>> read_rule_profile();
  Status add_event(std::string_view level, std::string_view code, std::string_view text);
  // Events with an id above `after`, oldest first.
  Result<std::vector<EventRow>> read_events(int64_t after, size_t limit = 1000);

  Result<int64_t> post_command(std::string_view verb, std::string_view args_json, std::string_view by);
  // Owner: takes the new commands, oldest first; each is handed out once.
  Result<std::vector<CommandRow>> poll_commands();
  Status finish_command(int64_t id, std::string_view answer, bool failed = false);
  Result<std::optional<CommandRow>> read_command(int64_t id);
  // By who posted it: false when the owner has taken it already, so that it may yet be carried out.
  Result<bool> withdraw_command(int64_t id);

  // Versions of the rules. Keeping the same version again gives its row; cuts come oldest first, without void ones.
  Result<int64_t> keep_rule_version(const RuleVersionRow& version);
  Result<RuleVersionRow> rule_version(int64_t id);
  Result<std::vector<RuleCutRow>> rule_cuts();
  // Durable on return: rows made by the version may follow at once.
  Result<int64_t> add_rule_cut(const RuleCutRow& cut);
  // Gives a waiting cut its place; the cuts of `passed_over` are void from here on. Durable on return.
  Status place_rule_cut(int64_t id, const Position& at, std::span<const int64_t> passed_over);
  Status void_rule_cut(int64_t id);

  // One reading statement, on a connection of its own; any thread, also while the owner writes.
  Result<QueryTable> query(std::string_view sql, std::span<const Cell> parameters = {}, size_t max_rows = 1'000'000);

 private:
  JobFile(std::string path, Mode mode);
  Status prepare_file();
  Status add_locked(const DeadLetter& letter);
  Status append_locked(const std::vector<Entry>& entries);
  Status keep_ddl(const StoppedDdl& statement, DdlState state);
  // Runs `body` in one transaction that outlives a power cut.
  Status durably(const std::function<Status()>& body);
  Status require_file() const;  // it is still where it was opened
  Status require_owner(std::string_view what) const;

  const std::string path_;
  const Mode mode_;
  std::unique_ptr<JobFileLock> lock_;  // outlives the connections
  std::mutex mutex_;                   // guards database_
  std::unique_ptr<sqlite::Database> database_;
  std::mutex query_mutex_;  // guards reader_
  std::unique_ptr<sqlite::Database> reader_;
};

int64_t now_us() noexcept;  // wall clock
std::string make_uuid();    // random, version 4

}  // namespace tailrace
