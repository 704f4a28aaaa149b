-- luacheck: no max line length
-- The names a rule sees, and nothing else. Everything reachable from here is either plain data, frozen, or a function
-- that keeps its internals in upvalues.
local core = ...
local cx = core.cx
local type, error, pcall, select, next, getmetatable, setmetatable =
  type, error, pcall, select, next, getmetatable, setmetatable
local base_tostring, tostring_of = tostring, core.text
local setfenv = setfenv
local sort, insert = table.sort, table.insert
local find, format_text, rep, gsub, byte = string.find, string.format, string.rep, string.gsub, string.byte
local min, tonumber = math.min, tonumber

local MAX_TEXT = 16 * 1024 * 1024

-- A read-only view of `t`; `what` names it in errors. `strict`: an unknown key is an error.
local function freeze(t, what, strict)
  return setmetatable({}, {
    __index = strict and function(_, name)
      local v = t[name]
      if v == nil then error(what .. " has no `" .. base_tostring(name) .. "`", 2) end
      return v
    end or t,
    __newindex = function(_, name)
      error(what .. " is read-only, `" .. base_tostring(name) .. "` cannot be set", 2)
    end,
    __metatable = false,
  })
end
core.freeze = freeze

local handles = {}  -- object -> what it stands for; read by the loader
core.handles = handles
core.callables = {}  -- handles that rules may call, in the order they were made

local function marker(kind)
  local object = setmetatable({}, {
    __index = function() error(kind .. " has no fields", 2) end,
    __newindex = function() error(kind .. " is read-only", 2) end,
    __tostring = function() return "<" .. kind .. ">" end,
    __metatable = false,
  })
  handles[object] = { kind = kind }
  return object
end
core.null = marker("null")
local secret = marker("secret")

-- What the rule file may hold as a value and the engine reads: `kind` with its arguments.
function core.handle(kind, arguments)
  local object = marker(kind)
  handles[object].arguments = arguments
  return object
end

local meta_fields = {}
for _, name in ipairs(core.meta_names) do meta_fields[name] = core.handle("meta", { name = name }) end

-- text of values ---------------------------------------------------------------------------------------------------

local function to_string(v)
  local t = type(v)
  if t == "function" then return "function" end
  if t == "table" then
    if handles[v] then return "<" .. (handles[v].name or handles[v].kind) .. ">" end
    local mt = getmetatable(v)
    if type(mt) == "table" and mt.__tostring then return base_tostring(v) end
    return "table"  -- no address: output must not differ between runs
  end
  return base_tostring(v)
end

local checked_formats, checked_count = {}, 0
local function check_format(format)
  if type(format) ~= "string" then error("bad argument #1 to 'format' (string expected)", 3) end
  local plain = gsub(format, "%%%%", "")
  if find(plain, "%%[%-+ #0%d%.]*p") then error("string.format: %p is not available", 3) end
  if checked_count < 1000 then
    checked_formats[format] = true
    checked_count = checked_count + 1
  end
end

local function printable(...)
  local n = select("#", ...)
  local out = { ... }
  for i = 1, n do
    local t = type(out[i])
    if t == "table" or t == "function" then out[i] = to_string(out[i]) end
  end
  return unpack(out, 1, n)
end

local function safe_format(format, ...)
  if not checked_formats[format] then check_format(format) end
  for i = 1, select("#", ...) do
    local t = type((select(i, ...)))
    if t == "table" or t == "function" then return format_text(format, printable(...)) end
  end
  return format_text(format, ...)
end

