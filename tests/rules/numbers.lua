-- luacheck: ignore
-- Exact numbers, checked while the file loads: every assertion must hold for the file to load.
local max = bigint "9223372036854775807"
local umax = bigint "18446744073709551615"

local function raises(f, text)
  local ok, message = pcall(f)
  assert(not ok, "expected an error with: " .. text)
  assert(message:find(text, 1, true), message)
end

-- bigint is exact, signed and unsigned compare by value
assert(text(max) == "9223372036854775807" and tostring(umax) == "18446744073709551615")
assert(bigint "9007199254740993" - 1 == bigint "9007199254740992")
assert(bigint "9007199254740993" > 9007199254740992)
assert(bigint "-1" < umax and umax > max and max < umax)
assert(umax - max == bigint "9223372036854775808")
assert(max + 1 == bigint "9223372036854775808")
assert(bigint "-9223372036854775808" + umax == max)
assert(bigint(5) * 3 == 15 and bigint(17) % 5 == 2 and -bigint(7) == -7)
assert(bigint(3) < 3.5 and bigint(4) > 3.5 and not (bigint(3) == 3.5))
assert("id " .. bigint(42) .. "!" == "id 42!")
assert(string.format("%s", bigint(42)) == "42")
assert(type(max) == "bigint" and tonumber(bigint(42)) == 42)
raises(function() return umax + 1 end, "overflow")
raises(function() return max * 3 end, "overflow")
raises(function() return bigint(1) * 1.5 end, "fraction")
raises(function() return bigint(1) + nil end, "NULL")
raises(function() return bigint(1) < "2" end, "compare bigint with string")
raises(function() return tonumber(max) end, "2^53")
raises(function() return bigint "12x" end, "no integer")
raises(function() return bigint "18446744073709551616" end, "no integer")
raises(function() return bigint(1) % 0 end, "zero")
assert((bigint(1) == "1") == false)
assert((bigint(1) == nil) == false)

-- decimal keeps its scale and every digit
local d = decimal "1.50"
assert(text(d) == "1.50" and d == decimal "1.5" and d > 1 and d < 2)
assert(text(d + decimal "0.25") == "1.75" and text(d * 3) == "4.50" and text(d - 2) == "-0.50")
assert(text(decimal "0.10" * decimal "0.10") == "0.0100")
assert(text(decimal "99999999999999999999999999999999999999.99" + decimal "0.01") == "100000000000000000000000000000000000000.00")
assert(text(decimal "1" / 3) == "0.3333" and text(bigint(2) / 3) == "0.6667")
assert(text(decimal "2.345":round(2)) == "2.35" and text(decimal "-2.345":round(2)) == "-2.35")
assert(text(decimal "2.5":round(3)) == "2.500" and text(-decimal "0.0") == "0.0")
assert(text(decimal "-0.00") == "0.00" and type(d) == "decimal")
assert(bigint(2) + decimal "0.5" == decimal "2.5")
assert(decimal "0.1" + decimal "0.2" == decimal "0.3")
raises(function() return d * 1.1 end, "write decimal '1.1'")
raises(function() return d / 0 end, "zero")
raises(function() return decimal "1e3" end, "no plain decimal")
raises(function() return d.cents end, "no `cents`")
raises(function() return d[1000] end, "no `1000`")
raises(function() d.neg = 1 end, "")
raises(function() max.v = 1 end, "")
raises(function() return max[1000] end, "")

-- text of plain numbers is the shortest exact one
assert(text(0.1 + 0.2) == "0.30000000000000004" and text(1e300) == "1e+300" and text(42) == "42")

return { api = 1 }
