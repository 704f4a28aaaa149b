-- Functions of the whole rule file: start, txn, on_error.
local core = ...
local cx = core.cx
local pcall, error, select, type = pcall, error, select, type

-- Raises with the place of the function in front.
local function wrong(f, name, verdict)
  if verdict ~= core.FAILED then return end
  local message, place = core.failure(f)
  if place then
    cx.error_code = 103
    error(place .. ": " .. name .. "() " .. message, 0)
  end
  error(message, 0)
end

function core.start(f)
  cx.steps_left = cx.step_limit > 0 and cx.step_limit or cx.steps_left
  wrong(f, "start", core.verdict_of(pcall(f, core.context)))
end

-- True: the transaction stays. `t`: id, server_id, ts_us.
function core.keeps_txn(f, t)
  cx.steps_left = cx.step_limit > 0 and cx.step_limit or cx.steps_left
  local verdict = core.verdict_of(pcall(f, core.freeze(t, "t", true), core.context))
  wrong(f, "txn", verdict)
  return verdict ~= core.DROP
end

local answers = { stop = true, dead_letter = true, skip = true }

-- What on_error says, nil for nothing. The event is the only one of the batch shown.
function core.ask_on_error(f, err)
  cx.steps_left = cx.step_limit > 0 and cx.step_limit or cx.steps_left
  local ev, move = core.event_of(cx.runs[0].plan)
  move(0)
  local ok, said = pcall(f, core.freeze(err, "err", true), ev)
  move(-1)
  if not ok then error(said, 0) end
  if said ~= nil and not answers[said] then
    cx.error_code = 103
    error(core.where(f) .. ': on_error() returned something else than "stop", "dead_letter" or "skip"', 0)
  end
  return said
end

-- What the function of a table's entry gives; it may make native functions and SQL of its own.
function core.entry(f, t, name)
  cx.steps_left = cx.step_limit > 0 and cx.step_limit or cx.steps_left
  local function judge(ok, ...)
    core.is_loading = false
    if not ok then error((...), 0) end
    local entry = ...
    if select("#", ...) == 1 and (type(entry) == "table" or type(entry) == "boolean") then return entry end
    local what = select("#", ...) == 1 and core.describe(entry) or select("#", ...) .. " values"
    cx.error_code = 103
    error(core.where(f) .. ": " .. name .. "() returned " .. what .. "; expected an entry, true or false", 0)
  end
  core.is_loading = true
  return judge(pcall(f, t))
end
