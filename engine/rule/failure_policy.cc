#include "rule/failure_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "event/value_text.h"
#include "rule/dead_letter.h"

namespace tailrace {
namespace {

constexpr uint64_t kToldAtFirst = 20;  // afterwards every thousandth

// A failure that is about one event: others of the batch may pass.
bool is_about_one_event(ErrorCode code) {
  switch (code) {
    case ErrorCode::kRuleRuntime:
    case ErrorCode::kRuleReturn:
    case ErrorCode::kRuleWrite:
    case ErrorCode::kRuleColumn:
    case ErrorCode::kRuleOutput:
    case ErrorCode::kRuleBudget:
    case ErrorCode::kFormatValue: return true;
    default: return false;
  }
}

}  // namespace

void FailurePolicy::begin_batch(const EventBatch& batch) {
  left_out_.clear();
  failed_txns_.clear();
  lettered_txns_.clear();
  if (open_txn_.empty()) return;
  if (!batch.txns.empty() && batch.txns[0].id == open_txn_ && !batch.txns[0].begins_here) {
    failed_txns_.insert(0);
    if (open_is_lettered_) lettered_txns_.insert(0);
    return;
  }
  open_txn_.clear();
}

Status FailurePolicy::settle(Status failure, const EventBatch& batch, const ChangeEvent& source, OnRuleError wish) {
  if (stops() || wish == OnRuleError::kStop || !is_about_one_event(failure.code())) return failure;
  OnRuleError action = std::min(policy_, wish);  // in order of strength
  if (by_transaction_ && !batch.is_snapshot) {
    const Transaction& txn = batch.txns[source.txn];
    if (!txn.begins_here && txn.id != open_txn_) {
      return std::move(failure).with("policy",
                                     "a transaction as a whole, but it began in an earlier batch; pipeline.batch_bytes holds "
                                     "larger ones together");
    }
    failed_txns_.insert(source.txn);
    if (action == OnRuleError::kDeadLetter) lettered_txns_.insert(source.txn);
  }
  if (action == OnRuleError::kDeadLetter) {
    TAILRACE_OK(write_letter(failure, batch, source));
  } else {
    stats_.skipped.fetch_add(1, std::memory_order_relaxed);
  }
  if (++told_ <= kToldAtFirst || told_ % 1000 == 0) {
    std::string what = action == OnRuleError::kDeadLetter ? fmt::format("policy dead_letter, id {}", last_id_) : "policy skip";
    std::string advice = action == OnRuleError::kDeadLetter && !advice_.empty() ? fmt::format("; {}{}", advice_, last_id_) : "";
    log(LogLevel::kWarn, fmt::format("{} ({}; failure {} of this run){}", failure.to_string(), what, told_, advice));
  }
  return Status();
}

Status FailurePolicy::write_letter(const Status& failure, const EventBatch& batch, const ChangeEvent& source) {
  if (!letters_) {
    return Status(ErrorCode::kConfigBadValue, "rules.on_error = \"dead_letter\" needs a job file to keep them in").caused_by(failure);
  }
  auto id = letters_->add(make_dead_letter(failure, batch, source));
  if (!id.ok()) return std::move(id).status().caused_by(failure);
  last_id_ = *id;
  stats_.dead_letters.fetch_add(1, std::memory_order_relaxed);
  return Status();
}

Status FailurePolicy::end_batch(const EventBatch& batch, const std::vector<ChangeEvent>& sources) {
  for (uint32_t i = 0; i < sources.size() && !failed_txns_.empty(); ++i) {
    const ChangeEvent& source = sources[i];
    if (source.op > Op::kRead || !failed_txns_.contains(source.txn) || left_out_.contains(i)) continue;
    if (lettered_txns_.contains(source.txn)) {
      Status why(ErrorCode::kRuleRuntime,
                 fmt::format("another row of its transaction failed; whole transactions are left out (dead letter {})", last_id_));
      TAILRACE_OK(write_letter(why, batch, source));
    } else {
      stats_.skipped.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (batch.txns.empty()) return Status();
  auto last = static_cast<uint32_t>(batch.txns.size() - 1);
  bool stays_open = failed_txns_.contains(last) && !batch.txns[last].ends_here;
  open_txn_ = stays_open ? batch.txns[last].id : "";
  open_is_lettered_ = stays_open && lettered_txns_.contains(last);
  return Status();
}

}  // namespace tailrace
