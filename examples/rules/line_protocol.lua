-- A message format written wholly in Lua: InfluxDB line protocol, one line per reading; alerts have their own
-- topic.
--   sink = { url = "kafka://broker:9092" }  or  { url = "file://./out" }
return {
  api = 1,
  tables = {
    ["iot.reading"] = {
      ops = { "insert", "read" },
      partition_by = { "sensor_id" },
      row = function(ev)
        ev.topic = ev.value > 90 and "alerts" or "readings"
      end,
      serialize = function(ev, out)
        out:put("reading,site="):col("site", "influx"):put(",sensor="):col("sensor_id")
        out:put(" value="):col("value"):put(" "):col("at", "epoch_ns")
        out.headers.table = ev.table
      end,
    },
  },
}
