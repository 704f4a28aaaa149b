-- luacheck: no max line length
-- tailrace.hash: one-way text of 64 hex digits, and even numbers of any values. `salt` and `key` name a `secret` option of
-- the rule file.
local core = ...
local select, tonumber = select, tonumber
local UINT = 8
return core.freeze({
  sha256 = function(arguments) return core.native("hash.sha256", arguments) end,  -- { salt = }
  hmac = function(arguments) return core.native("hash.hmac", arguments) end,      -- { key = }
  bucket = function(arguments) return core.native("hash.bucket", arguments, tonumber) end,  -- { n = }: 0 … n-1
  -- hash.uint(n, seed, …): 0 … n-1, the same for the same values; each counts with its length, nil as nothing.
  uint = function(n, ...)
    local data = ""
    for i = 1, select("#", ...) do
      local part = core.text((select(i, ...)))
      data = data .. (part and #part .. ":" .. part or "-")
    end
    local count = core.text(n) or ""
    local rc = core.cx.library(core.cx, UINT, count, #count, data, #data, "", 0)
    if rc == 2 then error("hash.uint: " .. core.host_text(), 2) end
    return tonumber(core.host_text())
  end,
}, "tailrace.hash", true)
