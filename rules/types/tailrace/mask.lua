---@meta tailrace.mask
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

---@class tailrace.lib.mask hides values, keeps their type
local mask = {}
--- jo@x.io becomes j***@x.io
---@type tailrace.Native
mask.email = nil
--- all digits but the last four
---@type tailrace.Native
mask.phone = nil
--- all digits but the last four
---@type tailrace.Native
mask.card = nil
--- every character
---@type tailrace.Native
mask.full = nil
--- NULL
---@type tailrace.Native
mask.null = nil
--- keeps the first and last characters
---@param arguments { first: integer?, last: integer?, with: string? }
---@return tailrace.Native
function mask.keep(arguments) end

return mask
