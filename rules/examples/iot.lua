-- rules/iot.lua: line protocol, content route, stateful dedupe.
return {
  api = 1, mode = "ordered",
  state = { last = { key = "bigint", value = "text", max = 1e6, ttl = "24h", durable = true } },
  tables = { ["iot.reading"] = {
    ops = { "insert", "read" },
    row = function(ev, ctx)                                   -- same value as last time: drop
      local v, last = text(ev.value), ctx.state.last
      if last[ev.sensor_id] == v then return false end
      last[ev.sensor_id] = v
      ev.topic = ev.value > 90 and "alerts" or "readings"
    end,
    serialize = function(ev, out)
      out:put("reading,site="):col("site", "influx"):put(",sensor="):col "sensor_id"
      out:put(" value="):col "value":put(" "):col("at", "epoch_ns")
    end,                              -- or native: serialize = line "reading,site={site|influx},sensor={sensor_id} value={value} {at|epoch_ns}"
  } },
}
