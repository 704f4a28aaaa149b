#include "lua_memory.h"

#include <cstring>
#include <new>
#include <optional>

#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {
namespace {

constexpr int32_t kNoMemory = 3;
// First byte of a stored value; kNumber and the like as the prelude knows them.
enum Stored : char { kNumber = 1, kBig, kText, kBool };

void begin(LuaMemory* abi, int64_t ts_us) noexcept {
  abi->memory->begin(ts_us);
  abi->is_open = 1;
}

int32_t commit(LuaMemory* abi) noexcept {
  abi->is_open = 0;
  try {
    abi->memory->commit();
    return 0;
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
}

void abort_event(LuaMemory* abi) noexcept {
  abi->is_open = 0;
  abi->memory->abort();
}

void key_begin(LuaMemory* abi) noexcept { abi->key.clear(); }

// Each part carries its length, so that no two lists of parts look alike. A failed allocation leaves a key that put() refuses.
void key_text(LuaMemory* abi, const char* text, uint32_t size) noexcept {
  try {
    abi->key.append(reinterpret_cast<const char*>(&size), sizeof size).append(text, size);
  } catch (const std::bad_alloc&) {
    abi->key.clear();
  }
}

void key_big(LuaMemory* abi, int64_t value, int32_t is_unsigned) noexcept {
  bool is_large = is_unsigned && value < 0;
  try {
    abi->key.push_back(is_large ? 'u' : 'i');
    abi->key.append(reinterpret_cast<const char*>(&value), sizeof value);
  } catch (const std::bad_alloc&) {
    abi->key.clear();
  }
}

int32_t find(LuaMemory* abi, int32_t state) noexcept {
  const std::string* value = abi->memory->find(static_cast<size_t>(state), abi->key);
  if (!value) return 0;
  switch (value->front()) {
    case kNumber: std::memcpy(&abi->number, value->data() + 1, sizeof abi->number); break;
    case kBig:
      abi->is_unsigned = (*value)[1];
      std::memcpy(&abi->big, value->data() + 2, sizeof abi->big);
      break;
    case kText:
      abi->text = value->data() + 1;
      abi->text_size = static_cast<uint32_t>(value->size() - 1);
      break;
    default: abi->big = (*value)[1]; break;
  }
  return value->front();
}

template <class Make>
int32_t put(LuaMemory* abi, int32_t state, Make&& make) noexcept {
  try {
    if (abi->key.empty()) return kNoMemory;
    return static_cast<int32_t>(abi->memory->put(static_cast<size_t>(state), abi->key, make()));
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
}

int32_t put_number(LuaMemory* abi, int32_t state, double value) noexcept {
  return put(abi, state, [&] { return std::string(1, kNumber).append(reinterpret_cast<const char*>(&value), sizeof value); });
}

int32_t put_big(LuaMemory* abi, int32_t state, int64_t value, int32_t is_unsigned) noexcept {
  return put(abi, state, [&] {
    std::string out(1, kBig);
    out.push_back(is_unsigned && value < 0 ? 1 : 0);
    return out.append(reinterpret_cast<const char*>(&value), sizeof value);
  });
}

int32_t put_text(LuaMemory* abi, int32_t state, const char* text, uint32_t size) noexcept {
  return put(abi, state, [&] { return std::string(1, kText).append(text, size); });
}

int32_t put_bool(LuaMemory* abi, int32_t state, int32_t value) noexcept {
  return put(abi, state, [&] { return std::string(1, kBool) + static_cast<char>(value); });
}

int32_t remove(LuaMemory* abi, int32_t state) noexcept {
  return put(abi, state, [] { return std::optional<std::string>(); });
}

}  // namespace

void fill_memory_abi(LuaMemory& abi, RuleMemory& memory) noexcept {
  abi.memory = &memory;
  abi.begin = begin;
  abi.commit = commit;
  abi.abort = abort_event;
  abi.key_begin = key_begin;
  abi.key_text = key_text;
  abi.key_big = key_big;
  abi.find = find;
  abi.put_number = put_number;
  abi.put_big = put_big;
  abi.put_text = put_text;
  abi.put_bool = put_bool;
  abi.remove = remove;
}

Status LuaState::remember(RuleMemory& memory) {
  StackGuard guard(lua_);
  fill_memory_abi(memory_abi_, memory);
  get_core("remember");
  lua_pushlightuserdata(lua_, &memory_abi_);
  lua_newtable(lua_);
  int place = 0;
  for (const StateSpec& state : memory.spec().states) {
    lua_newtable(lua_);
    set_field(lua_, "name", state.name);
    set_field(lua_, "value", memory_kind_name(state.value));
    lua_newtable(lua_);
    for (size_t i = 0; i < state.key.size(); ++i) {
      std::string_view kind = memory_kind_name(state.key[i]);
      lua_pushlstring(lua_, kind.data(), kind.size());
      lua_rawseti(lua_, -2, static_cast<int>(i + 1));
    }
    lua_setfield(lua_, -2, "keys");
    lua_rawseti(lua_, -2, ++place);
  }
  if (lua_pcall(lua_, 2, 0, 0) != 0) return failure(ErrorCode::kInternal, text_at(lua_, -1));
  return Status();
}

Status LuaState::tick(int function, int64_t now_us) {
  StackGuard guard(lua_);
  WatchedCall watched(data_.abi, watch_, LuaHook::kTick);
  if (!options_.trusted) start_clock();
  get_core("tick");
  push_function(function);
  lua_pushnumber(lua_, static_cast<double>(now_us));
  if (lua_pcall(lua_, 2, 0, 0) != 0) return failure(ErrorCode::kRuleRuntime, text_at(lua_, -1)).with("hook", "tick");
  return Status();
}

}  // namespace tailrace
