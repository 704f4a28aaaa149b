// MemorySpec: what a rule file declares to remember (`mode`, `state`, `tick`). Immutable.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "rule/rule_node.h"

namespace tailrace {

enum class MemoryKind : uint8_t { kNumber, kBigint, kText, kBoolean };
std::string_view memory_kind_name(MemoryKind kind) noexcept;

// One key of `state`.
struct StateSpec {
  std::string name;
  std::vector<MemoryKind> key;  // kText and kBigint
  MemoryKind value = MemoryKind::kText;
  uint64_t max_entries = 1'000'000;
  uint64_t max_bytes = 64u << 20;  // keys, values and what an entry costs
  int64_t ttl_us = 0;              // of source time since the last write; 0 = for ever
  bool durable = false;
  // What makes entries of another version of the rules readable: "bigint, text -> number".
  std::string shape() const;
};

struct MemorySpec {
  bool ordered = false;
  std::vector<StateSpec> states;  // sorted by name
  int tick = -1;                  // the host's number of the function
  int64_t tick_every_us = 0;
  bool is_durable() const noexcept;
};

// Reads `mode`, `state`, `tick` and `tick_every` of a rule file.
Result<MemorySpec> parse_memory_spec(const RuleNode& root);

}  // namespace tailrace
