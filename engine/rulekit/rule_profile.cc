#include "rulekit/rule_profile.h"

#include <chrono>
#include <unordered_map>

#include "rulekit/batch_copy.h"

namespace tailrace {
namespace {

bool is_row(const ChangeEvent& event) { return event.table && event.op != Op::kSchemaChange && event.op != Op::kHeartbeat; }

std::string target_of(RuleStage& stage, const EventBatch& batch, const TableSchema* schema) {
  for (const SchemaRef& known : batch.schemas) {
    if (known.get() != schema) continue;
    auto output = stage.output(known);
    return output.ok() && *output ? (*output)->schema->qualified_name() : "";
  }
  return "";
}

}  // namespace

Result<std::map<std::string, ProfiledTable>> profile_rules(RuleStage& stage, const BatchSupply& next) {
  std::map<std::string, ProfiledTable> tables;
  std::unordered_map<const TableSchema*, std::vector<uint32_t>> groups;
  for (;;) {
    TAILRACE_TRY(std::shared_ptr<const EventBatch> source, next());
    if (!source) return tables;
    groups.clear();
    for (uint32_t i = 0; i < source->events.size(); ++i) {
      if (is_row(source->events[i])) groups[source->events[i].table].push_back(i);
    }
    for (const auto& [schema, events] : groups) {
      ProfiledTable& table = tables[schema->qualified_name()];
      table.in += events.size();
      if (table.target.empty()) table.target = target_of(stage, *source, schema);
      EventBatch batch = copy_batch(source, events);
      auto began = std::chrono::steady_clock::now();
      Status done = stage.run(batch);
      if (done.ok()) {
        table.ns += std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count();
        table.out += batch.events.size();
        continue;
      }
      for (uint32_t event : events) {
        EventBatch one = copy_batch(source, std::span<const uint32_t>(&event, 1));
        if (stage.run(one).ok()) table.out += one.events.size();
        else ++table.errors;
      }
    }
  }
}

}  // namespace tailrace
