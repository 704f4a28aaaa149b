-- luacheck: no max line length
-- tailrace.json: parts of JSON texts by path, "$.a[0]", and whole documents as tables. Numbers keep their digits; set and
-- remove leave the bytes of all else.
local core = ...
local type, tonumber, tostring, pcall, error, next, setmetatable = type, tonumber, tostring, pcall, error, next, setmetatable
local sort, concat = table.sort, table.concat
local metatable_of = debug.getmetatable
local GET, SET, REMOVE, QUOTE = 1, 2, 3, 9
local MAX_DEPTH = 100

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

-- Marks tables that are arrays, empty ones too.
local array_meta = { __metatable = false }

-- Appends the JSON of a value; returns why not.
local append

local function append_array(out, t, depth)
  local count = #t
  local keys = 0
  for _ in next, t do keys = keys + 1 end
  if keys ~= count then return "a list with holes or other keys (null stands for nothing in a list)" end
  out[#out + 1] = "["
  for i = 1, count do
    if i > 1 then out[#out + 1] = ", " end
    local fault = append(out, t[i], depth)
    if fault then return fault end
  end
  out[#out + 1] = "]"
end

local function append_object(out, t, depth)
  local names = {}
  for name in next, t do
    if type(name) ~= "string" then return "a key of an object is text, not a " .. core.kind_of(name) end
    names[#names + 1] = name
  end
  sort(names)
  out[#out + 1] = "{"
  for i = 1, #names do
    out[#out + 1] = (i > 1 and ", " or "") .. call("encode", QUOTE, names[i], "") .. ": "
    local fault = append(out, t[names[i]], depth)
    if fault then return fault end
  end
  out[#out + 1] = "}"
end

append = function(out, v, depth)
  local t = core.kind_of(v)
  if v == nil or v == core.null then
    out[#out + 1] = "null"
  elseif t == "boolean" then
    out[#out + 1] = v and "true" or "false"
  elseif t == "string" then
    out[#out + 1] = call("encode", QUOTE, v, "")
  elseif t == "number" or t == "bigint" or t == "decimal" then
    if t == "number" and (v ~= v or v == math.huge or v == -math.huge) then return "NaN and infinity have no JSON" end
    out[#out + 1] = core.text(v)
  elseif t == "table" then
    local meta = metatable_of(v)
    if core.row_internals[v] then return "a row has no JSON; name its columns" end
    if meta ~= nil and meta ~= array_meta and meta.__metatable == false then return "a table of the engine has no JSON" end
    if depth >= MAX_DEPTH then return "nested deeper than " .. MAX_DEPTH .. " (a table that holds itself?)" end
    if meta == array_meta or v[1] ~= nil then return append_array(out, v, depth + 1) end
    return append_object(out, v, depth + 1)
  else
    return "a " .. t .. " has no JSON"
  end
end

local function encode(name, v)
  local out = {}
  local fault = append(out, v, 0)
  if fault then error("json." .. name .. ": " .. fault, 3) end
  return concat(out)
end

return core.freeze({
  -- json.get { path = "$.a" } for columns; json.get(text, "$.a") in functions: text, bigint, decimal, boolean, or nil.
  get = function(document, path)
    if type(document) == "table" then return core.native("json.get", document) end
    return (call("get", GET, document, path))
  end,
  set = function(document, path, value) return (call("set", SET, document, path, encode("set", value))) end,
  remove = function(document, path) return (call("remove", REMOVE, document, path)) end,
  -- Tables for objects and arrays, `null` for JSON's null inside of them, exact numbers. nil for nil and for "null".
  decode = function(document)
    if document == nil then return nil end
    if type(document) ~= "string" then error("usage: json.decode(text)", 2) end
    local value, fault = core.decode_json(document, array_meta, core.null, number)
    if fault then error("json.decode: " .. tostring(fault), 2) end
    if value == core.null then return nil end
    return value
  end,
  -- Keys of objects in the order of their bytes. A table with [1], or made by json.array or decode, is an array.
  encode = function(v) return (encode("encode", v)) end,
  -- An array, also when it is empty.
  array = function(t)
    if t ~= nil and (type(t) ~= "table" or metatable_of(t) ~= nil) then error("usage: json.array { … }", 2) end
    return setmetatable(t or {}, array_meta)
  end,
}, "tailrace.json", true)
