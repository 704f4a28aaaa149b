"""The types of the matrix: for each one its SQL, what kind of value it holds, its edge values as SQL literals, and a
maker of random literals."""
import json
import random
from dataclasses import dataclass, field

MARIADB, MARIADB_NEW, MYSQL, SEEKDB = "mariadb", "mariadb_new", "mysql9", "seekdb"
MARIA = (MARIADB, MARIADB_NEW)
LOGGED = (MARIADB, MARIADB_NEW, MYSQL)
EVERYWHERE = (*LOGGED, SEEKDB)


@dataclass(frozen=True)
class Type:
    family: str            # the row of docs/parity.md
    sql: str
    kind: str
    values: tuple          # SQL literals; NULL is added
    servers: tuple = EVERYWHERE
    make: object = field(default=None, compare=False)    # make(rng) -> literal
    form: str = ""         # SQL that shows the value without what the declaration adds for people


UNPADDED = "CAST({} + 0 AS CHAR)"


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def hexed(data):
    return f"x'{data.hex()}'" if data else "''"


def integers():
    for name, bits in (("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)):
        low, high, full = -(1 << bits - 1), (1 << bits - 1) - 1, (1 << bits) - 1
        yield Type(f"{name.upper()}", name, "int", (low, low + 1, -1, 0, 1, high - 1, high),
                   make=lambda rng, low=low, high=high: rng.choice((rng.randint(low, high), low, high, rng.randint(-9, 9))))
        yield Type(f"{name.upper()} UNSIGNED", f"{name} unsigned", "int", (0, 1, high, high + 1, full - 1, full),
                   make=lambda rng, full=full: rng.choice((rng.randint(0, full), full, rng.randint(0, 9))))
    yield Type("INT ZEROFILL", "int(8) unsigned zerofill", "int", (0, 7, 4294967295), LOGGED)
    yield Type("BOOL", "bool", "int", ("true", "false", -128, 127))


def decimals():
    def maker(precision, scale, unsigned=False):
        def make(rng):
            digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, precision)))
            whole, fraction = digits[:-scale] if scale else digits, digits[-scale:] if scale else ""
            sign = "-" if not unsigned and rng.random() < 0.5 else ""
            return f"{sign}{whole or '0'}.{fraction}" if fraction else f"{sign}{whole or '0'}"
        return make
    shapes = [(1, 0), (5, 5), (9, 0), (10, 0), (10, 2), (18, 9), (19, 9), (20, 1), (27, 18), (30, 30), (38, 10), (65, 0), (65, 1),
              (65, 30)]
    for precision, scale in shapes:
        whole, fraction = "9" * (precision - scale), "9" * scale
        top = f"{whole or '0'}.{fraction}" if scale else whole
        tiny = "0." + "0" * (scale - 1) + "1" if scale else "1"
        values = (top, "-" + top, tiny, "-" + tiny, "0", "-0", "1" if precision > scale else tiny)
        yield Type("DECIMAL", f"decimal({precision},{scale})", "decimal", values, make=maker(precision, scale))
    yield Type("DECIMAL", "decimal(20,9) unsigned", "decimal", ("99999999999.999999999", "0", "0.000000001"),
               make=maker(20, 9, unsigned=True))
    yield Type("DECIMAL", "decimal(12,3) unsigned zerofill", "decimal", ("1.5", "0", "999999999.999"), LOGGED, form=UNPADDED)
    yield Type("DECIMAL", "decimal(65,38)", "decimal", ("123456789012345678901234567." + "12345678" * 4 + "123456", "0"), MARIA)


