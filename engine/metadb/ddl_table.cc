// Statements that the rules did not let through.
#include <fmt/format.h>

#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

constexpr std::string_view kStates[] = {"held", "released", "skipped", "stopped"};  // by DdlState

}  // namespace

Status JobFile::keep_ddl(const StoppedDdl& statement, DdlState state) {
  return durably([&]() -> Status {
    TAILRACE_TRY(auto s, database_->prepare("INSERT OR IGNORE INTO ddl_statement(txn, ordinal, database, \"table\", ddl, "
                                            "kinds, state, reason, at_us, decided_us) "
                                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, CASE ?7 WHEN 'held' THEN NULL ELSE ?9 END)"));
    s.bind_text(1, statement.txn);
    s.bind_int(2, static_cast<int64_t>(statement.ordinal));
    s.bind_text(3, statement.database);
    s.bind_text(4, statement.table);
    s.bind_text(5, statement.sql);
    s.bind_text(6, statement.kinds);
    s.bind_text(7, kStates[static_cast<size_t>(state)]);
    s.bind_text(8, statement.reason);
    s.bind_int(9, now_us());
    return s.run();
  });
}

Result<DdlState> JobFile::hold(const StoppedDdl& statement) {
  TAILRACE_OK(require_owner("hold a statement"));
  DdlState state = DdlState::kHeld;
  {
    // A statement about several tables is decided about once.
    std::lock_guard lock(mutex_);
    TAILRACE_TRY(auto s,
                 database_->prepare("SELECT state FROM ddl_statement WHERE txn = ? AND ddl = ? AND decided_us IS NOT NULL LIMIT 1"));
    s.bind_text(1, statement.txn);
    s.bind_text(2, statement.sql);
    TAILRACE_TRY(bool found, s.step());
    for (size_t i = 0; found && i < std::size(kStates); ++i) {
      if (s.column_text(0) == kStates[i]) state = static_cast<DdlState>(i);
    }
  }
  TAILRACE_OK(keep_ddl(statement, state));
  return state;
}

Status JobFile::note(const StoppedDdl& statement, DdlState state) {
  TAILRACE_OK(require_owner("note a statement"));
  return keep_ddl(statement, state);
}

Result<std::vector<int64_t>> JobFile::held_ddl() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT id FROM ddl_statement WHERE state = 'held' ORDER BY id"));
  std::vector<int64_t> ids;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return ids;
    ids.push_back(s.column_int(0));
  }
}

Status JobFile::decide_ddl(int64_t id, DdlState state) {
  TAILRACE_OK(require_owner("decide about a statement"));
  bool is_decided = false;
  TAILRACE_OK(durably([&]() -> Status {
    TAILRACE_TRY(auto s, database_->prepare("UPDATE ddl_statement SET state = ?, decided_us = ? WHERE id = ? AND state = 'held'"));
    s.bind_text(1, kStates[static_cast<size_t>(state)]);
    s.bind_int(2, now_us());
    s.bind_int(3, id);
    TAILRACE_OK(s.run());
    is_decided = database_->changes() == 1;
    return Status();
  }));
  if (is_decided) return Status();
  return Status(ErrorCode::kJobState, fmt::format("no statement with the number {} is held; tailrace ddl list shows those that are", id))
      .with("file", path_);
}

}  // namespace tailrace
