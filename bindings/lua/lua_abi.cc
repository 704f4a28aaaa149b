#include "lua_abi.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>

#include "base/log.h"
#include "event/value_text.h"
#include "rule/hook_chunk.h"
#include "rule/library_call.h"
#include "rule/value_write.h"

namespace tailrace {

void set_host_text(LuaHostData* host, std::string_view text) {
  host->text.assign(text);
  host->abi.text = host->text.data();
  host->abi.text_size = static_cast<uint32_t>(host->text.size());
}

namespace {

constexpr uint32_t kLogLinesPerSecond = 20;
constexpr uint32_t kLogLineBytes = 4096;

int32_t code(WriteFault fault) { return static_cast<int32_t>(fault); }

Value& cell_at(LuaPlan* plan, int32_t cell) { return plan->host->abi.cells[cell]; }

void show_text(LuaHostData* host) {
  host->abi.text = host->text.data();
  host->abi.text_size = static_cast<uint32_t>(host->text.size());
}

// Texts that are written over stay in the batch's arena, so a rule that writes in a loop is stopped like one that takes
// too much of its own memory.
bool is_full(LuaPlan* plan) {
  LuaHostData* host = plan->host;
  if (host->batch->arena.bytes() <= host->arena_limit) return false;
  host->abi.exhausted = 2;
  return true;
}

int32_t set_null(LuaPlan* plan, int32_t column, int32_t cell) noexcept {
  return code(write_null(cell_at(plan, cell), plan->columns[column]));
}

int32_t set_bool(LuaPlan* plan, int32_t column, int32_t cell, int32_t value) noexcept {
  return code(write_bool(cell_at(plan, cell), plan->columns[column], value != 0));
}

int32_t set_number(LuaPlan* plan, int32_t column, int32_t cell, double value) noexcept {
  auto index = static_cast<size_t>(column);
  // NaN fails both comparisons and takes the slow way to its error.
  if (value >= static_cast<double>(plan->low[index]) && value <= static_cast<double>(plan->high[index])) {
    auto integer = static_cast<int64_t>(value);
    if (static_cast<double>(integer) == value) {
      Value& to = cell_at(plan, cell);
      to = plan->columns[column].kind == Kind::kInt ? Value::of_int(integer) : Value::of_uint(static_cast<uint64_t>(integer));
      return 0;
    }
  }
  if (is_full(plan)) return code(WriteFault::kMemory);
  return code(write_number(cell_at(plan, cell), plan->columns[column], value, plan->host->batch->arena));
}

int32_t set_big(LuaPlan* plan, int32_t column, int32_t cell, int64_t value, int32_t is_unsigned) noexcept {
  if (is_full(plan)) return code(WriteFault::kMemory);
  return code(write_integer(cell_at(plan, cell), plan->columns[column], value, is_unsigned != 0, plan->host->batch->arena));
}

int32_t set_dec(LuaPlan* plan, int32_t column, int32_t cell, const Decimal* value) noexcept {
  if (is_full(plan)) return code(WriteFault::kMemory);
  char digits[kDecimalTextBytes];
  size_t n = format_decimal(*value, digits);
  return code(write_decimal(cell_at(plan, cell), plan->columns[column], {digits, n}, plan->host->batch->arena));
}

int32_t set_text(LuaPlan* plan, int32_t column, int32_t cell, const char* text, uint32_t size) noexcept {
  if (is_full(plan)) return code(WriteFault::kMemory);
  return code(write_text(cell_at(plan, cell), plan->columns[column], {text, size}, plan->host->batch->arena));
}

int32_t get_text(LuaPlan* plan, int32_t column, int32_t cell) noexcept {
  LuaHostData* host = plan->host;
  host->text.clear();
  append_text(cell_at(plan, cell), plan->columns[column], host->text);
  show_text(host);
  return 0;
}

int32_t get_dec(LuaPlan* plan, int32_t, int32_t cell) noexcept {
  const Value& value = cell_at(plan, cell);
  return value.kind == Kind::kDecimal && parse_decimal(value.text(), plan->host->abi.dec) ? 0 : 1;
}

int32_t changed(LuaPlan* plan, int32_t before, int32_t after) noexcept {
  const Value& a = cell_at(plan, before);
  const Value& b = cell_at(plan, after);
  if (a.is_absent() || b.is_absent()) return 0;  // not logged: not changed
  return identical(a, b) ? 0 : 1;
}

void fault_text(LuaPlan* plan, int32_t column, int32_t fault) noexcept {
  set_host_text(plan->host, describe_fault(static_cast<WriteFault>(fault), plan->columns[column]));
}

int32_t event_text(LuaHostData* host, uint32_t hooked, int32_t what) noexcept {
  const ChangeEvent& event = host->batch->events[host->abi.events[hooked].event];
  const Transaction& txn = host->batch->txns[event.txn];
  if (what == 1) {
    set_host_text(host, txn.id);
  } else if (what == 2) {
    if (txn.file.empty()) return 1;
    set_host_text(host, txn.file + ":" + std::to_string(txn.end_offset));
  } else {
    set_host_text(host, describe_key(*event.table, event.after.empty() ? event.before : event.after));
  }
  return 0;
}

uint32_t event_ordinal(LuaHostData* host, uint32_t hooked) noexcept {
  return static_cast<uint32_t>(host->batch->events[host->abi.events[hooked].event].ordinal);
}

// 0 ok, 1 overflow, 2 division by zero. Operations as in types.lua.
int32_t big_op(LuaHostData* host, int64_t a, int32_t a_unsigned, int64_t b, int32_t b_unsigned, int32_t op) noexcept {
  __extension__ using Wide = __int128;
  Wide x = a_unsigned ? static_cast<Wide>(static_cast<uint64_t>(a)) : a;
  Wide y = b_unsigned ? static_cast<Wide>(static_cast<uint64_t>(b)) : b;
  Wide r = 0;
  switch (op) {
    case 0: r = x + y; break;
    case 1: r = x - y; break;
    case 2:
      if (__builtin_mul_overflow(x, y, &r)) return 1;
      break;
    case 3:
      if (y == 0) return 2;
      r = x % y;
      break;
    default: r = -x; break;
  }
  if (r < INT64_MIN || r > static_cast<Wide>(UINT64_MAX)) return 1;
  host->abi.big = static_cast<int64_t>(r);
  host->abi.big_is_unsigned = r > INT64_MAX;
  return 0;
}

// -1, 0, 1; 2 for NaN.
int32_t big_compare(int64_t a, int32_t a_unsigned, double b) noexcept {
  if (std::isnan(b)) return 2;
  if (b >= 18446744073709551616.0) return -1;
  if (b < -9223372036854775808.0) return 1;
  double whole = std::floor(b);
  bool has_fraction = whole != b;
  __extension__ using Wide = __int128;
  Wide x = a_unsigned ? static_cast<Wide>(static_cast<uint64_t>(a)) : a;
  auto y = static_cast<Wide>(whole);
  if (x < y) return -1;
  if (x > y) return 1;
  return has_fraction ? -1 : 0;
}

int32_t big_parse(LuaHostData* host, const char* text, uint32_t size) noexcept {
  int64_t number = 0;
  auto result = std::from_chars(text, text + size, number);
  if (result.ec == std::errc() && result.ptr == text + size) {
    host->abi.big = number;
    host->abi.big_is_unsigned = 0;
    return 0;
  }
  uint64_t large = 0;
  result = std::from_chars(text, text + size, large);
  if (result.ec != std::errc() || result.ptr != text + size) return 1;
  host->abi.big = static_cast<int64_t>(large);
  host->abi.big_is_unsigned = 1;
  return 0;
}

void big_text(LuaHostData* host, int64_t value, int32_t is_unsigned) noexcept {
  char digits[24];
  auto end = is_unsigned ? std::to_chars(digits, digits + sizeof digits, static_cast<uint64_t>(value)).ptr
                         : std::to_chars(digits, digits + sizeof digits, value).ptr;
  set_host_text(host, {digits, static_cast<size_t>(end - digits)});
}

void dec_of_big(LuaHostData* host, int64_t value, int32_t is_unsigned) noexcept { host->abi.dec = decimal_of(value, is_unsigned != 0); }

int32_t dec_parse(LuaHostData* host, const char* text, uint32_t size) noexcept {
  return parse_decimal({text, size}, host->abi.dec) ? 0 : 1;
}

int32_t dec_op(LuaHostData* host, const Decimal* a, const Decimal* b, int32_t op) noexcept {
  return decimal_arithmetic(*a, *b, static_cast<DecimalOp>(op), host->abi.dec) ? 0 : 1;
}

int32_t dec_compare(const Decimal* a, const Decimal* b) noexcept { return compare_decimal(*a, *b); }

int32_t dec_round(LuaHostData* host, const Decimal* a, uint32_t scale) noexcept { return round_decimal(*a, scale, host->abi.dec) ? 0 : 1; }

void dec_text(LuaHostData* host, const Decimal* a) noexcept {
  char digits[kDecimalTextBytes];
  set_host_text(host, {digits, format_decimal(*a, digits)});
}

double dec_number(const Decimal* a) noexcept { return decimal_to_double(*a); }

void number_text(LuaHostData* host, double value) noexcept {
  host->text.clear();
  append_double(value, false, host->text);
  show_text(host);
}

int32_t native_call(LuaHostData* host, int32_t id, const char* text, uint32_t size) noexcept {
  if (id < 0 || static_cast<size_t>(id) >= host->natives.size()) return 1;
  std::string out;
  if (!native_text(host->natives[static_cast<size_t>(id)], {text, size}, out)) return 2;
  host->text = std::move(out);
  show_text(host);
  return 0;
}

int32_t library(LuaHostData* host, int32_t function, const char* a, uint32_t a_size, const char* b, uint32_t b_size, const char* c,
                uint32_t c_size) noexcept {
  std::string out;
  LibraryResult result = call_library(static_cast<LibraryFunction>(function), {a, a_size}, {b, b_size}, {c, c_size}, out);
  host->text = std::move(out);
  show_text(host);
  return static_cast<int32_t>(result);
}

void write_log(LuaHostData* host, int32_t level, const char* text, uint32_t size) noexcept {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  auto second = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  if (second != host->log_window) {
    host->log_window = second;
    host->log_lines = 0;
  }
  if (++host->log_lines > kLogLinesPerSecond) return;
  log(static_cast<LogLevel>(level), std::string("rule: ").append(text, std::min(size, kLogLineBytes)));
}

// First cell of a new row for an output; -1: too many for one image, -2: no memory.
int32_t emit(LuaHostData* host, int32_t output) noexcept {
  try {
    const OutputRule& rule = host->spec->outputs[static_cast<size_t>(output)];
    int32_t at = host->chunk->emit(static_cast<uint32_t>(host->abi.image), rule, static_cast<uint32_t>(output));
    host->abi.cells = host->chunk->cells();
    return at;
  } catch (const std::bad_alloc&) {
    return -2;
  }
}

int32_t close_row(LuaHostData* host, int32_t output) noexcept {
  return host->chunk->close(host->spec->outputs[static_cast<size_t>(output)]);
}

}  // namespace

// The prelude names the same fields in the same order; a moved one would show here first.
static_assert(offsetof(LuaHostAbi, run_count) == 32 && offsetof(LuaHostAbi, text) == 48);
static_assert(offsetof(LuaHostAbi, hook) == 88 && offsetof(LuaHostAbi, dec) == 96 && offsetof(LuaHostAbi, set_null) == 136);
static_assert(sizeof(Decimal) == 40 && offsetof(LuaHostData, abi) == 0);

ColumnClass column_class(const Column& column) noexcept {
  switch (column.kind) {
    case Kind::kInt: return column.type_name == "bigint" ? ColumnClass::kBig : ColumnClass::kNumber;
    case Kind::kUint: return column.type_name == "bigint" ? ColumnClass::kUnsignedBig : ColumnClass::kNumber;
    case Kind::kBit: return column.length > 32 ? ColumnClass::kUnsignedBig : ColumnClass::kNumber;
    case Kind::kYear: return ColumnClass::kNumber;
    case Kind::kDouble: return ColumnClass::kDouble;
    case Kind::kDecimal: return ColumnClass::kDecimal;
    case Kind::kText:
    case Kind::kBytes:
    case Kind::kJson:
    case Kind::kGeometry: return ColumnClass::kText;
    default: return ColumnClass::kOther;
  }
}

void fill_abi(LuaHostAbi& abi) noexcept {
  abi.set_null = set_null;
  abi.set_bool = set_bool;
  abi.set_number = set_number;
  abi.set_big = set_big;
  abi.set_dec = set_dec;
  abi.set_text = set_text;
  abi.get_text = get_text;
  abi.get_dec = get_dec;
  abi.changed = changed;
  abi.fault_text = fault_text;
  abi.event_text = event_text;
  abi.event_ordinal = event_ordinal;
  abi.big_op = big_op;
  abi.big_compare = big_compare;
  abi.big_parse = big_parse;
  abi.big_text = big_text;
  abi.dec_of_big = dec_of_big;
  abi.dec_parse = dec_parse;
  abi.dec_op = dec_op;
  abi.dec_compare = dec_compare;
  abi.dec_round = dec_round;
  abi.dec_text = dec_text;
  abi.dec_number = dec_number;
  abi.number_text = number_text;
  abi.native_call = native_call;
  abi.log = write_log;
  abi.where_test = where_test;
  abi.library = library;
  abi.emit = emit;
  abi.close_row = close_row;
  fill_message_abi(abi);
}

}  // namespace tailrace
