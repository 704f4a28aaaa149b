// The stage of a chain: the stages of its files run one after another over the batch. What leaves is told as if one stage
// had made it: outputs lead from the source to the last target, dead letters are events of the source.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "rule/chain_rules.h"
#include "rule/message_plan.h"
#include "rule/rule_chain.h"
#include "rule/rule_memory.h"
#include "rule/source_trail.h"

namespace tailrace {
namespace {

// The layouts that a file's entry gives of another file's output, as one output.
OutputTable joined(const OutputTable& before, const OutputTable& after, bool is_main) {
  OutputTable out;
  out.source = before.source;
  out.schema = after.schema;
  out.key_is_explicit = after.key_is_explicit || (is_main && before.key_is_explicit);
  out.topic = after.topic.empty() && is_main ? before.topic : after.topic;
  out.format = after.format.empty() && is_main ? before.format : after.format;
  if (after.origins.empty()) {
    out.origins = before.origins;
    return out;
  }
  for (int origin : after.origins) {
    bool is_known = origin >= 0 && !before.origins.empty();
    out.origins.push_back(is_known ? before.origins[static_cast<size_t>(origin)] : origin);
  }
  return out;
}

// What an earlier file said of the message, under what a later one says.
const EventRoute* under(const EventRoute& earlier, const EventRoute* later, const OutputTable& output, Arena& arena) {
  auto* route = new (arena.allocate(sizeof(EventRoute), alignof(EventRoute))) EventRoute(earlier);
  bool has_body = (later && later->has_payload) || !output.format.empty();
  if (!output.topic.empty()) route->topic = {};
  if (has_body) {
    route->has_payload = later && later->has_payload;
    route->has_key = later && later->has_key;
    route->payload = later ? later->payload : std::string_view();
    route->key = later ? later->key : std::string_view();
  }
  if (later) overlay_route(*route, *later, arena);
  return route;
}

class ChainStage final : public RuleStage {
 public:
  ChainStage(std::shared_ptr<const ChainRules> rules, const RuleStageConfig& config)
      : rules_(std::move(rules)), trail_(config, stats_, rules_->version) {
    trail_.meet_up_to = [this](uint32_t root) { meet_up_to(root); };
  }

  Status add(const RuleStageConfig& config, const MakeRuleStage& make) {
    for (size_t i = 0; i < rules_->links.size(); ++i) {
      bool is_last = i + 1 == rules_->links.size();
      RuleStageConfig one = config;
      one.trail = &trail_;
      one.rules.file = rules_->links[i]->file;
      // Between two files nothing is stored: whether rows collide is seen at the end, and there the statement is written.
      one.sink_detects_collisions = config.sink_detects_collisions || !is_last;
      one.writes_statements = config.writes_statements && is_last;
      TAILRACE_TRY(auto stage, make(rules_->links[i], one));
      stages_.push_back(std::move(stage));
      std::vector<SchemaRef>& outputs = outputs_.emplace_back();
      for (const OutputRule& rule : rules_->links[i]->spec.outputs) {
        auto table = std::make_shared<TableSchema>();
        table->schema_id = next_schema_id();
        table->database = rule.database;
        table->table = rule.table;
        table->columns = rule.columns;
        table->primary_key = rule.key;
        outputs.push_back(std::move(table));
      }
    }
    return Status();
  }

  Result<std::shared_ptr<const OutputTable>> output(const SchemaRef& source) override {
    TAILRACE_TRY(auto out, stages_[0]->output(source));
    for (size_t i = 1; i < stages_.size() && out; ++i) {
      TAILRACE_TRY(auto next, stages_[i]->output(out->schema));
      if (!next) return std::shared_ptr<const OutputTable>();
      TAILRACE_TRY(const Join* join, join_of(i, *out, *next));
      out = join->output;
    }
    return out;
  }

  Status run(EventBatch& batch) override {
    Status status = run_stages(batch);
    if (!status.ok()) ++own_errors_;
    add_stats();
    return status;
  }