def floats():
    singles = ("0", "-0e0", "1", "-1", "0.1", "-0.1", "1.5", "3.14159274", "16777216", "16777217", "8388609", "3.4028235e38",
               "-3.4028235e38", "1.17549435e-38", "1.4e-45", "-1.4e-45", "1e-40", "1e10", "123456.789", "9.999999e-5", "1e15", "1e16",
               "2.5e-7", "0.3", "33554431", "7.038531e-26", "7.0385307e-26")
    doubles = ("0", "-0e0", "0.1", "-0.1", "1e0/3", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308",
               "5e-324", "-5e-324", "1e15", "1e16", "1e17", "123456789012345680", "9007199254740993", "1e-5", "9.999e-6", "1e22",
               "1e23", "0.3", "2.5e-7", "5.0000000000000005", "4.35", "299792458.00000006", "1.0000000000000002")

    def single(rng):
        return rng.choice((repr(rng.uniform(-1e3, 1e3)), f"{rng.uniform(-9, 9):.6g}e{rng.randint(-44, 37)}", str(rng.randint(-99, 99))))

    def double(rng):
        return rng.choice((repr(rng.uniform(-1e3, 1e3)), f"{rng.uniform(-9, 9)!r}e{rng.randint(-323, 307)}", str(rng.randint(-99, 99))))
    yield Type("FLOAT", "float", "float", singles, make=single)
    yield Type("FLOAT", "float unsigned", "float", ("0", "0.1", "3.4028235e38"))
    yield Type("FLOAT", "float(7,3)", "float", ("12.345", "-9999.999", "0.001"), LOGGED)
    yield Type("DOUBLE", "double", "double", doubles, make=double)
    yield Type("DOUBLE", "double unsigned", "double", ("0", "0.1", "1.7976931348623157e308"))
    yield Type("DOUBLE", "double(20,5)", "double", ("123456789.12345", "-0.00001"), LOGGED, form="CAST({} + 0e0 AS CHAR)")
    yield Type("DOUBLE", "float(53)", "double", ("0.1", "1e300"))


def bits():
    for width in range(1, 65):
        top = (1 << width) - 1
        yield Type("BIT", f"bit({width})", "bit", tuple(f"b'{value:b}'" for value in {0: 0, 1: 1, top: top, 1 << width - 1: 0}),
                   make=lambda rng, top=top: f"b'{rng.randint(0, top):b}'")


def temporals():
    dates = ("'1000-01-01'", "'9999-12-31'", "'1970-01-01'", "'2024-02-29'", "'0001-01-01'")
    odd_dates = ("'0000-00-00'", "'2024-00-00'", "'2024-05-00'", "'0000-05-06'", "'0000-00-01'")

    def day(rng):
        return f"{rng.randint(1, 9999):04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"

    def clock(rng, digits):
        text = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        return text + (f".{rng.randint(0, 10 ** digits - 1):0{digits}}" if digits else "")
    yield Type("DATE", "date", "date", dates, make=lambda rng: f"'{day(rng)}'")
    yield Type("DATE", "date", "date", odd_dates, LOGGED)
    yield Type("YEAR", "year", "year", (1901, 1970, 2024, 2155, 0), make=lambda rng: rng.choice((rng.randint(1901, 2155), 0)))
    for digits in range(7):
        dot = "." + "123456"[:digits] if digits else ""
        nines = "." + "9" * digits if digits else ""
        least = "." + "0" * (digits - 1) + "1" if digits else ""
        suffix = f"({digits})" if digits else ""
        times = [f"'{sign}{text}'" for sign in ("", "-") for text in
                 ("00:00:00" + (least or ""), "12:34:56" + dot, "23:59:59" + nines, "24:00:00", "100:00:00" + least, "838:59:58" + nines,
                  "838:59:59", "00:00:01", "00:01:00", "01:00:00" + dot)] + ["'00:00:00'"]
        yield Type("TIME", f"time{suffix}", "time", tuple(times),
                   make=lambda rng, d=digits: f"'{rng.choice(('', '-'))}{rng.randint(0, 837):02}:{rng.randint(0, 59):02}:"
                                              f"{rng.randint(0, 59):02}" + (f".{rng.randint(0, 10 ** d - 1):0{d}}'" if d else "'"))
        moments = (f"'1000-01-01 00:00:00{dot}'", f"'9999-12-31 23:59:59{nines}'", "'1970-01-01 00:00:00'",
                   f"'2024-02-29 12:34:56{dot}'", f"'2024-03-31 02:30:00{least}'", "'2024-10-27 02:30:00'", "'0001-01-01 00:00:00'")
        yield Type("DATETIME", f"datetime{suffix}", "datetime", moments, make=lambda rng, d=digits: f"'{day(rng)} {clock(rng, d)}'")
        yield Type("DATETIME", f"datetime{suffix}", "datetime",
                   ("'0000-00-00 00:00:00'", f"'2024-00-00 01:02:03{dot}'", f"'2024-05-00 00:00:00{dot}'", f"'0000-00-05 10:00:00{nines}'"),
                   LOGGED)
        # Literals are wall clock of the server's zone, which has summer time: an hour that comes twice and one that never does.
        stamps = (f"'1970-01-02 00:00:00{dot}'", f"'2024-03-31 01:59:59{nines}'", f"'2024-03-31 03:00:00{dot}'", "'2024-10-27 02:30:00'",
                  f"'2024-10-27 03:00:00{least}'", f"'2024-07-01 12:00:00{dot}'", f"'2038-01-19 03:14:07{nines}'", "'2000-01-01 00:00:00'")
        yield Type("TIMESTAMP", f"timestamp{suffix} null", "timestamp", stamps,
                   make=lambda rng, d=digits: f"'{rng.randint(1971, 2037)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {clock(rng, d)}'")
        yield Type("TIMESTAMP", f"timestamp{suffix} null", "timestamp", ("'0000-00-00 00:00:00'",), LOGGED)
    yield Type("TIMESTAMP beyond 2038", "timestamp(6) null", "timestamp",
               ("'2038-01-19 12:00:00'", "'2050-06-01 00:00:00.000001'", "'2106-02-07 07:28:15.999999'"), (MARIADB_NEW,))


