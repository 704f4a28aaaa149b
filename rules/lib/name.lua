-- luacheck: no max line length
-- tailrace.name: new names for many columns at once, in the list part of `columns`. Columns with a name of their own in
-- `columns`, and those in `except`, keep it; each rule sees the names that those before it gave.
local core = ...
local type, pcall, error = type, pcall, error
local find = string.find

local function rule(action, arguments, text, by)
  if arguments ~= nil and type(arguments) ~= "table" then
    error("name." .. action .. ": the last argument is a table such as { except = { \"id\" } }", 3)
  end
  local except
  for key, value in core.pairs(arguments or {}) do
    if key ~= "except" then error("name." .. action .. ": unknown key `" .. core.to_string(key) .. "`; known is except", 3) end
    except = value
  end
  return core.handle("name", { action = action, text = text, by = by, except = except })
end

local function text_of(action, what, value)
  if type(value) ~= "string" then error("name." .. action .. ": " .. what .. " is text", 3) end
  return value
end

return core.freeze({
  lower = function(arguments) return rule("lower", arguments) end,
  snake = function(arguments) return rule("snake", arguments) end,  -- createdAt, HTTPServer: created_at, http_server
  prefix = function(prefix, arguments) return rule("prefix", arguments, text_of("prefix", "the prefix", prefix)) end,
  -- Replaces what a Lua pattern finds: name.sub("^f_", "").
  sub = function(pattern, by, arguments)
    text_of("sub", "the pattern", pattern)
    text_of("sub", "what stands in its place", by)
    local ok, reason = pcall(find, "x", pattern)  -- takes its captures, too
    if not ok then error("name.sub: " .. reason, 2) end
    return rule("sub", arguments, pattern, by)
  end,
}, "tailrace.name", true)
