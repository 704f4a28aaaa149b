-- Dedupe: updates that change nothing anybody reads are not sent. Each request writes `seen_at`.
return {
  api = 1,
  tables = {
    ["app.session"] = {
      row = function(ev)
        if ev.op == op.update and (not ev:changed() or ev:changed_only("seen_at", "hits")) then
          return false
        end
      end,
    },
    -- The time of the last look never leaves the source, so an update of it alone shows nothing new.
    ["app.device"] = {
      row = function(ev)
        return ev.op ~= op.update or not ev:changed_only("seen_at")
      end,
      columns = { seen_at = false },
    },
  },
}
