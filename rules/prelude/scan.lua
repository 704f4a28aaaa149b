-- luacheck: no max line length
-- What the bytecode of a hook tells before it runs: variables outside of it that it changes, loops, and calls that LuaJIT
-- does not compile. Rules never see jit.util.
local core = ...
local util, bit = core.jit_util, core.bit
local band, rshift = bit.band, bit.rshift
local next, type = next, type
local find, sub = string.find, string.sub
local get_upvalue = debug.getupvalue

local function op_at(f, pc)
  local ins, mode = util.funcbc(f, pc)
  if ins then return band(ins, 0xff), ins, mode end
end

-- Numbers of the opcodes, from functions that are known to begin with them.
local OP = {}
do
  local u
  local samples = {
    USETV = function(a) u = a end,
    USETS = function() u = "a" end,
    USETN = function() u = 1 end,
    USETP = function() u = nil end,
    UGET = function() return u end,
    GGET = function() return core_name end, -- luacheck: ignore
    FNEW = function() return function() return u end end,
    LOOP = function() while true do u = 1 end end,
    TSETV = function(a, b, c) a[b] = c end,
    MOV = function(b) local a = b return a end,
    KSTR = function() local a = "a" return a end,
    TGETS = function(a) return a.b end,
  }
  for name, f in next, samples do OP[name] = op_at(f, 1) end
  OP.TSETS = op_at(function(a, b) a.x = b end, 1)
  OP.TSETB = op_at(function(a, b) a[1] = b end, 1)
  OP.CALL = op_at(function(f) f() end, 2)
  OP.CALLT = op_at(function(f) return f() end, 2)
  -- What stands so far behind the assignment in the body of a loop.
  local function behind_body(f, distance)
    local pc = 1
    while op_at(f, pc) ~= OP.USETN do pc = pc + 1 end
    return op_at(f, pc + distance)
  end
  OP.FORL = behind_body(function() for _ = 1, 3 do u = 1 end end, 1)
  OP.ITERL = behind_body(function(f) for _ in f do u = 1 end end, 2)
  OP.JMP = behind_body(function() while true do u = 1 end end, 1)
end
local USET = { [OP.USETV] = true, [OP.USETS] = true, [OP.USETN] = true, [OP.USETP] = true }
local TSET = { [OP.TSETV] = true, [OP.TSETS] = true, [OP.TSETB] = true }
local LOOPS = { [OP.FORL] = true, [OP.ITERL] = true, [OP.LOOP] = true }

-- Not compiled by LuaJIT, as its list of what is not yet implemented has it; `pairs` is our own and makes functions.
local GLOBALS = { pairs = true, unpack = true }
local LIBRARIES = {
  string = { match = true, gmatch = true, gsub = true, find = true },
  table = { sort = true, maxn = true },
  math = { fmod = true },
}
local METHODS = LIBRARIES.string
local slow = {}  -- function -> name, for locals such as `local gsub = string.gsub`
for library, names in next, LIBRARIES do
  local known = library == "string" and core.safe_string or library == "table" and core.safe_table or core.safe_math
  for name in next, names do slow[known[name]] = library .. "." .. name end
end
slow[core.pairs], slow[unpack] = "pairs", "unpack"

local MAX_VISITED = 10000

local function place(f, pc)
  local info = util.funcinfo(f, pc)
  return sub(info.source, 2), info.currentline
end

local function is_of_rules(f)
  local source = util.funcinfo(f).source
  return source ~= nil and sub(source, 1, 1) == "@"
end

-- Is string.find at `pc` given a text without pattern items, or asked for a plain search? `gap`: slots up to its pattern.
local function finds_plainly(f, pc, slot, gap)
  local op, ins = op_at(f, pc + 1)
  if op == OP.KSTR and band(rshift(ins, 8), 0xff) == slot + gap then
    local text = util.funck(f, -rshift(ins, 16) - 1)
    if not find(text, "[%^%$%*%+%?%.%(%[%%%-]") then return true end
  end
  for at = pc + 1, pc + 40 do
    op, ins = op_at(f, at)
    if op == nil then return false end
    if (op == OP.CALL or op == OP.CALLT) and band(rshift(ins, 8), 0xff) == slot then
      return (op == OP.CALL and band(rshift(ins, 16), 0xff) or rshift(ins, 16)) - 1 >= 4  -- text, pattern, init, plain
    end
  end
  return false
end

