// What the Lua prelude sees of the engine through FFI: tr_host of rules/prelude/types.lua, field by field. The
// functions are called from compiled code: they do not throw and do not call back into Lua.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rule/decimal.h"
#include "rule/native_function.h"
#include "rule/rule_host.h"
#include "rule/text_filter.h"
#include "rule/where_rule.h"

namespace tailrace {

struct LuaHostData;

// How Lua reads a column; values as in rules/prelude/rows.lua.
enum class ColumnClass : uint8_t { kNumber = 1, kDouble, kText, kBig, kUnsignedBig, kDecimal, kOther, kBigAsNumber, kUnsignedAsNumber };
ColumnClass column_class(const Column& column) noexcept;

// One plan as the accessors know it (tr_plan).
struct LuaPlan {
  LuaHostData* host;
  const Column* columns;     // RulePlan::work_columns
  std::vector<int64_t> low;  // integer columns: range of plain numbers; low > high: not one
  std::vector<int64_t> high;
  std::string table;                                        // for errors
  std::vector<std::shared_ptr<const WhereProgram>> wheres;  // by number of the handle, compiled at first use
};

struct LuaHostAbi {
  Value* cells;
  uint8_t* verdicts;
  HookEvent* events;
  const HookRun* runs;
  uint32_t run_count;
  int32_t error_code, exhausted;
  uint32_t text_size;
  const char* text;
  int64_t steps_left, step_limit;
  int64_t big;
  int32_t big_is_unsigned, image;  // image: that `map` is at; of `row`: the event's first; of `serialize`: the event
  int32_t hook, plan;              // what is being called (LuaHook), and for which plan; other threads look on
  Decimal dec;
  int32_t (*set_null)(LuaPlan*, int32_t, int32_t) noexcept;
  int32_t (*set_bool)(LuaPlan*, int32_t, int32_t, int32_t) noexcept;
  int32_t (*set_number)(LuaPlan*, int32_t, int32_t, double) noexcept;
  int32_t (*set_big)(LuaPlan*, int32_t, int32_t, int64_t, int32_t) noexcept;
  int32_t (*set_dec)(LuaPlan*, int32_t, int32_t, const Decimal*) noexcept;
  int32_t (*set_text)(LuaPlan*, int32_t, int32_t, const char*, uint32_t) noexcept;
  int32_t (*get_text)(LuaPlan*, int32_t, int32_t) noexcept;
  int32_t (*get_dec)(LuaPlan*, int32_t, int32_t) noexcept;
  int32_t (*changed)(LuaPlan*, int32_t, int32_t) noexcept;
  void (*fault_text)(LuaPlan*, int32_t, int32_t) noexcept;
  int32_t (*event_text)(LuaHostData*, uint32_t, int32_t) noexcept;
  uint32_t (*event_ordinal)(LuaHostData*, uint32_t) noexcept;
  int32_t (*big_op)(LuaHostData*, int64_t, int32_t, int64_t, int32_t, int32_t) noexcept;
  int32_t (*big_compare)(int64_t, int32_t, double) noexcept;
  int32_t (*big_parse)(LuaHostData*, const char*, uint32_t) noexcept;
  void (*big_text)(LuaHostData*, int64_t, int32_t) noexcept;
  void (*dec_of_big)(LuaHostData*, int64_t, int32_t) noexcept;
  int32_t (*dec_parse)(LuaHostData*, const char*, uint32_t) noexcept;
  int32_t (*dec_op)(LuaHostData*, const Decimal*, const Decimal*, int32_t) noexcept;
  int32_t (*dec_compare)(const Decimal*, const Decimal*) noexcept;
  int32_t (*dec_round)(LuaHostData*, const Decimal*, uint32_t) noexcept;
  void (*dec_text)(LuaHostData*, const Decimal*) noexcept;
  double (*dec_number)(const Decimal*) noexcept;
  void (*number_text)(LuaHostData*, double) noexcept;
  int32_t (*native_call)(LuaHostData*, int32_t, const char*, uint32_t) noexcept;
  void (*log)(LuaHostData*, int32_t, const char*, uint32_t) noexcept;
  int32_t (*emit)(LuaHostData*, int32_t) noexcept;
  int32_t (*close_row)(LuaHostData*, int32_t) noexcept;
  int32_t (*say)(LuaHostData*, uint32_t, int32_t, const char*, uint32_t, const char*, uint32_t) noexcept;
  void (*begin_message)(LuaHostData*, uint32_t) noexcept;
  void (*put)(LuaHostData*, const char*, uint32_t) noexcept;
  int32_t (*put_column)(LuaPlan*, int32_t, int32_t, int32_t) noexcept;
  int32_t (*find_filter)(LuaHostData*, const char*, uint32_t) noexcept;
  int32_t (*say_message)(LuaHostData*, uint32_t, int32_t, const char*, uint32_t, const char*, uint32_t) noexcept;
  int32_t (*end_message)(LuaHostData*, uint32_t) noexcept;
  int32_t (*where_test)(LuaHostData*, LuaPlan*, int32_t, int32_t) noexcept;
  int32_t (*library)(LuaHostData*, int32_t, const char*, uint32_t, const char*, uint32_t, const char*, uint32_t) noexcept;
};

// Functions that the engine calls; kNone: none is running. The first three as rules/prelude/run.lua and messages.lua say it.
enum class LuaHook : int32_t { kNone, kRow, kMap, kSerialize, kTxn, kDdl, kOnError, kTick };

// The host's data begins with what Lua sees. Address is stable for the life of the state.
struct LuaHostData {
  LuaHostAbi abi{};
  const RuleSpec* spec = nullptr;  // after loading
  EventBatch* batch = nullptr;     // during run
  size_t arena_limit = 0;          // of the batch, for what rules write
  HookChunk* chunk = nullptr;
  std::string payload;                  // of the message being written
  std::vector<TextFilter> filters;      // by number, of out:col
  std::string text;                     // behind abi.text
  std::vector<NativeFunction> natives;  // by number of the handle; filled after loading
  std::vector<std::unique_ptr<LuaPlan>> plans;
  std::vector<std::shared_ptr<const WhereRule>> wheres;  // by number of the handle
  WhereRun where_run;
  uint64_t log_window = 0;  // second of the last log line
  uint32_t log_lines = 0;   // lines in it
};

void fill_abi(LuaHostAbi& abi) noexcept;
void fill_message_abi(LuaHostAbi& abi) noexcept;  // the part in lua_message.cc; called by fill_abi
void set_host_text(LuaHostData* host, std::string_view text);

// lua_where.cc: tests the cells of an image by `where[[…]]`. 0, 1; 2: error_code and text say why not.
int32_t where_test(LuaHostData* host, LuaPlan* plan, int32_t id, int32_t cell) noexcept;
// The functions that the file made of `where[[…]]`.
Status add_where(LuaHostData& host, const RuleNode& handle, const RuleSpec& spec, const RuleText& file);

}  // namespace tailrace