  std::vector<std::string> unmatched(const std::vector<SchemaRef>& tables) const override {
    std::vector<std::string> out;
    std::vector<SchemaRef> shown = tables;
    for (size_t i = 0; i < stages_.size(); ++i) {
      std::vector<std::string> patterns = stages_[i]->unmatched(shown);
      out.insert(out.end(), patterns.begin(), patterns.end());
      shown = outputs_of(i, shown);
    }
    return out;
  }
  std::string version() const override { return rules_->version; }
  RuleSource source() const override { return rules_->source(); }
  std::vector<SchemaRef> tables() const override { return stages_[0]->tables(); }
  const RuleStats& stats() const override { return stats_; }
  std::vector<RuleNote> notes() const override {
    std::vector<RuleNote> out;
    for (const auto& stage : stages_) {
      std::vector<RuleNote> some = stage->notes();
      out.insert(out.end(), some.begin(), some.end());
    }
    return out;
  }
  std::optional<HookPlace> place() const override {
    for (const auto& stage : stages_) {
      if (auto at = stage->place()) return at;
    }
    return std::nullopt;
  }
  // Tables as the file that is not the first sees them carry its name.
  std::vector<TableRuleCounts> counts() const override {
    std::vector<TableRuleCounts> out;
    TableRuleCounts native;
    for (size_t i = 0; i < stages_.size(); ++i) {
      for (TableRuleCounts& one : stages_[i]->counts()) {
        if (one.table.empty()) {
          if (i > 0) one.hook_events = 0;  // the same events go through every file
          native.add(one);
          continue;
        }
        if (i > 0) one.table += fmt::format(" [{}]", rules_->links[i]->version);
        out.push_back(std::move(one));
      }
    }
    out.push_back(std::move(native));
    return out;
  }
  void give_up() override {
    for (const auto& stage : stages_) stage->give_up();
  }
  RuleMemory* memory() override {
    for (const auto& stage : stages_) {
      if (RuleMemory* memory = stage->memory()) return memory;
    }
    return nullptr;
  }

 private:
  // What two files make of one table.
  struct Join {
    std::shared_ptr<const OutputTable> output;
    bool is_main = false;     // not one of the later file's `outputs`
    uint64_t last_batch = 0;  // that owns it
  };

  Result<Join*> join_of(size_t stage, const OutputTable& before, const OutputTable& after) {
    auto [at, is_new] = joins_.try_emplace({&before, &after});
    Join& join = at->second;
    if (!is_new) return &join;
    const std::vector<OutputRule>& others = rules_->links[stage]->spec.outputs;
    std::string target = after.schema->qualified_name();
    join.is_main = std::none_of(others.begin(), others.end(), [&](const OutputRule& rule) { return rule.name == target; });
    join.output = std::make_shared<const OutputTable>(joined(before, after, join.is_main));
    bool has_body = makes_message(after);
    if (join.is_main && !has_body && after.format.empty() && (bodies_.contains(&before) || (stage == 1 && makes_message(before)))) {
      if (!leaves_alone(stage, *after.source)) {
        joins_.erase(at);
        return behind_message(stage, before);
      }
      has_body = true;
    }
    if (has_body) bodies_.insert(join.output.get());
    if (stage + 1 == stages_.size()) {
      Status merged = trail_.targets.add(*join.output);
      if (!merged.ok()) {
        joins_.erase(at);
        return std::move(merged).with("rule", rules_->version);
      }
    }
    return &join;
  }

  static bool makes_message(const OutputTable& output) {
    const auto& message = static_cast<const RuleOutput&>(output).message;
    return message && message->has_body();
  }
  bool leaves_alone(size_t stage, const TableSchema& table) const {
    auto rule = match_table(rules_->links[stage]->spec, table.database, table.table);
    return rule.ok() && (!*rule || (*rule)->action == TableRule::Action::kKeep);
  }
  // A message that is made of a row keeps what later files mask or drop.
  Status behind_message(size_t stage, const OutputTable& before) const {
    const std::string& file = rules_->links[stage]->file;
    return Status(ErrorCode::kRuleLoad, fmt::format("{} changes the rows of {} behind a file whose `serialize` has made messages of them; "
                                                    "move `serialize` to {}",
                                                    file, before.schema->qualified_name(), file))
        .with("table", before.source->qualified_name())
        .with("rule", rules_->version);
  }

  Status run_stages(EventBatch& batch) {
    ++batch_;
    trail_.begin(batch);
    running_ = &batch;
    met_ = 0;
    last_met_ = nullptr;
    so_far_.clear();
    for (size_t i = 0; i < stages_.size(); ++i) {
      trail_.is_last = i + 1 == stages_.size();
      routes_.clear();
      if (i > 0) {
        for (ChangeEvent& event : batch.events) routes_.push_back(std::exchange(event.route, nullptr));
      }
      TAILRACE_OK(stages_[i]->run(batch));
      TAILRACE_OK(follow(i, batch));
      trail_.advance();
    }
    for (size_t i = 0; i < batch.events.size(); ++i) {
      Join* join = so_far_[i].join;
      if (!join) continue;
      batch.events[i].output = join->output.get();
      if (std::exchange(join->last_batch, batch_) != batch_) batch.outputs.push_back(join->output);
    }
    if (!trail_.failures.stops()) TAILRACE_OK(leave_out(batch));
    number(batch);
    return Status();
  }

  // Before a statement is judged: the tables of the events up to it are known, and no later ones.
  void meet_up_to(uint32_t root) {
    for (; met_ <= root; ++met_) {
      const ChangeEvent& event = trail_.sources[met_];
      if (event.table) meet(event.table);
      if (event.new_schema && *event.new_schema) meet(event.new_schema->get());
    }
  }

  void meet(const TableSchema* table) {
    if (std::exchange(last_met_, table) == table) return;
    for (const SchemaRef& schema : running_->schemas) {
      if (schema.get() != table) continue;
      (void)output(schema).ok();  // a table that cannot be planned fails with its own event
      return;
    }
  }

