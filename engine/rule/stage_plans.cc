#include "rule/stage_plans.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace tailrace {

namespace {

constexpr size_t kMaxElsewhere = 10'000;  // of one table
constexpr size_t kMaxNameChars = 64;

// The names of two parts; the first dot is between them.
std::pair<std::string_view, std::string_view> parts_of(std::string_view name) {
  size_t dot = std::min(name.find('.'), name.size());
  return {name.substr(0, dot), name.substr(std::min(dot + 1, name.size()))};
}

bool is_name(std::string_view part) noexcept {
  // Characters of UTF-8, by their first bytes.
  auto chars = std::count_if(part.begin(), part.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  bool is_plain =
      std::none_of(part.begin(), part.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '.' || c == '/'; });
  return chars > 0 && static_cast<size_t>(chars) <= kMaxNameChars && is_plain && part.back() != ' ';
}

}  // namespace

bool is_table_name(std::string_view name) noexcept {
  auto [database, table] = parts_of(name);
  return is_name(database) && is_name(table);
}

Result<const RuleOutput*> StagePlans::elsewhere(EventBatch& batch, PlanEntry& entry, std::string_view name) {
  auto found = entry.elsewhere.find(name);
  if (found == entry.elsewhere.end()) {
    if (entry.plan.output->schema->qualified_name() == name) return entry.plan.output.get();
    if (entry.elsewhere.size() >= kMaxElsewhere) {
      return Status(ErrorCode::kRuleOutput,
                    fmt::format("ev.to named more than {} tables for {}, now {}; is it made of a value that differs in every row?",
                                kMaxElsewhere, entry.plan.output->source->qualified_name(), name));
    }
    TAILRACE_TRY(auto output, make_elsewhere(entry.plan, name));
    found = entry.elsewhere.emplace(std::string(name), Elsewhere{std::move(output)}).first;
  }
  Elsewhere& out = found->second;
  if (std::exchange(out.batch, batch_) != batch_) {
    batch.outputs.push_back(out.output);
    batch.schemas.push_back(out.output->schema);
  }
  return out.output.get();
}

Result<std::shared_ptr<const RuleOutput>> StagePlans::make_elsewhere(const RulePlan& plan, std::string_view name) {
  for (const OutputRule& rule : rules_.spec.outputs) {
    if (rule.name != name) continue;
    return Status(ErrorCode::kRuleOutput, fmt::format("ev.to: {} is one of the `outputs`; ev:append and out:add make rows of it", name));
  }
  auto [database, table] = parts_of(name);
  auto schema = std::make_shared<TableSchema>(*plan.output->schema);
  schema->schema_id = next_schema_id();
  schema->database = database;
  schema->table = table;
  auto output = std::make_shared<RuleOutput>();
  output->source = plan.output->source;
  output->schema = std::move(schema);
  output->key_is_explicit = plan.output->key_is_explicit;
  output->origins = plan.output->origins;
  TAILRACE_TRY(auto message, MessagePlan::make(plan.rule->message, *output, context_.capture));
  if (context_.takes_messages) output->message = std::move(message);
  TAILRACE_OK(targets_.add(*output));
  TAILRACE_OK(prepare_message(*output));
  return std::shared_ptr<const RuleOutput>(std::move(output));
}

void StagePlans::ask_host() {
  context_.capture = [this](const std::string& text, const std::string& pattern) { return host_->capture(text, pattern); };
  context_.replace = [this](const std::string& text, const std::string& pattern, const std::string& by) {
    return host_->substitute(text, pattern, by);
  };
  context_.new_columns = [this](const TableRule& rule, const TableSchema& source) { return host_->new_columns(rule, source); };
  context_.make_entry = [this](const TableRule& rule, const TableSchema& table) -> Result<TableRule> {
    std::string name = fmt::format("tables[\"{}\"]", rule.key);
    TAILRACE_TRY(RuleNode node, host_->entry(rule.entry, name, table));
    RuleSource source = rules_.source();
    const RuleSource::File& text = source.files[""];
    TAILRACE_TRY(TableRule made,
                 parse_made_entry(rule, node, rules_.spec,
                                  {std::string_view(text.chunk).substr(std::min<size_t>(1, text.chunk.size())), text.text}));
    TAILRACE_OK(check_format(made.message, name, formats_));
    return made;
  };
}