def characters():
    words = ("", "abc", " lead", "trail   ", "tab\tand\nline", "it's \"quoted\" \\ %_", "null\0inside", "\x01\x1f\x7f")
    wide = ("é", "ß€", "日本語", "한글", "Ωλ", "עברית", "عربى", "ไทย", "😀🏳️‍🌈", "e\u0301", "\ufeffbom", "\ufffd", "\U0010ffff", "ﬁ\u2028", "\ue000")

    def word(alphabet, limit):
        return lambda rng: quote("".join(rng.choice(alphabet) for _ in range(rng.randint(0, limit))))
    alphabet = "ab Z09'\"\\%_\t\né€日本ß😀Ω"
    plain = tuple(quote(text).replace("\0", "\\0") for text in words)
    full = plain + tuple(quote(text) for text in wide)
    yield Type("CHAR", "char(40)", "text", full, make=word(alphabet, 30))
    yield Type("CHAR", "char(255)", "text", ("repeat('😀', 255)", "repeat('a', 255)", "repeat(' ', 255)"))
    yield Type("CHAR", "char(0)", "text", ("''",), LOGGED)
    yield Type("VARCHAR", "varchar(60)", "text", full, make=word(alphabet, 50))
    yield Type("VARCHAR", "varchar(255)", "text", ("repeat('é', 255)",))
    yield Type("VARCHAR", "varchar(256)", "text", ("repeat('é', 256)", "''"))
    yield Type("VARCHAR", "varchar(16000)", "text", ("repeat('日', 16000)", "repeat('x ', 8000)"))
    for name, size in (("tinytext", 255), ("text", 65535), ("mediumtext", 70000), ("longtext", 200000)):
        yield Type("TEXT", name, "text", (*full, f"repeat('x', {size})", f"repeat('日本 ', {size // 7})"),
                   make=word(alphabet, 60))
    yield Type("CHAR, VARCHAR, TEXT of utf8mb3", "varchar(60) character set utf8mb3", "text", (*plain, "'日本語'", "'é'"), LOGGED,
               make=word("ab é日本ß€Ω", 50))
    yield Type("CHAR, VARCHAR, TEXT of latin1", "char(40) character set latin1", "text", (*plain, "'é€ŠžŸ'"), LOGGED,
               make=word("ab é€ßŠ", 40))
    yield Type("CHAR, VARCHAR, TEXT of latin1", "longtext character set latin1", "text", ("repeat('é', 70000)", "''"), LOGGED)
    yield Type("CHAR, VARCHAR, TEXT of ascii", "varchar(60) character set ascii", "text", plain, LOGGED, make=word("abc 019~", 50))
    for charset in ("utf16", "utf16le", "utf32"):
        yield Type(f"CHAR, VARCHAR, TEXT of {charset}", f"char(20) character set {charset}", "text", full, LOGGED)
        yield Type(f"CHAR, VARCHAR, TEXT of {charset}", f"text character set {charset}", "text", (*full, "repeat('日', 9000)"), LOGGED,
                   make=word(alphabet, 50))
    yield Type("CHAR, VARCHAR, TEXT of ucs2", "char(20) character set ucs2", "text", (*plain, "'日本語'"), LOGGED)
    yield Type("CHAR, VARCHAR, TEXT of ucs2", "varchar(200) character set ucs2", "text", (*plain, "'日本語'"), LOGGED,
               make=word("ab é日本ß€Ω", 50))
    for collation in ("utf8mb4_bin", "utf8mb4_unicode_ci"):
        yield Type("VARCHAR", f"varchar(60) collate {collation}", "text", full, EVERYWHERE if collation == "utf8mb4_bin" else LOGGED)
    yield Type("VARCHAR", "varchar(60) collate utf8mb4_0900_ai_ci", "text", full, (MYSQL,))
    yield Type("VARCHAR", "varchar(60) collate utf8mb4_uca1400_ai_ci", "text", full, MARIA)
    yield Type("VARCHAR", "varchar(60) collate utf8mb3_uca1400_nopad_as_cs", "text", plain, MARIA)