  // What the stage made of the events' ways.
  Status follow(size_t stage, EventBatch& batch) {
    next_.clear();
    for (size_t i = 0; i < batch.events.size(); ++i) {
      ChangeEvent& event = batch.events[i];
      Way way{event.output, nullptr};
      if (stage > 0 && event.output) {
        uint32_t step = trail_.steps[i];
        const OutputTable* before = so_far_[step].output;
        if (!before) return Status(ErrorCode::kInternal, "an event of a chain has an output where the file before gave none");
        TAILRACE_TRY(way.join, join_of(stage, *before, *event.output));
        way.output = way.join->output.get();
        if (const EventRoute* route = routes_[step]; route && way.join->is_main)
          event.route = under(*route, event.route, *event.output, batch.arena);
      }
      next_.push_back(way);
    }
    so_far_.swap(next_);
    return Status();
  }

  Status leave_out(EventBatch& batch) {
    if (!trail_.failures.has_left_out()) return Status();
    TAILRACE_OK(trail_.failures.end_batch(batch, trail_.sources));
    size_t kept = 0;
    for (size_t i = 0; i < batch.events.size(); ++i) {
      const ChangeEvent& event = batch.events[i];
      bool is_row = event.op != Op::kSchemaChange && event.op != Op::kHeartbeat;
      if (is_row && trail_.failures.left_out(trail_.roots[i], event)) continue;
      trail_.roots[kept] = trail_.roots[i];
      if (kept != i) batch.events[kept] = event;
      ++kept;
    }
    batch.events.resize(kept);
    return Status();
  }

  // Each file counted from the events it got.
  void number(EventBatch& batch) const {
    uint32_t next = 0;
    for (size_t i = 0; i < batch.events.size(); ++i) {
      ChangeEvent& event = batch.events[i];
      if (i == 0 || trail_.roots[i] != trail_.roots[i - 1]) next = 0;
      if (event.op <= Op::kTruncate) event.sub_ordinal = next++;
    }
  }

  // The tables that a file makes of these.
  std::vector<SchemaRef> outputs_of(size_t stage, const std::vector<SchemaRef>& tables) const {
    std::vector<SchemaRef> out;
    for (const SchemaRef& table : tables) {
      auto made = stages_[stage]->output(table);
      if (made.ok() && *made) out.push_back((*made)->schema);
    }
    out.insert(out.end(), outputs_[stage].begin(), outputs_[stage].end());
    return out;
  }

  void add_stats() {
    auto sum = [&](auto counter) {
      uint64_t out = 0;
      for (const auto& stage : stages_) out += (stage->stats().*counter).load(std::memory_order_relaxed);
      return out;
    };
    stats_.events_in = stages_.front()->stats().events_in.load();
    stats_.events_out = stages_.back()->stats().events_out.load();
    stats_.dropped_table = sum(&RuleStats::dropped_table);
    stats_.dropped_where = sum(&RuleStats::dropped_where);
    stats_.dropped_row = sum(&RuleStats::dropped_row);
    stats_.dropped_map = sum(&RuleStats::dropped_map);
    stats_.errors = own_errors_;
  }

  // Where an event goes after the files so far.
  struct Way {
    const OutputTable* output;
    Join* join;
  };

  std::shared_ptr<const ChainRules> rules_;
  RuleStats stats_;
  SourceTrail trail_;
  std::map<std::pair<const OutputTable*, const OutputTable*>, Join> joins_;
  std::vector<std::vector<SchemaRef>> outputs_;     // by file: the layouts of its `outputs`
  std::set<const OutputTable*> bodies_;             // joined outputs whose messages the rules make
  std::vector<std::unique_ptr<RuleStage>> stages_;  // after trail_: die first
  std::vector<Way> so_far_, next_;                  // per event of the batch
  std::vector<const EventRoute*> routes_;           // what the files before said of the message, per event that a stage gets
  uint64_t batch_ = 0, own_errors_ = 0;
  const EventBatch* running_ = nullptr;
  uint32_t met_ = 0;  // events of the source whose tables are known
  const TableSchema* last_met_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<RuleStage>> make_chain_stage(std::shared_ptr<const RuleSet> rules, const RuleStageConfig& config,
                                                    const MakeRuleStage& make) {
  auto chain = std::dynamic_pointer_cast<const ChainRules>(std::move(rules));
  if (!chain) return Status(ErrorCode::kInternal, "a rule set of one file is no chain");
  RuleStageConfig whole = config;
  std::replace(whole.rules.file.begin(), whole.rules.file.end(), '\n', ' ');  // for advice: as on a command line
  auto stage = std::make_unique<ChainStage>(chain, whole);
  TAILRACE_OK(stage->add(config, make));
  return std::unique_ptr<RuleStage>(std::move(stage));
}

}  // namespace tailrace
