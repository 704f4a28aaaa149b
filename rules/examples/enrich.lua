-- Enrich: names and rates from tables that are small and seldom change, read once with the rules.
return {
  api = 1,
  lookups = {
    country = { csv = "country.csv", key = "code", columns = { vat = "decimal(4,1)" } },
  },
  tables = {
    ["shop.orders"] = {
      columns = { country_name = { "varchar(40)" }, vat = { "decimal(12,2)" } },
      map = function(row, _, ctx)
        local country = ctx.lookup.country[row.country] -- nil: not in the file
        if country then
          row.country_name = country.name
          if country.vat and row.amount then
            row.vat = (row.amount * country.vat / 100):round(2)
          end
        end
      end,
    },
    ["shop.offices"] = {
      row = function(ev, ctx)
        return ctx.lookup.country:must(ev.country).area == "eu" -- an unknown country is an error
      end,
    },
  },
}
