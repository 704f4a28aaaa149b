-- Masks the customers' addresses, makes one table of the four order shards, and leaves the audit log behind.
local mask = require "tailrace.mask"

return {
  api = 1,
  tables = {
    ["shop.users"] = {
      columns = {
        email = mask.email, -- jo@x.io -> j***@x.io
        password_hash = false, -- never leaves the source
      },
    },
    ["shop.orders_*"] = {
      to = "dw.orders",
      key = { "shard", "id" }, -- the shards number their orders independently
      columns = {
        shard = { "varchar(64)", value = "{table}" },
      },
    },
    ["shop.audit_log"] = false,
  },
}
