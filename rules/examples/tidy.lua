-- A grown schema made tidy: what becomes of a column follows from its name and type. The function is asked
-- once per table and version of it; what it returns is compiled like an entry that stands here.
local name = require("tailrace.name")

return {
  api = 1,
  tables = {
    ["erp.*"] = function(t)
      if t.table:find("Tmp$") then
        return false
      end
      local columns = { name.sub("^f_", ""), name.snake { except = { "ISBN" } } }
      for _, column in ipairs(t.columns) do
        if column.name:find("Secret$") then
          columns[column.name] = false
        elseif column.name:find("No$") and column.type:find("^varchar") then
          columns[column.name] = { "bigint" } -- digits in a text
        elseif column.type:find("^decimal") then
          columns[column.name] = { "varchar(20)", name = column.name:lower() .. "_text" }
        end
      end
      return { to = "dw.{table|lower}", key = { "customer_no" }, columns = columns }
    end,
    ["game.player"] = {
      columns = { points = { as = "number" }, level = { "int" } },
      map = function(row)
        row.level = math.floor(row.points * 0.1) -- a bigint would refuse the fraction
      end,
    },
  },
}
