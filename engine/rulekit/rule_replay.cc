#include "rulekit/rule_replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "event/value_text.h"
#include "rule/digest.h"
#include "rulekit/batch_copy.h"
#include "rulekit/event_text.h"
#include "rulekit/sql_literal.h"

namespace tailrace {
namespace {

constexpr size_t kBatchEvents = 4096;
constexpr size_t kBatchBytes = 4u << 20;

using Events = std::vector<const ChangeEvent*>;

// What one rule version made of a batch, by source event.
class Outcome {
 public:
  void run(RuleStage& stage, const std::shared_ptr<const EventBatch>& source) {
    made_.clear();
    events_.assign(source->events.size(), {});
    errors_.assign(source->events.size(), {});
    run(stage, source, 0, source->events.size());
  }
  const Events& events(size_t i) const { return events_[i]; }
  const std::string& error(size_t i) const { return errors_[i]; }  // "" = it did not fail

  // Each event and failure goes into the hash by itself, so that the cuts of batches do not show.
  void add_to(std::string& hash, std::string& scratch) const {
    for (size_t i = 0; i < events_.size(); ++i) {
      scratch = hash;
      for (const ChangeEvent* event : events_[i]) {
        append_event(*event, scratch);
        scratch.push_back('\n');
      }
      scratch += errors_[i];
      hash = sha256_hex(scratch);
    }
  }

 private:
  // A batch that fails is cut in halves until the events that fail stand alone.
  void run(RuleStage& stage, const std::shared_ptr<const EventBatch>& source, size_t first, size_t count) {
    if (count == 0) return;
    auto batch = std::make_unique<EventBatch>(copy_batch(source, first, count));
    Status done = stage.run(*batch);
    if (!done.ok()) {
      if (count == 1) {
        errors_[first] = fmt::format("error {} {}", error_info(done.code()).text, done.detail());
        return;
      }
      run(stage, source, first, count / 2);
      run(stage, source, first + count / 2, count - count / 2);
      return;
    }
    size_t at = first;
    for (const ChangeEvent& event : batch->events) {
      while (at + 1 < first + count && !is_of(event, source->events[at])) ++at;
      events_[at].push_back(&event);
    }
    made_.push_back(std::move(batch));
  }
  static bool is_of(const ChangeEvent& made, const ChangeEvent& source) { return made.txn == source.txn && made.ordinal == source.ordinal; }

  std::vector<std::unique_ptr<EventBatch>> made_;
  std::vector<Events> events_;
  std::vector<std::string> errors_;
};

std::string name_of(const ChangeEvent& event) { return event.table ? event.table->qualified_name() : "?"; }

std::string cell_text(const ChangeEvent& event, std::string_view column) {
  std::string out;
  int at = event.table->find_column(column);
  if (at < 0) return "(no such column)";
  auto index = static_cast<size_t>(at);
  Row row = event.after.empty() ? event.before : event.after;
  if (row.empty()) return out;
  append_literal(row[index], event.table->columns[index], out);
  return out;
}

class Comparison {
 public:
  Comparison(ReplayReport& report, size_t examples) : report_(report), examples_(examples) {}

  void add(const EventBatch& source, size_t i, const Events& before, const Events& after, const std::string& error) {
    const ChangeEvent& event = source.events[i];
    const std::string& gtid = source.txns.empty() ? kNone : source.txns[std::min<size_t>(event.txn, source.txns.size() - 1)].id;
    if (!error.empty()) {
      ++report_.tables[name_of(event)].errors;
      note({name_of(event), "error", event.table ? describe_key(*event.table, event) : "", gtid, "", "", error.substr(6)});
    }
    taken_.assign(before.size(), false);
    for (const ChangeEvent* now : after) {
      size_t k = 0;
      while (k < before.size() && (taken_[k] || name_of(*before[k]) != name_of(*now))) ++k;
      if (k == before.size()) {
        ++report_.tables[name_of(*now)].added;
        note({name_of(*now), "added", key(*now), gtid, "", "", arrow_text(*now)});
        continue;
      }
      taken_[k] = true;
      compare(*before[k], *now, gtid);
    }
    for (size_t k = 0; k < before.size(); ++k) {
      if (taken_[k]) continue;
      ++report_.tables[name_of(*before[k])].dropped;
      note({name_of(*before[k]), "dropped", key(*before[k]), gtid, "", arrow_text(*before[k]), ""});
    }
  }