Result<PlanEntry*> StagePlans::find(const SchemaRef& source) {
  auto found = plans_.find(source->schema_id);
  if (found != plans_.end()) return found->second.get();
  auto made = make_rule_plan(rules_.spec, source, context_);
  if (!made.ok()) return located(std::move(made).status());
  auto entry = std::make_unique<PlanEntry>();
  entry->plan = std::move(made).value();
  entry->plan.id = static_cast<uint32_t>(plans_.size());
  if (!entry->plan.is_dropped()) {
    Status merged = targets_.add(*entry->plan.output);
    if (!merged.ok()) return located(std::move(merged));
    for (const auto& output : entry->plan.outputs) {
      merged = targets_.add(*output);
      if (!merged.ok()) return located(std::move(merged));
    }
    entry->output_batches.resize(entry->plan.outputs.size());
    if (entry->plan.has_hooks() || rules_.spec.on_error >= 0) TAILRACE_OK(host_->prepare(entry->plan));
    TAILRACE_OK(prepare_message(*entry->plan.output));
    for (const auto& output : entry->plan.outputs) TAILRACE_OK(prepare_message(*output));
  }
  kept_schemas_.push_back(source);
  PlanEntry* kept = plans_.emplace(source->schema_id, std::move(entry)).first->second.get();
  if (kept->plan.rule || kept->plan.is_dropped()) {
    std::lock_guard lock(counted_mutex_);
    counted_.push_back({kept, source->qualified_name()});
  }
  return kept;
}

Result<PlanEntry*> StagePlans::find_other(const EventBatch& batch, const TableSchema* table) {
  PlanEntry* entry = nullptr;
  auto found = plans_.find(table->schema_id);
  if (found != plans_.end()) {
    entry = found->second.get();
  } else {
    SchemaRef schema;
    for (const SchemaRef& candidate : batch.schemas) {
      if (candidate.get() == table) schema = candidate;
    }
    if (!schema) {
      return Status(ErrorCode::kInternal, "a batch does not own the schema of its event").with("table", table->qualified_name());
    }
    TAILRACE_TRY(entry, find(schema));
  }
  last_table_ = table;
  last_batch_ = batch_;
  last_entry_ = entry;
  return entry;
}

std::vector<SchemaRef> StagePlans::tables() const {
  std::map<std::string, SchemaRef> newest;
  for (const SchemaRef& table : kept_schemas_) newest[table->qualified_name()] = table;
  std::vector<SchemaRef> out;
  for (auto& [name, table] : newest) out.push_back(std::move(table));
  return out;
}

std::vector<TableRuleCounts> StagePlans::counts() const {
  std::map<std::string, TableRuleCounts> tables;
  std::lock_guard lock(counted_mutex_);
  for (const auto& [entry, name] : counted_) {
    TableRuleCounts& table = tables[name];
    table.table = name;
    const RulePlan& plan = entry->plan;
    table.hook = plan.row >= 0 && plan.map >= 0 ? "row+map" : plan.row >= 0 ? "row" : plan.map >= 0 ? "map" : "";
    table.add(entry->counts);
  }
  std::vector<TableRuleCounts> out;
  for (auto& [name, table] : tables) out.push_back(std::move(table));
  return out;
}

void StagePlans::add_output(EventBatch& batch, PlanEntry& entry) const {
  entry.batch = batch_;
  batch.outputs.push_back(entry.plan.output);
  if (entry.plan.output->schema != entry.plan.output->source) batch.schemas.push_back(entry.plan.output->schema);
}

void StagePlans::use_output(EventBatch& batch, PlanEntry& entry, const OutputTable* output) const {
  for (size_t i = 0; i < entry.plan.outputs.size(); ++i) {
    if (entry.plan.outputs[i].get() != output || entry.output_batches[i] == batch_) continue;
    entry.output_batches[i] = batch_;
    batch.outputs.push_back(entry.plan.outputs[i]);
    batch.schemas.push_back(output->schema);
  }
}

Status StagePlans::prepare_message(const RuleOutput& output) {
  if (!output.message || output.message->serialize() < 0) return Status();
  has_serialize_ = true;
  return host_->prepare_message(message_number(output), output, output.message->serialize());
}

Status StagePlans::located(Status status) const { return rules_.file.empty() ? status : std::move(status).with("rule", rules_.file); }

}  // namespace tailrace
