// JSON documents as Lua tables. The document is read to its end first, so that what raises (Lua's memory limit) finds
// nothing of C++ left to destroy.
#include <charconv>
#include <nlohmann/json.hpp>

#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {
namespace {

constexpr size_t kMaxDepth = 100;  // as a server's own documents

// Takes the parser's events down. Names as the parser calls them.
class TokenReader {
 public:
  explicit TokenReader(JsonTokens& out) : out_(out) {
    out_.tokens.clear();
    out_.text.clear();
    out_.fault.clear();
  }

  bool null() { return add(JsonTokens::Kind::kNull); }
  bool boolean(bool value) { return add(value ? JsonTokens::Kind::kTrue : JsonTokens::Kind::kFalse); }
  bool number_integer(int64_t value) { return number(value); }
  bool number_unsigned(uint64_t value) { return number(value); }
  bool number_float(double, const std::string& digits) { return add(JsonTokens::Kind::kNumber, digits); }
  bool string(const std::string& text) { return add(JsonTokens::Kind::kText, text); }
  bool binary(nlohmann::json::binary_t&) { return false; }
  bool key(const std::string& text) { return add(JsonTokens::Kind::kText, text); }
  bool start_object(size_t) { return open(JsonTokens::Kind::kObject); }
  bool start_array(size_t) { return open(JsonTokens::Kind::kArray); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(size_t place, const std::string&, const nlohmann::json::exception&) {
    out_.fault = "the text is no JSON document (at byte " + std::to_string(place) + ")";
    return false;
  }

 private:
  bool add(JsonTokens::Kind kind, std::string_view text = {}) {
    out_.tokens.push_back({kind, static_cast<uint32_t>(out_.text.size()), static_cast<uint32_t>(text.size())});
    out_.text += text;
    return true;
  }
  template <class Number>
  bool number(Number value) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return add(JsonTokens::Kind::kNumber, {digits, static_cast<size_t>(end - digits)});
  }
  bool open(JsonTokens::Kind kind) {
    if (++depth_ > kMaxDepth) {
      out_.fault = "the document is nested deeper than " + std::to_string(kMaxDepth);
      return false;
    }
    return add(kind);
  }
  bool close() {
    --depth_;
    return add(JsonTokens::Kind::kEnd);
  }

  JsonTokens& out_;
  size_t depth_ = 0;
};

// Pushes the value that begins at a token, `at` goes behind it. Frames hold no objects. The stack has the function's
// arguments at 2 (metatable of arrays), 3 (null), 4 (makes a number of text).
void push_value(lua_State* lua, const JsonTokens& in, size_t& at) {
  const JsonTokens::Token token = in.tokens[at++];
  const char* text = in.text.data() + token.at;
  switch (token.kind) {
    case JsonTokens::Kind::kNull: lua_pushvalue(lua, 3); return;
    case JsonTokens::Kind::kTrue:
    case JsonTokens::Kind::kFalse: lua_pushboolean(lua, token.kind == JsonTokens::Kind::kTrue); return;
    case JsonTokens::Kind::kText: lua_pushlstring(lua, text, token.size); return;
    case JsonTokens::Kind::kNumber:
      lua_pushvalue(lua, 4);
      lua_pushlstring(lua, text, token.size);
      lua_call(lua, 1, 1);
      return;
    case JsonTokens::Kind::kArray:
      luaL_checkstack(lua, 8, "json");
      lua_newtable(lua);
      for (int i = 1; in.tokens[at].kind != JsonTokens::Kind::kEnd; ++i) {
        push_value(lua, in, at);
        lua_rawseti(lua, -2, i);
      }
      ++at;
      lua_pushvalue(lua, 2);
      lua_setmetatable(lua, -2);
      return;
    case JsonTokens::Kind::kObject:
      luaL_checkstack(lua, 8, "json");
      lua_newtable(lua);
      while (in.tokens[at].kind != JsonTokens::Kind::kEnd) {
        push_value(lua, in, at);
        push_value(lua, in, at);
        lua_rawset(lua, -3);
      }
      ++at;
      return;
    case JsonTokens::Kind::kEnd: return;
  }
}

}  // namespace

// (text, metatable of arrays, null, function that makes numbers) → value, or nil and the reason.
int LuaState::decode_json(lua_State* lua) {
  JsonTokens& tokens = self_of(lua)->json_;
  size_t size = 0;
  const char* text = luaL_checklstring(lua, 1, &size);
  bool is_read = false;
  try {
    TokenReader reader(tokens);
    is_read = nlohmann::json::sax_parse(text, text + size, &reader);
  } catch (const std::exception&) {
    is_read = false;
  }
  if (!is_read) {
    lua_pushnil(lua);
    lua_pushlstring(lua, tokens.fault.data(), tokens.fault.size());
    return 2;
  }
  size_t at = 0;
  push_value(lua, tokens, at);
  return 1;
}

}  // namespace tailrace
