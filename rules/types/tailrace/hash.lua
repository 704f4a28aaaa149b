---@meta tailrace.hash
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

---@class tailrace.lib.hash one-way text of 64 hex digits
local hash = {}
--- `salt` names a secret option
---@param arguments { salt: string }
---@return tailrace.Native
function hash.sha256(arguments) end
--- `key` names a secret option
---@param arguments { key: string }
---@return tailrace.Native
function hash.hmac(arguments) end
--- a number from 0 to n-1 for `columns`
---@param arguments { n: integer }
---@return tailrace.Native
function hash.bucket(arguments) end
--- a number from 0 to n-1, the same for the same values
---@param n integer
---@param ... any
---@return number
function hash.uint(n, ...) end

return hash
