-- Line protocol: messages that a time series database takes as they are, made natively by a template.
return {
  api = 1,
  tables = {
    ["iot.reading"] = {
      ops = { "insert", "read" },
      topic = "readings",
      serialize = line("reading,site={site|influx},sensor={sensor_id} value={value} {at|epoch_ns}"),
    },
    -- The same by a function: fields that are NULL are left out, which a template cannot say.
    ["iot.weather"] = {
      ops = { "insert", "read" },
      topic = "readings",
      serialize = function(ev, out)
        out:put("weather,station="):col("station", "influx"):put(" temperature="):col("temperature")
        if ev.wind ~= nil then
          out:put(",wind="):col("wind")
        end
        out:put(" "):col("at", "epoch_ns")
        out.key = ev.station
      end,
    },
  },
}
