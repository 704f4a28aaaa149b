// The ddl hook: rare, so its arguments go over the plain stack.
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

#include "event/ddl_kind.h"
#include "lua_state.h"

namespace tailrace {
namespace {

std::string_view text_at(lua_State* lua, int index) {
  size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return text ? std::string_view(text, size) : std::string_view();
}

void set_text(lua_State* lua, const char* name, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
  lua_setfield(lua, -2, name);
}

// A list of the names of these kinds, on the stack.
void push_kinds(lua_State* lua, uint32_t kinds) {
  lua_newtable(lua);
  int count = 0;
  for (size_t i = 0; i < kDdlKindNames.size(); ++i) {
    if (!(kinds >> i & 1)) continue;
    lua_pushlstring(lua, kDdlKindNames[i].data(), kDdlKindNames[i].size());
    lua_rawseti(lua, -2, ++count);
  }
}

uint32_t kinds_of(std::string_view names) {
  uint32_t kinds = 0;
  while (!names.empty()) {
    size_t end = names.find(',');
    std::string_view name = names.substr(0, end);
    for (size_t i = 0; i < kDdlKindNames.size(); ++i) {
      if (kDdlKindNames[i] == name) kinds |= 1u << i;
    }
    names = end == std::string_view::npos ? std::string_view() : names.substr(end + 1);
  }
  return kinds;
}

}  // namespace

Result<DdlAnswer> LuaState::ddl(int function, const DdlQuestion& question) {
  int top = lua_gettop(lua_);
  WatchedCall watched(data_.abi, watch_, LuaHook::kDdl);
  data_.abi.error_code = 0;
  data_.abi.exhausted = 0;
  get_core("ddl");
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, functions_ref_);
  lua_rawgeti(lua_, -1, function);
  lua_remove(lua_, -2);
  lua_newtable(lua_);
  set_text(lua_, "database", question.database);
  set_text(lua_, "table", question.table);
  set_text(lua_, "statement", question.statement);
  set_text(lua_, "target", question.target);
  set_text(lua_, "gtid", question.gtid);
  lua_pushnumber(lua_, static_cast<double>(question.ts_us));
  lua_setfield(lua_, -2, "ts_us");
  push_kinds(lua_, question.kinds);
  lua_setfield(lua_, -2, "kinds");
  push_kinds(lua_, ~0u);
  lua_setfield(lua_, -2, "names");
  Result<DdlAnswer> result = DdlAnswer();
  if (lua_pcall(lua_, 2, 3, 0) != 0) {
    result = failure(ErrorCode::kRuleRuntime, std::string(text_at(lua_, -1)));
  } else if (lua_isnil(lua_, -3)) {
    std::string message(text_at(lua_, -2));
    bool is_return = lua_isstring(lua_, -1);
    if (is_return) message = std::string(text_at(lua_, -1)) + ": " + message;
    result = is_return ? Status(ErrorCode::kRuleReturn, message) : failure(ErrorCode::kRuleRuntime, message);
  } else {
    std::string_view action = text_at(lua_, -3);
    result->action = action == "hold" ? DdlAnswer::Action::kHold : action == "skip" ? DdlAnswer::Action::kSkip : DdlAnswer::Action::kSend;
    result->text = text_at(lua_, -2);
    result->without = kinds_of(text_at(lua_, -1));
  }
  lua_settop(lua_, top);
  return result;
}

}  // namespace tailrace
