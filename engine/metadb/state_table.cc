// What ordered rules remember: a base, and a journal of changes by checkpoint.
#include <fmt/format.h>

#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

using Change = RuleStateChange;
constexpr std::string_view kKinds[] = {"put", "remove", "clear"};  // by Change::Kind

// The newest mark of the checkpoint; 0 = there is none.
Result<int64_t> find_mark(sqlite::Database& database, const Checkpoint& at) {
  TAILRACE_TRY(auto s, database.prepare("SELECT id FROM rule_state_mark WHERE position = ? AND source_kind = ? AND snapshot_state = ? "
                                        "AND rows = ? ORDER BY id DESC LIMIT 1"));
  s.bind_text(1, at.position.text);
  s.bind_text(2, at.position.source_kind);
  s.bind_text(3, at.snapshot_state);
  s.bind_int(4, static_cast<int64_t>(at.rows));
  TAILRACE_TRY(bool found, s.step());
  return found ? s.column_int(0) : 0;
}

// Puts the journal up to a mark into the base.
Status fold(sqlite::Database& database, int64_t mark) {
  {
    TAILRACE_TRY(auto changes,
                 database.prepare("SELECT kind, state, key, value, at_us, seq FROM rule_state_journal WHERE mark <= ? ORDER BY seq"));
    TAILRACE_TRY(auto put, database.prepare("INSERT OR REPLACE INTO rule_state VALUES (?, ?, ?, ?, ?)"));
    TAILRACE_TRY(auto remove, database.prepare("DELETE FROM rule_state WHERE state = ? AND key = ?"));
    TAILRACE_TRY(auto clear, database.prepare("DELETE FROM rule_state WHERE state = ?1 OR ?1 = ''"));
    changes.bind_int(1, mark);
    for (;;) {
      TAILRACE_TRY(bool more, changes.step());
      if (!more) break;
      std::string kind(changes.column_text(0)), state(changes.column_text(1)), key(changes.column_text(2)), value(changes.column_text(3));
      sqlite::Statement& s = kind == "put" ? put : kind == "remove" ? remove : clear;
      s.bind_text(1, state);
      if (kind != "clear") s.bind_blob(2, key);
      if (kind == "put") {
        s.bind_blob(3, value);
        s.bind_int(4, changes.column_int(4));
        s.bind_int(5, changes.column_int(5));
      }
      TAILRACE_OK(s.run());
      s.reset();
    }
  }
  return database.execute(
      fmt::format("DELETE FROM rule_state_journal WHERE mark <= {0}; DELETE FROM rule_state_mark WHERE id < {0}", mark));
}

}  // namespace

Status JobFile::keep(const Checkpoint& at, const std::vector<Change>& changes) {
  TAILRACE_OK(require_owner("keep what rules remember"));
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  int64_t mark = 0;
  {
    TAILRACE_TRY(auto s, database_->prepare(
                             "INSERT INTO rule_state_mark(source_kind, position, snapshot_state, rows) VALUES (?, ?, ?, ?) RETURNING id"));
    s.bind_text(1, at.position.source_kind);
    s.bind_text(2, at.position.text);
    s.bind_text(3, at.snapshot_state);
    s.bind_int(4, static_cast<int64_t>(at.rows));
    TAILRACE_TRY(bool found, s.step());
    if (found) mark = s.column_int(0);
    TAILRACE_OK(s.run());
  }
  {
    TAILRACE_TRY(auto s,
                 database_->prepare("INSERT INTO rule_state_journal(mark, kind, state, key, value, at_us) VALUES (?, ?, ?, ?, ?, ?)"));
    for (const Change& change : changes) {
      s.bind_int(1, mark);
      s.bind_text(2, kKinds[static_cast<size_t>(change.kind)]);
      s.bind_text(3, change.state);
      s.bind_blob(4, change.key);
      s.bind_blob(5, change.value);
      s.bind_int(6, change.at_us);
      TAILRACE_OK(s.run());
      s.reset();
    }
  }
  return transaction.commit();
}

Status JobFile::settle(const Checkpoint& durable) {
  TAILRACE_OK(require_owner("keep what rules remember"));
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(int64_t mark, find_mark(*database_, durable));
  if (mark == 0) return Status();
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  TAILRACE_OK(fold(*database_, mark));
  return transaction.commit();
}

Result<RuleStateStore::Found> JobFile::go_back(const Checkpoint& at) {
  TAILRACE_OK(require_owner("read what rules remember"));
  std::lock_guard lock(mutex_);
  Found found;
  TAILRACE_TRY(int64_t mark, find_mark(*database_, at));
  found.is_known = mark != 0;
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  if (found.is_known) {
    TAILRACE_OK(database_->execute(
        fmt::format("DELETE FROM rule_state_journal WHERE mark > {0}; DELETE FROM rule_state_mark WHERE id > {0}", mark)));
  } else {
    TAILRACE_TRY(auto newest, database_->query_int("SELECT max(id) FROM rule_state_mark"));
    mark = newest.value_or(0);
  }
  TAILRACE_OK(fold(*database_, mark));
  {
    TAILRACE_TRY(auto s, database_->prepare("SELECT state, key, value, at_us FROM rule_state ORDER BY seq"));
    for (;;) {
      TAILRACE_TRY(bool more, s.step());
      if (!more) break;
      found.entries.push_back({Change::Kind::kPut, std::string(s.column_text(0)), std::string(s.column_text(1)),
                               std::string(s.column_text(2)), s.column_int(3)});
    }
  }
  TAILRACE_OK(transaction.commit());
  return found;
}

Status JobFile::forget_all() {
  TAILRACE_OK(require_owner("forget what rules remember"));
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto marks, database_->query_int("SELECT count(*) FROM rule_state_mark"));
  if (marks.value_or(0) == 0) return Status();
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  TAILRACE_OK(database_->execute("DELETE FROM rule_state; DELETE FROM rule_state_journal; DELETE FROM rule_state_mark"));
  return transaction.commit();
}

}  // namespace tailrace
