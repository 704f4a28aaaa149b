#include "lua_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
}

#include "base/options.h"
#include "lua_stack.h"
#include "prelude.inc"

namespace tailrace {
namespace {

enum Exhausted : int32_t { kSteps = 1, kMemory = 2 };

}  // namespace

Result<std::unique_ptr<LuaState>> LuaState::create(const RuleOptions& options, LuaFiles& files) {
  std::unique_ptr<LuaState> state(new LuaState(options, files));
  TAILRACE_OK(state->open());
  return state;
}

LuaState::~LuaState() {
  if (lua_) lua_close(lua_);
}

void* LuaState::allocate(void* self, void* block, size_t old_size, size_t new_size) {
  auto* state = static_cast<LuaState*>(self);
  void* result = state->memory_.resize(block, old_size, new_size);
  if (!result && new_size) state->data_.abi.exhausted = kMemory;
  return result;
}

LuaState* LuaState::self_of(lua_State* lua) {
  void* self = nullptr;
  lua_getallocf(lua, &self);
  return static_cast<LuaState*>(self);
}

void LuaState::count_hook(lua_State* lua, lua_Debug*) {
  LuaState* self = self_of(lua);
  LuaHostAbi& abi = self->data_.abi;
  abi.steps_left -= kCountInterval;
  // One instruction can be a call that copies megabytes: the clock bounds those.
  if (abi.steps_left > 0 && std::chrono::steady_clock::now() < self->deadline_) return;
  abi.exhausted = kSteps;
  luaL_error(lua, "the rule ran too long (instruction budget)");
}

void LuaState::start_clock() { deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.wall_ms); }

Status LuaState::open() {
  start_clock();
  fill_abi(data_.abi);
  lua_ = lua_newstate(&LuaState::allocate, this);
  if (!lua_) return Status(ErrorCode::kRuleMemory, "no Lua state could be made");
  // The prelude's own setup; its globals are what the prelude sees, never what a rule sees.
  luaL_openlibs(lua_);
  luaJIT_setmode(lua_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  lua_newtable(lua_);
  lua_pushlightuserdata(lua_, &data_.abi);
  lua_setfield(lua_, -2, "host");
  lua_pushcfunction(lua_, &LuaState::compile);
  lua_setfield(lua_, -2, "compile");
  lua_pushcfunction(lua_, &LuaState::read_module);
  lua_setfield(lua_, -2, "read_module");
  lua_pushcfunction(lua_, &LuaState::nearest);
  lua_setfield(lua_, -2, "nearest_name");
  lua_pushcfunction(lua_, &LuaState::decode_json);
  lua_setfield(lua_, -2, "decode_json");
  lua_pushcfunction(lua_, &LuaState::where);
  lua_setfield(lua_, -2, "where");
  lua_newtable(lua_);
  for (Op op : {Op::kInsert, Op::kUpdate, Op::kDelete, Op::kRead, Op::kTruncate}) {
    std::string_view name = op_name(op);
    lua_pushlstring(lua_, name.data(), name.size());
    lua_rawseti(lua_, -2, static_cast<int>(op));
  }
  lua_setfield(lua_, -2, "op_names");
  lua_newtable(lua_);
  int place = 0;
  for (const std::string& name : meta_names()) {
    lua_pushlstring(lua_, name.data(), name.size());
    lua_rawseti(lua_, -2, ++place);
  }
  lua_setfield(lua_, -2, "meta_names");
  core_ref_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
  lua_newtable(lua_);
  functions_ref_ = luaL_ref(lua_, LUA_REGISTRYINDEX);

  TAILRACE_OK(run_chunk("=tailrace.setup",
                        "local core = ...\n"
                        "core.ffi, core.bit, core.jit_util = require 'ffi', require 'bit', require 'jit.util'\n"
                        "require('jit.opt').start('maxtrace=8000', 'maxmcode=16384', 'maxrecord=8000', 'maxside=200')\n",
                        false));
  TAILRACE_OK(run_chunk("=tailrace.types", kPreludeTypes, false));
  TAILRACE_OK(run_chunk("=tailrace.sandbox", kPreludeSandbox, false));
  TAILRACE_OK(run_chunk("=tailrace.rows", kPreludeRows, false));
  TAILRACE_OK(run_chunk("=tailrace.outputs", kPreludeOutputs, false));
  TAILRACE_OK(run_chunk("=tailrace.run", kPreludeRun, false));
  TAILRACE_OK(run_chunk("=tailrace.messages", kPreludeMessages, false));
  TAILRACE_OK(run_chunk("=tailrace.file", kPreludeFile, false));
  TAILRACE_OK(run_chunk("=tailrace.ddl", kPreludeDdl, false));
  TAILRACE_OK(run_chunk("=tailrace.memory", kPreludeMemory, false));
  TAILRACE_OK(run_chunk("=tailrace.scan", kPreludeScan, false));
  for (auto [name, source] :
       {std::pair{"tailrace.mask", kLibMask}, std::pair{"tailrace.hash", kLibHash}, std::pair{"tailrace.where", kLibWhere},
        std::pair{"tailrace.json", kLibJson}, std::pair{"tailrace.time", kLibTime}, std::pair{"tailrace.name", kLibName}}) {
    StackGuard guard(lua_);
    TAILRACE_OK(run_chunk("=tailrace.lib", source, true));
    get_core("builtins");
    lua_pushvalue(lua_, -2);
    lua_setfield(lua_, -2, name);
  }
  // While the file loads a few large strings must not outrun a collector that is busy with the prelude.
  lua_gc(lua_, LUA_GCCOLLECT, 0);
  lua_gc(lua_, LUA_GCSETSTEPMUL, 1000);
  data_.abi.steps_left = kLoadSteps;
  data_.abi.step_limit = options_.trusted ? 0 : options_.steps;
  lua_sethook(lua_, &LuaState::count_hook, LUA_MASKCOUNT, kCountInterval);
  return Status();
}

void LuaState::get_core(const char* field) {
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, core_ref_);
  lua_getfield(lua_, -1, field);
  lua_remove(lua_, -2);
}

