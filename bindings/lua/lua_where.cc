// `where[[…]]` as a function of a row: compiled for a table version when it is first called there.
#include <new>

#include "lua_abi.h"

namespace tailrace {
namespace {

constexpr int32_t kFailed = 2;
constexpr int32_t kRuntimeFailure = 0, kColumnFailure = 105;  // as RULE-….

int32_t fail(LuaHostData* host, const Status& status) {
  host->text = status.detail();
  host->abi.text = host->text.data();
  host->abi.text_size = static_cast<uint32_t>(host->text.size());
  host->abi.error_code = status.code() == ErrorCode::kRuleColumn ? kColumnFailure : kRuntimeFailure;
  return kFailed;
}

}  // namespace

Status add_where(LuaHostData& host, const RuleNode& handle, const RuleSpec& spec, const RuleText& file) {
  RuleNode text = handle;
  text.fields.clear();
  size_t id = 0;
  for (const auto& field : handle.fields) {
    if (field.first == "id") id = static_cast<size_t>(field.second.number);
    else text.fields.push_back(field);
  }
  if (host.wheres.size() <= id) host.wheres.resize(id + 1);
  TAILRACE_TRY(host.wheres[id], parse_where_rule(text, "where", "", spec.options, file));
  return Status();
}

int32_t where_test(LuaHostData* host, LuaPlan* plan, int32_t id, int32_t cell) noexcept {
  try {
    auto index = static_cast<size_t>(id);
    if (index >= host->wheres.size()) return fail(host, Status(ErrorCode::kRuleRuntime, "where: not usable while the file loads"));
    if (plan->wheres.size() <= index) plan->wheres.resize(host->wheres.size());
    std::shared_ptr<const WhereProgram>& program = plan->wheres[index];
    if (!program) {
      const WhereRule& rule = *host->wheres[index];
      auto made = WhereProgram::compile(*rule.tree, rule.source, {plan->columns, plan->low.size()}, plan->table, true);
      if (!made.ok()) return fail(host, made.status());
      program = std::move(made).value();
    }
    WhereRun::Verdict verdict = host->where_run.test(*program, host->abi.cells + cell);
    if (verdict == WhereRun::Verdict::kFailed) return fail(host, host->where_run.error());
    return verdict == WhereRun::Verdict::kYes ? 1 : 0;
  } catch (const std::bad_alloc&) {
    host->abi.error_code = 108;
    host->abi.text = "where: out of memory";
    host->abi.text_size = 20;
    return kFailed;
  }
}

}  // namespace tailrace
