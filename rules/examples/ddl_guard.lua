-- DDL guard: what destroys data waits for a person; the source's indexes stay where they are.
return {
  api = 1,
  tables = {
    ["crm.customer"] = { to = "dw.customer", columns = { note = false } },
  },
  ddl = function(ev)
    if ev:has("drop_table", "drop_column", "truncate") then
      return ev:hold("destructive: " .. ev.kinds)
    end
    if ev:has("add_index", "drop_index") then
      return ev:without("add_index", "drop_index")
    end
    if ev.db == "scratch" then
      return false
    end
  end,
}
