// TablePlan: everything a format can prepare once per table layout, so that a row costs only its values.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "event/schema.h"

namespace tailrace {

// Holds copies only: a plan outlives the schema it was made from.
struct TablePlan {
  uint64_t schema_id = 0;
  std::vector<std::string> members;  // per column: ,"name":
  std::string key_names;             // names of the key columns joined by U+0001
  std::string metadata;              // fragments whose meaning belongs to the format that made the plan
  std::string prologue;
  std::string types;
};

// Plans by schema_id (never by address: schemas die, ids are not used again). Thread-safe; finding takes no lock.
// Plans live as long as the cache; beyond kMaxPlans layouts none is added and the caller keeps its own.
class PlanCache {
 public:
  PlanCache() = default;
  PlanCache(const PlanCache&) = delete;
  PlanCache& operator=(const PlanCache&) = delete;
  ~PlanCache();

  // The plan of this layout, made by `make` (TableSchema -> TablePlan) when there is none. `own` keeps it alive when
  // the cache is full.
  template <class Make>
  const TablePlan& find(const TableSchema& table, Make make, std::unique_ptr<TablePlan>& own) const {
    const std::atomic<Node*>& bucket = buckets_[table.schema_id % kBuckets];
    for (const Node* node = bucket.load(std::memory_order_acquire); node; node = node->next) {
      if (node->plan.schema_id == table.schema_id) return node->plan;
    }
    own = std::make_unique<TablePlan>(make(table));
    own->schema_id = table.schema_id;
    return add(own);
  }
  size_t size() const;

 private:
  static constexpr size_t kBuckets = 1024;
  static constexpr size_t kMaxPlans = 16 * 1024;
  struct Node {
    TablePlan plan;
    Node* next;
  };
  const TablePlan& add(std::unique_ptr<TablePlan>& own) const;

  mutable std::mutex writers_;
  mutable size_t count_ = 0;
  mutable std::array<std::atomic<Node*>, kBuckets> buckets_{};
};

// members and key_names of a plan; the rest is the format's.
TablePlan plan_columns(const TableSchema& table);
// The columns of the primary key; empty when the table has none, although another unique key may identify its rows.
std::vector<uint16_t> named_key(const TableSchema& table);
// ["a","b"]
std::string json_column_names(const TableSchema& table, const std::vector<uint16_t>& columns);

}  // namespace tailrace
