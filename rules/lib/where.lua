-- luacheck: no max line length
-- tailrace.where: SQL conditions as functions of a row. require "tailrace.where" gives the function itself.
local core = ...
return core.where_function
