-- luacheck: no max line length
-- The ddl hook: called once per schema change, with the event that `ddl(ev, ctx)` sees.
local core = ...
local cx = core.cx
local error, next, pcall, select, setmetatable, tostring, type = error, next, pcall, select, setmetatable, tostring, type
local concat = table.concat

-- What a target's rows have anyway: leaving the statement out would only leave the target behind.
local ROWS_HAVE_IT = { add_column = true, rename_column = true, create_table = true }

local function near(name, known)
  local found = core.nearest_name(tostring(name), known)
  return found ~= "" and ": did you mean `" .. found .. "`?" or ""
end

-- `q`: database, table, statement, target, gtid, ts_us, kinds (names, in order), names (of all kinds).
-- Returns what to do ("send", "skip", "hold"), text, and the kinds to leave out joined by ","; or nil, message, place.
function core.ddl(hook, q)
  local is_known, has = {}, {}
  for i = 1, #q.names do is_known[q.names[i]] = true end
  for i = 1, #q.kinds do has[q.kinds[i]] = true end
  local action, text, left_out = "send", "", {}

  local function each(method, ...)
    local n = select("#", ...)
    if n == 0 then error("ev:" .. method .. " takes the names of kinds, such as \"drop_column\"", 3) end
    local wanted = {}
    for i = 1, n do
      local name = select(i, ...)
      if not is_known[name] then error("no kind of statement is named `" .. core.text(name) .. "`" .. near(name, q.names), 3) end
      wanted[name] = true
    end
    return wanted
  end
  local function leave_out(is_out)
    for i = 1, #q.kinds do
      local name = q.kinds[i]
      if is_out(name) then
        if ROWS_HAVE_IT[name] then
          error(name .. " cannot be left out, the rows have it all the same: drop the column with `columns`, or ev:hold", 3)
        end
        left_out[#left_out + 1] = name
      end
    end
  end
  local function given_text(method, value)
    if type(value) ~= "string" or value == "" then error("ev:" .. method .. " takes a text", 3) end
    return value
  end

  local fields = {
    db = q.database, table = q.table, statement = q.statement, target = q.target, gtid = q.gtid, ts_us = q.ts_us,
    kinds = concat(q.kinds, ", "),
    has = function(_, ...)
      for name in next, each("has", ...) do
        if has[name] then return true end
      end
      return false
    end,
    without = function(_, ...)
      local out = each("without", ...)
      leave_out(function(name) return out[name] end)
      return true
    end,
    only = function(_, ...)
      local kept = each("only", ...)
      leave_out(function(name) return not kept[name] end)
      return true
    end,
    hold = function(_, reason)
      action, text = "hold", given_text("hold", reason)
      return true
    end,
    sql = function(_, statement)
      action, text = "send", given_text("sql", statement)
      return true
    end,
  }
  local names = {}
  for name in next, fields do names[#names + 1] = name end
  local ev = setmetatable({}, {
    __index = function(_, name)
      local value = fields[name]
      if value == nil then error("ev has no field `" .. tostring(name) .. "` here" .. near(name, names), 2) end
      return value
    end,
    __newindex = function() error("ev is read only: ev:sql(text) changes the statement", 2) end,
    __metatable = false,
  })

  local function judged(ok, ...)
    if not ok then
      local message = core.text((...)):gsub("^tailrace%.ddl:%d+: ", "")
      -- `return ev:has(…)` leaves no line behind to name.
      if not message:find("^[^:]+:%d+: ") then message = core.where(hook) .. ": " .. message end
      return nil, message, false
    end
    local n = select("#", ...)
    local value = ...
    if n > 1 or n == 1 and type(value) ~= "boolean" then
      return nil, "ddl() returned a " .. core.kind_of(value) .. ": return nothing, true, false, or what a method of ev gives", core.where(hook)
    end
    if n == 1 and value == false then return "skip", "the rules skip it", "" end
    return action, text, concat(left_out, ",")
  end
  cx.steps_left = cx.step_limit
  return judged(pcall(hook, ev, core.context))
end
