// Makes plans and outputs known to the prelude.
#include <algorithm>

#include "lua_stack.h"
#include "lua_state.h"
#include "rule/value_write.h"

namespace tailrace {
namespace {

constexpr double kExactLimit = 9007199254740992.0;

ColumnClass read_class(const Column& column, bool as_number) {
  ColumnClass out = column_class(column);
  if (as_number && out == ColumnClass::kBig) return ColumnClass::kBigAsNumber;
  if (as_number && out == ColumnClass::kUnsignedBig) return ColumnClass::kUnsignedAsNumber;
  return out;
}

// `names` and `codes` of the table on top of the stack: how each column is read.
void set_columns(lua_State* lua, const std::vector<Column>& columns, const std::vector<uint16_t>& as_number = {}) {
  lua_newtable(lua);
  for (size_t i = 0; i < columns.size(); ++i) {
    lua_pushlstring(lua, columns[i].name.data(), columns[i].name.size());
    lua_rawseti(lua, -2, static_cast<int>(i + 1));
  }
  lua_setfield(lua, -2, "names");
  lua_newtable(lua);
  for (size_t i = 0; i < columns.size(); ++i) {
    bool is_number = std::find(as_number.begin(), as_number.end(), i) != as_number.end();
    auto code = static_cast<uint32_t>(columns[i].kind) << 20 | static_cast<uint32_t>(read_class(columns[i], is_number)) << 16 |
                static_cast<uint32_t>(i);
    lua_pushnumber(lua, code);
    lua_rawseti(lua, -2, static_cast<int>(i + 1));
  }
  lua_setfield(lua, -2, "codes");
}

}  // namespace

// The columns must outlive the state.
LuaPlan* LuaState::add_plan(const std::vector<Column>& columns) {
  auto known = std::make_unique<LuaPlan>();
  known->host = &data_;
  known->columns = columns.data();
  for (const Column& column : columns) {
    int64_t low = 1, high = 0;
    if (column.kind == Kind::kInt || column.kind == Kind::kUint) {
      uint64_t top = 0;
      integer_range(column, low, top);
      low = std::max(low, -static_cast<int64_t>(kExactLimit));
      high = static_cast<int64_t>(std::min(top, static_cast<uint64_t>(kExactLimit)));
    }
    known->low.push_back(low);
    known->high.push_back(high);
  }
  data_.plans.push_back(std::move(known));
  return data_.plans.back().get();
}

Status LuaState::prepare_outputs(const RuleSpec& spec) {
  data_.spec = &spec;
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    StackGuard guard(lua_);
    const OutputRule& output = spec.outputs[i];
    get_core("prepare_output");
    lua_newtable(lua_);
    lua_pushnumber(lua_, static_cast<double>(i));
    lua_setfield(lua_, -2, "id");
    lua_pushlightuserdata(lua_, add_plan(output.columns));
    lua_setfield(lua_, -2, "ptr");
    set_field(lua_, "name", output.name);
    lua_pushboolean(lua_, output.append);
    lua_setfield(lua_, -2, "append");
    set_columns(lua_, output.columns);
    if (lua_pcall(lua_, 1, 0, 0) != 0) return failure(ErrorCode::kRuleLoad, text_at(lua_, -1));
  }
  return Status();
}

Status LuaState::prepare(const RulePlan& plan) {
  TAILRACE_OK(scan_hook(plan.map, "map", false));
  TAILRACE_OK(scan_hook(plan.row, "row", data_.spec->memory.ordered));
  StackGuard guard(lua_);
  {
    std::lock_guard lock(watch_.mutex);
    watch_.tables[static_cast<int32_t>(plan.id)] = plan.output->source->qualified_name();
  }
  LuaPlan* plan_pointer = add_plan(plan.work_columns);
  plan_pointer->table = plan.output->source->qualified_name();
  data_.abi.exhausted = 0;
  data_.abi.error_code = 0;
  data_.abi.steps_left = kLoadSteps;
  get_core("prepare");
  lua_newtable(lua_);
  lua_pushnumber(lua_, plan.id);
  lua_setfield(lua_, -2, "id");
  lua_pushlightuserdata(lua_, plan_pointer);
  lua_setfield(lua_, -2, "ptr");
  const TableSchema& source = *plan.output->source;
  set_field(lua_, "table", source.qualified_name());
  set_field(lua_, "database", source.database);
  set_field(lua_, "table_name", source.table);
  set_columns(lua_, plan.work_columns, plan.as_number);
  lua_newtable(lua_);
  lua_pushnumber(lua_, static_cast<int>(Kind::kEnum));
  lua_setfield(lua_, -2, "enum");
  lua_pushnumber(lua_, static_cast<int>(Kind::kSet));
  lua_setfield(lua_, -2, "set");
  lua_setfield(lua_, -2, "kind");
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, functions_ref_);
  for (auto [name, number] : {std::pair{"map", plan.map}, std::pair{"row", plan.row}}) {
    if (number < 0) continue;
    lua_rawgeti(lua_, -1, number);
    lua_setfield(lua_, -3, name);
  }
  lua_pop(lua_, 1);
  if (lua_pcall(lua_, 1, 0, 0) != 0) return failure(ErrorCode::kRuleLoad, text_at(lua_, -1));
  return Status();
}

Status LuaState::prepare_message(uint32_t id, const OutputTable& output, int serialize) {
  TAILRACE_OK(scan_hook(serialize, "serialize", false));
  StackGuard guard(lua_);
  {
    std::lock_guard lock(watch_.mutex);
    watch_.messages[static_cast<int32_t>(id)] = output.source->qualified_name();
  }
  get_core("prepare_message");
  lua_newtable(lua_);
  lua_pushnumber(lua_, id);
  lua_setfield(lua_, -2, "id");
  lua_pushlightuserdata(lua_, add_plan(output.schema->columns));
  lua_setfield(lua_, -2, "ptr");
  set_field(lua_, "table", output.schema->qualified_name());
  set_field(lua_, "database", output.source->database);
  set_field(lua_, "table_name", output.source->table);
  set_columns(lua_, output.schema->columns);
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, functions_ref_);
  lua_rawgeti(lua_, -1, serialize);
  lua_setfield(lua_, -3, "serialize");
  lua_pop(lua_, 1);
  if (lua_pcall(lua_, 1, 0, 0) != 0) return failure(ErrorCode::kRuleLoad, text_at(lua_, -1));
  return Status();
}

}  // namespace tailrace
