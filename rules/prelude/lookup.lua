-- luacheck: no max line length
-- ctx.lookup: tables that are read by key. They are native and shared; a state keeps the rows it met last as Lua values.
local core = ...
local ffi, big_t = core.ffi, core.big_t
local string_of = ffi.string
local type, tostring, setmetatable, error = type, tostring, setmetatable, error

ffi.cdef [[
typedef struct tr_lookups {
  int32_t is_unsigned; uint32_t text_size; int64_t big; double number; const char* text;
  int32_t (*find)(struct tr_lookups*, int32_t table, const char* key, uint32_t size);
  int32_t (*cell)(struct tr_lookups*, int32_t table, int32_t row, int32_t column);
} tr_lookups;
]]

local NULL, NUMBER, BIG, TEXT, DECIMAL = 0, 1, 2, 3, 4
local KEPT = 4096  -- rows and missing keys, per table

local function near(name, known)
  local found = core.nearest_name(tostring(name), known)
  return found ~= "" and ": did you mean `" .. found .. "`?" or ""
end

-- `spec`: name, file, key, columns. Level 3 of errors is the rule.
local function make_table(m, id, spec)
  local what = "ctx.lookup." .. spec.name
  local is_column = {}
  for i = 1, #spec.columns do is_column[spec.columns[i]] = true end

  local function value(row, column)
    local kind = m.cell(m, id, row, column)
    if kind == NULL then return nil end
    if kind == NUMBER then return m.number end
    if kind == BIG then return big_t(m.big, m.is_unsigned ~= 0) end
    if kind == TEXT then return string_of(m.text, m.text_size) end
    if kind == DECIMAL then return core.make_dec(string_of(m.text, m.text_size)) end
    error("not enough memory", 0)
  end

  -- The values stand apart from what rules hold, so that none of them can write one.
  local values = setmetatable({}, { __mode = "k" })
  local row_meta = {
    __index = function(row, name)
      local v = values[row][name]
      if v == nil and not is_column[name] then
        core.raise(105, 2, what .. " has no column `" .. tostring(name) .. "`" .. near(name, spec.columns))
      end
      return v
    end,
    __newindex = function() error("a row of " .. what .. " is read-only", 2) end,
    __metatable = false,
  }

  -- What `col` does with a row; of a whole lookup nothing, it is not walked.
  local function refuse(message)
    return function() error(message, 2) end
  end
  local by_name = refuse("a row of " .. what .. " is read by name, and walked by col.each(row)")
  local of_row = { has = by_name, text = by_name, raw = by_name, where = by_name }
  function of_row.next(row, name)
    local i = 1
    while name ~= nil and spec.columns[i] ~= name do i = i + 1 end
    local following = spec.columns[name == nil and 1 or i + 1]
    if following ~= nil then return following, values[row][following] end
  end
  local by_key = refuse(what .. " is read by key, " .. what .. "[key]")
  local of_table = { has = by_key, text = by_key, raw = by_key, where = by_key, next = by_key }

  local kept, count = {}, 0
  local function get(key)
    if key == nil then return nil end  -- NULL is no key
    local t = type(key)
    if t ~= "string" then
      if t ~= "number" and t ~= "cdata" then error(what .. ": a key is text or a number, not a " .. core.kind_of(key), 3) end
      key = core.text(key)
    end
    local row = kept[key]
    if row ~= nil then return row or nil end
    if count >= KEPT then kept, count = {}, 0 end
    local number = m.find(m, id, key, #key)
    if number < 0 then
      row = false
    else
      local cells = {}
      for i = 1, #spec.columns do cells[spec.columns[i]] = value(number, i - 1) end
      row = setmetatable({}, row_meta)
      values[row] = cells
      core.row_internals[row] = of_row
    end
    kept[key], count = row, count + 1
    return row or nil
  end

  local function must(_, key)
    local row = get(key)
    if row == nil then
      local shown = key == nil and "NULL" or core.text(key)
      error(what .. " has no row with " .. spec.key .. " = " .. shown .. " (" .. spec.file .. ")", 2)
    end
    return row
  end
  local proxy = setmetatable({}, {
    __index = function(_, key)
      if key == "must" then return must end
      local row = get(key)
      return row
    end,
    __newindex = function() error(what .. " is read-only", 2) end,
    __metatable = false,
  })
  core.row_internals[proxy] = of_table
  return proxy
end

-- `specs`: a list of { name, file, key, columns }. Called by the engine once.
function core.show_lookups(pointer, specs)
  local m = ffi.cast("tr_lookups*", pointer)
  local tables, names = {}, {}
  for i = 1, #specs do
    tables[specs[i].name] = make_table(m, i - 1, specs[i])
    names[i] = specs[i].name
  end
  core.context_fields.lookup = setmetatable({}, {
    __index = function(_, name)
      local found = tables[name]
      if found == nil then error("`lookups` declares no `" .. tostring(name) .. "`" .. near(name, names), 2) end
      return found
    end,
    __newindex = function() error("ctx.lookup is read-only", 2) end,
    __metatable = false,
  })
end
