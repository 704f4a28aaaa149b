// What the prelude sees of a RuleMemory through FFI: tr_memory of rules/prelude/memory.lua, field by field. The functions are
// called from compiled code: they do not throw and do not call back into Lua.
#pragma once
#include <cstdint>
#include <string>

#include "rule/rule_memory.h"

namespace tailrace {

struct LuaMemory {
  int32_t is_open = 0, is_unsigned = 0;
  int64_t big = 0;
  double number = 0;
  const char* text = nullptr;
  uint32_t text_size = 0;
  void (*begin)(LuaMemory*, int64_t) noexcept = nullptr;
  int32_t (*commit)(LuaMemory*) noexcept = nullptr;
  void (*abort)(LuaMemory*) noexcept = nullptr;
  void (*key_begin)(LuaMemory*) noexcept = nullptr;
  void (*key_text)(LuaMemory*, const char*, uint32_t) noexcept = nullptr;
  void (*key_big)(LuaMemory*, int64_t, int32_t) noexcept = nullptr;
  int32_t (*find)(LuaMemory*, int32_t) noexcept = nullptr;
  int32_t (*put_number)(LuaMemory*, int32_t, double) noexcept = nullptr;
  int32_t (*put_big)(LuaMemory*, int32_t, int64_t, int32_t) noexcept = nullptr;
  int32_t (*put_text)(LuaMemory*, int32_t, const char*, uint32_t) noexcept = nullptr;
  int32_t (*put_bool)(LuaMemory*, int32_t, int32_t) noexcept = nullptr;
  int32_t (*remove)(LuaMemory*, int32_t) noexcept = nullptr;
  // Not seen by Lua.
  RuleMemory* memory = nullptr;
  std::string key;
};

void fill_memory_abi(LuaMemory& abi, RuleMemory& memory) noexcept;

}  // namespace tailrace
