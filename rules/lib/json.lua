-- luacheck: no max line length
-- tailrace.json: parts of JSON texts by path, "$.a[0]". Numbers keep their digits, and what is not touched its bytes.
local core = ...
local type = type
local GET, SET, REMOVE, QUOTE = 1, 2, 3, 9

local function number(text)
  if text:find("[eE]") then return tonumber(text) end
  local ok, exact = pcall(text:find(".", 1, true) and core.make_dec or core.make_big, text)
  if ok then return exact end
  return core.make_dec(text)
end

local function call(name, f, document, path, value)
  if document == nil then return nil end
  if type(document) ~= "string" or type(path) ~= "string" then error("usage: json." .. name .. "(text, path)", 3) end
  local rc = core.cx.library(core.cx, f, document, #document, path, #path, value or "", value and #value or 0)
  if rc == 1 then return nil end
  local text = core.host_text()
  if rc == 0 then return text end
  if rc == 3 then return number(text) end
  if rc == 4 or rc == 5 then return rc == 4 end
  error("json." .. name .. ": " .. text, 3)
end

-- A value as JSON text.
local function encode(v)
  if v == nil or v == core.null then return "null" end
  local t = core.kind_of(v)
  if t == "boolean" then return v and "true" or "false" end
  if t == "string" then return (call("set", QUOTE, v, "")) end
  if t == "number" and (v ~= v or v == math.huge or v == -math.huge) then error("json: NaN and infinity have no JSON", 3) end
  if t == "number" or t == "bigint" or t == "decimal" then return core.text(v) end
  error("json: a " .. t .. " has no JSON here", 3)
end

return core.freeze({
  -- json.get { path = "$.a" } for columns; json.get(text, "$.a") in functions: text, bigint, decimal, boolean, or nil.
  get = function(document, path)
    if type(document) == "table" then return core.native("json.get", document) end
    return (call("get", GET, document, path))
  end,
  set = function(document, path, value) return (call("set", SET, document, path, encode(value))) end,
  remove = function(document, path) return (call("remove", REMOVE, document, path)) end,
}, "tailrace.json", true)
