#include "rule/target_change.h"

#include <fmt/format.h>

#include "rule/schema_diff.h"

namespace tailrace {

Result<std::vector<TargetChange>> target_changes(RuleStage& before, RuleStage& after, const std::vector<SchemaRef>& tables) {
  std::vector<TargetChange> changes;
  for (const SchemaRef& table : tables) {
    TargetChange change;
    change.source = table;
    auto output = before.output(table);
    TAILRACE_TRY(change.after, after.output(table));
    // The earlier rules stopped at this layout, so the target has not heard of it: the statement that made it comes behind the cut.
    if (!output.ok()) continue;
    change.before = *output;
    std::string name = table->qualified_name();
    if (!change.before && !change.after) continue;
    if (!change.after) {
      change.text = name + ": is no longer delivered";
    } else if (!change.before) {
      change.sql = create_table_ddl(*change.after->schema);
      change.text = fmt::format("{}: is delivered from here on, the rows it has already are not; {}", name, change.sql);
    } else if (change.before->schema->qualified_name() != change.after->schema->qualified_name()) {
      change.sql = create_table_ddl(*change.after->schema);
      change.text = fmt::format("{}: goes to {} and no longer to {}; {}", name, change.after->schema->qualified_name(),
                                change.before->schema->qualified_name(), change.sql);
    } else {
      change.sql = schema_ddl(change.before.get(), change.after.get());
      if (change.sql.empty()) continue;
      change.text = fmt::format("{}: {}", name, change.sql);
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace tailrace
