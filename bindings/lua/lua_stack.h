// Small helpers over the stack of a Lua state; only for .cc files of this module.
#pragma once
#include <string>
#include <string_view>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace tailrace {

// Instructions between two looks at the budget.
inline constexpr int kCountInterval = 1000;

// Restores the stack height at the end of a scope.
class StackGuard {
 public:
  explicit StackGuard(lua_State* lua) : lua_(lua), top_(lua_gettop(lua)) {}
  ~StackGuard() { lua_settop(lua_, top_); }

 private:
  lua_State* lua_;
  int top_;
};

inline std::string text_at(lua_State* lua, int index) {
  size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return text ? std::string(text, size) : std::string("an error that is no text");
}

inline void set_field(lua_State* lua, const char* name, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
  lua_setfield(lua, -2, name);
}

}  // namespace tailrace
