-- Second of a chain: knows the table that mask_users.lua makes, and not what it was made of.
return {
  api = 1,
  options = { hidden = "XX" },
  outputs = {
    ["dw.contact"] = {
      key = { "shard", "id" },
      columns = { "shard varchar(64) not null", "id bigint not null", "email varchar(80)" },
    },
  },
  tables = {
    ["safe.user"] = {
      to = "dw.user",
      where = [[ country <> :hidden ]],
      topic = "users.{country|lower}",
      columns = { email = false, ctime = "created_at" },
      map = function(row, out)
        if row.email then
          out:add("dw.contact", { shard = row.shard, id = row.id, email = row.email })
        end
      end,
    },
  },
}
