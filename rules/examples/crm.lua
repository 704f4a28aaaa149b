-- rules/crm.lua: one customer row becomes a customer and up to two addresses; careful DDL.
return {
  api = 1,
  outputs = { ["dw.address"] = { key = { "customer_id", "kind" },
    columns = { "customer_id bigint not null", "kind varchar(8) not null", "city varchar(80)" } } },
  tables = { ["crm.customer"] = {
    to = "dw.customer", columns = { home_city = false, work_city = false, full_name = { "varchar(200)" } },
    map = function(row, out)
      row.full_name = row.first .. " " .. row.last
      if row.home_city then out:add("dw.address", { customer_id = row.id, kind = "home", city = row.home_city }) end
      if row.work_city then out:add("dw.address", { customer_id = row.id, kind = "work", city = row.work_city }) end
    end,                              -- UPDATE home_city='Rome' -> NULL: the engine deletes the "home" address
  } },
  ddl = function(ev)
    if ev:has("drop_table", "drop_column", "truncate") then return ev:hold "destructive: needs a person" end
    if ev:has "add_index" then return ev:without "add_index" end
  end,
}
