-- luacheck: no max line length
-- tailrace.hash: one-way text of 64 hex digits. `salt` and `key` name a `secret` option of the rule file.
local core = ...
return core.freeze({
  sha256 = function(arguments) return core.native("hash.sha256", arguments) end,  -- { salt = }
  hmac = function(arguments) return core.native("hash.hmac", arguments) end,      -- { key = }
}, "tailrace.hash", true)
