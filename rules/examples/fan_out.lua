-- Fan-out: a customer row becomes a customer and up to two addresses. An emptied city deletes its address.
return {
  api = 1,
  outputs = {
    ["dw.address"] = {
      key = { "customer_id", "kind" },
      columns = { "customer_id bigint not null", "kind varchar(8) not null", "city varchar(80)" },
    },
  },
  tables = {
    ["crm.customer"] = {
      to = "dw.customer",
      columns = { home_city = false, work_city = false, full_name = { "varchar(200)" } },
      map = function(row, out)
        row.full_name = row.first .. " " .. row.last
        if row.home_city then
          out:add("dw.address", { customer_id = row.id, kind = "home", city = row.home_city })
        end
        if row.work_city then
          out:add("dw.address", { customer_id = row.id, kind = "work", city = row.work_city })
        end
      end,
    },
  },
}