def byte_strings():
    some = ("''", "x'00'", "x'ff00ff'", "x'61620000'", "x'2020'", "x'0000000000000000'")

    def make(limit):
        return lambda rng: hexed(rng.randbytes(rng.randint(0, limit)))
    yield Type("BINARY", "binary(8)", "bytes", some, make=make(8))
    yield Type("BINARY", "binary(255)", "bytes", ("repeat(x'00', 255)", "repeat(x'ff', 255)", "''"))
    yield Type("BINARY", "binary(16)", "bytes", ("repeat(x'ff', 16)", "x'20'"))
    yield Type("VARBINARY", "varbinary(40)", "bytes", some, make=make(40))
    yield Type("VARBINARY", "varbinary(300)", "bytes", ("repeat(x'00', 300)", "''"))
    for name, size in (("tinyblob", 255), ("blob", 65535), ("mediumblob", 70000), ("longblob", 1 << 20)):
        yield Type("BLOB", name, "bytes", (*some, f"repeat(x'00', {size})", f"repeat(x'f1', {size})"), make=make(80))
    yield Type("CHAR, VARCHAR, TEXT of binary", "varchar(40) character set binary", "bytes", some, LOGGED)
    yield Type("CHAR, VARCHAR, TEXT of binary", "text character set binary", "bytes", some, LOGGED)


def labels():
    short = ("a", "b", "", "it's", "with space", "ÄÖ", "日本")
    listed = ",".join(quote(label) for label in short)
    yield Type("ENUM", f"enum({listed})", "enum", ("'a'", "''", "'it''s'", "'日本'", 1, 7, "'A'"), LOGGED,
               make=lambda rng: str(rng.randint(1, 7)))
    yield Type("ENUM", "enum('a','','ÄÖ','日本')", "enum", ("'a'", "''", "'日本'", 1, 4), (SEEKDB,), make=lambda rng: str(rng.randint(1, 4)))
    yield Type("ENUM, error value", "enum('a','b')", "enum", (0, "'nowhere'", 1), LOGGED)
    yield Type("ENUM", "enum('a\\\\b','tab\\t','x','nl\\n','100%','a,b','q\"q')", "enum", (1, 2, 3, 4, 5, 6, 7), LOGGED)
    for charset in ("latin1", "utf16", "ucs2", "gbk", "sjis", "utf8mb3", "utf32"):
        word = "é" if charset == "latin1" else "日本"
        yield Type("ENUM, SET of other character sets", f"enum({quote(word)},'x') character set {charset}", "enum", (1, 2), LOGGED)
        yield Type("ENUM, SET of other character sets", f"set({quote(word)},'x') character set {charset}", "set", (1, 2, 3), LOGGED)
    yield Type("ENUM", "enum('x','y') character set binary", "enum", (1, 2), LOGGED)
    for count in (255, 256, 300, 2000):
        listed = ",".join(f"'label {n}'" for n in range(count))
        yield Type("ENUM, 255 to 2000 labels", f"enum({listed})", "enum", (1, 255, min(256, count), count),
                   make=lambda rng, n=count: str(rng.randint(1, n)))
    for count in (1, 7, 8, 9, 16, 17, 24, 25, 32, 33, 63, 64):
        listed = ",".join(f"'{n}'" for n in range(count))
        top = (1 << count) - 1
        yield Type("SET, 1 to 64 members", f"set({listed})", "set", (0, 1, top, 1 << count - 1, top >> 1),
                   make=lambda rng, top=top: str(rng.randint(0, top)))
    yield Type("SET", "set('x','it''s','Ä','日本')", "set", ("''", "'x'", "'日本,x'", "'it''s,Ä'"), LOGGED)
    yield Type("SET", "set('x','Ä','日本')", "set", ("''", "'x'", "'日本,x'", "'Ä'"), (SEEKDB,))


