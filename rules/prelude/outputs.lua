-- luacheck: no max line length
-- Rows for the tables that the rule file declares in `outputs`: out:add in map, ev:append in row.
local core = ...
local cx = core.cx
local raise, write_cell, band = core.raise, core.write_cell, core.bit.band
local type, next, tostring, setmetatable, error = type, next, tostring, setmetatable, error

local E_COLUMN, E_OUTPUT = 105, 106
local outputs, output_names = {}, {}

-- `output`: id, ptr, name, names, codes, append. Called by the engine once per output, in the order of their numbers.
function core.prepare_output(output)
  output.ptr = core.ffi.cast("tr_plan*", output.ptr)
  output.index = {}
  for i = 1, #output.names do output.index[output.names[i]] = output.codes[i] end
  outputs[output.name] = output
  output_names[#output_names + 1] = output.name
end

local function nearest(name, names)
  local near = core.nearest_name(tostring(name), names)
  return near ~= "" and ": did you mean `" .. near .. "`?" or ""
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
  local index, ptr = output.index, output.ptr
  for column_name, value in next, values do
    local code = index[column_name]
    if code == nil then
      raise(E_COLUMN, 3, name .. " has no column `" .. core.describe_key(column_name) .. "`" .. nearest(column_name, output.names))
    end
    local column = band(code, 0xffff)
    write_cell(ptr, output, column, base + column, column_name, value, 4)
  end
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