local function safe_rep(s, n, separator)
  n = tonumber(n) or n
  if s == "" and (separator == nil or separator == "") then return "" end  -- no loop over nothing
  local size = (type(s) == "string" and #s or type(s) == "number" and 32 or 0) + (separator and #separator or 0)
  if type(n) == "number" and n > 0 and size * n > MAX_TEXT then
    error("string.rep: the result would exceed " .. MAX_TEXT .. " bytes", 2)
  end
  if separator ~= nil then return rep(s, n, separator) end
  return rep(s, n)
end

-- A place far outside of the list would make one call shift all there is up to it.
local function safe_insert(t, ...)
  if select("#", ...) > 1 and type(t) == "table" then
    local place = tonumber((...))
    if not place or place < 1 or place > #t + 1 then error("table.insert: no place from 1 to the end of the list", 2) end
  end
  return insert(t, ...)
end

-- gsub and sort call back from C, and LuaJIT does not see its C stack end: such calls nest so deep and no deeper.
local MAX_NESTING = 100
local nesting = 0
local function leave(ok, ...)
  nesting = nesting - 1
  if not ok then error((...), 0) end
  return ...
end
local function calling_back(f, ...)
  if nesting >= MAX_NESTING then error("functions that are called back by gsub or sort nest too deeply", 3) end
  nesting = nesting + 1
  return leave(pcall(f, ...))
end
local function safe_gsub(s, pattern, replacement, ...)
  if type(replacement) == "string" then return gsub(s, pattern, replacement, ...) end
  return calling_back(gsub, s, pattern, replacement, ...)
end
local function safe_sort(t, less)  -- without `less` metamethods are called back
  return calling_back(sort, t, less)
end

-- Without the JIT a step budget holds, but it cannot look inside one call of a matcher. Its worst case, length ^ number
-- of repeats and of places to begin at, is taken off the budget before it starts.
local STEPS_PER_INSTRUCTION = 1000
local function guard_pattern(f, name)
  return function(s, pattern, init, plain, ...)
    if cx.step_limit > 0 and type(s) == "string" and type(pattern) == "string" and not (name == "find" and plain) then
      local _, repeats = gsub(pattern, "[%*%+%-%?]", "")
      local begins = (name == "gmatch" or byte(pattern) ~= 94) and 1 or 0  -- 94: anchored by ^
      local cost = min((#s + 1) ^ (repeats + begins) / STEPS_PER_INSTRUCTION, 1e15)
      local left = tonumber(cx.steps_left)
      if cost > left then
        error("string." .. name .. ": the pattern could take too long on a text of " .. #s .. " bytes", 2)
      end
      cx.steps_left = left - cost
    end
    return f(s, pattern, init, plain, ...)
  end
end

local safe_string = {
  byte = string.byte, char = string.char, len = string.len, lower = string.lower, upper = string.upper,
  reverse = string.reverse, sub = string.sub, format = safe_format, rep = safe_rep,
  find = guard_pattern(string.find, "find"), match = guard_pattern(string.match, "match"),
  gmatch = guard_pattern(string.gmatch, "gmatch"), gsub = guard_pattern(safe_gsub, "gsub"),
}
function core.capture(s, pattern)
  local found = safe_string.match(s, pattern)
  return found
end
function core.substitute(s, pattern, by)
  local made = safe_string.gsub(s, pattern, by)
  return made
end
local string_meta = getmetatable("")
string_meta.__index = safe_string
string_meta.__metatable = false

-- order of pairs ---------------------------------------------------------------------------------------------------

local rank = { number = 1, string = 2, boolean = 3 }
local function key_less(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return rank[ta] < rank[tb] end
  if ta == "boolean" then return not a and b end
  return a < b
end

local row_internals = setmetatable({}, { __mode = "k" })  -- row proxy -> its accessors
core.row_internals = row_internals

local function sorted_pairs(t)
  if type(t) ~= "table" then error("bad argument #1 to 'pairs' (table expected, got " .. core.kind_of(t) .. ")", 2) end
  if row_internals[t] then error("pairs() does not walk a row: use col.each(row)", 2) end
  local keys = {}
  for k in next, t do
    if not rank[type(k)] then error("pairs() orders string, number and boolean keys only, this table has another", 2) end
    keys[#keys + 1] = k
  end
  sort(keys, key_less)
  local i = 0
  return function()
    i = i + 1
    local k = keys[i]
    if k ~= nil then return k, t[k] end
  end, t, nil
end

core.pairs, core.to_string = sorted_pairs, to_string

-- errors -----------------------------------------------------------------------------------------------------------

local function after_call(ok, ...)
  if not ok then
    if cx.exhausted ~= 0 then error((...), 0) end  -- a spent budget cannot be caught
    cx.error_code = 0
  end
  return ok, ...
end
local function safe_pcall(f, ...) return after_call(pcall(f, ...)) end

-- columns of a row ---------------------------------------------------------------------------------------------------

local function internals(row, name)
  local found = type(row) == "table" and row_internals[row] or nil
  if not found then error("col." .. name .. " needs a row", 3) end
  return found
end
local col = {
  has = function(row, name) return internals(row, "has").has(name) end,
  text = function(row, name) return internals(row, "text").text(name) end,
  raw = function(row, name) return internals(row, "raw").raw(name) end,
  each = function(row) return internals(row, "each").next, row, nil end,
}

-- log --------------------------------------------------------------------------------------------------------------

local function logger(level)
  return function(format, ...)
    local line = select("#", ...) > 0 and safe_format(format, ...) or to_string(format)
    cx.log(cx, level, line, #line)
  end
end
local log = { debug = logger(0), info = logger(1), warn = logger(2), error = logger(3) }

-- native functions -------------------------------------------------------------------------------------------------

core.is_loading = true
local native_count = 0
-- `convert` makes the function's result of its text.
function core.native(name, arguments, convert)
  if not core.is_loading then error(name .. ": make native functions once, at the top of the file", 3) end
  if arguments ~= nil and type(arguments) ~= "table" then error(name .. ": arguments are a table", 3) end
  local id = native_count
  native_count = native_count + 1
  local handle = setmetatable({}, {
    __index = function() error(name .. " has no fields", 2) end,
    __newindex = function() error(name .. " is read-only", 2) end,
    __call = function(_, value)
      if value == nil or name == "mask.null" then return nil end
      local given = tostring_of(value)
      local rc = cx.native_call(cx, id, given, #given)
      if rc == 1 then error(name .. ": not usable while the file loads", 2) end
      if rc == 2 then return nil end
      return convert and convert(core.host_text()) or core.host_text()
    end,
    __metatable = false,
  })
  local copied = {}
  for k, v in next, arguments or {} do copied[k] = v end
  handles[handle] = { kind = "native", name = name, id = id, arguments = copied }
  core.callables[#core.callables + 1] = handle
  return handle
end

-- SQL over one row -----------------------------------------------------------------------------------------------------

local function sql_arguments(name, given)
  if not core.is_loading then error(name .. ": SQL is compiled once, at the top of the file", 3) end
  if type(given) == "string" then return { given } end
  if type(given) ~= "table" or handles[given] then error("usage: " .. name .. " [[expression]]", 3) end
  local copied = {}
  for k, v in next, given do copied[k] = v end
  return copied
end

-- A column's value: columns = { total = sql [[price * count]] }.
local function sql(given) return core.handle("sql", sql_arguments("sql", given)) end

-- A test of a row, for map and row: local eu = where [[region = 'eu']]; eu(row) is true or false.
local where_count = 0
local function where(given)
  local arguments = sql_arguments("where", given)
  local id = where_count
  where_count = where_count + 1
  arguments.id = id
  local handle = setmetatable({}, {
    __index = function() error("where has no fields", 2) end,
    __newindex = function() error("where is read-only", 2) end,
    __call = function(_, row)
      local found = type(row) == "table" and row_internals[row] or nil
      if not found then error("where needs a row: row, ev.before or ev.after", 2) end
      return found.where(id)
    end,
    __metatable = false,
  })
  handles[handle] = { kind = "where", arguments = arguments }
  core.callables[#core.callables + 1] = handle
  return handle
end
core.where_function, core.sql_function = where, sql

-- the environment ----------------------------------------------------------------------------------------------------

local safe_table = { concat = table.concat, insert = safe_insert, remove = table.remove, sort = safe_sort, maxn = table.maxn }
local env = {
  assert = assert, error = error, pcall = safe_pcall, select = select, tonumber = core.to_number, tostring = to_string,
  type = core.kind_of, unpack = unpack, ipairs = ipairs, pairs = sorted_pairs,
  setmetatable = setmetatable, getmetatable = getmetatable,
  string = freeze(safe_string, "string", true),
  table = freeze(safe_table, "table", true),
  bit = freeze(core.bit, "bit", true),
  op = freeze({ insert = "insert", update = "update", delete = "delete", read = "read", truncate = "truncate" }, "op", true),
  col = freeze(col, "col", true), null = core.null, secret = secret,
  meta = freeze(meta_fields, "meta", true), sql = sql, where = where,
  line = function(template)
    if type(template) ~= "string" then error("line wants a template: line \"{id} {name}\"", 2) end
    return core.handle("line", { text = template })
  end,
  json = core.handle("json"),
  text = core.text, bigint = core.make_big, decimal = core.make_dec, log = freeze(log, "log", true),
  print = function(...)
    local words = {}
    for i = 1, select("#", ...) do words[i] = to_string((select(i, ...))) end
    local line = table.concat(words, "\t")
    cx.log(cx, 1, line, #line)
  end,
  key = function(value)
    if value == nil then error("key() of nil (NULL)", 2) end
    return core.text(value)
  end,
}
core.safe_string, core.safe_table = safe_string, safe_table
local safe_math = {}
core.safe_math = safe_math
for name, value in next, math do
  if name ~= "random" and name ~= "randomseed" then safe_math[name] = value end
end
env.math = freeze(safe_math, "math", true)
core.library_names = { [env.string] = "string", [env.table] = "table", [env.math] = "math" }

local later = { metric = true }
setmetatable(env, {
  __index = function(_, name)
    name = base_tostring(name)
    local reason = later[name] and "` is not supported by this version" or "` is not defined"
    core.raise(cx.error_code, 2, "`" .. name .. reason)
  end,
  __newindex = function(_, name)
    error("`" .. base_tostring(name) .. "` would be a new global: use local", 2)
  end,
  __metatable = false,
})

-- modules ------------------------------------------------------------------------------------------------------------

local loaded = {}
core.builtins = {}
local function module(name)
  if type(name) ~= "string" then error("require needs a name", 3) end
  if loaded[name] ~= nil then return loaded[name] end
  if core.builtins[name] then return core.builtins[name] end
  if not core.is_loading then error("require \"" .. name .. "\": modules are loaded once, at the top of the file", 3) end
  local source, chunk_or_reason = core.read_module(name)
  if not source then error("require \"" .. name .. "\": " .. chunk_or_reason, 3) end
  local f, reason = core.compile(source, chunk_or_reason)
  if not f then error(reason, 0) end
  loaded[name] = false  -- a module that requires itself sees false
  local result = setfenv(f, env)(name)
  loaded[name] = result == nil and true or result
  return loaded[name]
end
rawset(env, "require", function(name)
  local result = module(name)
  return result
end)

-- Runs the rule file; returns what it returns.
function core.load(source, chunk)
  local f, reason = core.compile(source, chunk)
  if not f then error(reason, 0) end
  local result = setfenv(f, env)()
  return result
end

function core.set_options(options)
  core.context_fields = setmetatable({ options = freeze(options, "ctx.options", true) }, {
    __index = function(_, name)
      if name == "state" then error("ctx.state needs mode = \"ordered\", and is there in row and tick", 3) end
      if name == "lookup" then error("ctx.lookup has the tables of `lookups`, which this file does not declare", 3) end
    end,
  })
  core.context = freeze(core.context_fields, "ctx", true)
  core.is_loading = false
end
