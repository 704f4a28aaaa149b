// What the bytecode of hooks tells before they run, and where they are while they run.
#include <fmt/format.h>

#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {
namespace {

// One thing that rules/prelude/scan.lua found, as the list on top of the stack has it.
struct Found {
  std::string kind, place, name;
  bool is_direct;
};

Found found_at(lua_State* lua, int place) {
  StackGuard guard(lua);
  lua_rawgeti(lua, -1, place);
  for (int i = 1; i <= 5; ++i) lua_rawgeti(lua, -i, i);
  return {text_at(lua, -5), text_at(lua, -4) + ":" + text_at(lua, -3), text_at(lua, -2), lua_toboolean(lua, -1) != 0};
}

Status forbidden(const Found& found, const std::string& hook) {
  return Status(ErrorCode::kRuleLoad,
                fmt::format("{}: {} assigns `{}`, a variable outside of it: rows run in several workers, and again after a restart, so "
                            "none may see what another left there. Make it local to the function; what is to be remembered goes into "
                            "`state` (mode = \"ordered\")",
                            found.place, hook, found.name));
}

RuleNote note_of(const Found& found, const std::string& hook) {
  const std::string& at = found.place;
  if (found.kind == "loop") {
    return {"loop", fmt::format("{}: a loop in {}: where rules.trusted = false it runs without the JIT, within a budget", at, hook)};
  }
  if (found.kind == "endless") {
    return {"loop",
            fmt::format("{}: a loop in {} that nothing but its condition ends: where rules.trusted = false it runs without the JIT, "
                        "within a budget; else a call beyond rules.batch_limit_ms ends the job",
                        at, hook)};
  }
  if (found.kind == "call") {
    return {"slow-call", fmt::format("{}: the JIT does not compile {}, which {} calls for every row{}", at, found.name, hook,
                                     found.name == "string.find" ? ": give true as the fourth argument to look for a plain text" : "")};
  }
  if (found.kind == "function") {
    return {"slow-call",
            fmt::format("{}: {} makes a function for every row, which the JIT does not compile: make it once, outside", at, hook)};
  }
  if (found.kind == "table") {
    return {"upvalue-write",
            fmt::format("{}: {} writes into `{}`, a table outside of it: it stays for other rows of this worker, and is gone "
                        "after a restart; `state` (mode = \"ordered\") remembers",
                        at, hook, found.name)};
  }
  return {"upvalue-write", fmt::format("{}: {} assigns `{}`, a variable outside of it, which is forgotten at a restart and not taken back "
                                       "when the event fails: use ctx.state",
                                       at, found.is_direct ? hook : "a function that " + hook + " can reach", found.name)};
}

}  // namespace

Status LuaState::scan_hook(int function, const char* name, bool may_remember) {
  if (function < 0 || !scanned_.insert(function).second) return Status();
  StackGuard guard(lua_);
  get_core("scan");
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, functions_ref_);
  lua_rawgeti(lua_, -1, function);
  lua_remove(lua_, -2);
  data_.abi.steps_left = kLoadSteps;
  if (lua_pcall(lua_, 1, 1, 0) != 0) return failure(ErrorCode::kInternal, text_at(lua_, -1));
  std::string hook = std::string(name) + "()";
  bool is_per_row = hook == "map()" || hook == "row()" || hook == "serialize()";
  auto count = static_cast<int>(lua_objlen(lua_, -1));
  for (int i = 1; i <= count; ++i) {
    Found found = found_at(lua_, i);
    bool is_assignment = found.kind == "upvalue";
    if (is_assignment && found.is_direct && !may_remember) return forbidden(found, hook).with("rule", options_.file);
    if (!is_per_row && !is_assignment && found.kind != "table") continue;
    notes_.push_back(note_of(found, hook));
  }
  return Status();
}

Status LuaState::scan_file(const RuleSpec& spec) {
  bool ordered = spec.memory.ordered;
  for (const TableRule& rule : spec.tables) {
    TAILRACE_OK(scan_hook(rule.map, "map", false));
    TAILRACE_OK(scan_hook(rule.row, "row", ordered));
    TAILRACE_OK(scan_hook(rule.message.function, "serialize", false));
  }
  for (const OutputRule& output : spec.outputs) TAILRACE_OK(scan_hook(output.message.function, "serialize", false));
  TAILRACE_OK(scan_hook(spec.txn, "txn", false));
  TAILRACE_OK(scan_hook(spec.ddl.hook, "ddl", false));
  TAILRACE_OK(scan_hook(spec.on_error, "on_error", false));
  return scan_hook(spec.memory.tick, "tick", ordered);
}

std::optional<HookPlace> LuaState::place() {
  constexpr const char* kNames[] = {"", "row", "map", "serialize", "txn", "ddl", "on_error", "tick"};
  LuaHostAbi& abi = data_.abi;
  auto look = [](int32_t& field) { return std::atomic_ref(field).load(std::memory_order_relaxed); };
  int32_t hook = look(abi.hook);
  if (hook <= 0 || hook >= static_cast<int32_t>(std::size(kNames))) return std::nullopt;
  HookPlace out;
  out.hook = kNames[hook];
  bool has_rows = hook <= static_cast<int32_t>(LuaHook::kSerialize);
  auto image = has_rows ? static_cast<uint32_t>(look(abi.image)) : 0u;
  out.call = watch_.calls.load(std::memory_order_relaxed) << 32 | image;
  if (!has_rows) return out;
  std::lock_guard lock(watch_.mutex);
  const auto& names = hook == static_cast<int32_t>(LuaHook::kSerialize) ? watch_.messages : watch_.tables;
  if (auto found = names.find(look(abi.plan)); found != names.end()) out.table = found->second;
  return out;
}

}  // namespace tailrace
