-- luacheck: no max line length
-- tailrace.time: dates and points in time as rules see them, in canonical text. Without a zone they count as UTC.
local core = ...
local type = type
local FROM_EPOCH_US, TRUNC, SHIFT = 5, 6, 7

local function call(name, f, a, b, c)
  if a == nil then return nil end
  local text = core.text(a)
  b, c = b or "", c or ""
  if type(b) ~= "string" or type(c) ~= "string" then error("time." .. name .. ": the other arguments are texts", 3) end
  local rc = core.cx.library(core.cx, f, text, #text, b, #b, c, #c)
  if rc == 2 then error("time." .. name .. ": " .. core.host_text(), 3) end
  return core.host_text()
end

return core.freeze({
  epoch_us = core.native("time.epoch_us", nil, core.make_big),
  epoch_ms = core.native("time.epoch_ms", nil, core.make_big),
  epoch_s = core.native("time.epoch_s", nil, core.make_big),
  from_epoch_us = function(us) return (call("from_epoch_us", FROM_EPOCH_US, us)) end,
  -- time.trunc { unit = "day" } for columns, time.trunc(v, "day") in functions.
  trunc = function(v, unit)
    if type(v) == "table" then return core.native("time.trunc", v) end
    return (call("trunc", TRUNC, v, unit))
  end,
  -- `choice` is for wall clocks that `from` shows twice or never: "compatible", "earlier", "later", "reject".
  shift = function(v, from, to, choice)
    if choice ~= nil then
      if type(to) ~= "string" or type(choice) ~= "string" then error("usage: time.shift(v, from, to, \"later\")", 2) end
      to = to .. "|" .. choice
    end
    return (call("shift", SHIFT, v, from, to))
  end,
}, "tailrace.time", true)
