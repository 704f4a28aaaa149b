// BinlogAssembler, third part: what becomes of a transaction is known at its end. Until then its events are kept, here or
// on disk: it may be rolled back, wholly or to a savepoint, or be prepared and decided much later (XA).
#include <fmt/format.h>

#include <algorithm>

#include "source/log_assembler.h"

namespace tailrace {
namespace {

// Of XA transactions that wait for their end; more of them go to disk.
constexpr size_t kPreparedMemory = 8 << 20;

}  // namespace

// Resumed at an earlier place than the position: is this transaction one that was delivered already?
bool BinlogAssembler::is_covered() const {
  if (!covered_) return false;
  if (mysql_gtid_.number && covered_->has_gtid && !gtid_is_maria_) return mysql_set_.contains(mysql_gtid_);
  if (maria_gtid_.sequence && covered_->has_gtid && gtid_is_maria_) return maria_set_.contains(maria_gtid_);
  int order = compare_log_files(file_, covered_->file);
  return order < 0 || (order == 0 && offset_ <= covered_->offset);
}

size_t BinlogAssembler::first_open_item() const {
  size_t first = batch_->items.size();
  if (!in_batch_) return first;
  auto txn = static_cast<uint32_t>(batch_->txns.size() - 1);
  while (first > 0 && batch_->items[first - 1].txn == txn) --first;
  return first;
}

uint64_t BinlogAssembler::open_events() const { return (held_ ? held_->events() : 0) + batch_->items.size() - first_open_item(); }

// The open transaction as if it had ended after its first `events` events.
Status BinlogAssembler::forget_after(uint64_t events) {
  uint64_t on_hold = held_ ? held_->events() : 0;
  size_t keep = first_open_item() + (events > on_hold ? events - on_hold : 0);
  bool changes = held_ && held_->has_change_after(events);
  for (size_t i = keep; i < batch_->items.size(); ++i) changes = changes || batch_->items[i].type == 0;
  if (changes) return Status(ErrorCode::kSourceUnsupported, "a schema change was logged and then rolled back");
  while (batch_->items.size() > keep) {
    batch_bytes_ -= batch_->items.back().weight;
    batch_->items.pop_back();
  }
  if (in_batch_ && (batch_->items.empty() || batch_->items.back().txn + 1 != batch_->txns.size())) {
    batch_->txns.pop_back();
    in_batch_ = false;
  }
  if (held_ && events < on_hold) TAILRACE_OK(held_->truncate(events));
  if (events == 0) {
    held_.reset();
    has_rows_ = false;
  }
  return Status();
}

Status BinlogAssembler::on_savepoint(const std::string& name, bool back_to_it) {
  auto found = savepoints_.end();
  // The server compares names by a collation: beyond ASCII, two spellings may be one name.
  auto is_plain = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  };
  for (const Savepoint& other : savepoints_) {
    if (!back_to_it || other.name == name || (is_plain(name) && is_plain(other.name))) continue;
    return Status(
        ErrorCode::kSourceUnsupported,
        fmt::format("a rollback to savepoint {}, while there is one named {}: only the server can tell whether these are the same", name,
                    other.name));
  }
  for (auto at = savepoints_.begin(); at != savepoints_.end(); ++at) {
    if (at->name == name) found = at;
  }
  if (back_to_it) {
    if (found == savepoints_.end()) {
      if (!has_rows_) return Status();
      return Status(ErrorCode::kSourceCorrupt, fmt::format("rows were rolled back to a savepoint that was never set: {}", name));
    }
    savepoints_.erase(found + 1, savepoints_.end());
    return forget_after(found->events);
  }
  if (found != savepoints_.end()) savepoints_.erase(found);
  savepoints_.push_back({name, open_events()});
  return Status();
}

// The open transaction's events leave the batch for `held_`.
Status BinlogAssembler::hold() {
  if (!in_batch_) return Status();
  if (!held_) held_ = std::make_unique<HeldTransaction>(spill_dir_);
  size_t first = first_open_item();
  for (size_t i = first; i < batch_->items.size(); ++i) {
    BinlogRawBatch::Item& item = batch_->items[i];
    batch_bytes_ -= item.weight;
    if (item.type == 0) {
      TAILRACE_OK(held_->append_change(item.op, item.offset, item.body, std::move(item.table), std::move(item.new_schema)));
      continue;
    }
    RowPlanRef plan;
    for (auto at = batch_->plans.rbegin(); at != batch_->plans.rend() && !plan; ++at) {
      if (at->get() == item.plan) plan = *at;
    }
    TAILRACE_OK(held_->append(item.type, item.offset, item.body, plan, item.lacking));
  }
  batch_->items.resize(first);
  batch_->txns.pop_back();
  in_batch_ = false;
  if (!batch_->txns.empty()) return Status();
  batch_ = std::make_unique<BinlogRawBatch>();
  batch_bytes_ = 0;
  ++batch_number_;  // plans are to be kept alive anew
  return Status();
}

// One event of the transaction whose end has been seen.
Status BinlogAssembler::replay() {
  HeldTransaction::Event event;
  TAILRACE_TRY(bool more, held_->next(event));
  if (!more) {
    held_.reset();
    replaying_ = false;
    finish_end();
    return Status();
  }
  BinlogRawBatch::Item& item = add_item(event.body, event.offset);
  item.type = event.type;
  item.op = event.op;
  item.lacking = event.lacking;
  if (event.type == 0) {
    item.table = std::move(event.table);
    item.new_schema = std::move(event.new_schema);
    return Status();
  }
  HeldTransaction::Plan& plan = held_->plan_of(event);
  item.plan = plan.plan.get();
  weigh(item);
  if (plan.held_by != batch_number_) {
    batch_->plans.push_back(plan.plan);
    plan.held_by = batch_number_;
  }
  return Status();
}

Status BinlogAssembler::on_xa_prepare(const EventHeader& header, std::string_view body) {
  TAILRACE_TRY(XaPrepareEvent event, parse_xa_prepare(body));
  if (event.one_phase) return end(header);  // it is a commit
  if (!open_) begin({}, header, true);
  TAILRACE_OK(hold());
  LogPosition before = is_covered() ? covered_->restart_place() : log_position();
  before.restart.reset();
  Prepared& prepared = prepared_[event.xid];
  prepared.rows = std::move(held_);
  prepared.before = std::move(before);
  size_t memory = 0;
  for (const auto& [xid, waiting] : prepared_) memory += waiting.rows ? waiting.rows->memory_bytes() : 0;
  if (memory > kPreparedMemory && prepared.rows) TAILRACE_OK(prepared.rows->to_disk());
  has_rows_ = false;
  return end(header);
}

Status BinlogAssembler::on_xa_commit(const EventHeader& header, const std::string& xid) {
  auto found = prepared_.find(xid);
  if (found == prepared_.end()) {
    if (is_covered()) return end(header);  // prepared before the place that reading was resumed at, and delivered
    // Which tables it changed, its rows would tell. They stand further back in the log, and no snapshot showed them.
    return Status(ErrorCode::kSourceUnsupported,
                  fmt::format("an XA transaction is committed that was prepared before reading began: {}. Begin a new job with a "
                              "source.start before its XA PREPARE, or with a snapshot taken after this commit; XA RECOVER at the "
                              "server lists those that are prepared",
                              xid));
  }
  if (!open_) begin({}, header, false);
  held_ = std::move(found->second.rows);
  has_rows_ = held_ != nullptr;
  prepared_.erase(found);
  return end(header);
}

}  // namespace tailrace
