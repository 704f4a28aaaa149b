-- luacheck: no max line length
-- Rows as rules see them: proxies over the cells of the batch. The cells' address never leaves the upvalues below,
-- and a proxy kept beyond its hook refuses to be read.
local core = ...
local ffi, cx = core.ffi, core.cx
local big_t, dec_t = core.big_t, core.dec_t
local raise, host_text, take_dec = core.raise, core.host_text, core.take_dec
local band, rshift = core.bit.band, core.bit.rshift
local type, tonumber, tostring, error, next, setmetatable = type, tonumber, tostring, error, next, setmetatable
local string_of, istype = ffi.string, ffi.istype
local set_null, set_bool, set_number, set_big = cx.set_null, cx.set_bool, cx.set_number, cx.set_big
local set_dec, set_text, get_text, get_dec = cx.set_dec, cx.set_text, cx.get_text, cx.get_dec
local where_test = cx.where_test

local E_WRITE, E_COLUMN, E_INTERNAL = 104, 105, 1
local ABSENT, NULL = 0, 1
-- How a column is read; given by the engine per column.
local NUMBER, DOUBLE, TEXT, BIG, UNSIGNED_BIG, DECIMAL = 1, 2, 3, 4, 5, 6
local BIG_AS_NUMBER, UNSIGNED_AS_NUMBER = 8, 9
local EXACT = 9007199254740992LL

local function nearest(plan, name)
  local near = core.nearest_name(tostring(name), plan.names)
  return near ~= "" and ": did you mean `" .. near .. "`?" or ""
end

local function no_column(plan, name)
  raise(E_COLUMN, 3, plan.table .. " has no column `" .. tostring(name) .. "`" .. nearest(plan, name))
end

local function not_readable(plan, name, kind)
  if kind == ABSENT then
    raise(E_COLUMN, 3, "column `" .. name .. "` is not in this row image: test with col.has")
  end
  raise(E_INTERNAL, 3, "column `" .. name .. "` of " .. plan.table .. " holds a value of another kind")
end

-- A 64-bit integer that the entry wants as a plain number.
local function exact_number(v, is_unsigned, name)
  if v > EXACT or (v < 0 and (is_unsigned or v < -EXACT)) then
    error("column `" .. name .. "`: " .. core.text(big_t(v, is_unsigned and v < 0)) ..
      " is beyond 2^53, where as = \"number\" is not exact: read it as a bigint", 3)
  end
  return tonumber(v)
end

