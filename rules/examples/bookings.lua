-- Local times of many zones become UTC, and a document is rewritten as a table; all its digits stay.
local json = require("tailrace.json")
local time = require("tailrace.time")

return {
  api = 1,
  tables = {
    ["app.booking"] = {
      columns = { at_utc = { "datetime" }, at_head_office = { "datetime" } },
      map = function(row)
        row.at_utc = time.shift(row.at, row.zone, "UTC")
        row.at_head_office = time.shift(row.at, row.zone, "Australia/Lord_Howe")
        local doc = json.decode(row.doc) -- nil for NULL
        if doc then
          doc.tags = doc.tags or json.array {} -- {} would be an object
          doc.seats = doc.seats and doc.seats + 1
          doc.card = nil
          row.doc = json.encode(doc)
        end
      end,
    },
  },
}
