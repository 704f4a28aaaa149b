// What the prelude sees of lookups through FFI: tr_lookups of rules/prelude/lookup.lua, field by field. The functions are
// called from compiled code: they do not throw and do not call back into Lua.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rule/lookup_table.h"

namespace tailrace {

struct LuaLookups {
  int32_t is_unsigned = 0;
  uint32_t text_size = 0;
  int64_t big = 0;
  double number = 0;
  const char* text = nullptr;
  // The row of a key; -1: there is none.
  int32_t (*find)(LuaLookups*, int32_t table, const char* key, uint32_t size) noexcept = nullptr;
  // How the cell is read; what it holds is in the fields above.
  int32_t (*cell)(LuaLookups*, int32_t table, int32_t row, int32_t column) noexcept = nullptr;
  // Not seen by Lua.
  std::vector<std::shared_ptr<const LookupTable>> tables;
  std::string scratch;
};

}  // namespace tailrace
