-- Region tables: each region has a table of its own, made with its first row. A row stays in its region.
return {
  api = 1,
  tables = {
    ["shop.invoices"] = {
      to = "dw.invoices_other",
      columns = { note = false },
      row = function(ev)
        if ev.region == "eu" or ev.region == "us" then
          ev.to = "dw.invoices_" .. ev.region
        end
      end,
    },
  },
}
