// What rules did and cost, per version and table.
#include "metadb/metadb.h"
#include "sqlite/database.h"

namespace tailrace {
namespace {

constexpr int kKeptVersions = 5;

// Their order in the table.
template <class Row, class F>
void for_each_count(Row& row, F&& f) {
  for (auto* count : {&row.in, &row.out, &row.dropped_ops, &row.dropped_where, &row.dropped_row, &row.dropped_map, &row.errors,
                      &row.timed_events, &row.timed_ns, &row.serialize_events, &row.serialize_ns}) {
    f(*count);
  }
}

}  // namespace

Status JobFile::write_rule_profile(std::span<const RuleProfileRow> rows) {
  if (rows.empty()) return Status();
  TAILRACE_OK(require_owner("write what rules cost"));
  int64_t now = now_us();
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto transaction, sqlite::Transaction::begin(*database_));
  {
    TAILRACE_TRY(auto s, database_->prepare("INSERT OR REPLACE INTO rule_profile VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    for (const RuleProfileRow& row : rows) {
      s.bind_text(1, row.version);
      s.bind_text(2, row.table);
      s.bind_text(3, row.hook);
      int at = 4;
      for_each_count(row, [&](uint64_t count) { s.bind_int(at++, static_cast<int64_t>(count)); });
      s.bind_int(at, now);
      TAILRACE_OK(s.run());
      s.reset();
    }
  }
  TAILRACE_TRY(auto old, database_->prepare("DELETE FROM rule_profile WHERE version NOT IN (SELECT version FROM rule_profile "
                                            "GROUP BY version ORDER BY max(updated_us) DESC LIMIT ?)"));
  old.bind_int(1, kKeptVersions);
  TAILRACE_OK(old.run());
  return transaction.commit();
}

Result<std::vector<RuleProfileRow>> JobFile::read_rule_profile() {
  std::lock_guard lock(mutex_);
  TAILRACE_TRY(auto s, database_->prepare("SELECT * FROM v1_rule_profile"));
  std::vector<RuleProfileRow> rows;
  for (;;) {
    TAILRACE_TRY(bool more, s.step());
    if (!more) return rows;
    RuleProfileRow& row = rows.emplace_back();
    row.version = s.column_text(0);
    row.table = s.column_text(1);
    row.hook = s.column_text(2);
    int at = 3;
    for_each_count(row, [&](uint64_t& count) { count = static_cast<uint64_t>(s.column_int(at++)); });
  }
}

}  // namespace tailrace
