#include "rule/rule_counts.h"

namespace tailrace {

void TableRuleCounts::add(const PlanCounts& counts) noexcept {
  in += counts.in.get();
  out += counts.out.get();
  dropped_ops += counts.dropped_ops.get();
  dropped_where += counts.dropped_where.get();
  dropped_row += counts.dropped_row.get();
  dropped_map += counts.dropped_map.get();
  errors += counts.errors.get();
  hook_events += counts.hook_events.get();
  hook_ns += counts.hook_ns.get();
  serialize_events += counts.serialize_events.get();
  serialize_ns += counts.serialize_ns.get();
}

void TableRuleCounts::add(const TableRuleCounts& other) noexcept {
  if (!other.hook.empty()) hook = other.hook;
  in += other.in;
  out += other.out;
  dropped_ops += other.dropped_ops;
  dropped_where += other.dropped_where;
  dropped_row += other.dropped_row;
  dropped_map += other.dropped_map;
  errors += other.errors;
  hook_events += other.hook_events;
  hook_ns += other.hook_ns;
  serialize_events += other.serialize_events;
  serialize_ns += other.serialize_ns;
}

}  // namespace tailrace