JSON_TEXTS = (
    "{}", "[]", "null", "true", "false", "0", "-1", "\"\"", "\"text\"", "\"é日本😀\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u20ac\"", "1.5", "-0.0", "0.1",
    "1e100", "-1e-100", "1e15", "1e16", "1.7976931348623157e308", "5e-324", "32767", "32768", "-32769", "65536", "2147483648",
    "-2147483649", "4294967296", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
    "18446744073709551616", "123456789012345678901234567890", "[1,[2,[3,[4,[]]]]]", "{\"b\":1,\"a\":2,\"\":3,\"ab\":4,\"é\":5}",
    "{\"a\":{\"b\":{\"c\":[null,true,{\"d\":\"x\"}]}}}", "[1.0,100.0,2.50]", "{\"a\":1,\"a\":2}", "  [ 1 , 2 ]  ", "[\"a\",\"a\",\"a\"]",
    "0.30000000000000004", "123456.789", "1e21", "1234567890123456789.5", "-5e-7", "-3041355761719626.5", "1234567890123456.7",
    "9007199254740991.5", "1e-14", "1.5e-14", "1e-15", "1.23456789012345e-15", "123456789012345.6", "4503599627370495.5")


def random_json(rng, depth=0):
    choice = rng.random()
    if depth > 3 or choice < 0.6:
        return rng.choice((None, True, False, rng.randint(-1 << 63, (1 << 64) - 1), rng.randint(-200, 200), rng.uniform(-1e9, 1e9),
                           rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30), "é日本\n\"", "".join(rng.choice("abc/😀\\") for _ in range(9))))
    if choice < 0.8:
        return [random_json(rng, depth + 1) for _ in range(rng.randint(0, 5))]
    return {rng.choice("abcdeé") * rng.randint(0, 4): random_json(rng, depth + 1) for _ in range(rng.randint(0, 5))}


def documents():
    deep = "[" * 99 + "1" + "]" * 99
    large = ("concat('[', repeat('123456,', 20000), '0.1]')", "concat('{\"k\": \"', repeat('x', 70000), '\"}')",
             "concat('[', repeat('\"abcdefgh\",', 9000), 'null]')", "concat('[', repeat('1,', 70000), '[2]]')")
    texts = tuple(quote(text) for text in JSON_TEXTS)

    def make(rng):
        return quote(json.dumps(random_json(rng), ensure_ascii=rng.random() < 0.5))
    yield Type("JSON", "json", "json", (*texts, quote(deep), *large), (MYSQL,), make=make)
    yield Type("JSON", "json", "json", texts, (SEEKDB,), make=make)
    yield Type("JSON (text)", "json", "text", (*texts, quote("[" * 31 + "1" + "]" * 31), *large), MARIA, make=make)
    opaque = (
        "json_array(cast('12345.678900' as decimal(20,6)), cast('-0.1' as decimal(65,30)), cast('-0' as decimal(3,1)))",
        "json_object('d', cast('2020-01-02' as date), 't', cast('-100:11:12' as time), 't6', cast('-00:00:00.000001' as time(6)))",
        "json_object('dt', cast('2020-01-02 03:04:05.123456' as datetime(6)), 'dt0', cast('9999-12-31 23:59:59' as datetime))",
        "json_object('ts', timestamp '2020-01-02 03:04:05', 'y', year('2020-01-01'))",
        "json_object('b', x'00112233', 'bit', b'101', 'long', repeat(x'01', 100))", "cast(1e0 as json)", "cast(-0.1e0 as json)",
        "cast(123456789012345678e0 as json)", "cast(1e-20 as json)", "cast(cast(18446744073709551615 as unsigned) as json)",
        "cast(true as json)", "json_array(st_geomfromtext('POINT(1 2)'))", "json_quote('x')",
        "json_object('big', cast(repeat('9', 65) as decimal(65,0)), 'f', cast(0.1 as float), 'd', 0.1e0)")
    yield Type("JSON, opaque values", "json", "json", opaque, (MYSQL,))


def geometries():
    shapes = ("POINT(1 2)", "POINT(-1.5 2.25)", "LINESTRING(0 0,1 1,2 0)", "POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))",
              "MULTIPOINT(0 0,1 1)", "MULTILINESTRING((0 0,1 1),(2 2,3 3))", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
              "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))")
    plain = tuple(f"st_geomfromtext('{shape}')" for shape in shapes)
    with_srid = tuple(f"st_geomfromtext('{shape}', {srid})" for shape in shapes for srid in (4326, 3857))

    def point(rng):
        return f"st_geomfromtext('POINT({rng.uniform(-80, 80)!r} {rng.uniform(-80, 80)!r})')"
    yield Type("GEOMETRY", "geometry", "geometry", plain, make=point)
    yield Type("GEOMETRY with SRID", "geometry", "geometry", with_srid, LOGGED)
    names = ("point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection")
    for name, value in zip(names, plain[1:], strict=True):
        yield Type("GEOMETRY", name, "geometry", (value,))
    yield Type("GEOMETRY", "geometrycollection", "geometry", ("st_geomfromtext('GEOMETRYCOLLECTION EMPTY')",), LOGGED)