Status LuaState::run_chunk(const char* name, std::string_view source, bool keep_result) {
  if (luaL_loadbufferx(lua_, source.data(), source.size(), name, "t") != 0) {
    return Status(ErrorCode::kInternal, "prelude: " + text_at(lua_, -1));
  }
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, core_ref_);
  if (lua_pcall(lua_, 1, keep_result ? 1 : 0, 0) != 0) {
    return Status(ErrorCode::kInternal, "prelude: " + text_at(lua_, -1));
  }
  return Status();
}

ErrorCode LuaState::code_of(ErrorCode fallback, const std::string& message) const {
  if (data_.abi.exhausted == kSteps) return ErrorCode::kRuleBudget;
  if (data_.abi.exhausted == kMemory || message == "not enough memory") return ErrorCode::kRuleMemory;
  if (data_.abi.error_code == 103) return ErrorCode::kRuleReturn;
  if (data_.abi.error_code == 104) return ErrorCode::kRuleWrite;
  if (data_.abi.error_code == 105) return ErrorCode::kRuleColumn;
  if (data_.abi.error_code == 106) return ErrorCode::kRuleOutput;
  if (data_.abi.error_code == 1) return ErrorCode::kInternal;
  return fallback;
}

Status LuaState::failure(ErrorCode fallback, const std::string& message) {
  return Status(code_of(fallback, message), message).with("rule", options_.file);
}

// ---- functions the prelude calls. They raise only with nothing of C++ left to destroy.

