// What the rules of each table did in one run: counters that the worker adds to and anybody reads. No locks, and no
// instruction that locks the bus: a counter has one writer.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>

namespace tailrace {

class RuleCounter {
 public:
  void add(uint64_t n) noexcept { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Of one plan; of the stage as a whole those of the native steps.
struct PlanCounts {
  RuleCounter in, out, dropped_ops, dropped_where, dropped_row, dropped_map, errors;
  // Of one batch in 64.
  RuleCounter hook_events, hook_ns, serialize_events, serialize_ns;
};

// The same as plain numbers.
struct TableRuleCounts {
  std::string table;  // of the source; "" = the native steps of all tables
  std::string hook;   // "map", "row", "row+map"; "" = no function
  uint64_t in = 0, out = 0, dropped_ops = 0, dropped_where = 0, dropped_row = 0, dropped_map = 0, errors = 0;
  uint64_t hook_events = 0, hook_ns = 0, serialize_events = 0, serialize_ns = 0;

  void add(const PlanCounts& counts) noexcept;
  void add(const TableRuleCounts& other) noexcept;
  bool operator==(const TableRuleCounts&) const = default;
};

}  // namespace tailrace
