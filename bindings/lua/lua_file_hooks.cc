// Functions of the whole rule file: start, txn, on_error.
#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {

void LuaState::push_function(int function) {
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, functions_ref_);
  lua_rawgeti(lua_, -1, function);
  lua_remove(lua_, -2);
  data_.abi.exhausted = 0;
  data_.abi.error_code = 0;
  data_.abi.steps_left = kLoadSteps;
}

Status LuaState::run_start(int function) {
  StackGuard guard(lua_);
  get_core("start");
  push_function(function);
  if (lua_pcall(lua_, 1, 0, 0) != 0) return failure(ErrorCode::kRuleRuntime, text_at(lua_, -1)).with("hook", "start");
  return Status();
}

Result<bool> LuaState::keeps(int function, const Transaction& txn) {
  StackGuard guard(lua_);
  WatchedCall watched(data_.abi, watch_, LuaHook::kTxn);
  get_core("keeps_txn");
  push_function(function);
  lua_newtable(lua_);
  set_field(lua_, "id", txn.id);
  lua_pushnumber(lua_, txn.server_id);
  lua_setfield(lua_, -2, "server_id");
  lua_pushnumber(lua_, static_cast<double>(txn.commit_time_us));
  lua_setfield(lua_, -2, "ts_us");
  if (lua_pcall(lua_, 2, 1, 0) != 0) return failure(ErrorCode::kRuleRuntime, text_at(lua_, -1)).with("hook", "txn").with("gtid", txn.id);
  return lua_toboolean(lua_, -1) != 0;
}

Result<OnRuleError> LuaState::on_error(const HookBatch& batch, int function, const Status& failed, std::string_view hook,
                                       OnRuleError policy) {
  StackGuard guard(lua_);
  WatchedCall watched(data_.abi, watch_, LuaHook::kOnError);
  show(batch);
  get_core("ask_on_error");
  push_function(function);
  lua_newtable(lua_);
  set_field(lua_, "code", error_info(failed.code()).text);
  set_field(lua_, "message", failed.detail());
  set_field(lua_, "text", failed.to_string());
  set_field(lua_, "hook", hook);
  if (lua_pcall(lua_, 2, 1, 0) != 0) return failure(ErrorCode::kRuleRuntime, text_at(lua_, -1)).with("hook", "on_error");
  if (lua_isnil(lua_, -1)) return policy;
  std::string said = text_at(lua_, -1);
  return said == "stop" ? OnRuleError::kStop : said == "skip" ? OnRuleError::kSkip : OnRuleError::kDeadLetter;
}

}  // namespace tailrace
