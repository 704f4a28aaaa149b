-- Masking: personal data leaves the source changed, or not at all. No Lua runs per row.
local mask = require("tailrace.mask")
local hash = require("tailrace.hash")

return {
  api = 1,
  options = { pepper = secret },
  tables = {
    ["crm.customer"] = {
      columns = {
        email = mask.email,
        phone = mask.phone,
        card = mask.card,
        name = mask.keep { first = 1, last = 0 },
        login = hash.hmac { key = "pepper" }, -- joins still work: equal logins have equal digests
        birthday = mask.null,
        id_card = false,
      },
    },
    ["crm.*_secret"] = false,
  },
}
