---@meta tailrace.where
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

--- a SQL condition as a function of a row
---@param condition string|{ [1]: string, dialect: string? }
---@return fun(row: tailrace.Row): boolean
local function where(condition) end

return where
