-- luacheck: ignore
-- What a rule can and cannot reach, checked while the file loads.
local function raises(f, text)
  local ok, message = pcall(f)
  assert(not ok, "expected an error with: " .. text)
  assert(message:find(text, 1, true), message)
end

raises(function() return os end, "`os` is not defined")
raises(function() return io end, "not defined")
raises(function() return ffi end, "not defined")
raises(function() return jit end, "not defined")
raises(function() return debug end, "not defined")
raises(function() return _G end, "not defined")
raises(function() return load end, "not defined")
raises(function() return loadstring end, "not defined")
raises(function() return dofile end, "not defined")
raises(function() return setfenv end, "not defined")
raises(function() return getfenv end, "not defined")
raises(function() return rawset end, "not defined")
raises(function() return rawget end, "not defined")
raises(function() return rawequal end, "not defined")
raises(function() return collectgarbage end, "not defined")
raises(function() return newproxy end, "not defined")
raises(function() return coroutine end, "not defined")
raises(function() return next end, "not defined")
raises(function() return package end, "not defined")
raises(function() return module end, "not defined")
raises(function() return metric end, "not supported by this version")
raises(function() some_global = 1 end, "new global")
raises(function() string.format = nil end, "read-only")
raises(function() table.insert = nil end, "read-only")
raises(function() math.floor = nil end, "read-only")
raises(function() op.inser = nil end, "read-only")
raises(function() return op.inser end, "op has no `inser`")
raises(function() return string.dump end, "string has no `dump`")
raises(function() return ("x").dump(print) end, "")
raises(function() return math.random() end, "math has no `random`")
raises(function() setmetatable(string, {}) end, "protected metatable")
assert(getmetatable("") == false and getmetatable(string) == false and getmetatable(null) == false)
assert(type(getmetatable(bigint(1))) == "string" and type(getmetatable(decimal "1")) == "string")
raises(function() return require "ffi" end, "ffi.lua")
raises(function() return require "../secret" end, "module name")
raises(function() return require "a..b" end, "module name")
raises(function() return require "/etc/passwd" end, "module name")
raises(function() return require "tailrace.sql" end, "built in")

raises(function() return string.rep("x", 1e9) end, "exceed")
raises(function() return ("x"):rep(1e9) end, "exceed")
raises(function() return ("x"):rep(1e6, ("y"):rep(1e6)) end, "exceed")
raises(function() return string.format("%p", {}) end, "%p")
raises(function() return string.format("%99999d", 1) end, "")
assert(tostring({}) == "table" and tostring(print) == "function" and string.format("%s", {}) == "table")

-- pairs has one order
local seen = {}
for k in pairs({ zeta = 1, alpha = 2, [3] = 1, [1] = 1, [2] = 1, [true] = 0 }) do seen[#seen + 1] = tostring(k) end
assert(table.concat(seen, " ") == "1 2 3 alpha zeta true", table.concat(seen, " "))
raises(function() for _ in pairs({ [print] = 1 }) do return end end, "orders")

-- errors caught inside keep their text; error objects pass
local ok, object = pcall(error, { code = 7 })
assert(not ok and object.code == 7)
assert(select("#", pcall(function() return nil, nil end)) == 3)

local mask = require "tailrace.mask"
raises(function() mask.email = 1 end, "read-only")
raises(function() return mask.mail end, "has no `mail`")
raises(function() return mask.email("a@b") end, "while the file loads")
assert(bit.band(6, 3) == 2 and unpack({ 1, 2 }) == 1 and ipairs({}) and key(7) == "7")

return { api = 1 }
