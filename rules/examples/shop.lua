-- rules/shop.lua: mask, merge 64 shards, route. No Lua runs per row: each line becomes a native step.
local mask, hash = require "tailrace.mask", require "tailrace.hash"
return {
  api = 1,
  options = { region = "eu", salt = secret },                 -- defaults; the job may override; `secret` must be given
  tables = {
    ["shop.user_* !shop.user_tmp*"] = {
      to      = "dw.user",
      key     = { "tenant_id", "id" },
      where   = [[ deleted_at IS NULL AND region = :region ]],
      columns = {
        id_card = false,                                      -- never leaves the source
        email   = mask.email,                                 -- jo@x.io -> j***@x.io
        phone   = hash.sha256 { salt = "salt" },              -- new type char(64)
        ctime   = "created_at",                               -- rename
        shard   = { "varchar(64)", value = "{table}" },       -- new column
      },
    },
    ["shop.order_*"] = { to = "dw.order", topic = "orders.{country|lower}", partition_by = { "tenant_id" } },
    ["*.*_bak"] = false,                                      -- dropped, counted
  },
}
