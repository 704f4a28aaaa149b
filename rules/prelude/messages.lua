-- luacheck: no max line length
-- What rules say of messages: topic, partition key and headers in row, and whole messages in serialize.
local core = ...
local cx = core.cx
local raise, host_text, band, text = core.raise, core.host_text, core.bit.band, core.text
local type, tostring, pcall, setmetatable, error = type, tostring, pcall, setmetatable, error

local E_COLUMN = 105
local TOPIC, PARTITION_KEY, HEADER, KEY = 1, 2, 3, 4
local NO_TABLE_NAME = 3
local OK, EMPTY = 0, 1

-- Level 3 is the rule that assigned it.
function core.message_text(what, value)
  local t = core.kind_of(value)
  if t == "string" then
    if value == "" then error(what .. " is empty", 3) end
    return value
  end
  if t == "number" or t == "bigint" or t == "decimal" then return text(value) end
  error(what .. " is text, not " .. (value == nil and "nil (NULL)" or "a " .. t), 3)
end

function core.says_in_row(event, what, name, value)
  local fault = cx.say(cx, event, what, name, name and #name or 0, value, #value)
  if fault == NO_TABLE_NAME then error("ev.to: `" .. value .. "` is not of the form database.table", 3) end
  if fault ~= 0 then error("more than 64 headers, or out of memory", 3) end
end

-- serialize ---------------------------------------------------------------------------------------------------------

local filter_numbers = {}
local function filter_number(filter)
  local number = filter_numbers[filter]
  if number ~= nil then return number end
  if type(filter) ~= "string" then error("out:col: a filter is text, not a " .. core.kind_of(filter), 3) end
  number = cx.find_filter(cx, filter, #filter)
  if number < 0 then error("out:col: " .. host_text(), 3) end
  filter_numbers[filter] = number
  return number
end

local current, at, base  -- message plan, event, first cell of the row written about

local function nearest(name)
  local near = core.nearest_name(tostring(name), current.names)
  return near ~= "" and ": did you mean `" .. near .. "`?" or ""
end

local function alive()
  if current == nil then error("out is used outside of the call it was given to", 3) end
end

local out
local methods = {
  put = function(_, value)
    alive()
    if type(value) ~= "string" then
      local t = core.kind_of(value)
      if t ~= "number" and t ~= "bigint" and t ~= "decimal" then
        error("out:put wants text, not " .. (value == nil and "nil (NULL)" or "a " .. t), 2)
      end
      value = text(value)
    end
    cx.put(cx, value, #value)
    return out
  end,
  col = function(_, name, filter)
    alive()
    local code = current.index[name]
    if code == nil then
      raise(E_COLUMN, 2, current.table .. " has no column `" .. core.describe_key(name) .. "`" .. nearest(name))
    end
    local column = band(code, 0xffff)
    if cx.put_column(current.ptr, column, base + column, filter == nil and -1 or filter_number(filter)) ~= OK then
      error("out:col: `" .. name .. "` " .. host_text(), 2)
    end
    return out
  end,
}

local function say(what, name, value)
  if cx.say_message(cx, at, what, name, name and #name or 0, value, #value) ~= OK then
    error("more than 64 headers, or out of memory", 3)
  end
end
local headers = setmetatable({}, {
  __index = function() error("out.headers is only written: out.headers.name = value", 2) end,
  __newindex = function(_, name, value)
    alive()
    if type(name) ~= "string" or name == "" then error("a header's name is text", 2) end
    say(HEADER, name, core.message_text("out.headers." .. name, value))
  end,
  __metatable = false,
})
local sayable = { key = KEY, topic = TOPIC, partition_key = PARTITION_KEY }
out = setmetatable({}, {
  __index = function(_, name)
    local method = methods[name]
    if method ~= nil then return method end
    if name == "headers" then return headers end
    error("out has no `" .. core.describe_key(name) .. "` in serialize; it has put, col, key, topic, partition_key, headers", 2)
  end,
  __newindex = function(_, name, value)
    alive()
    local what = sayable[name]
    if not what then error("out." .. core.describe_key(name) .. " cannot be set; key, topic, partition_key and headers can", 2) end
    say(what, nil, core.message_text("out." .. name, value))
  end,
  __metatable = false,
})

local messages = {}  -- by number

-- `message`: id, ptr, table, database, table_name, names, codes, serialize. Called by the engine once per target layout.
function core.prepare_message(message)
  message.index = {}
  for i = 1, #message.names do message.index[message.names[i]] = message.codes[i] end
  message.ptr = core.ffi.cast("tr_plan*", message.ptr)
  message.event, message.move_event = core.make_event(message)
  messages[message.id] = message
end

local FAILED, DROP = core.FAILED, core.DROP
local SERIALIZE = 3  -- as LuaHook

-- As core.run; the hook is "serialize", the number that of the event.
function core.serialize()
  local ctx, limit = core.context, cx.step_limit
  for r = 0, cx.run_count - 1 do
    local run = cx.runs[r]
    local message = messages[run.plan]
    cx.hook, cx.plan = SERIALIZE, run.plan
    local hook, ev, move = message.serialize, message.event, message.move_event
    for i = run.first_event, run.first_event + run.events - 1 do
      local event = cx.events[i]
      if event.row_is_done == 0 then
        cx.steps_left = limit
        current, at = message, i
        cx.image = i
        base = event.after >= 0 and event.after or event.before
        cx.begin_message(cx, i)
        move(i)
        local verdict = core.verdict_of(pcall(hook, ev, out, ctx))
        move(-1)
        current = nil
        event.row_is_done = 1
        if verdict == DROP then
          event.is_dropped = 1
        elseif verdict == FAILED then
          return "serialize", i, r, core.failure(hook)
        elseif cx.end_message(cx, i) == EMPTY then
          return "serialize", i, r, core.where(hook) .. ": serialize() wrote nothing; return false to send no message", nil
        end
      end
    end
  end
end
