---@meta tailrace.name
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

---@class tailrace.lib.name new names for many columns at once
local name = {}
--- ASCII letters in small
---@param arguments { except: string[]? }?
---@return tailrace.Names
function name.lower(arguments) end
--- createdAt becomes created_at
---@param arguments { except: string[]? }?
---@return tailrace.Names
function name.snake(arguments) end
--- puts a text in front
---@param prefix string
---@param arguments { except: string[]? }?
---@return tailrace.Names
function name.prefix(prefix, arguments) end
--- replaces what a Lua pattern finds
---@param pattern string
---@param by string
---@param arguments { except: string[]? }?
---@return tailrace.Names
function name.sub(pattern, by, arguments) end

return name
