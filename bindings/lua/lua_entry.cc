// Functions that the plan of a table asks: entries made per table, and Lua patterns.
#include <utility>

extern "C" {
#include <luajit.h>
}

#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {

namespace {

// The schema view: db, table, columns { name, type, nullable }, key. A table of its own for every call.
void push_schema(lua_State* lua, const TableSchema& table) {
  lua_newtable(lua);
  set_field(lua, "db", table.database);
  set_field(lua, "table", table.table);
  lua_newtable(lua);
  int place = 0;
  for (const Column& column : table.columns) {
    lua_newtable(lua);
    set_field(lua, "name", column.name);
    set_field(lua, "type", column.type_text);
    lua_pushboolean(lua, column.nullable);
    lua_setfield(lua, -2, "nullable");
    lua_rawseti(lua, -2, ++place);
  }
  lua_setfield(lua, -2, "columns");
  lua_newtable(lua);
  place = 0;
  for (uint16_t index : table.primary_key) {
    const std::string& name = table.columns[index].name;
    lua_pushlstring(lua, name.data(), name.size());
    lua_rawseti(lua, -2, ++place);
  }
  lua_setfield(lua, -2, "key");
}

// Once per table, so it may run slowly and within a budget, as the file itself does, whoever wrote it.
class Interpreted {
 public:
  Interpreted(lua_State* lua, const RuleOptions& options, lua_Hook count_hook) : lua_(lua), options_(options) {
    if (!options_.trusted) return;
    luaJIT_setmode(lua_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_sethook(lua_, count_hook, LUA_MASKCOUNT, kCountInterval);
  }
  ~Interpreted() {
    if (!options_.trusted) return;
    lua_sethook(lua_, nullptr, 0, 0);
    if (options_.jit) luaJIT_setmode(lua_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
  }
  Interpreted(const Interpreted&) = delete;
  Interpreted& operator=(const Interpreted&) = delete;

 private:
  lua_State* lua_;
  const RuleOptions& options_;
};

}  // namespace

Result<RuleNode> LuaState::entry(int function, const std::string& name, const TableSchema& table) {
  StackGuard guard(lua_);
  Interpreted interpreted(lua_, options_, &LuaState::count_hook);
  start_clock();
  get_core("entry");
  push_function(function);
  push_schema(lua_, table);
  lua_pushlstring(lua_, name.data(), name.size());
  if (lua_pcall(lua_, 3, 1, 0) != 0) return failure(ErrorCode::kRuleRuntime, text_at(lua_, -1)).with("hook", name);
  node_count_ = 0;
  RuleNode out = to_node(lua_gettop(lua_), 0);
  if (node_error_.empty() && too_many_nodes()) node_error_ = "the returned table holds too much text";
  if (!node_error_.empty()) return failure(ErrorCode::kRuleLoad, name + ": " + std::exchange(node_error_, ""));
  TAILRACE_OK(adopt_callables(*data_.spec));
  return out;
}

Result<std::string> LuaState::capture(const std::string& text, const std::string& pattern) {
  StackGuard guard(lua_);
  data_.abi.exhausted = 0;
  data_.abi.steps_left = kLoadSteps;
  get_core("capture");
  lua_pushlstring(lua_, text.data(), text.size());
  lua_pushlstring(lua_, pattern.data(), pattern.size());
  if (lua_pcall(lua_, 2, 1, 0) != 0) return failure(ErrorCode::kRuleLoad, "pattern \"" + pattern + "\": " + text_at(lua_, -1));
  if (!lua_isstring(lua_, -1)) {
    return Status(ErrorCode::kRuleLoad, "the pattern \"" + pattern + "\" does not match `" + text + "`");
  }
  return text_at(lua_, -1);
}

Result<std::string> LuaState::substitute(const std::string& text, const std::string& pattern, const std::string& by) {
  StackGuard guard(lua_);
  data_.abi.exhausted = 0;
  data_.abi.steps_left = kLoadSteps;
  get_core("substitute");
  for (const std::string* argument : {&text, &pattern, &by}) lua_pushlstring(lua_, argument->data(), argument->size());
  if (lua_pcall(lua_, 3, 1, 0) != 0) return failure(ErrorCode::kRuleLoad, "pattern \"" + pattern + "\": " + text_at(lua_, -1));
  return text_at(lua_, -1);
}

}  // namespace tailrace
