#include "rule/ddl_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rule/event_place.h"
#include "rule/schema_diff.h"

namespace tailrace {
namespace {

// The layout with the columns that only other tables of the target have.
OutputTable with_others(const OutputTable& output, const std::vector<SchemaRef>& others) {
  OutputTable out = output;
  if (others.empty()) return out;
  if (out.origins.empty()) {
    for (size_t i = 0; i < output.schema->columns.size(); ++i) out.origins.push_back(static_cast<int>(i));
  }
  auto schema = std::make_shared<TableSchema>(*output.schema);
  for (const SchemaRef& other : others) {
    for (const Column& column : other->columns) {
      if (schema->find_column(column.name) >= 0) continue;
      schema->columns.push_back(column);
      out.origins.push_back(-1);
    }
  }
  out.schema = std::move(schema);
  return out;
}

bool has(const ChangeEvent& event, DdlKind kind) { return event.ddl_kinds & ddl_bit(kind); }

// Whoever decides about the statement is to know that the rules have to change as well.
std::string unfit_text(const DdlGuard::Outputs& outputs) {
  return outputs.why_unfit ? fmt::format(", and do not fit the table after it ({})", outputs.why_unfit->detail()) : "";
}

bool is_mapped(const OutputTable* output) { return output && output->schema != output->source; }

}  // namespace

Result<DdlGuard::Verdict> DdlGuard::judge(EventBatch& batch, ChangeEvent& event, const Outputs& outputs, StatementTrail* trail) {
  if (event.sql.empty()) return Verdict::kSend;  // tells of a table, not of a statement
  bool is_mapped_table = is_mapped(outputs.before) || is_mapped(outputs.after) || (trail && trail->is_mapped);
  if (trail) trail->is_mapped = is_mapped_table;
  uint32_t without = trail ? trail->without : 0;
  const DdlSpec& spec = rules_.spec.ddl;
  if (spec.is_empty() && !(writes_text_ && (is_mapped_table || without))) return Verdict::kSend;

  std::string told_by = (event.txn < batch.txns.size() ? batch.txns[event.txn].id : "") + " " + std::string(event.sql);
  Outputs found = outputs;
  if (has(event, DdlKind::kCreateTable)) found.before = nullptr;
  if (has(event, DdlKind::kRenameTable) && outputs.after) found.before = told_by == renamed_by_ ? renamed_ : nullptr;

  StoppedDdl statement;
  if (event.txn < batch.txns.size()) statement.txn = batch.txns[event.txn].id;
  statement.ordinal = event.ordinal;
  const TableSchema& table = outputs.before ? *outputs.before->source : outputs.after ? *outputs.after->source : *outputs.unfit;
  // Files of a chain are asked about one statement: who decides about it does so for all of them.
  const TableSchema& logged = trail && trail->source->table ? *trail->source->table : table;
  statement.database = logged.database;
  statement.table = logged.table;
  statement.sql = std::string(trail ? trail->source->sql : event.sql);
  statement.kinds = ddl_kind_names(event.ddl_kinds);

  if (uint32_t denied = spec.deny & event.ddl_kinds) {
    statement.reason = "the rules deny " + ddl_kind_names(denied) + unfit_text(outputs);
    TAILRACE_TRY(Verdict verdict, stop(batch, event, statement, spec.on_denied));
    if (verdict == Verdict::kSkip) return verdict;
  } else if (spec.hook >= 0) {
    DdlQuestion question{table.database,
                         table.table,
                         std::string(event.sql),
                         outputs.unfit ? "" : target_text(event, found, 0),
                         event.ddl_kinds,
                         statement.txn,
                         event.txn < batch.txns.size() ? batch.txns[event.txn].commit_time_us : 0};
    auto asked = host_->ddl(spec.hook, question);
    if (!asked.ok()) return at_event(std::move(asked).status().with("hook", "ddl"), rules_.version, batch, event);
    statement.reason = asked->text;
    if (asked->action == DdlAnswer::Action::kHold || asked->action == DdlAnswer::Action::kSkip) {
      bool holds = asked->action == DdlAnswer::Action::kHold;
      statement.reason += unfit_text(outputs);
      TAILRACE_TRY(Verdict verdict, stop(batch, event, statement, holds ? DdlSpec::OnDenied::kHold : DdlSpec::OnDenied::kSkip));
      if (verdict == Verdict::kSkip) return verdict;
    } else if (!asked->text.empty()) {
      event.sql = {batch.arena.copy(asked->text), asked->text.size()};
      if (trail) trail->has_text = true;
      return Verdict::kSend;
    }
    without |= asked->without & event.ddl_kinds;
    if (trail) trail->without = without;
  }
  if (trail && trail->has_text) return Verdict::kSend;
  if (without && without == event.ddl_kinds) {
    statement.reason = "the rules leave out " + ddl_kind_names(without);
    return stop(batch, event, statement, DdlSpec::OnDenied::kSkip);
  }
  if (outputs.unfit) return Verdict::kSend;
  // The SQLite sink reads the statement as it was written; a reader of messages has the target before him.
  if (!writes_text_ || (!is_mapped_table && without == 0)) return Verdict::kSend;
  if (has(event, DdlKind::kRenameTable) && !outputs.after) {
    renamed_ = outputs.before;
    renamed_by_ = std::move(told_by);
    return Verdict::kSkip;  // said with the other half
  }
  bool is_gone = has(event, DdlKind::kDropTable) || has(event, DdlKind::kDropDatabase) || event.op == Op::kTruncate;
  if (!outputs.after && !is_gone) return Verdict::kSend;  // what it made of the table is not known
  std::string text = target_text(event, found, without);
  if (text.empty()) return Verdict::kSkip;  // changes nothing there
  event.sql = {batch.arena.copy(text), text.size()};
  return Verdict::kSend;
}

std::string DdlGuard::target_text(const ChangeEvent& event, Outputs outputs, uint32_t without) const {
  if (event.op == Op::kTruncate) return "TRUNCATE TABLE " + quoted_name(*outputs.before->schema);
  // A shared target outlives one of its tables, and is there before the second one.
  if ((!outputs.before || !outputs.after) && !outputs.others.empty()) return "";
  OutputTable before, after;
  if (outputs.before) before = with_others(*outputs.before, outputs.others);
  if (outputs.after) after = with_others(*outputs.after, outputs.others);
  return schema_ddl(outputs.before ? &before : nullptr, outputs.after ? &after : nullptr, event.ddl_kinds, without);
}

Result<DdlGuard::Verdict> DdlGuard::stop(const EventBatch& batch, const ChangeEvent& event, const StoppedDdl& statement,
                                         DdlSpec::OnDenied how) {
  auto failure = [&](ErrorCode code) {
    return at_event(Status(code, fmt::format("{}: {}", statement.reason, statement.sql)).with("kinds", statement.kinds), rules_.version,
                    batch, event);
  };
  if (how == DdlSpec::OnDenied::kStop) {
    if (desk_) TAILRACE_OK(desk_->note(statement, DdlState::kStopped));
    return failure(ErrorCode::kSchemaChange);
  }
  if (how == DdlSpec::OnDenied::kSkip) {
    if (desk_) TAILRACE_OK(desk_->note(statement, DdlState::kSkipped));
    return Verdict::kSkip;
  }
  DdlState state = DdlState::kHeld;
  if (desk_) {
    TAILRACE_TRY(state, desk_->hold(statement));
  }
  if (state == DdlState::kReleased) return Verdict::kSend;
  if (state == DdlState::kSkipped) return Verdict::kSkip;
  return failure(ErrorCode::kSchemaHeld);
}

}  // namespace tailrace
