// The table a rule file returned, as RuleNodes.
#include <algorithm>

#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {
namespace {

constexpr int kMaxNodeDepth = 8;
constexpr size_t kMaxNodes = 200'000;  // a table that holds another a thousand times is a thousand tables here
constexpr size_t kNodeBytes = 128;     // of text that count as one

}  // namespace

bool LuaState::too_many_nodes() const noexcept { return node_count_ > kMaxNodes; }

// The value at `index` as data. Never calls Lua code: tables are read raw, and only plain ones.
RuleNode LuaState::to_node(int index, int depth) {
  RuleNode out;
  if (++node_count_ > kMaxNodes) {
    node_error_ = "the returned table holds too many values";
    return out;
  }
  switch (lua_type(lua_, index)) {
    case LUA_TNIL: return out;
    case LUA_TBOOLEAN:
      out.type = RuleNode::Type::kBool;
      out.boolean = lua_toboolean(lua_, index);
      return out;
    case LUA_TNUMBER:
      out.type = RuleNode::Type::kNumber;
      out.number = lua_tonumber(lua_, index);
      return out;
    case LUA_TSTRING:
      out.type = RuleNode::Type::kText;
      node_count_ += lua_objlen(lua_, index) / kNodeBytes;
      if (node_count_ > kMaxNodes) return out;  // the next one says so
      out.text = text_at(lua_, index);
      return out;
    case LUA_TFUNCTION:
      out.type = RuleNode::Type::kFunction;
      out.function = function_count_++;
      lua_rawgeti(lua_, LUA_REGISTRYINDEX, functions_ref_);
      lua_pushvalue(lua_, index);
      lua_rawseti(lua_, -2, out.function);
      lua_pop(lua_, 1);
      return out;
    case LUA_TTABLE: break;
    default: node_error_ = "the returned table holds a value that is neither text, number, boolean, table nor function"; return out;
  }
  StackGuard guard(lua_);
  if (!lua_checkstack(lua_, 16) || depth > kMaxNodeDepth) {
    node_error_ = "the returned table is nested too deeply";
    return out;
  }
  get_core("handles");
  lua_pushvalue(lua_, index);
  lua_rawget(lua_, -2);
  if (lua_istable(lua_, -1)) {
    int handle = lua_gettop(lua_);
    lua_getfield(lua_, handle, "kind");
    std::string kind = text_at(lua_, -1);
    if (kind == "null" || kind == "secret") {
      out.type = kind == "null" ? RuleNode::Type::kNull : RuleNode::Type::kSecret;
      return out;
    }
    out.type = RuleNode::Type::kHandle;
    out.text = kind;
    if (kind == "native") {
      out.type = RuleNode::Type::kNative;
      lua_getfield(lua_, handle, "name");
      out.text = text_at(lua_, -1);
      lua_getfield(lua_, handle, "id");
      out.function = static_cast<int>(lua_tointeger(lua_, -1));
    }
    lua_getfield(lua_, handle, "arguments");
    if (!lua_istable(lua_, -1)) return out;
    std::string error = collect_fields(lua_gettop(lua_), depth + 1, out);
    if (!error.empty()) node_error_ = error;
    return out;
  }
  out.type = RuleNode::Type::kTable;
  std::string error = collect_fields(index, depth, out);
  if (!error.empty()) node_error_ = error;
  return out;
}

// Keys are sorted before values are visited, so that functions get the same numbers in every state.
std::string LuaState::collect_fields(int index, int depth, RuleNode& out) {
  std::vector<int> places;
  std::vector<std::string> names;
  lua_pushnil(lua_);
  while (lua_next(lua_, index)) {
    lua_pop(lua_, 1);
    if (lua_type(lua_, -1) == LUA_TNUMBER) {
      double key = lua_tonumber(lua_, -1);
      if (key < 1 || key > 1e6 || key != static_cast<double>(static_cast<int>(key))) return "a list has a key that is no place in it";
      places.push_back(static_cast<int>(key));
    } else if (lua_type(lua_, -1) == LUA_TSTRING) {
      node_count_ += lua_objlen(lua_, -1) / kNodeBytes;
      if (node_count_ > kMaxNodes) return "the returned table holds too much text";
      names.push_back(text_at(lua_, -1));
    } else {
      return "a table has a key that is neither text nor number";
    }
  }
  std::sort(places.begin(), places.end());
  std::sort(names.begin(), names.end());
  for (int place : places) {
    lua_rawgeti(lua_, index, place);
    out.fields.push_back({std::to_string(place), to_node(lua_gettop(lua_), depth + 1)});
    lua_pop(lua_, 1);
  }
  for (const std::string& name : names) {
    lua_pushlstring(lua_, name.data(), name.size());
    lua_rawget(lua_, index);
    out.fields.push_back({name, to_node(lua_gettop(lua_), depth + 1)});
    lua_pop(lua_, 1);
  }
  return "";
}

}  // namespace tailrace
