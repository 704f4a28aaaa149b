-- Shard merge: orders_00 … orders_63 become one table. Ids are unique in a shard only, hence the key.
return {
  api = 1,
  tables = {
    ["shop.orders_* !shop.orders_tmp*"] = {
      to = "dw.orders",
      key = { "shard", "id" },
      columns = {
        shard = { "varchar(64) not null", value = "{table}" },
        created = "created_at",
      },
    },
    ["shop.orders_tmp*"] = false,
  },
}
