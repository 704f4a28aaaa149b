-- luacheck: no max line length
-- What ordered rules remember: ctx.state in row and tick. An event's writes count once its function is through.
local core = ...
local ffi, cx, big_t = core.ffi, core.cx, core.big_t
local string_of, istype = ffi.string, ffi.istype
local type, tostring, pcall, setmetatable, error, floor = type, tostring, pcall, setmetatable, error, math.floor

ffi.cdef [[
typedef struct tr_memory {
  int32_t is_open, is_unsigned; int64_t big; double number; const char* text; uint32_t text_size;
  void (*begin)(struct tr_memory*, int64_t ts_us);
  int32_t (*commit)(struct tr_memory*);
  void (*abort)(struct tr_memory*);
  void (*key_begin)(struct tr_memory*);
  void (*key_text)(struct tr_memory*, const char* text, uint32_t size);
  void (*key_big)(struct tr_memory*, int64_t value, int32_t is_unsigned);
  int32_t (*find)(struct tr_memory*, int32_t state);
  int32_t (*put_number)(struct tr_memory*, int32_t state, double value);
  int32_t (*put_big)(struct tr_memory*, int32_t state, int64_t value, int32_t is_unsigned);
  int32_t (*put_text)(struct tr_memory*, int32_t state, const char* text, uint32_t size);
  int32_t (*put_bool)(struct tr_memory*, int32_t state, int32_t value);
  int32_t (*remove)(struct tr_memory*, int32_t state);
} tr_memory;
]]

local LIMIT = 9007199254740992
local NOTHING, NUMBER, BIG, TEXT = 0, 1, 2, 3
local TOO_LARGE, TOO_MANY = 1, 2


local function article(kind) return kind == "nil" and "nil (NULL)" or "a " .. kind end
local function is_whole(v) return type(v) == "number" and v == floor(v) and v <= LIMIT and v >= -LIMIT end

-- Reads and writes of one state. Level 4 is the rule: error, put_part, put_key, its caller, the rule.
local function make_state(m, id, name, kinds, value_kind)
  local what = "ctx.state." .. name
  local function put_part(kind, key)
    if kind == "text" then
      if type(key) ~= "string" then error(what .. ": the key is text, not " .. article(core.kind_of(key)), 4) end
      m.key_text(m, key, #key)
    elseif is_whole(key) then
      m.key_big(m, key, 0)
    elseif type(key) == "cdata" and istype(big_t, key) then
      m.key_big(m, key.v, key.is_unsigned and 1 or 0)
    else
      error(what .. ": the key is a bigint, not " .. article(core.kind_of(key)), 4)
    end
  end
  local count = #kinds
  local function put_key(key)
    if m.is_open == 0 then
      error("ctx.state is there in row and tick: map and serialize are asked about one row image, whatever came before it", 3)
    end
    m.key_begin(m)
    if count == 1 then
      put_part(kinds[1], key)  -- no tail call: error levels count it
      return
    end
    if type(key) ~= "table" or core.row_internals[key] or core.handles[key] or #key ~= count then
      error(what .. ": the key is a list of " .. count .. " values", 3)
    end
    for i = 1, count do put_part(kinds[i], key[i]) end
  end
  local function put_value(value)
    if value == nil or value == core.null then return m.remove(m, id) end
    if value_kind == "text" then
      if type(value) == "string" then return m.put_text(m, id, value, #value) end
    elseif value_kind == "number" then
      if type(value) == "number" and value == value then return m.put_number(m, id, value) end
    elseif value_kind == "boolean" then
      if type(value) == "boolean" then return m.put_bool(m, id, value and 1 or 0) end
    elseif is_whole(value) then
      return m.put_big(m, id, value, 0)
    elseif type(value) == "cdata" and istype(big_t, value) then
      return m.put_big(m, id, value.v, value.is_unsigned and 1 or 0)
    end
    error(what .. " holds " .. (value_kind == "text" and "text" or "a " .. value_kind) .. ", not " .. article(core.kind_of(value)), 3)
  end
  return setmetatable({}, {
    __index = function(_, key)
      put_key(key)
      local kind = m.find(m, id)
      if kind == NOTHING then return nil end
      if kind == TEXT then return string_of(m.text, m.text_size) end
      if kind == NUMBER then return m.number end
      if kind == BIG then return big_t(m.big, m.is_unsigned ~= 0) end
      return m.big ~= 0
    end,
    __newindex = function(_, key, value)
      put_key(key)
      local fault = put_value(value)
      if fault == TOO_LARGE then error(what .. ": the entry is larger than max_bytes", 2) end
      if fault == TOO_MANY then error("more than 10000 writes to ctx.state by one call", 2) end
      if fault ~= 0 then error("not enough memory", 2) end
    end,
    __metatable = false,
  })
end

-- `states`: a list of { name, keys, value }. Called by the engine once, for ordered rules.
function core.remember(pointer, states)
  local m = ffi.cast("tr_memory*", pointer)
  local proxies = {}
  for i = 1, #states do
    local one = states[i]
    proxies[one.name] = make_state(m, i - 1, one.name, one.keys, one.value)
  end
  local names = {}
  for i = 1, #states do names[i] = states[i].name end
  core.context_fields.state = setmetatable({}, {
    __index = function(_, name)
      local found = proxies[name]
      if found ~= nil then return found end
      local near = core.nearest_name(tostring(name), names)
      error("`state` declares no `" .. tostring(name) .. "`" .. (near ~= "" and ": did you mean `" .. near .. "`?" or ""), 2)
    end,
    __newindex = function() error("ctx.state is read-only: write ctx.state.name[key] = value", 2) end,
    __metatable = false,
  })
  core.memory = m
end

-- Nil, or the message and for a bad return the place of the function.
function core.tick(f, now_us)
  local m = core.memory
  cx.steps_left = cx.step_limit > 0 and cx.step_limit or cx.steps_left
  m.begin(m, now_us)
  local verdict = core.verdict_of(pcall(f, core.context, now_us))
  if verdict == core.FAILED then
    m.abort(m)
    local message, place = core.failure(f)
    error(place and place .. ": tick() " .. message or message, 0)
  end
  if m.commit(m) ~= 0 then error("not enough memory", 0) end
end
