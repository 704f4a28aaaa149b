-- luacheck: no max line length
-- Rows for the tables that the rule file declares in `outputs`: out:add in map, ev:append in row.
local core = ...
local cx = core.cx
local raise, write_cell, band = core.raise, core.write_cell, core.bit.band
local type, next, tostring, setmetatable, error, table = type, next, tostring, setmetatable, error, table

local E_COLUMN, E_OUTPUT = 105, 106
local outputs, output_names = {}, {}

local function nearest(name, names)
  local near = core.nearest_name(tostring(name), names)
  return near ~= "" and ": did you mean `" .. near .. "`?" or ""
end

-- One pair of the table that the rule gave. Level 5 is the rule: raise, this, fill, give, its caller, the rule.
local function put(output, base, column_name, value)
  local code = output.index[column_name]
  if code == nil then
    raise(E_COLUMN, 5,
      output.name .. " has no column `" .. core.describe_key(column_name) .. "`" .. nearest(column_name, output.names))
  end
  local column = band(code, 0xffff)
  write_cell(output.ptr, output, column, base + column, column_name, value, 6)
end

-- A loop here would keep the batch loop from being compiled as a whole, so the steps are written out, one per column. A
-- table with more keys than columns has one that is no column.
local function make_fill(output)
  local lines = { "local output, put, next = ...", "return function(values, base)", "local k, v = next(values)" }
  for _ = 1, #output.names + 1 do
    lines[#lines + 1] = "if k == nil then return end put(output, base, k, v) k, v = next(values, k)"
  end
  lines[#lines + 1] = "end"
  return core.compile(table.concat(lines, "\n"), "=tailrace.fill")(output, put, next)
end

-- `output`: id, ptr, name, names, codes, append. Called by the engine once per output, in the order of their numbers.
function core.prepare_output(output)
  output.ptr = core.ffi.cast("tr_plan*", output.ptr)
  output.index = {}
  for i = 1, #output.names do output.index[output.names[i]] = output.codes[i] end
  output.fill = make_fill(output)
  outputs[output.name] = output
  output_names[#output_names + 1] = output.name
end

-- Level 4 is the rule: raise, give, its caller, the rule.
local function give(what, name, values, append)
  local output = outputs[name]
  if output == nil then
    raise(E_OUTPUT, 3, what .. ": `outputs` declares no `" .. core.describe_key(name) .. "`" .. nearest(name, output_names))
  end
  if output.append ~= append then
    raise(E_OUTPUT, 3, output.append and name .. " has append = true: its rows are added in row, by ev:append"
      or name .. " has a key: its rows are given in map, by out:add")
  end
  if type(values) ~= "table" or core.row_internals[values] then
    raise(E_OUTPUT, 3, what .. " wants a table { column = value } for " .. name)
  end
  local base = cx.emit(cx, output.id)
  if base < 0 then
    raise(E_OUTPUT, 3, base == -1 and what .. ": more than 1000 rows for one image" or what .. ": out of memory")
  end
  output.fill(values, base)
  local lacking = cx.close_row(cx, output.id)
  if lacking >= 0 then
    raise(E_OUTPUT, 3, what .. ": column `" .. output.names[lacking + 1] .. "` of " .. name .. " needs a value")
  end
end

function core.describe_key(name)
  local t = type(name)
  if t == "string" or t == "number" then return tostring(name) end
  return "(a " .. core.kind_of(name) .. ")"
end

function core.append_row(name, values)
  give("ev:append", name, values, true)
end

local function add(_, name, values)
  give("out:add", name, values, false)
end
local out_fields = { add = add }
core.out = setmetatable({}, {
  __index = function(_, name)
    local field = out_fields[name]
    if field == nil then error("out has no `" .. core.describe_key(name) .. "` in map; it has add", 2) end
    return field
  end,
  __newindex = function() error("out is read-only in map", 2) end,
  __metatable = false,
})
