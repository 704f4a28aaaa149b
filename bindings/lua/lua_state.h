// LuaState: one LuaJIT state with a memory cap, the prelude and one loaded rule file. One thread at a time.
#pragma once
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lua_abi.h"
#include "lua_allocator.h"
#include "lua_lookup.h"
#include "lua_memory.h"
#include "rule/rule_node.h"
#include "rule/rule_spec.h"
#include "rule/rule_stage.h"

struct lua_State;
struct lua_Debug;

namespace tailrace {

// Files of one rule set by the name `require` gave ("" = the rule file). Read from disk once, then only from here, so
// that every state of a set runs the same bytes.
struct LuaFiles {
  struct File {
    std::string text;
    std::string chunk;  // "@rules/shop.lua"
  };
  std::map<std::string, File> files;
  std::string folder;
  bool is_sealed = false;  // nothing more is read from disk
};

// A JSON document as a list of what it has, kept for its capacity.
struct JsonTokens {
  enum class Kind : uint8_t { kNull, kTrue, kFalse, kNumber, kText, kArray, kObject, kEnd };
  struct Token {
    Kind kind;
    uint32_t at, size;  // in `text`
  };
  std::vector<Token> tokens;
  std::string text;
  std::string fault;
};

// For those who look on from other threads.
struct LuaWatch {
  std::atomic<uint64_t> calls{0};                   // from the engine into Lua
  std::mutex mutex;                                 // guards the names
  std::map<int32_t, std::string> tables, messages;  // by number of the plan; of `serialize`
};

class LuaState {
 public:
  static constexpr int64_t kLoadSteps = 100'000'000;  // instructions a rule file may take to load

  // `files` must outlive the state.
  static Result<std::unique_ptr<LuaState>> create(const RuleOptions& options, LuaFiles& files);
  ~LuaState();
  LuaState(const LuaState&) = delete;
  LuaState& operator=(const LuaState&) = delete;

  // Runs the rule file and returns its table as data; functions and native handles keep their numbers here.
  Result<RuleNode> load_file();
  // After load_file: gives ctx.options, the native functions and the outputs; from here on the JIT may run. `spec` must
  // outlive the state.
  Status start(const RuleSpec& spec);
  Status prepare(const RulePlan& plan);
  Result<std::string> capture(const std::string& text, const std::string& pattern);
  Result<std::string> substitute(const std::string& text, const std::string& pattern, const std::string& by);
  // What the function of a table's entry gives for a table.
  Result<RuleNode> entry(int function, const std::string& name, const TableSchema& table);
  Status prepare_message(uint32_t id, const OutputTable& output, int serialize);
  // `function`: the host's number of it.
  Result<OnRuleError> on_error(const HookBatch& batch, int function, const Status& failure, std::string_view hook, OnRuleError policy);
  Result<bool> keeps(int function, const Transaction& txn);
  // Where it is; any thread.
  std::optional<HookPlace> place();
  const std::vector<RuleNote>& notes() const noexcept { return notes_; }
  // `loop`: the prelude's function, "run" or "serialize".
  std::optional<HookFailure> run(const HookBatch& batch, const char* loop);
  Result<DdlAnswer> ddl(int function, const DdlQuestion& question);  // lua_ddl.cc
  // Ordered rules, lua_memory.cc. After start(); the memory outlives the state's last run.
  Status remember(RuleMemory& memory);
  Status tick(int function, int64_t now_us);

 private:
  explicit LuaState(const RuleOptions& options, LuaFiles& files) : options_(options), files_(files), memory_(options.memory_bytes) {}
  Status open();
  Status run_chunk(const char* name, std::string_view source, bool keep_result);
  Status failure(ErrorCode fallback, const std::string& message);
  ErrorCode code_of(ErrorCode fallback, const std::string& message) const;
  RuleText main_text() const;
  void start_clock();
  void get_core(const char* field);  // pushes core[field]
  RuleNode to_node(int index, int depth);
  bool too_many_nodes() const noexcept;
  std::string collect_fields(int index, int depth, RuleNode& out);

  LuaPlan* add_plan(const std::vector<Column>& columns);
  Status prepare_outputs(const RuleSpec& spec);
  Status show_lookups(const RuleSpec& spec);  // lua_lookup.cc; after its part of the prelude
  Status run_start(int function);
  // lua_scan.cc: what the bytecode of the hooks tells. Fails where one changes what it must not.
  Status scan_file(const RuleSpec& spec);
  Status scan_hook(int function, const char* name, bool may_remember);
  Status adopt_callables(const RuleSpec& spec);  // native functions and `where` made since the last call
  void show(const HookBatch& batch);             // to the prelude
  void push_function(int function);

  static void* allocate(void* self, void* block, size_t old_size, size_t new_size);
  static void count_hook(lua_State* lua, lua_Debug*);
  static int compile(lua_State* lua);
  static int read_module(lua_State* lua);
  static int nearest(lua_State* lua);
  static int decode_json(lua_State* lua);
  static int where(lua_State* lua);
  static LuaState* self_of(lua_State* lua);
  Result<const LuaFiles::File*> module_file(const std::string& name);

  RuleOptions options_;
  LuaFiles& files_;
  LuaHostData data_;
  LuaWatch watch_;
  LuaMemory memory_abi_;
  LuaLookups lookups_abi_;
  LuaAllocator memory_;
  lua_State* lua_ = nullptr;
  int core_ref_ = -1;
  int functions_ref_ = -1;
  int function_count_ = 0;
  size_t node_count_ = 0;
  std::chrono::steady_clock::time_point deadline_;  // looked at where instructions are counted
  int callables_ = 0;                               // of the prelude's list, known here
  JsonTokens json_;
  std::string node_error_;
  std::set<int> scanned_;        // functions
  std::vector<RuleNote> notes_;  // warnings about them
};

// Says to other threads that a function runs, until the end of the scope. kNone: the prelude says which.
class WatchedCall {
 public:
  WatchedCall(LuaHostAbi& abi, LuaWatch& watch, LuaHook hook) : abi_(abi) {
    watch.calls.store(watch.calls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    say(hook);
  }
  ~WatchedCall() { say(LuaHook::kNone); }
  WatchedCall(const WatchedCall&) = delete;
  WatchedCall& operator=(const WatchedCall&) = delete;

 private:
  void say(LuaHook hook) { std::atomic_ref(abi_.hook).store(static_cast<int32_t>(hook), std::memory_order_relaxed); }
  LuaHostAbi& abi_;
};

}  // namespace tailrace
