#include "pipeline/rule_timeline.h"

#include <algorithm>
#include <map>
#include <utility>

#include "rule/rule_memory.h"
#include "rule/target_change.h"

namespace tailrace {
namespace {

constexpr size_t kKeptVersions = 5;

uint64_t dropped_by(const RuleStage& stage) {
  const RuleStats& stats = stage.stats();
  return stats.dropped_table + stats.dropped_where + stats.dropped_row + stats.dropped_map + stats.dead_letters + stats.skipped;
}

}  // namespace

RuleTimeline::RuleTimeline(std::vector<Cut> cuts, Placed placed, Tables known)
    : placed_(std::move(placed)), known_(std::move(known)), cuts_(std::move(cuts)) {}

RuleTimeline::RuleTimeline(std::unique_ptr<RuleStage> only, Tables known) : known_(std::move(known)), stage_(std::move(only)) {}

Status RuleTimeline::start(const Source& source, const Position& at) {
  if (cuts_.empty()) return {};
  // The first one holds from the job's beginning on. When not even that is reached, the source's log was begun anew and its
  // positions tell nothing: then the newest.
  size_t now = cuts_.size() - 1;
  for (size_t i = cuts_.size(); i-- > 0;) {
    if (!cuts_[i].from.text.empty() && !source.reached(at, cuts_[i].from)) continue;
    now = i;
    break;
  }
  later_.assign(std::make_move_iterator(cuts_.begin() + static_cast<std::ptrdiff_t>(now) + 1), std::make_move_iterator(cuts_.end()));
  cuts_.resize(now + 1);
  Cut& first = cuts_.back();
  if (first.from.text.empty()) {
    // Decided while nothing ran: what was to come behind this place is not come to any more.
    std::vector<int64_t> passed_over;
    for (size_t i = 0; i < now; ++i) {
      if (!source.reached(at, cuts_[i].from)) passed_over.push_back(cuts_[i].id);
    }
    TAILRACE_OK(placed_(first.id, at, std::move(passed_over)));
    first.from = at;
  }
  // Where the run begins at the very cut, the targets may not have been told yet.
  if (now > 0 && first.changes_output && source.reached(first.from, at)) {
    later_.push_front(std::move(first));
    cuts_.pop_back();
  }
  TAILRACE_TRY(auto stage, cuts_.back().make());
  std::lock_guard lock(mutex_);
  stage_ = std::move(stage);
  return {};
}

Result<std::vector<SchemaRef>> RuleTimeline::all_tables() {
  std::map<std::string, SchemaRef> tables;
  if (known_) {
    TAILRACE_TRY(auto known, known_());
    for (SchemaRef& table : known) tables[table->qualified_name()] = std::move(table);
  }
  for (SchemaRef& table : stage_->tables()) tables[table->qualified_name()] = std::move(table);
  std::vector<SchemaRef> out;
  for (auto& [name, table] : tables) out.push_back(std::move(table));
  return out;
}

Result<std::vector<std::string>> RuleTimeline::differences(RuleStage& next) {
  if (next.memory()) TAILRACE_OK(next.memory()->can_follow(stage_->memory()));
  TAILRACE_TRY(auto tables, all_tables());
  TAILRACE_TRY(auto changes, target_changes(*stage_, next, tables));
  std::vector<std::string> lines;
  for (TargetChange& change : changes) lines.push_back(std::move(change.text));
  return lines;
}

Status RuleTimeline::announce(RuleStage& next, EventBatch& out) {
  TAILRACE_TRY(auto tables, all_tables());
  TAILRACE_TRY(auto changes, target_changes(*stage_, next, tables));
  for (const TargetChange& change : changes) {
    if (change.sql.empty()) continue;
    if (out.txns.empty()) out.txns.push_back(Transaction{"rules " + next.version(), 0, "", 0, 0, true, true});
    bool is_same_target = change.before && change.before->schema->qualified_name() == change.after->schema->qualified_name();
    const auto& shown = is_same_target ? change.before : change.after;
    ChangeEvent event;
    event.op = Op::kSchemaChange;
    event.txn = static_cast<uint32_t>(out.txns.size() - 1);
    event.table = out.keep(shown->schema);
    out.outputs.push_back(shown);
    event.output = shown.get();
    event.sql = {out.arena.copy(change.sql), change.sql.size()};
    out.schemas.push_back(change.after->schema);
    event.new_schema = &out.schemas.back();
    out.events.push_back(event);
  }
  return {};
}

void RuleTimeline::take_over(std::unique_ptr<RuleStage> next) {
  if (next->memory()) next->memory()->follow(stage_->memory());
  std::lock_guard lock(mutex_);
  dropped_before_ += dropped_by(*stage_);
  if (!stage_->version().empty()) {
    if (counts_before_.size() >= kKeptVersions) counts_before_.erase(counts_before_.begin());
    counts_before_.push_back({stage_->version(), stage_->counts()});
  }
  stage_ = std::move(next);
}

Status RuleTimeline::begin_next(EventBatch& out) {
  Cut cut = std::move(later_.front());
  later_.pop_front();
  TAILRACE_TRY(auto next, cut.make());
  if (next->memory()) TAILRACE_OK(next->memory()->can_follow(stage_->memory()));
  if (cut.changes_output) TAILRACE_OK(announce(*next, out));
  take_over(std::move(next));
  return {};
}

Result<bool> RuleTimeline::passed(const Position& at, const Source& source, EventBatch& announcement) {
  bool began = false;
  while (!later_.empty() && source.reached(at, later_.front().from)) {
    TAILRACE_OK(begin_next(announcement));
    began = true;
  }
  return began;
}

Status RuleTimeline::run(EventBatch& batch, const Source& source) {
  if (later_.empty() || batch.is_snapshot || batch.events.empty()) return stage_->run(batch);
  std::vector<ChangeEvent> rest = std::exchange(batch.events, {});
  std::vector<ChangeEvent> done;
  auto append = [&] {
    done.insert(done.end(), batch.events.begin(), batch.events.end());
    batch.events.clear();
  };
  auto from = rest.begin();
  while (from != rest.end()) {
    auto to = rest.end();
    if (!later_.empty()) {
      to = std::find_if(from, rest.end(),
                        [&](const ChangeEvent& event) { return !source.covers(later_.front().from, batch.txns[event.txn]); });
    }
    batch.events.assign(from, to);
    if (from != to) TAILRACE_OK(stage_->run(batch));
    append();
    from = to;
    if (from == rest.end()) break;
    TAILRACE_OK(begin_next(batch));
    append();
  }
  batch.events = std::move(done);
  return {};
}

std::string RuleTimeline::version() const {
  std::lock_guard lock(mutex_);
  return stage_ ? stage_->version() : "";
}

uint64_t RuleTimeline::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_before_ + (stage_ ? dropped_by(*stage_) : 0);
}

std::vector<RuleTimeline::VersionCounts> RuleTimeline::counts() const {
  std::lock_guard lock(mutex_);
  std::vector<VersionCounts> out = counts_before_;
  if (stage_ && !stage_->version().empty()) out.push_back({stage_->version(), stage_->counts()});
  return out;
}

std::optional<HookPlace> RuleTimeline::place() const {
  std::lock_guard lock(mutex_);
  return stage_ ? stage_->place() : std::nullopt;
}

void RuleTimeline::give_up() {
  std::lock_guard lock(mutex_);
  if (stage_) stage_->give_up();
}

}  // namespace tailrace