-- `level` is that of the rule, as error() counts it from the caller's caller.
local function write_cell(ptr, plan, column, at, name, value, level)
  local t = type(value)
  local fault
  if t == "number" then
    fault = set_number(ptr, column, at, value)
  elseif t == "string" then
    fault = set_text(ptr, column, at, value, #value)
  elseif t == "nil" or value == core.null then
    fault = set_null(ptr, column, at)
  elseif t == "boolean" then
    fault = set_bool(ptr, column, at, value and 1 or 0)
  elseif istype(big_t, value) then
    fault = set_big(ptr, column, at, value.v, value.is_unsigned and 1 or 0)
  elseif istype(dec_t, value) then
    fault = set_dec(ptr, column, at, value)
  else
    raise(E_WRITE, level, "column `" .. name .. "`: a " .. core.kind_of(value) .. " cannot be written")
  end
  if fault == 0 then return end
  cx.fault_text(plan.ptr, column, fault)
  raise(E_WRITE, level, "column `" .. name .. "`: " .. host_text())
end
core.write_cell = write_cell

local function stale()
  error("this row is used outside of the call it was given to", 3)
end

local function read_only()
  error("values are changed in map(row)", 2)
end

-- One prototype for all tables: the machine code is shared, only upvalues differ. Returns the proxy, the function that
-- moves it to the image whose first cell is given (-1: nowhere), and the one that makes it a row of another plan whose
-- columns have the same names and codes.
function core.make_row(plan, writable)
  local ptr, index, names = plan.ptr, plan.index, plan.names
  local base = -1

  local function row_index(_, name)
    local code = index[name]
    if code == nil then no_column(plan, name) end
    if base < 0 then stale() end
    local at = base + band(code, 0xffff)
    local cell = cx.cells[at]
    local kind = cell.kind
    if kind ~= rshift(code, 20) then
      if kind == NULL then return nil end
      not_readable(plan, name, kind)
    end
    local class = band(rshift(code, 16), 15)
    if class == NUMBER then return tonumber(cell.i) end
    if class == TEXT then return string_of(cell.p, cell.size) end
    if class == BIG then return big_t(cell.i, false) end
    if class == DOUBLE then return cell.d end
    if class == UNSIGNED_BIG then
      local v = cell.i
      return big_t(v, v < 0)
    end
    if class == DECIMAL then
      if get_dec(ptr, band(code, 0xffff), at) ~= 0 then not_readable(plan, name, kind) end
      return take_dec()
    end
    if class >= BIG_AS_NUMBER then
      local v = exact_number(cell.i, class == UNSIGNED_AS_NUMBER, name)
      return v
    end
    get_text(ptr, band(code, 0xffff), at)
    return host_text()
  end

  local function row_newindex(_, name, value)
    local code = index[name]
    if code == nil then no_column(plan, name) end
    if base < 0 then stale() end
    local column = band(code, 0xffff)
    return write_cell(ptr, plan, column, base + column, name, value, 2)
  end

  local function place(name)
    local code = index[name]
    if code == nil then no_column(plan, name) end
    if base < 0 then stale() end
    return band(code, 0xffff)
  end

  local row = setmetatable({}, {
    __index = row_index,
    __newindex = writable and row_newindex or read_only,
    __metatable = false,
  })
  core.row_internals[row] = {
    has = function(name)
      return cx.cells[base + place(name)].kind ~= ABSENT
    end,
    text = function(name)
      local column = place(name)
      local kind = cx.cells[base + column].kind
      if kind == ABSENT then not_readable(plan, name, kind) end
      if kind == NULL then return nil end
      get_text(ptr, column, base + column)
      return host_text()
    end,
    where = function(id)
      if base < 0 then stale() end
      local rc = where_test(cx, ptr, id, base)
      if rc == 2 then raise(cx.error_code, -1, host_text()) end  -- it has its own place
      return rc == 1
    end,
    raw = function(name)
      local column = place(name)
      local cell = cx.cells[base + column]
      if cell.kind == NULL then return nil end
      if cell.kind ~= plan.kind.enum and cell.kind ~= plan.kind.set then
        error("col.raw reads ENUM and SET columns, `" .. name .. "` is neither", 2)
      end
      local v = cell.i
      return big_t(v, v < 0)
    end,
    -- Iterator of col.each: columns of this image in the order of the schema.
    next = function(_, name)
      local i = name == nil and 1 or place(name) + 2
      while true do
        local following = names[i]
        if following == nil then return nil end
        if base < 0 then stale() end
        if cx.cells[base + i - 1].kind ~= ABSENT then return following, row[following] end
        i = i + 1
      end
    end,
  }
  return row, function(cell) base = cell end, function(other)
    plan, ptr = other, other.ptr
  end
end

-- The event that `row(ev)` is given, and the function that moves it to an event of the batch.
local GTID, POSITION, KEY = 1, 2, 3
local TOPIC, PARTITION_KEY, HEADER, TO = 1, 2, 3, 5
local sayable = { topic = TOPIC, partition_key = PARTITION_KEY, to = TO }

-- `says`: the function that notes what the rule says of the message; only `row` has one.
function core.make_event(plan, says)
  local before, move_before = core.make_row(plan, false)
  local after, move_after = core.make_row(plan, false)
  local ptr, index = plan.ptr, plan.index
  local current = after
  local at = -1

  local function each_changed(...)
    if at < 0 then stale() end  -- ev.changed itself can be kept
    local event = cx.events[at]
    if event.before < 0 or event.after < 0 then return nil end
    local count, wanted = 0, 0
    for _, code in next, index do
      local column = band(code, 0xffff)
      if cx.changed(ptr, event.before + column, event.after + column) ~= 0 then count = count + 1 end
    end
    for i = 1, select("#", ...) do
      local name = select(i, ...)
      local code = index[name]
      if code == nil then no_column(plan, name) end
      local column = band(code, 0xffff)
      if cx.changed(ptr, event.before + column, event.after + column) ~= 0 then wanted = wanted + 1 end
    end
    return count, wanted
  end

  local event_text = function(what)
    if cx.event_text(cx, at, what) ~= 0 then return nil end
    return host_text()
  end
  local function append(_, name, values)
    if at < 0 then stale() end
    return core.append_row(name, values)
  end

  local fields = {
    op = function() return core.op_names[cx.events[at].op] end,
    db = function() return plan.database end,
    table = function() return plan.table_name end,
    ts_us = function() return tonumber(cx.events[at].ts_us) end,
    gtid = function() return event_text(GTID) end,
    pos = function() return event_text(POSITION) end,
    key = function() return event_text(KEY) end,
    txn = function()
      return core.freeze({ id = event_text(GTID), ordinal = cx.event_ordinal(cx, at) }, "ev.txn", true)
    end,
    snapshot = function() return core.op_names[cx.events[at].op] == "read" end,
    before = function() return cx.events[at].before >= 0 and before or nil end,
    after = function() return cx.events[at].after >= 0 and after or nil end,
    -- Did any of the columns change? Without columns: did anything? False for inserts and deletes.
    changed = function()
      return function(_, ...)
        local count, wanted = each_changed(...)
        if count == nil then return false end
        if select("#", ...) == 0 then return count > 0 end
        return wanted > 0
      end
    end,
    changed_only = function()
      return function(_, ...)
        local count, wanted = each_changed(...)
        return count ~= nil and wanted > 0 and wanted == count
      end
    end,
    append = function() return append end,
  }
  local headers = setmetatable({}, {
    __index = function() error("ev.headers is only written: ev.headers.name = value", 2) end,
    __newindex = function(_, name, value)
      if at < 0 then stale() end
      if type(name) ~= "string" or name == "" then error("a header's name is text", 2) end
      says(at, HEADER, name, core.message_text("ev.headers." .. name, value))
    end,
    __metatable = false,
  })
  if says then fields.headers = function() return headers end end

  local ev = setmetatable({}, {
    __index = function(_, name)
      if at < 0 then stale() end
      local field = fields[name]
      if field ~= nil then return field() end
      if index[name] == nil then
        if sayable[name] then error("ev." .. name .. " is only written", 2) end
        no_column(plan, name)
      end
      return current[name]
    end,
    __newindex = function(_, name, value)
      if at < 0 then stale() end
      local what = says and sayable[name]
      if not what then error("values are changed in map(row)", 2) end
      says(at, what, nil, core.message_text("ev." .. name, value))
    end,
    __metatable = false,
  })
  return ev, function(event)
    at = event
    if event < 0 then
      move_before(-1)
      move_after(-1)
      return
    end
    local e = cx.events[event]
    move_before(e.before)
    move_after(e.after)
    current = e.after >= 0 and after or before
  end
end
