// Versions of the rules, and where each begins.
#include <fmt/format.h>

#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {

Status JobFile::durably(const std::function<Status()>& body) {
  std::lock_guard lock(mutex_);
  TAILRACE_OK(database_->execute("PRAGMA synchronous=FULL"));
  Status kept = [&]() -> Status {
    TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
    TAILRACE_OK(body());
    return transaction.commit();
  }();
  Status restored = database_->execute("PRAGMA synchronous=NORMAL");
  return kept.ok() ? restored : kept;
}

Result<int64_t> JobFile::keep_rule_version(const RuleVersionRow& version) {
  TAILRACE_OK(require_owner("keep rules"));
  int64_t id = 0;
  TAILRACE_OK(durably([&]() -> Status {
    TAILRACE_TRY(auto known, database_->prepare("SELECT id FROM rule_version WHERE hash = ? AND options = ?"));
    known.bind_text(1, version.hash);
    known.bind_text(2, version.options);
    TAILRACE_TRY(bool found, known.step());
    if (found) {
      id = known.column_int(0);
      known.reset();
      return Status();
    }
    TAILRACE_TRY(auto s, database_->prepare("INSERT INTO rule_version(hash, version, file, options, saved_us) VALUES (?, ?, ?, ?, ?) "
                                            "RETURNING id"));
    s.bind_text(1, version.hash);
    s.bind_text(2, version.version);
    s.bind_text(3, version.file);
    s.bind_text(4, version.options);
    s.bind_int(5, now_us());
    TAILRACE_TRY(found, s.step());
    if (found) id = s.column_int(0);
    TAILRACE_OK(s.run());
    TAILRACE_TRY(auto file, database_->prepare("INSERT INTO rule_file(version, name, chunk, text) VALUES (?, ?, ?, ?)"));
    for (const RuleFileRow& row : version.files) {
      file.bind_int(1, id);
      file.bind_text(2, row.name);
      file.bind_text(3, row.chunk);
      file.bind_blob(4, row.text);
      TAILRACE_OK(file.run());
      file.reset();
    }
    return Status();
  }));
  return id;
}

Result<RuleVersionRow> JobFile::rule_version(int64_t id) {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT hash, version, file, options FROM rule_version WHERE id = ?"));
  s.bind_int(1, id);
  TAILRACE_TRY(bool found, s.step());
  if (!found) return Status(ErrorCode::kMetaOpen, fmt::format("version {} of the rules is not in the job file", id)).with("file", path_);
  RuleVersionRow row;
  row.id = id;
  row.hash = s.column_text(0);
  row.version = s.column_text(1);
  row.file = s.column_text(2);
  row.options = s.column_text(3);
  s.reset();
  TAILRACE_TRY(auto files, database_->prepare("SELECT name, chunk, text FROM rule_file WHERE version = ?"));
  files.bind_int(1, id);
  for (;;) {
    TAILRACE_TRY(bool more, files.step());
    if (!more) return row;
    row.files.push_back({std::string(files.column_text(0)), std::string(files.column_text(1)), std::string(files.column_text(2))});
  }
}

Result<std::vector<RuleCutRow>> JobFile::rule_cuts() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT id, version, source_kind, position, by, changes FROM rule_cut "
                                          "WHERE state <> 'void' ORDER BY id"));
  std::vector<RuleCutRow> rows;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return rows;
    RuleCutRow row;
    row.id = s.column_int(0);
    row.version = s.column_int(1);
    row.position = {std::string(s.column_text(2)), std::string(s.column_text(3))};
    row.by = s.column_text(4);
    row.changes = s.column_text(5);
    rows.push_back(std::move(row));
  }
}

Result<int64_t> JobFile::add_rule_cut(const RuleCutRow& cut) {
  TAILRACE_OK(require_owner("keep rules"));
  int64_t id = 0;
  TAILRACE_OK(durably([&]() -> Status {
    // One wish for the next run is enough: the last one.
    if (cut.position.text.empty()) TAILRACE_OK(database_->execute("UPDATE rule_cut SET state = 'void' WHERE state = 'waiting'"));
    TAILRACE_TRY(auto s, database_->prepare("INSERT INTO rule_cut(version, source_kind, position, by, changes, state, at_us) "
                                            "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id"));
    s.bind_int(1, cut.version);
    s.bind_text(2, cut.position.source_kind);
    s.bind_text(3, cut.position.text);
    s.bind_text(4, cut.by);
    s.bind_text(5, cut.changes);
    s.bind_text(6, cut.position.text.empty() ? "waiting" : "holds");
    s.bind_int(7, now_us());
    TAILRACE_TRY(bool found, s.step());
    if (found) id = s.column_int(0);
    return s.run();
  }));
  return id;
}

Status JobFile::place_rule_cut(int64_t id, const Position& at, std::span<const int64_t> passed_over) {
  TAILRACE_OK(require_owner("keep rules"));
  return durably([&]() -> Status {
    TAILRACE_TRY(auto s, database_->prepare("UPDATE rule_cut SET source_kind = ?, position = ?, state = 'holds', at_us = ? WHERE id = ?"));
    s.bind_text(1, at.source_kind);
    s.bind_text(2, at.text);
    s.bind_int(3, now_us());
    s.bind_int(4, id);
    TAILRACE_OK(s.run());
    for (int64_t other : passed_over) {
      TAILRACE_OK(database_->execute(fmt::format("UPDATE rule_cut SET state = 'void' WHERE id = {}", other)));
    }
    return Status();
  });
}

Status JobFile::void_rule_cut(int64_t id) {
  TAILRACE_OK(require_owner("keep rules"));
  return durably([&] { return database_->execute(fmt::format("UPDATE rule_cut SET state = 'void' WHERE id = {}", id)); });
}

}  // namespace tailrace
