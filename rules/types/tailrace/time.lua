---@meta tailrace.time
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

---@class tailrace.lib.time dates and times in canonical text
local time = {}
--- microseconds since 1970
---@type tailrace.Native
time.epoch_us = nil
--- milliseconds since 1970
---@type tailrace.Native
time.epoch_ms = nil
--- seconds since 1970
---@type tailrace.Native
time.epoch_s = nil
--- the text of a point in time
---@param us number|tailrace.bigint|nil
---@return string?
function time.from_epoch_us(us) end
--- cut to a unit such as "day"; with a table, for `columns`
---@param value string|{ unit: string }|nil
---@param unit string?
---@return any
function time.trunc(value, unit) end
--- from one zone to another; `choice` is for times that `from` shows twice or never
---@param value string?
---@param from string
---@param to string
---@param choice ("compatible"|"earlier"|"later"|"reject")?
---@return string?
function time.shift(value, from, to, choice) end

return time
