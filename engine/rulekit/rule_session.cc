#include "rulekit/rule_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rulekit/batch_copy.h"
#include "rulekit/event_text.h"

namespace tailrace {
namespace {

std::string all_events(const EventBatch& batch) {
  std::string out;
  for (const ChangeEvent& event : batch.events) {
    append_event(event, out);
    out.push_back('\n');
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<RuleSession>> RuleSession::open(const RuleKit& kit, const RuleOptions& options, std::string script) {
  std::unique_ptr<RuleSession> session(new RuleSession(kit, options, std::move(script)));
  TAILRACE_TRY(auto rules, kit.load(options));
  session->keeps_unlisted_ = rules->spec.fallback == RuleSpec::Default::kKeep;
  TAILRACE_TRY(session->stage_, kit.make_stage(rules, RuleStageConfig{options, false}));
  if (options.jit && options.trusted && !options.file.empty()) {
    RuleOptions plain = options;
    plain.jit = false;
    plain.bounded = true;
    plain.wall_ms = std::min<int64_t>(plain.wall_ms, 10'000);
    TAILRACE_TRY(session->interpreted_, kit.stage(plain));
  }
  session->patterns_ = session->stage_->unmatched({});
  return session;
}

bool RuleSession::is_listed(const SchemaRef& table) const { return stage_->unmatched({table}).size() != patterns_.size(); }

Result<std::shared_ptr<const EventBatch>> RuleSession::run(std::string_view sql, uint32_t line) {
  auto source = std::make_shared<EventBatch>();
  auto done_before = std::exchange(has_failed_, true);
  TAILRACE_OK(script_.run(sql, line, *source));
  auto result = std::make_shared<EventBatch>(copy_batch(source));
  EventBatch second = copy_batch(source);
  // First without the JIT: what never ends is stopped there.
  Status other = interpreted_ ? interpreted_->run(second) : Status();
  if (!other.ok() && other.code() == ErrorCode::kRuleBudget) return other;
  Status done = stage_->run(*result);
  if (interpreted_) {
    if (done.ok() != other.ok() || (!done.ok() && done.to_string() != other.to_string())) {
      return Status(ErrorCode::kInternal,
                    fmt::format("the rules give `{}` with the JIT and `{}` without", done.ok() ? "no error" : done.to_string(),
                                other.ok() ? "no error" : other.to_string()));
    }
    if (done.ok() && all_events(*result) != all_events(second)) {
      return Status(ErrorCode::kInternal,
                    fmt::format("the rules give\n{}with the JIT, and without\n{}", all_events(*result), all_events(second)));
    }
  }
  if (!done.ok()) return done;
  TAILRACE_OK(check_unlisted(*source, *result));
  has_failed_ = done_before;
  statements_.emplace_back(sql, line);
  made_ += all_events(*result);
  return std::shared_ptr<const EventBatch>(std::move(result));
}

Status RuleSession::finish() {
  if (has_failed_) return {};
  RowScript script(name_);
  if (is_capture_) script.begin_capture();
  EventBatch batch;
  for (const auto& [sql, line] : statements_) TAILRACE_OK(script.run(sql, line, batch));
  TAILRACE_TRY(auto stage, kit_.stage(options_));
  Status done = stage->run(batch);
  if (!done.ok()) return Status(ErrorCode::kInternal, "the statements run one by one, but not as one batch: " + done.to_string());
  std::string together = all_events(batch);
  if (together == made_) return {};
  size_t at = 0, line = 0;
  while (at < together.size() && at < made_.size() && together[at] == made_[at]) {
    if (together[at++] == '\n') line = at;
  }
  return Status(ErrorCode::kInternal,
                fmt::format("one by one the statements give `{}`, as one batch `{}`", made_.substr(line, made_.find('\n', line) - line),
                            together.substr(line, together.find('\n', line) - line)));
}

Status RuleSession::check_unlisted(const EventBatch& source, const EventBatch& result) const {
  if (!keeps_unlisted_) return {};
  for (const SchemaRef& schema : source.schemas) {
    if (is_listed(schema)) return {};  // the statement's tables are alike: one table, or a rename
  }
  size_t rows = 0;
  for (const ChangeEvent& event : source.events) {
    if (event.op == Op::kSchemaChange) return {};
    // A changed key leaves as two events.
    const ChangeEvent* out = rows < result.events.size() ? &result.events[rows] : nullptr;
    bool is_split = out && event.op == Op::kUpdate && out->op == Op::kDelete;
    const ChangeEvent* last = is_split ? &result.events[std::min(rows + 1, result.events.size() - 1)] : out;
    bool same = out && out->table->qualified_name() == event.table->qualified_name() && identical(out->before, event.before) &&
                identical(last->after, event.after);
    if (!same) {
      return Status(ErrorCode::kInternal, fmt::format("no pattern names {}, but its rows came out changed", event.table->qualified_name()));
    }
    rows += is_split ? 2 : 1;
  }
  return {};
}

}  // namespace tailrace
