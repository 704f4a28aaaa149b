#include "pipeline/snapshot_stage.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "event/value_text.h"

namespace tailrace {
namespace {

using nlohmann::json;

// FNV-1a with 128 bits: keys are short, and a collision would lose a row, so 64 bits are not enough.
struct Hash128 {
  unsigned __int128 value = (static_cast<unsigned __int128>(0x6c62272e07bb0142ULL) << 64) | 0x62b821756295c58dULL;
  void add(const void* data, size_t size) {
    constexpr unsigned __int128 kPrime = (static_cast<unsigned __int128>(1) << 88) | 0x13b;
    auto bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) {
      value ^= bytes[i];
      value *= kPrime;
    }
  }
};

bool same_columns(const TableSchema& a, const TableSchema& b) {
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const Column& x, const Column& y) { return x.name == y.name; });
}

Status changed_columns(const TableSchema& table) {
  return Status(ErrorCode::kSourceImage,
                "the table's columns changed while it was being copied, and updates were logged with some columns only")
      .with("table", table.qualified_name());
}

bool keyed(const SnapshotTable& table) { return !table.schema->primary_key.empty(); }

}  // namespace

Status SnapshotStage::restore(const std::string& state) {
  if (state.empty()) return {};
  try {
    json in = json::parse(state);
    std::string phase = in.at("phase").get<std::string>();
    phase_ = phase == "keyless" ? Phase::kKeyless : phase == "keyed" ? Phase::kKeyed : Phase::kDone;
    table_ = in.value("table", "");
    after_ = in.value("after", "");
    table_done_ = in.value("table_done", false);
    if (in.contains("whole")) {
      for (const auto& [name, position] : in.at("whole").items()) {
        whole_[name] = Position{in.at("source").get<std::string>(), position.get<std::string>()};
      }
    }
  } catch (const std::exception& error) {
    return Status(ErrorCode::kMetaOpen, std::string("the stored snapshot state cannot be read: ") + error.what());
  }
  return {};
}

std::string SnapshotStage::state() const {
  if (phase_ == Phase::kDone && whole_.empty()) return "";
  json out;
  out["phase"] = phase_ == Phase::kKeyless ? "keyless" : phase_ == Phase::kKeyed ? "keyed" : "done";
  if (phase_ != Phase::kDone) {
    out["table"] = table_;
    out["after"] = after_;
    out["table_done"] = table_done_;
  }
  if (!whole_.empty()) {
    out["source"] = whole_.begin()->second.source_kind;
    for (const auto& [name, position] : whole_) out["whole"][name] = position.text;
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool SnapshotStage::is_open(std::string_view state) {
  if (state.empty()) return false;
  json in = json::parse(state, nullptr, false);
  return !in.is_object() || in.value("phase", "") != "done";
}

void SnapshotStage::set_tables(std::vector<SnapshotTable> tables) {
  tables_ = std::move(tables);
  std::sort(tables_.begin(), tables_.end(),
            [](const SnapshotTable& a, const SnapshotTable& b) { return a.schema->qualified_name() < b.schema->qualified_name(); });
}

bool SnapshotStage::is_done(const SnapshotTable& table) const {
  if (phase_ == Phase::kDone) return true;
  if (keyed(table) != (phase_ == Phase::kKeyed)) return !keyed(table);
  std::string name = table.schema->qualified_name();
  return name < table_ || (name == table_ && table_done_);
}

const SnapshotTable* SnapshotStage::next_table() const {
  for (const SnapshotTable& table : tables_) {
    if (keyed(table) == (phase_ == Phase::kKeyed) && !is_done(table)) return &table;
  }
  return nullptr;
}

void SnapshotStage::finish_keyless(const SchemaRef& table, const Position& at) {
  table_ = table->qualified_name();
  table_done_ = true;
  whole_[table_] = at;
}

void SnapshotStage::finish_chunk(const std::string& next_key) {
  const SnapshotTable* table = next_table();
  if (!table) return;
  table_ = table->schema->qualified_name();
  after_ = next_key;
  table_done_ = next_key.empty();
  if (table_done_ && !next_table()) {
    phase_ = Phase::kDone;
    changes_.clear();
  }
}

void SnapshotStage::begin_keyed() {
  phase_ = Phase::kKeyed;
  table_.clear();
  after_.clear();
  table_done_ = false;
  if (!next_table()) phase_ = Phase::kDone;
}

bool SnapshotStage::pending(const TableSchema& table) const {
  if (phase_ != Phase::kKeyed || table.primary_key.empty()) return false;
  int order = table_.compare(0, std::string::npos, table.qualified_name());
  return order < 0 || (order == 0 && !table_done_);
}

SnapshotStage::Change SnapshotStage::change_of(const TableSchema& table, std::span<const Value> row, std::span<const Value> rest) const {
  Hash128 hash;
  hash.add(table.database.data(), table.database.size() + 1);
  hash.add(table.table.data(), table.table.size() + 1);
  for (uint16_t index : table.primary_key) {
    const Value& value = row[index].is_absent() && !rest.empty() ? rest[index] : row[index];
    hash.add(&value.kind, 1);
    if (has_text_payload(value.kind)) {
      hash.add(&value.size, sizeof value.size);
      hash.add(value.p, value.size);
    } else {
      hash.add(&value.u, sizeof value.u);
    }
  }
  return {static_cast<uint64_t>(hash.value >> 64), static_cast<uint64_t>(hash.value)};
}

void SnapshotStage::Columns::take(Row row) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].is_absent()) continue;
    values[i] = row[i];
    if (!has_text_payload(row[i].kind)) continue;
    texts[i] = std::make_unique<std::string>(row[i].text());
    values[i].p = texts[i]->data();
  }
}

