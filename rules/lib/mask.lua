-- luacheck: no max line length
-- tailrace.mask: hide values, keep their type. Handles: native in `columns`, callable in `map`.
local core = ...
return core.freeze({
  email = core.native("mask.email"),  -- jo@x.io -> j***@x.io
  phone = core.native("mask.phone"),  -- all digits but the last four
  card = core.native("mask.card"),
  full = core.native("mask.full"),    -- every character
  null = core.native("mask.null"),
  keep = function(arguments) return core.native("mask.keep", arguments) end,  -- { first =, last =, with = "*" }
}, "tailrace.mask", true)
