-- luacheck: no max line length
-- Layouts shared with the engine, and the exact number types of rules: bigint and decimal.
-- Both are values: structs of const members, no pointer inside, so a rule cannot reach memory through them.
local core = ...
local ffi, bit = core.ffi, core.bit
local type, tonumber, tostring, error = type, tonumber, tostring, error
local floor = math.floor

ffi.cdef [[
typedef struct { uint8_t kind, scale; uint16_t flags; uint32_t size;
                 union { int64_t i; uint64_t u; double d; const char* p; }; } tr_value;
typedef struct { const int64_t v; const bool is_unsigned; } tr_big;
typedef struct { const uint64_t w0, w1, w2, w3; const int8_t neg; const uint8_t scale; } tr_dec;
typedef struct { int32_t before, after; uint32_t event; uint8_t op, is_dropped, row_is_done, unused; int64_t ts_us;
                 void* route; } tr_event;
typedef struct { uint32_t plan, first_event, events, first_image, images, first_cell, width; } tr_run;
typedef struct tr_plan tr_plan;
typedef struct tr_host {
  tr_value* cells; uint8_t* verdicts; tr_event* events; const tr_run* runs; uint32_t run_count;
  int32_t error_code, exhausted; uint32_t text_size; const char* text;
  int64_t steps_left, step_limit;
  int64_t big; int32_t big_is_unsigned; int32_t image; int32_t hook, plan;
  struct { uint64_t w0, w1, w2, w3; int8_t neg; uint8_t scale; } dec;
  int32_t (*set_null)(tr_plan*, int32_t column, int32_t cell);
  int32_t (*set_bool)(tr_plan*, int32_t column, int32_t cell, int32_t value);
  int32_t (*set_number)(tr_plan*, int32_t column, int32_t cell, double value);
  int32_t (*set_big)(tr_plan*, int32_t column, int32_t cell, int64_t value, int32_t is_unsigned);
  int32_t (*set_dec)(tr_plan*, int32_t column, int32_t cell, const tr_dec* value);
  int32_t (*set_text)(tr_plan*, int32_t column, int32_t cell, const char* text, uint32_t size);
  int32_t (*get_text)(tr_plan*, int32_t column, int32_t cell);
  int32_t (*get_dec)(tr_plan*, int32_t column, int32_t cell);
  int32_t (*changed)(tr_plan*, int32_t before, int32_t after);
  void (*fault_text)(tr_plan*, int32_t column, int32_t fault);
  int32_t (*event_text)(struct tr_host*, uint32_t event, int32_t what);
  uint32_t (*event_ordinal)(struct tr_host*, uint32_t event);
  int32_t (*big_op)(struct tr_host*, int64_t a, int32_t a_unsigned, int64_t b, int32_t b_unsigned, int32_t op);
  int32_t (*big_compare)(int64_t a, int32_t a_unsigned, double b);
  int32_t (*big_parse)(struct tr_host*, const char* text, uint32_t size);
  void (*big_text)(struct tr_host*, int64_t v, int32_t is_unsigned);
  void (*dec_of_big)(struct tr_host*, int64_t v, int32_t is_unsigned);
  int32_t (*dec_parse)(struct tr_host*, const char* text, uint32_t size);
  int32_t (*dec_op)(struct tr_host*, const tr_dec* a, const tr_dec* b, int32_t op);
  int32_t (*dec_compare)(const tr_dec* a, const tr_dec* b);
  int32_t (*dec_round)(struct tr_host*, const tr_dec* a, uint32_t scale);
  void (*dec_text)(struct tr_host*, const tr_dec* a);
  double (*dec_number)(const tr_dec* a);
  void (*number_text)(struct tr_host*, double v);
  int32_t (*native_call)(struct tr_host*, int32_t id, const char* text, uint32_t size);
  void (*log)(struct tr_host*, int32_t level, const char* text, uint32_t size);
  int32_t (*emit)(struct tr_host*, int32_t output);
  int32_t (*close_row)(struct tr_host*, int32_t output);
  int32_t (*say)(struct tr_host*, uint32_t event, int32_t what, const char* name, uint32_t name_size, const char* text, uint32_t size);
  void (*begin_message)(struct tr_host*, uint32_t event);
  void (*put)(struct tr_host*, const char* text, uint32_t size);
  int32_t (*put_column)(tr_plan*, int32_t column, int32_t cell, int32_t filter);
  int32_t (*find_filter)(struct tr_host*, const char* text, uint32_t size);
  int32_t (*say_message)(struct tr_host*, uint32_t event, int32_t what, const char* name, uint32_t name_size, const char* text,
                         uint32_t size);
  int32_t (*end_message)(struct tr_host*, uint32_t event);
  int32_t (*where_test)(struct tr_host*, tr_plan*, int32_t id, int32_t cell);
  int32_t (*library)(struct tr_host*, int32_t function, const char* a, uint32_t a_size, const char* b, uint32_t b_size,
                     const char* c, uint32_t c_size);
} tr_host;
]]

