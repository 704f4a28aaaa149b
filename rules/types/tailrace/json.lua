---@meta tailrace.json
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

---@class tailrace.lib.json parts of JSON texts by path
local json = {}
--- the value at a path such as "$.a[0]"; with a table, for `columns`
---@param document string|{ path: string }|nil
---@param path string?
---@return any
function json.get(document, path) end
--- the text with another value at the path
---@param document string?
---@param path string
---@param value any
---@return string?
function json.set(document, path, value) end
--- the text without the path
---@param document string?
---@param path string
---@return string?
function json.remove(document, path) end
--- objects and arrays as tables, exact numbers
---@param document string?
---@return any
function json.decode(document) end
--- a value or table as JSON text
---@param value any
---@return string
function json.encode(value) end
--- an array, also when it is empty
---@param items any[]?
---@return any[]
function json.array(items) end

return json
