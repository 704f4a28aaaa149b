#include "rule/rule_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/log.h"

namespace tailrace {
namespace {

constexpr uint64_t kEntryCost = 128;  // list and hash node, two strings
constexpr char kNow[] = "now";        // keys of the state "": what the memory keeps of itself
constexpr char kShape[] = "shape:";

std::string place_of(const RuleStateChange& change) { return change.state + '\0' + change.key; }

}  // namespace

RuleMemory::RuleMemory(const MemorySpec& spec) : spec_(spec), tables_(spec.states.size()), is_durable_(spec.is_durable()) {
  // Whatever the job file holds belongs to other rules, unless restore() or follow() says otherwise.
  note({RuleStateChange::Kind::kClear, "", "", "", 0});
  for (size_t i = 0; i < tables_.size(); ++i) {
    tables_[i].spec = &spec.states[i];
    if (spec.states[i].durable) note({RuleStateChange::Kind::kPut, "", kShape + spec.states[i].name, spec.states[i].shape(), 0});
  }
}

uint64_t RuleMemory::cost(const Entry& entry) noexcept { return kEntryCost + entry.key.size() + entry.value.size(); }

bool RuleMemory::is_expired(const Table& table, const Entry& entry) const noexcept {
  return table.spec->ttl_us > 0 && now_us_ - entry.at_us >= table.spec->ttl_us;
}

void RuleMemory::begin(int64_t ts_us) {
  pending_.clear();
  is_open_ = true;
  pass(ts_us);
}

void RuleMemory::pass(int64_t ts_us) noexcept {
  if (ts_us <= now_us_) return;
  now_us_ = ts_us;
  now_moved_ = true;
}

void RuleMemory::abort() noexcept {
  pending_.clear();
  is_open_ = false;
}

const std::string* RuleMemory::find(size_t state, const std::string& key) const {
  for (auto write = pending_.rbegin(); write != pending_.rend(); ++write) {
    if (write->state == state && write->key == key) return write->value ? &*write->value : nullptr;
  }
  const Table& table = tables_[state];
  auto found = table.entries.find(key);
  if (found == table.entries.end() || is_expired(table, *found->second)) return nullptr;
  return &found->second->value;
}

RuleMemory::Put RuleMemory::put(size_t state, const std::string& key, std::optional<std::string> value) {
  if (value && kEntryCost + key.size() + value->size() > tables_[state].spec->max_bytes) return Put::kTooLarge;
  for (Write& write : pending_) {
    if (write.state != state || write.key != key) continue;
    write.value = std::move(value);
    return Put::kOk;
  }
  if (pending_.size() >= kMaxWrites) return Put::kTooMany;
  pending_.push_back({state, key, std::move(value)});
  return Put::kOk;
}

void RuleMemory::commit() {
  for (Write& write : pending_) {
    Table& table = tables_[write.state];
    if (write.value) {
      if (table.spec->durable) note({RuleStateChange::Kind::kPut, table.spec->name, write.key, *write.value, now_us_});
      store(table, std::move(write.key), std::move(*write.value), now_us_);
      make_room(table);
    } else {
      remove(table, write.key);
    }
  }
  pending_.clear();
  is_open_ = false;
}

void RuleMemory::store(Table& table, std::string key, std::string value, int64_t at_us) {
  auto found = table.entries.find(key);
  if (found == table.entries.end()) {
    table.order.push_back({std::move(key), std::move(value), at_us});
    auto entry = std::prev(table.order.end());
    table.entries.emplace(entry->key, entry);
    table.bytes += cost(*entry);
    return;
  }
  Entry& entry = *found->second;
  table.bytes -= cost(entry);
  entry.value = std::move(value);
  entry.at_us = at_us;
  table.bytes += cost(entry);
  table.order.splice(table.order.end(), table.order, found->second);
}

void RuleMemory::remove(Table& table, const std::string& key) {
  auto found = table.entries.find(key);
  if (found != table.entries.end()) drop(table, found->second);
}

void RuleMemory::drop(Table& table, Order::iterator entry) {
  if (table.spec->durable) note({RuleStateChange::Kind::kRemove, table.spec->name, entry->key, "", now_us_});
  table.bytes -= cost(*entry);
  table.entries.erase(entry->key);
  table.order.erase(entry);
}

// The oldest writes go first; what has expired stands among them.
void RuleMemory::make_room(Table& table) {
  while (!table.order.empty() && (table.entries.size() > table.spec->max_entries || table.bytes > table.spec->max_bytes ||
                                  is_expired(table, table.order.front()))) {
    drop(table, table.order.begin());
  }
}

bool RuleMemory::is_tick_due(int64_t ts_us) const noexcept {
  return spec_.tick >= 0 && ts_us > now_us_ && now_us_ > 0 && ts_us / spec_.tick_every_us != now_us_ / spec_.tick_every_us;
}

void RuleMemory::note(RuleStateChange change) {
  if (!is_durable_) return;
  if (change.kind != RuleStateChange::Kind::kClear) {
    auto [found, is_new] = latest_.try_emplace(place_of(change), changes_.size());
    if (!is_new) {
      changes_[found->second].reset();
      found->second = changes_.size();
    }
  }
  changes_.emplace_back(std::move(change));
}

std::vector<RuleStateChange> RuleMemory::take_changes() {
  std::vector<RuleStateChange> out;
  if (!is_durable_) return out;
  if (now_moved_) note({RuleStateChange::Kind::kPut, "", kNow, std::to_string(now_us_), 0});
  now_moved_ = false;
  for (auto& change : changes_) {
    if (change) out.push_back(std::move(*change));
  }
  changes_.clear();
  latest_.clear();
  return out;
}

RuleMemory::Table* RuleMemory::find_table(std::string_view name) noexcept {
  auto found = std::find_if(tables_.begin(), tables_.end(), [&](const Table& table) { return table.spec->name == name; });
  return found == tables_.end() ? nullptr : &*found;
}

Status RuleMemory::differs(const StateSpec& state, const std::string& before) const {
  return Status(ErrorCode::kRuleSwap,
                fmt::format("state.{} was declared as {} and now is {}: give it another name to begin without what it holds", state.name,
                            before, state.shape()));
}

Status RuleMemory::restore(const RuleStateStore::Found& found) {
  using Change = RuleStateChange;
  std::vector<std::string> lost;
  bool has_own = false;
  for (const Change& entry : found.entries) {
    if (!entry.state.empty() || !entry.key.starts_with(kShape)) continue;
    Table* table = find_table(std::string_view(entry.key).substr(sizeof kShape - 1));
    if (!table || !table->spec->durable) {
      lost.push_back(entry.key.substr(sizeof kShape - 1));
      continue;
    }
    if (entry.value != table->spec->shape()) return differs(*table->spec, entry.value);
    has_own = true;
  }
  if (!found.is_known) {
    if (!has_own) return Status();
    return Status(ErrorCode::kJobState,
                  "the job file does not know what the rules remembered at the checkpoint of the target: it is of "
                  "another time than the target. Give the states other names to begin without memory");
  }
  changes_.clear();
  latest_.clear();
  for (const std::string& name : lost) {
    log(LogLevel::kInfo, "the rules do not declare state." + name + " as durable any more: what it held is dropped");
    note({Change::Kind::kClear, name, "", "", 0});
    note({Change::Kind::kRemove, "", kShape + name, "", 0});
  }
  for (const Table& table : tables_) {
    if (table.spec->durable) note({Change::Kind::kPut, "", kShape + table.spec->name, table.spec->shape(), 0});
  }
  for (const Change& entry : found.entries) {
    if (entry.state.empty()) {
      if (entry.key == kNow) std::from_chars(entry.value.data(), entry.value.data() + entry.value.size(), now_us_);
      continue;
    }
    Table* table = find_table(entry.state);
    if (table && table->spec->durable) store(*table, entry.key, entry.value, entry.at_us);
  }
  for (Table& table : tables_) make_room(table);
  return Status();
}

Status RuleMemory::can_follow(const RuleMemory* before) const {
  if (!before) return Status();
  for (const Table& table : tables_) {
    for (const StateSpec& old : before->spec_.states) {
      if (old.name == table.spec->name && old.shape() != table.spec->shape()) return differs(*table.spec, old.shape());
    }
  }
  return Status();
}

void RuleMemory::follow(RuleMemory* before) {
  if (!before) return;  // the job file still has what rules before those may have left: it is cleared
  using Change = RuleStateChange;
  now_us_ = before->now_us_;
  now_moved_ = true;
  std::vector<RuleStateChange> untaken = before->take_changes();
  changes_.clear();
  latest_.clear();
  if (!before->is_durable_) note({Change::Kind::kClear, "", "", "", 0});
  for (RuleStateChange& change : untaken) note(std::move(change));
  for (Table& old : before->tables_) {
    Table* table = find_table(old.spec->name);
    if (old.spec->durable && (!table || !table->spec->durable)) {
      note({Change::Kind::kClear, old.spec->name, "", "", 0});
      note({Change::Kind::kRemove, "", kShape + old.spec->name, "", 0});
    }
    if (!table) continue;
    for (Entry& entry : old.order) {
      if (table->spec->durable && !old.spec->durable) note({Change::Kind::kPut, table->spec->name, entry.key, entry.value, entry.at_us});
      store(*table, std::move(entry.key), std::move(entry.value), entry.at_us);
    }
    make_room(*table);
  }
  for (const Table& table : tables_) {
    if (table.spec->durable) note({Change::Kind::kPut, "", kShape + table.spec->name, table.spec->shape(), 0});
  }
}

}  // namespace tailrace