local cx = ffi.cast("tr_host*", core.host)
local big_t, dec_t = ffi.typeof("tr_big"), ffi.typeof("tr_dec")
local istype, string_of = ffi.istype, ffi.string
local band, bxor = bit.band, bit.bxor
local big_op, big_compare, big_text = cx.big_op, cx.big_compare, cx.big_text
local dec_of_big, dec_op, dec_compare = cx.dec_of_big, cx.dec_op, cx.dec_compare

core.cx, core.big_t, core.dec_t = cx, big_t, dec_t

local function raise(code, level, message)
  cx.error_code = code
  error(message, level + 1)
end
core.raise = raise

local function host_text()
  return string_of(cx.text, cx.text_size)
end
core.host_text = host_text

local function kind_of(v)
  local t = type(v)
  if t ~= "cdata" then return t end
  if istype(big_t, v) then return "bigint" end
  if istype(dec_t, v) then return "decimal" end
  return "cdata"
end
core.kind_of = kind_of

-- bigint ---------------------------------------------------------------------------------------------------------

local ADD, SUB, MUL, MOD, NEG = 0, 1, 2, 3, 4

local function to_big(x)
  if istype(big_t, x) then return x end
  if type(x) == "number" then
    if x ~= floor(x) then error("bigint and a number with a fraction: round it, or use decimal", 3) end
    if x > 9007199254740992 or x < -9007199254740992 then
      error("number beyond 2^53 is not exact: write bigint '…'", 3)
    end
    return big_t(x, false)
  end
  if x == nil then error("arithmetic on a bigint and nil (NULL)", 3) end
  error("arithmetic on a bigint and a " .. kind_of(x), 3)
end

local function slow_big(a, b, op)
  local rc = big_op(cx, a.v, a.is_unsigned and 1 or 0, b.v, b.is_unsigned and 1 or 0, op)
  if rc == 1 then error("bigint overflow", 3) end
  if rc == 2 then error("bigint division by zero", 3) end
  return big_t(cx.big, cx.big_is_unsigned ~= 0)
end

local function take_dec()
  local d = cx.dec
  return dec_t(d.w0, d.w1, d.w2, d.w3, d.neg, d.scale)
end
core.take_dec = take_dec

local function to_dec(x)
  if istype(dec_t, x) then return x end
  if istype(big_t, x) then
    dec_of_big(cx, x.v, x.is_unsigned and 1 or 0)
    return take_dec()
  end
  if type(x) == "number" then
    if x ~= floor(x) then error("decimal and a number with a fraction: write decimal '" .. tostring(x) .. "'", 3) end
    if x > 9007199254740992 or x < -9007199254740992 then error("number beyond 2^53 is not exact", 3) end
    dec_of_big(cx, x, 0)
    return take_dec()
  end
  if x == nil then error("arithmetic on a decimal and nil (NULL)", 3) end
  error("arithmetic on a decimal and a " .. kind_of(x), 3)
end

local function decimal_op(a, b, op)
  local x, y = to_dec(a), to_dec(b)
  local rc = dec_op(cx, x, y, op)
  if rc ~= 0 then error(op == 3 and "decimal division by zero, or overflow" or "decimal overflow", 3) end
  return take_dec()
end

local function add(a, b)
  if istype(dec_t, a) or istype(dec_t, b) then return decimal_op(a, b, 0) end
  local x, y = to_big(a), to_big(b)
  if not x.is_unsigned and not y.is_unsigned then
    local p, q = x.v, y.v
    local r = p + q
    if band(bxor(p, r), bxor(q, r)) >= 0 then return big_t(r, false) end
  end
  return slow_big(x, y, ADD)
end

local function sub(a, b)
  if istype(dec_t, a) or istype(dec_t, b) then return decimal_op(a, b, 1) end
  local x, y = to_big(a), to_big(b)
  if not x.is_unsigned and not y.is_unsigned then
    local p, q = x.v, y.v
    local r = p - q
    if band(bxor(p, q), bxor(p, r)) >= 0 then return big_t(r, false) end
  end
  return slow_big(x, y, SUB)
end

local function mul(a, b)
  if istype(dec_t, a) or istype(dec_t, b) then return decimal_op(a, b, 2) end
  return slow_big(to_big(a), to_big(b), MUL)
end

local function div(a, b)
  return decimal_op(a, b, 3)
end

local function mod(a, b)
  if istype(dec_t, a) or istype(dec_t, b) then error("% is not defined for decimal", 2) end
  return slow_big(to_big(a), to_big(b), MOD)
