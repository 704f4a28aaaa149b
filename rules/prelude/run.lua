-- luacheck: no max line length
-- The batch loop: one call from the engine per batch, the loop over runs and rows is here so that the JIT sees it.
local core = ...
local cx = core.cx
local pcall, select, type, table = pcall, select, type, table

local PENDING, KEEP, DROP, ROW_DROPPED, FAILED = 0, 1, 2, 3, 4
local ROW, MAP = 1, 2  -- hooks, as LuaHook
local plans = {}  -- by number of the plan
local failure_text, failure_is_return
local MAX_MESSAGE = 2000

local function describe(v)
  local t = core.kind_of(v)
  if t == "string" then return "the string \"" .. (#v > 40 and v:sub(1, 40) .. "…" or v) .. "\"" end
  if t == "number" or t == "bigint" or t == "decimal" then return "the number " .. core.text(v) end
  if t == "nil" then return "nil: a NULL column? Return true, false or nothing" end
  return "a " .. t
end

-- The caller puts the place of the hook in front.
local function bad_return(n, v)
  failure_is_return = true
  failure_text = n > 1 and "returned " .. n .. " values, expected true, false or nothing" or "returned " .. describe(v)
  return FAILED
end

local function failed(message)
  failure_is_return = false
  local t = type(message)
  if t == "string" then
    failure_text = #message > MAX_MESSAGE and message:sub(1, MAX_MESSAGE) .. "…" or message
  else
    failure_text = "error raised with " .. describe(message)
  end
  return FAILED
end

-- Judges what pcall(hook) gave.
local function verdict_of(ok, ...)
  if not ok then return failed((...)) end
  local n = select("#", ...)
  if n == 0 then return KEEP end
  local v = ...
  if n == 1 then
    if v == true then return KEEP end
    if v == false then return DROP end
  end
  return bad_return(n, v)
end

core.verdict_of, core.FAILED, core.DROP, core.describe = verdict_of, FAILED, DROP, describe
-- Message of the last failure, and for a bad return the place of the hook.
function core.failure(hook) return failure_text, failure_is_return and core.where(hook) end

local function run_map(plan, first, last, cell, width)
  local map, row, move, ctx, out = plan.map, plan.map_row, plan.move_map_row, core.context, core.out
  local limit = cx.step_limit
  plan.aim_map_row(plan)
  for image = first, last do
    if cx.verdicts[image] == PENDING then
      cx.steps_left = limit
      cx.image = image
      move(cell)
      local verdict = verdict_of(pcall(map, row, out, ctx))
      if verdict == FAILED then
        move(-1)
        return image
      end
      cx.verdicts[image] = verdict
    end
    cell = cell + width
  end
  move(-1)
  return -1
end

local function run_row(plan, run)
  local hook, ev, move, ctx = plan.row, plan.event, plan.move_event, core.context
  local limit = cx.step_limit
  local image = run.first_image
  for i = run.first_event, run.first_event + run.events - 1 do
    local event = cx.events[i]
    local images = (event.before >= 0 and 1 or 0) + (event.after >= 0 and 1 or 0)
    if event.row_is_done == 0 then
      cx.steps_left = limit
      cx.image = image
      move(i)
      local verdict = verdict_of(pcall(hook, ev, ctx))
      if verdict == FAILED then
        move(-1)
        return i
      end
      event.row_is_done = 1
      if verdict == DROP then
        event.is_dropped = 1
        for k = image, image + images - 1 do cx.verdicts[k] = ROW_DROPPED end
      end
    end
    image = image + images
  end
  move(-1)
  return -1
end

-- nil when all went well; else hook, number (event of `row`, image of `map`), number of the run, message, and for a
-- bad return the place of the function.
function core.run()
  for r = 0, cx.run_count - 1 do
    local run = cx.runs[r]
    local plan = plans[run.plan]
    cx.plan = run.plan
    if plan.row then
      cx.hook = ROW
      local event = (core.run_row_ordered or run_row)(plan, run)
      if event >= 0 then return "row", event, r, core.failure(plan.row) end
    end
    if plan.map then
      cx.hook = MAP
      local image = run_map(plan, run.first_image, run.first_image + run.images - 1, run.first_cell, run.width)
      if image >= 0 then return "map", image, r, core.failure(plan.map) end
    end
  end
end

-- An event of the plan that is only read, for on_error; and the function that moves it.
function core.event_of(number)
  local plan = plans[number]
  if not plan.shown then plan.shown, plan.move_shown = core.make_event(plan) end
  return plan.shown, plan.move_shown
end

-- The row of `map`, shared by tables of one layout: many shards cost the cache as much as one. They take turns.
local map_rows = {}
local function share_map_row(plan)
  local layout = table.concat(plan.names, "\0") .. "\0" .. table.concat(plan.codes, ",")
  local known = map_rows[layout]
  if not known then
    known = { index = plan.index }
    known.row, known.move, known.aim = core.make_row(plan, true)
    map_rows[layout] = known
  end
  plan.index, plan.map_row, plan.move_map_row, plan.aim_map_row = known.index, known.row, known.move, known.aim
end

-- `plan`: id, ptr, table, database, table_name, names, codes, map, row, kind. Called by the engine once per plan.
function core.prepare(plan)
  plan.index = {}
  for i = 1, #plan.names do plan.index[plan.names[i]] = plan.codes[i] end
  plan.ptr = core.ffi.cast("tr_plan*", plan.ptr)
  if plan.map then share_map_row(plan) end
  if plan.row then plan.event, plan.move_event = core.make_event(plan, core.says_in_row) end
  plans[plan.id] = plan
end