 private:
  static std::string key(const ChangeEvent& event) {
    return event.table && event.op != Op::kSchemaChange ? describe_key(*event.table, event) : "";
  }

  void compare(const ChangeEvent& before, const ChangeEvent& now, const std::string& gtid) {
    ReplayTable& table = report_.tables[name_of(now)];
    old_text_.clear();
    new_text_.clear();
    append_event(before, old_text_);
    append_event(now, new_text_);
    if (old_text_ == new_text_) {
      ++table.same;
      return;
    }
    ++table.changed;
    bool found = false;
    auto differs = [&](const std::string& column) {
      std::string was = cell_text(before, column), is = cell_text(now, column);
      if (was == is) return;
      found = true;
      ++table.columns[column];
      note({name_of(now), "changed", key(now), gtid, column, std::move(was), std::move(is)});
    };
    if (before.op != Op::kSchemaChange && now.op != Op::kSchemaChange) {
      for (const Column& column : now.table->columns) differs(column.name);
      for (const Column& column : before.table->columns) {
        if (now.table->find_column(column.name) < 0) differs(column.name);
      }
    }
    if (found) return;
    std::string what = before.op != now.op ? "(operation)" : "(message)";
    ++table.columns[what];
    note({name_of(now), "changed", key(now), gtid, what, old_text_, new_text_});
  }

  void note(ReplayExample example) {
    size_t& count = counts_[example.table + "\n" + example.kind];
    if (count++ < examples_) report_.examples.push_back(std::move(example));
  }

  inline static const std::string kNone;
  ReplayReport& report_;
  size_t examples_;
  std::map<std::string, size_t> counts_;
  std::vector<bool> taken_;
  std::string old_text_, new_text_;
};

}  // namespace

Result<ReplayReport> replay_rules(RuleStage* old, RuleStage& now, const BatchSupply& next, size_t examples) {
  ReplayReport report;
  Comparison comparison(report, examples);
  Outcome before, after;
  report.new_hash = sha256_hex("");
  if (old) report.old_hash = report.new_hash;
  std::string scratch;
  for (;;) {
    TAILRACE_TRY(std::shared_ptr<const EventBatch> source, next());
    if (!source) return report;
    after.run(now, source);
    after.add_to(report.new_hash, scratch);
    if (old) {
      before.run(*old, source);
      before.add_to(report.old_hash, scratch);
    }
    const Outcome& other = old ? before : after;
    for (size_t i = 0; i < source->events.size(); ++i) {
      if (source->events[i].op == Op::kHeartbeat) continue;
      ++report.events;
      comparison.add(*source, i, other.events(i), after.events(i), after.error(i));
    }
  }
}

ScriptEvents::ScriptEvents(const std::string& path)
    : in_(path, std::ios::binary), name_(path.substr(path.rfind('/') + 1)), reader_(in_), script_(name_) {}

Result<std::unique_ptr<ScriptEvents>> ScriptEvents::open(const std::string& path) {
  std::unique_ptr<ScriptEvents> events(new ScriptEvents(path));
  if (!events->in_) return Status(ErrorCode::kRuleCase, fmt::format("{} cannot be read", path));
  return events;
}

Result<std::shared_ptr<const EventBatch>> ScriptEvents::next() {
  auto batch = std::make_shared<EventBatch>();
  while (batch->events.size() < kBatchEvents && batch->arena.bytes() < kBatchBytes) {
    auto item = reader_.next();
    if (!item.ok()) return Status(ErrorCode::kRuleCase, name_ + ": " + item.status().detail());
    if (item->kind == ScriptItem::Kind::kEnd) break;
    if (item->kind == ScriptItem::Kind::kCapture) script_.begin_capture();
    if (item->kind == ScriptItem::Kind::kStatement) TAILRACE_OK(script_.run(item->text, item->line, *batch));
  }
  if (batch->events.empty()) return std::shared_ptr<const EventBatch>();
  return std::shared_ptr<const EventBatch>(std::move(batch));
}

}  // namespace tailrace
