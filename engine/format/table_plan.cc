#include "format/table_plan.h"

#include <algorithm>

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
  for (uint16_t at : named_key(table)) {
    if (!plan.key_names.empty()) plan.key_names.push_back('\x01');
    plan.key_names += table.columns[at].name;
  }
  return plan;
}

std::vector<uint16_t> named_key(const TableSchema& table) {
  bool only_unique = table.complete &&
                     std::none_of(table.keys.begin(), table.keys.end(), [](const TableKey& key) { return key.name == "PRIMARY"; }) &&
                     !table.keys.empty();
  return only_unique ? std::vector<uint16_t>() : table.primary_key;
}

std::string json_column_names(const TableSchema& table, const std::vector<uint16_t>& columns) {
  std::string out = "[";
  for (uint16_t at : columns) {
    if (out.size() > 1) out += ',';
    out += json_quoted(table.columns[at].name);
  }
  return out + "]";
}

}  // namespace tailrace