def vectors():
    texts = ("[1,2.5,-3]", "[0,0,0]", "[1e-30,3.4e38,-0.1]")
    yield Type("VECTOR", "vector(3)", "bytes", tuple(f"string_to_vector('{text}')" for text in texts), (MYSQL,),
               make=lambda rng: "string_to_vector('[" + ",".join(repr(rng.uniform(-9, 9)) for _ in range(3)) + "]')")
    yield Type("VECTOR", "vector(16383)", "bytes", ("string_to_vector(concat('[', repeat('0.5,', 16382), '1]'))",), (MYSQL,))
    yield Type("VECTOR", "vector(3)", "bytes", tuple(f"vec_fromtext('{text}')" for text in texts), (MARIADB_NEW,),
               make=lambda rng: "vec_fromtext('[" + ",".join(repr(rng.uniform(-9, 9)) for _ in range(3)) + "]')")
    yield Type("VECTOR", "vector(1000)", "bytes", ("vec_fromtext(concat('[', repeat('0.5,', 999), '1]'))",), (MARIADB_NEW,))


def mariadb_types():
    yield Type("INET4", "inet4", "text", ("'1.2.3.4'", "'1.2.0.0'", "'0.0.0.0'", "'255.255.255.255'", "'32.32.32.32'"), MARIA,
               make=lambda rng: quote(".".join(str(rng.randint(0, 255)) for _ in range(4))))
    yield Type("INET6", "inet6", "text", ("'::'", "'::1'", "'fe80::1:0:0:1'", "'::ffff:1.2.3.4'", "'1::'", "'1:0:2:3:4:5:6:7'",
               "'::1.2.3.4'", "'1:2:0:0:5:0:0:8'", "'0:1:2:3:4:5:6:7'", "'1:2:3:4:5:6:7:0'", "'::1:2'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
               "'2020:2020:2020:2020:2020:2020:2020:2020'", "'0:0:1::'"), MARIA,
               make=lambda rng: quote(":".join(f"{rng.choice((0, 0, rng.randint(0, 65535))):x}" for _ in range(8))))
    yield Type("UUID", "uuid", "text", ("'00112233-4455-1677-8899-aabbccddee00'", "'00112233-4455-4677-8899-aabbccddeeff'",
               "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'01890000-0000-7000-8000-000000000001'",
               "'20202020-2020-2020-2020-202020202020'", "'00000000-0000-1000-8000-000000000000'"), MARIA,
               make=lambda rng: quote("{}-{}-{}-{}-{}".format(*(rng.randbytes(n).hex() for n in (4, 2, 2, 2, 6)))))
    for name in ("varchar(300) compressed", "text compressed", "longtext compressed character set latin1", "tinytext compressed"):
        yield Type("COMPRESSED", name, "text", ("repeat('abc', 80)", "'short'", "''", "repeat('é', 99)"), MARIA,
                   make=lambda rng: quote(rng.choice("abc ") * rng.randint(0, 99)))
    for name in ("varbinary(300) compressed", "blob compressed", "mediumblob compressed", "longblob compressed"):
        yield Type("COMPRESSED", name, "bytes", ("repeat(x'00ff', 100)", "x'00'", "''", "repeat(x'01', 300)"), MARIA,
                   make=lambda rng: hexed(rng.choice((b"\0", b"ab", b"\xff")) * rng.randint(0, 99)))
    yield Type("COMPRESSED", "longblob compressed", "bytes", ("repeat(x'0102', 100000)",), MARIA)


def all_types():
    for part in (integers, decimals, floats, bits, temporals, characters, byte_strings, labels, documents, geometries, vectors,
                 mariadb_types):
        yield from part()


def types_of(server):
    return [kind for kind in all_types() if server in kind.servers]


def random_literal(kind, rng: random.Random):
    if rng.random() < 0.08:
        return "NULL"
    if kind.make is None or rng.random() < 0.25:
        return str(rng.choice(kind.values))
    return str(kind.make(rng))
