-- First of a chain, { "mask_users.lua", "route_users.lua" }: what may not leave does not leave.
local mask = require("tailrace.mask")

return {
  api = 1,
  tables = {
    ["shop.user_*"] = {
      to = "safe.user",
      key = { "shard", "id" },
      columns = { email = mask.email, id_card = false, shard = { "varchar(64)", value = "{table}" } },
    },
  },
}