Status SnapshotStage::remember(const EventBatch& batch, const ChangeEvent& event, const std::shared_ptr<const Transaction>& txn) {
  const TableSchema& table = *event.table;
  bool is_partial =
      event.op == Op::kUpdate && std::any_of(event.after.begin(), event.after.end(), [](const Value& value) { return value.is_absent(); });
  if (!is_partial) {
    for (Row image : {event.before, event.after}) {
      if (!image.empty()) changes_.insert_or_assign(change_of(table, image, event.before), Known{txn, nullptr});
    }
    return {};
  }
  Change before = change_of(table, event.before, event.after);
  Change after = change_of(table, event.after, event.before);
  auto known = changes_.find(before);
  // The rules make a delete and an insert of a move whose row the two images hold together.
  bool is_whole = true;
  for (size_t i = 0; i < event.after.size(); ++i) is_whole &= !event.after[i].is_absent() || !event.before[i].is_absent();
  if ((known != changes_.end() && !known->second.columns) || (before != after && is_whole)) {
    changes_.insert_or_assign(before, Known{txn, nullptr});
    changes_.insert_or_assign(after, Known{txn, nullptr});
    return {};
  }
  if (before != after) {
    return Status(ErrorCode::kSourceImage,
                  "a row got another key while its table was being copied, and only some of its columns were logged")
        .with("table", table.qualified_name())
        .with("key", describe_key(table, event.before))
        .with("gtid", txn->id);
  }
  if (known == changes_.end()) {
    auto columns = std::make_unique<Columns>();
    auto owner = std::find_if(batch.schemas.begin(), batch.schemas.end(), [&](const SchemaRef& s) { return s.get() == &table; });
    if (owner == batch.schemas.end()) return Status(ErrorCode::kInternal, "a batch does not own the schema of its event");
    columns->table = *owner;
    columns->values.assign(table.columns.size(), Value::absent());
    columns->texts.resize(table.columns.size());
    known = changes_.emplace(before, Known{txn, std::move(columns)}).first;
  }
  known->second.last = txn;
  if (!same_columns(*known->second.columns->table, table)) return changed_columns(table);
  known->second.columns->take(event.after);
  return {};
}

Status SnapshotStage::observe(EventBatch& batch) {
  if (phase_ == Phase::kDone && whole_.empty()) return {};
  const TableSchema* table = nullptr;
  bool table_pending = false;
  const Position* whole = nullptr;
  uint32_t txn = 0;
  bool txn_in_whole = false;
  std::shared_ptr<const Transaction> shared_txn;
  auto kept = batch.events.begin();
  for (ChangeEvent& event : batch.events) {
    if (!event.table || event.op == Op::kSchemaChange || event.op == Op::kTruncate) {
      *kept++ = event;
      continue;
    }
    bool new_table = event.table != table;
    if (new_table) {
      table = event.table;
      table_pending = pending(*table);
      auto it = whole_.find(table->qualified_name());
      whole = it == whole_.end() ? nullptr : &it->second;
    }
    if (new_table || event.txn != txn || !shared_txn) {
      txn = event.txn;
      txn_in_whole = whole && source_.covers(*whole, batch.txns[txn]);
      shared_txn = table_pending ? std::make_shared<const Transaction>(batch.txns[txn]) : nullptr;
    }
    if (txn_in_whole) continue;
    if (table_pending) TAILRACE_OK(remember(batch, event, shared_txn));
    *kept++ = event;
  }
  batch.events.erase(kept, batch.events.end());
  return {};
}

void SnapshotStage::forget_covered(const Position& low) {
  std::erase_if(changes_, [&](const auto& entry) { return source_.covers(low, *entry.second.last); });
}

Status SnapshotStage::filter(SnapshotChunk& chunk) const {
  if (changes_.empty()) return {};
  auto kept = chunk.rows.events.begin();
  for (ChangeEvent& event : chunk.rows.events) {
    auto known = changes_.find(change_of(*event.table, event.after, {}));
    if (known != changes_.end()) {
      const Columns* columns = known->second.columns.get();
      if (!columns) continue;
      if (!same_columns(*columns->table, *event.table)) return changed_columns(*event.table);
      for (size_t i = 0; i < event.after.size(); ++i) {
        if (columns->values[i].is_absent()) continue;
        event.after[i] = columns->values[i];
        if (has_text_payload(event.after[i].kind)) event.after[i].p = chunk.rows.arena.copy(event.after[i].text());
      }
    }
    *kept++ = event;
  }
  chunk.rows.events.erase(kept, chunk.rows.events.end());
  return {};
}

void SnapshotStage::passed(const Position& at) {
  std::erase_if(whole_, [&](const auto& entry) { return source_.reached(at, entry.second); });
}

}  // namespace tailrace
