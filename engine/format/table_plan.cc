#include "format/table_plan.h"

#include "format/json_writer.h"

namespace tailrace {

PlanCache::~PlanCache() {
  for (auto& bucket : buckets_) {
    for (Node* node = bucket.load(std::memory_order_relaxed); node;) {
      Node* next = node->next;
      delete node;
      node = next;
    }
  }
}

const TablePlan& PlanCache::add(std::unique_ptr<TablePlan>& own) const {
  std::lock_guard lock(writers_);
  auto& bucket = buckets_[own->schema_id % kBuckets];
  Node* head = bucket.load(std::memory_order_relaxed);
  for (const Node* node = head; node; node = node->next) {
    if (node->plan.schema_id == own->schema_id) return node->plan;  // another thread was faster
  }
  if (count_ >= kMaxPlans) return *own;
  auto node = std::make_unique<Node>(Node{std::move(*own), head});
  own.reset();
  ++count_;
  bucket.store(node.get(), std::memory_order_release);
  return node.release()->plan;
}

size_t PlanCache::size() const {
  std::lock_guard lock(writers_);
  return count_;
}

TablePlan plan_columns(const TableSchema& table) {
  TablePlan plan;
  plan.schema_id = table.schema_id;
  plan.members.reserve(table.columns.size());
  for (const Column& column : table.columns) plan.members.push_back("," + json_quoted(column.name) + ":");
  for (size_t i = 0; i < table.primary_key.size(); ++i) {
    if (i) plan.key_names.push_back('\x01');
    plan.key_names += table.columns[table.primary_key[i]].name;
  }
  return plan;
}

}  // namespace tailrace