int LuaState::compile(lua_State* lua) {
  size_t size = 0;
  const char* source = luaL_checklstring(lua, 1, &size);
  if (luaL_loadbufferx(lua, source, size, luaL_checkstring(lua, 2), "t") == 0) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

int LuaState::read_module(lua_State* lua) {
  const char* name = luaL_checkstring(lua, 1);
  auto file = self_of(lua)->module_file(name);
  if (!file.ok()) {
    lua_pushnil(lua);
    lua_pushlstring(lua, file.status().detail().data(), file.status().detail().size());
    return 2;
  }
  const LuaFiles::File& found = **file;
  lua_pushlstring(lua, found.text.data(), found.text.size());
  lua_pushlstring(lua, found.chunk.data(), found.chunk.size());
  return 2;
}

int LuaState::nearest(lua_State* lua) {
  std::string near;
  {
    std::string word = text_at(lua, 1);
    std::vector<std::string> names;
    auto count = static_cast<int>(lua_objlen(lua, 2));
    for (int i = 1; i <= count; ++i) {
      lua_rawgeti(lua, 2, i);
      names.push_back(text_at(lua, -1));
      lua_pop(lua, 1);
    }
    near = nearest_name(word, names);
  }
  lua_pushlstring(lua, near.data(), near.size());
  return 1;
}

// Place of a function: "rules/shop.lua:31".
int LuaState::where(lua_State* lua) {
  lua_Debug info;
  std::memset(&info, 0, sizeof info);
  lua_pushvalue(lua, 1);
  lua_getinfo(lua, ">S", &info);
  lua_pushfstring(lua, "%s:%d", info.short_src, info.linedefined);
  return 1;
}

Result<const LuaFiles::File*> LuaState::module_file(const std::string& name) {
  auto found = files_.files.find(name);
  if (found != files_.files.end()) return &found->second;
  if (name.starts_with("tailrace."))
    return Status(ErrorCode::kRuleLoad,
                  "built in are tailrace.hash, tailrace.json, tailrace.mask, tailrace.name, tailrace.time and tailrace.where");
  bool plain = !name.empty() && name.find("..") == std::string::npos && name.front() != '.' &&
               name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == std::string::npos;
  if (!plain) return Status(ErrorCode::kRuleLoad, "a module name has letters, digits, _, - and single dots only");
  if (files_.is_sealed) return Status(ErrorCode::kRuleLoad, "the module was not there when the rules were loaded");
  std::string path = name;
  std::replace(path.begin(), path.end(), '.', '/');
  for (const char* folder : {"", "lib/"}) {
    std::string full = fmt::format("{}{}{}.lua", files_.folder, folder, path);
    std::ifstream in(full, std::ios::binary);
    if (!in) continue;
    std::ostringstream text;
    text << in.rdbuf();
    return &files_.files.emplace(name, LuaFiles::File{text.str(), "@" + full}).first->second;
  }
  return Status(ErrorCode::kRuleLoad, fmt::format("no {}.lua beside the rule file or in its lib/", path));
}

// ---- loading

Result<RuleNode> LuaState::load_file() {
  StackGuard guard(lua_);
  const LuaFiles::File& file = files_.files.at("");
  data_.abi.error_code = 0;
  get_core("load");
  lua_pushlstring(lua_, file.text.data(), file.text.size());
  lua_pushlstring(lua_, file.chunk.data(), file.chunk.size());
  if (lua_pcall(lua_, 2, 1, 0) != 0) return failure(ErrorCode::kRuleLoad, text_at(lua_, -1));
  RuleNode root = to_node(lua_gettop(lua_), 0);
  if (node_error_.empty() && too_many_nodes()) node_error_ = "the returned table holds too much text";
  if (!node_error_.empty()) return failure(ErrorCode::kRuleLoad, node_error_);
  return root;
}

RuleText LuaState::main_text() const {
  const LuaFiles::File& file = files_.files.at("");
  return {std::string_view(file.chunk).substr(1), file.text};
}

// Every handle that was made, used in `columns` or not, in the order of their numbers.
Status LuaState::adopt_callables(const RuleSpec& spec) {
  StackGuard guard(lua_);
  get_core("callables");
  auto count = static_cast<int>(lua_objlen(lua_, -1));
  for (; callables_ < count; ++callables_) {
    lua_rawgeti(lua_, -1, callables_ + 1);
    RuleNode node = to_node(lua_gettop(lua_), 0);
    lua_pop(lua_, 1);
    if (!node_error_.empty()) return failure(ErrorCode::kRuleLoad, node_error_);
    if (node.type != RuleNode::Type::kNative) {
      TAILRACE_OK(add_where(data_, node, spec, main_text()));
      continue;
    }
    auto native = make_native(node, spec.secrets);
    if (!native.ok()) return failure(ErrorCode::kRuleLoad, native.status().detail());
    data_.natives.push_back(std::move(native).value());
  }
  return Status();
}

Status LuaState::start(const RuleSpec& spec) {
  StackGuard guard(lua_);
  TAILRACE_OK(adopt_callables(spec));
  get_core("set_options");
  lua_newtable(lua_);
  for (const auto& [name, value] : spec.options) {
    if (const bool* flag = std::get_if<bool>(&value)) lua_pushboolean(lua_, *flag);
    if (const double* number = std::get_if<double>(&value)) lua_pushnumber(lua_, *number);
    if (const std::string* text = std::get_if<std::string>(&value)) lua_pushlstring(lua_, text->data(), text->size());
    lua_setfield(lua_, -2, name.c_str());
  }
  if (lua_pcall(lua_, 1, 0, 0) != 0) return failure(ErrorCode::kRuleLoad, text_at(lua_, -1));
  TAILRACE_OK(prepare_outputs(spec));
  if (!spec.lookup_tables.empty()) {
    TAILRACE_OK(run_chunk("=tailrace.lookup", kPreludeLookup, false));
    TAILRACE_OK(show_lookups(spec));
  }
  TAILRACE_OK(scan_file(spec));
  if (spec.start >= 0) TAILRACE_OK(run_start(spec.start));
  lua_gc(lua_, LUA_GCCOLLECT, 0);
  // Garbage of a rule is short strings. Measured: below 200 marking the prelude shows, above 400 the heap leaves the
  // cache.
  lua_gc(lua_, LUA_GCSETPAUSE, 250);
  lua_gc(lua_, LUA_GCSETSTEPMUL, 400);
  if (options_.trusted) {
    lua_sethook(lua_, nullptr, 0, 0);
    if (options_.jit) luaJIT_setmode(lua_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
  }
  return Status();
}

// ---- running

void LuaState::show(const HookBatch& batch) {
  data_.batch = batch.batch;
  data_.chunk = batch.chunk;
  LuaHostAbi& abi = data_.abi;
  abi.cells = batch.cells;
  abi.verdicts = batch.verdicts;
  abi.events = batch.events;
  abi.runs = batch.runs;
  abi.run_count = batch.run_count;
  data_.arena_limit = batch.batch->arena.bytes() * 4 + options_.memory_bytes;
  if (!options_.trusted) start_clock();
  abi.error_code = 0;
  abi.exhausted = 0;
  abi.steps_left = kLoadSteps;  // of the loop itself; each row sets its own
}

std::optional<HookFailure> LuaState::run(const HookBatch& batch, const char* loop) {
  StackGuard guard(lua_);
  WatchedCall watched(data_.abi, watch_, LuaHook::kNone);
  show(batch);
  get_core(loop);
  HookFailure failure;
  if (lua_pcall(lua_, 0, 5, 0) != 0) {
    failure.message = text_at(lua_, -1);
    failure.code = code_of(ErrorCode::kInternal, failure.message);
    failure.hook = "batch";
    return failure;
  }
  if (lua_isnil(lua_, -5)) return std::nullopt;
  failure.hook = text_at(lua_, -5);
  auto number = static_cast<uint32_t>(lua_tonumber(lua_, -4));
  const HookRun& run = batch.runs[static_cast<uint32_t>(lua_tonumber(lua_, -3))];
  failure.message = text_at(lua_, -2);
  failure.code = code_of(ErrorCode::kRuleRuntime, failure.message);
  if (lua_isstring(lua_, -1)) {
    failure.message = text_at(lua_, -1) + ": " + failure.hook + "() " + failure.message;
    failure.code = ErrorCode::kRuleReturn;
  }
  if (failure.hook != "map") {
    failure.event = number;
    return failure;
  }
  uint32_t image = run.first_image;
  for (uint32_t i = run.first_event; i < run.first_event + run.events; ++i) {
    const HookEvent& event = batch.events[i];
    uint32_t images = (event.before >= 0) + (event.after >= 0);
    if (number < image + images) {
      failure.event = i;
      failure.is_after = event.before < 0 || number > image;
      break;
    }
    image += images;
  }
  return failure;
}

}  // namespace tailrace
