// RuleMemory: what the functions of ordered rules remember, `ctx.state`. What one event writes is pending until it is through,
// so an event that fails leaves nothing behind. Owned by the stage; delivery thread.
#pragma once
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "event/rule_state_store.h"
#include "rule/memory_spec.h"

namespace tailrace {

class RuleMemory {
 public:
  static constexpr size_t kMaxWrites = 10'000;  // of one event
  enum class Put : uint8_t { kOk, kTooLarge, kTooMany };

  // `spec` outlives it.
  explicit RuleMemory(const MemorySpec& spec);
  const MemorySpec& spec() const noexcept { return spec_; }

  // An event, or a tick: reads and writes are possible from begin to commit or abort. Source time never goes back.
  void begin(int64_t ts_us);
  // Source time moves, with nothing read or written.
  void pass(int64_t ts_us) noexcept;
  void commit();
  void abort() noexcept;
  bool is_open() const noexcept { return is_open_; }
  // Null: nothing there. The view lives until the next call. `key` and values are the host's bytes.
  const std::string* find(size_t state, const std::string& key) const;
  // nullopt: removes it.
  Put put(size_t state, const std::string& key, std::optional<std::string> value);
  size_t size(size_t state) const noexcept { return tables_[state].entries.size(); }

  // Does source time come to another `tick_every` with this?
  bool is_tick_due(int64_t ts_us) const noexcept;

  // Durable states: what has changed since the last call, oldest first.
  std::vector<RuleStateChange> take_changes();
  // At the beginning of a run, from the job file. RULE-0111 when a state of the same name was declared in another way.
  Status restore(const RuleStateStore::Found& found);
  // A version of the rules takes over from another one (null: from one without memory): states of the same name go on.
  Status can_follow(const RuleMemory* before) const;
  void follow(RuleMemory* before);

 private:
  struct Entry {
    std::string key, value;
    int64_t at_us;
  };
  using Order = std::list<Entry>;  // oldest write first
  struct Table {
    const StateSpec* spec = nullptr;
    Order order;
    std::unordered_map<std::string_view, Order::iterator> entries;
    uint64_t bytes = 0;
  };
  struct Write {
    size_t state;
    std::string key;
    std::optional<std::string> value;
  };
  static uint64_t cost(const Entry& entry) noexcept;
  bool is_expired(const Table& table, const Entry& entry) const noexcept;
  void store(Table& table, std::string key, std::string value, int64_t at_us);
  void remove(Table& table, const std::string& key);
  void drop(Table& table, Order::iterator entry);
  void make_room(Table& table);
  void note(RuleStateChange change);
  Table* find_table(std::string_view name) noexcept;
  Status differs(const StateSpec& state, const std::string& before) const;

  const MemorySpec& spec_;
  std::vector<Table> tables_;  // by number in spec_.states
  std::vector<Write> pending_;
  int64_t now_us_ = 0;
  bool is_open_ = false;
  bool is_durable_;
  bool now_moved_ = false;
  // Changes not yet taken; a later one of the same key takes the place of an earlier one.
  std::vector<std::optional<RuleStateChange>> changes_;
  std::unordered_map<std::string, size_t> latest_;
};

}  // namespace tailrace