-- Finds what there is in a function or prototype and in those it makes. `is_outer(i)`: is upvalue i from outside of the hook?
local function scan(f, value_of, is_outer, note)
  local library, from = {}, {}  -- by slot: name of a library, number of an upvalue
  local pc = 1
  while true do
    local op, ins, mode = op_at(f, pc)
    if op == nil then return end
    local a, d = band(rshift(ins, 8), 0xff), rshift(ins, 16)
    local b, c = rshift(ins, 24), band(d, 0xff)
    local new_library, new_from
    if USET[op] then
      if is_outer(a) then note("upvalue", f, pc, util.funcuvname(f, a)) end
    elseif TSET[op] then
      local outer = from[b]
      if outer then note("table", f, pc, util.funcuvname(f, outer)) end
    elseif op == OP.UGET then
      local value = value_of(d)
      if type(value) == "function" and slow[value] then
        if slow[value] ~= "string.find" or not finds_plainly(f, pc, a, 0) then note("call", f, pc, slow[value]) end
      end
      new_library = core.library_names[value]
      if is_outer(d) then new_from = d end
    elseif op == OP.GGET then
      local name = util.funck(f, -d - 1)
      if GLOBALS[name] then note("call", f, pc, name) end
      if LIBRARIES[name] then new_library = name end
    elseif op == OP.TGETS then
      local name = util.funck(f, -c - 1)
      local known = library[b]
      if known then
        if LIBRARIES[known][name] then
          -- The pattern stands two slots behind the function; where a frame takes two slots, three.
          if not (name == "find" and (finds_plainly(f, pc + 1, a, 2) or finds_plainly(f, pc + 1, a, 3))) then
            note("call", f, pc, known .. "." .. name)
          end
        end
      elseif METHODS[name] and pc > 1 then
        local before, moved = op_at(f, pc - 1)
        local to = before == OP.MOV and rshift(moved, 16) == b and band(rshift(moved, 8), 0xff) - a or 0
        if to == 1 or to == 2 then
          if not (name == "find" and finds_plainly(f, pc, a, to + 1)) then note("call", f, pc, "string." .. name) end
        end
      end
    elseif op == OP.FNEW then
      note("function", f, pc)
      local inner = util.funck(f, -d - 1)
      local mine = {}  -- names of what this function has from outside
      for i = 0, (util.funcinfo(f).upvalues or 0) - 1 do
        if is_outer(i) then mine[util.funcuvname(f, i)] = i end
      end
      local function inner_value(i)
        local outer = mine[util.funcuvname(inner, i)]
        if outer then return value_of(outer) end
      end
      scan(inner, inner_value, function(i) return mine[util.funcuvname(inner, i)] ~= nil end, note)
    elseif LOOPS[op] then
      note(op == OP.LOOP and "endless" or "loop", f, pc)
    elseif op == OP.JMP and d < 0x8000 then
      local has_loop = false  -- that of a `while` is noted at its LOOP
      for at = pc + 1 + d - 0x8000, pc - 1 do has_loop = has_loop or op_at(f, at) == OP.LOOP end
      if not has_loop then note("endless", f, pc) end
    end
    if band(mode, 7) == 1 then library[a], from[a] = new_library, new_from end  -- the instruction writes slot a
    if op == OP.CALL then
      for slot = a, a + 20 do library[slot], from[slot] = nil, nil end
    end
    pc = pc + 1
  end
end

-- A list of { kind, file, line, name, is_direct } of everything the hook may run. `is_direct`: by its own text or a function it
-- names, not one in a table that it can reach.
function core.scan(hook)
  local found, seen, visited = {}, {}, 0
  local function look(f, is_direct)
    if seen[f] or not is_of_rules(f) then return end
    seen[f] = true
    local values = {}
    local count = util.funcinfo(f).upvalues or 0
    for i = 1, count do
      local _, value = get_upvalue(f, i)
      values[i - 1] = value
    end
    scan(f, function(i) return values[i] end, function() return true end, function(kind, where, pc, name)
      local file, line = place(where, pc)
      found[#found + 1] = { kind, file, line, name or "", is_direct }
    end)
    local function reach(value, depth)
      if type(value) == "function" then
        look(value, is_direct and depth == 0)
      elseif type(value) == "table" and not seen[value] and depth < 4 and not core.handles[value] then
        seen[value] = true
        for _, inner in next, value do
          visited = visited + 1
          if visited > MAX_VISITED then return end
          reach(inner, depth + 1)
        end
      end
    end
    for i = 0, count - 1 do reach(values[i], 0) end
  end
  look(hook, true)
  return found
end