end

local function unm(a)
  if istype(dec_t, a) then
    dec_of_big(cx, 0, 0)
    return decimal_op(take_dec(), a, 1)
  end
  return slow_big(a, a, NEG)
end

-- -1, 0, 1, or nil when the two do not compare.
local function compare(a, b)
  local big_a, big_b = istype(big_t, a), istype(big_t, b)
  if big_a and big_b then
    if a.is_unsigned ~= b.is_unsigned then return a.is_unsigned and 1 or -1 end
    local p, q = a.v, b.v
    if p == q then return 0 end
    return p < q and -1 or 1  -- both above 2^63 keep their order as negative numbers
  end
  if big_a and type(b) == "number" then return big_compare(a.v, a.is_unsigned and 1 or 0, b) end
  if big_b and type(a) == "number" then return -big_compare(b.v, b.is_unsigned and 1 or 0, a) end
  local ta, tb = kind_of(a), kind_of(b)
  local numeric = (ta == "decimal" or ta == "bigint" or ta == "number") and (tb == "decimal" or tb == "bigint" or tb == "number")
  if not numeric then return nil end
  return dec_compare(to_dec(a), to_dec(b))
end

local function order(a, b)
  local c = compare(a, b)
  if c == nil then
    error("attempt to compare " .. kind_of(a) .. " with " .. kind_of(b), 3)
  end
  if c == 2 then error("attempt to compare with NaN", 3) end
  return c
end

local function equal(a, b)
  local c = compare(a, b)
  return c == 0
end

local function number_text(v)
  cx.number_text(cx, v)
  return host_text()
end

-- Canonical text of any single value; nil for nil.
local function text(v)
  local t = type(v)
  if t == "string" then return v end
  if t == "number" then return number_text(v) end
  if t == "nil" then return nil end
  if t == "boolean" then return v and "1" or "0" end
  if istype(big_t, v) then
    big_text(cx, v.v, v.is_unsigned and 1 or 0)
    return host_text()
  end
  if istype(dec_t, v) then
    cx.dec_text(cx, v)
    return host_text()
  end
  error("text() of a " .. kind_of(v), 2)
end
core.text = text

local function concat(a, b)
  local x, y = text(a), text(b)
  if x == nil or y == nil then error("attempt to concatenate nil (NULL)", 2) end
  return x .. y
end

local big_meta = {
  __add = add, __sub = sub, __mul = mul, __div = div, __mod = mod, __unm = unm, __concat = concat, __tostring = text,
  __eq = equal,
  __lt = function(a, b) return order(a, b) < 0 end,
  __le = function(a, b) return order(a, b) <= 0 end,
  __metatable = false,
}
local dec_methods = {
  round = function(d, scale)
    if not istype(dec_t, d) or type(scale) ~= "number" or scale < 0 or scale > 30 or scale ~= floor(scale) then
      error("usage: d:round(digits after the point)", 2)
    end
    if cx.dec_round(cx, d, scale) ~= 0 then error("decimal overflow", 2) end
    return take_dec()
  end,
}
local dec_meta = {
  __add = add, __sub = sub, __mul = mul, __div = div, __mod = mod, __unm = unm, __concat = concat, __tostring = text,
  __eq = equal,
  __lt = function(a, b) return order(a, b) < 0 end,
  __le = function(a, b) return order(a, b) <= 0 end,
  __index = function(_, name)
    local method = dec_methods[name]
    if method == nil then error("decimal has no `" .. tostring(name) .. "`", 2) end
    return method
  end,
  __metatable = false,
}
ffi.metatype(big_t, big_meta)
ffi.metatype(dec_t, dec_meta)

function core.make_big(v)
  if type(v) == "string" then
    if cx.big_parse(cx, v, #v) ~= 0 then error("bigint: \"" .. v .. "\" is no integer of 64 bits", 2) end
    return big_t(cx.big, cx.big_is_unsigned ~= 0)
  end
  return to_big(v)
end

function core.make_dec(v)
  if type(v) == "string" then
    if cx.dec_parse(cx, v, #v) ~= 0 then error("decimal: \"" .. v .. "\" is no plain decimal number", 2) end
    return take_dec()
  end
  return to_dec(v)
end

function core.to_number(v, base)
  if type(v) == "cdata" then
    if istype(dec_t, v) then return cx.dec_number(v) end
    if istype(big_t, v) then
      if v.is_unsigned or v.v > 9007199254740992LL or v.v < -9007199254740992LL then
        error("tonumber: a bigint beyond 2^53 has no exact number", 2)
      end
      return tonumber(v.v)
    end
    return nil
  end
  if base ~= nil then return tonumber(v, base) end
  return tonumber(v)
end
