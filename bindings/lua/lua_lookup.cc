#include "lua_lookup.h"

#include <new>

#include "event/value_text.h"
#include "lua_abi.h"
#include "lua_stack.h"
#include "lua_state.h"

namespace tailrace {
namespace {

// As the prelude knows them.
enum Read : int32_t { kNull, kNumber, kBig, kText, kDecimal, kNoMemory };

int32_t find(LuaLookups* self, int32_t table, const char* key, uint32_t size) noexcept {
  return self->tables[static_cast<size_t>(table)]->find({key, size});
}

int32_t show_text(LuaLookups* self, std::string_view text) {
  self->text = text.data();
  self->text_size = static_cast<uint32_t>(text.size());
  return kText;
}

int32_t cell(LuaLookups* self, int32_t table, int32_t row, int32_t at) noexcept {
  const LookupTable& lookup = *self->tables[static_cast<size_t>(table)];
  const Value& value = lookup.cell(row, static_cast<size_t>(at));
  if (value.is_null()) return kNull;
  const Column& column = lookup.columns()[static_cast<size_t>(at)];
  switch (column_class(column)) {
    case ColumnClass::kNumber: self->number = static_cast<double>(value.i); return kNumber;
    case ColumnClass::kDouble: self->number = value.d; return kNumber;
    case ColumnClass::kBig:
    case ColumnClass::kUnsignedBig:
      self->big = value.i;
      self->is_unsigned = column_class(column) == ColumnClass::kUnsignedBig && value.i < 0;
      return kBig;
    case ColumnClass::kText: return show_text(self, value.text());
    case ColumnClass::kDecimal: show_text(self, value.text()); return kDecimal;
    default: break;
  }
  try {
    self->scratch.clear();
    append_text(value, column, self->scratch);
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
  return show_text(self, self->scratch);
}

}  // namespace

Status LuaState::show_lookups(const RuleSpec& spec) {
  StackGuard guard(lua_);
  lookups_abi_.tables = spec.lookup_tables;
  lookups_abi_.find = find;
  lookups_abi_.cell = cell;
  get_core("show_lookups");
  lua_pushlightuserdata(lua_, &lookups_abi_);
  lua_newtable(lua_);
  int place = 0;
  for (const auto& table : spec.lookup_tables) {
    lua_newtable(lua_);
    set_field(lua_, "name", table->name());
    set_field(lua_, "file", table->file());
    set_field(lua_, "key", table->key());
    lua_newtable(lua_);
    int column = 0;
    for (const Column& one : table->columns()) {
      lua_pushlstring(lua_, one.name.data(), one.name.size());
      lua_rawseti(lua_, -2, ++column);
    }
    lua_setfield(lua_, -2, "columns");
    lua_rawseti(lua_, -2, ++place);
  }
  if (lua_pcall(lua_, 2, 0, 0) != 0) return failure(ErrorCode::kInternal, text_at(lua_, -1));
  return Status();
}

}  // namespace tailrace
