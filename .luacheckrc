-- Rules run in LuaJIT inside the sandbox; these are the names it adds.
std = "luajit"
max_line_length = 110
read_globals = {
  "bigint", "decimal", "text", "null", "secret", "absent",
  "op", "col", "meta", "json", "time", "geo", "line", "log", "emit",
}
-- The prelude builds that environment.
files["rules/prelude"] = { allow_defined_top = true }
-- Test inputs may be wrong on purpose.
exclude_files = { "tests/**/bad_*.lua", "tests/**/bad/**" }
unused_args = false
-- As the manual of the rule language has them, with comments behind the lines.
for _, name in ipairs { "shop", "crm", "iot" } do
  files["rules/examples/" .. name .. ".lua"] = { max_line_length = false }
end
