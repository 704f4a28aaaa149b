-- Content route: the topic depends on what a row says. Rows of one customer stay in one partition.
return {
  api = 1,
  tables = {
    ["shop.orders"] = {
      where = [[ test_run = 0 ]],
      topic = "orders.{country|lower}",
      partition_by = { "customer" },
      headers = { source = "{db}.{table}" },
      columns = { test_run = false },
    },
    ["iot.reading"] = {
      row = function(ev)
        ev.topic = ev.value > 90 and "alerts" or "readings"
      end,
    },
  },
}
