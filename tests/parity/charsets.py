"""Every character that a character set holds, written as bytes of that set; the server's own CONVERT is the truth."""
import sides

SCHEMA = "parity_charset"
SINGLE = ("latin1 latin2 latin5 latin7 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 koi8r koi8u greek hebrew tis620 macroman macce "
          "dec8 hp8 armscii8 geostd8 keybcs2 swe7 ascii").split()
# Codes by (first, last, bytes): what is in between and no code of the set is left out by the server's answer.
ONE = (0, 0xFF, 1)
WIDE_RANGES = {
    "gbk": (ONE, (0x8140, 0xFEFE, 2)), "gb2312": (ONE, (0xA1A1, 0xFEFE, 2)), "big5": (ONE, (0xA140, 0xFEFE, 2)),
    "euckr": (ONE, (0x8141, 0xFEFE, 2)), "sjis": (ONE, (0x8140, 0x9FFC, 2), (0xE040, 0xFCFC, 2)),
    "cp932": (ONE, (0x8140, 0x9FFC, 2), (0xE040, 0xFCFC, 2)), "ujis": (ONE, (0x8EA1, 0xFEFE, 2), (0x8FA1A1, 0x8FFEFE, 3)),
    "eucjpms": (ONE, (0x8EA1, 0xFEFE, 2), (0x8FA1A1, 0x8FFEFE, 3)), "gb18030": (ONE, (0x8140, 0xFEFE, 2)),
}
# Those that hold all of Unicode, or its first plane, are written from code points.
BY_CODE_POINT = {"utf8mb4": 0x10FFFF, "utf8mb3": 0xFFFF, "utf16": 0x10FFFF, "utf16le": 0x10FFFF, "utf32": 0x10FFFF, "ucs2": 0xFFFF,
                 "gb18030": 0x10FFFF}
PACK, POINTS = 48, 256   # characters in one value


def of_server(database):
    return {row[0] for row in database.run("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS")}


def codes(database, charset):
    """(codes that are characters, well-formed codes that are none), as hex digits."""
    limit = "max_recursive_iterations" if database.kind.startswith("mariadb") else "cte_max_recursion_depth"
    known, unknown = [], []
    for first, last, size in WIDE_RANGES.get(charset, (ONE,)):
        sql = (f"SET NAMES utf8mb4; SET SESSION {limit} = 1000000; WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 "
               f"FROM s WHERE n < {last}) SELECT h, HEX(CONVERT(UNHEX(h) USING {charset})), HEX(CONVERT(CONVERT(UNHEX(h) USING {charset}) "
               f"USING utf8mb4)) FROM (SELECT LPAD(HEX(n), {2 * size}, '0') h FROM s) x")
        for code, same, text in database.run(sql):
            if same == code and text:   # no text: the beginning of a longer code
                (unknown if text == "NULL" or (text == "3F" and code != "3F") else known).append(code)
    return known, unknown


def code_points(last, everything):
    points = [p for p in range(0x10000) if not 0xD800 <= p <= 0xDFFF]
    if last > 0xFFFF:
        ranges = ((0x10000, last + 1),) if everything else ((0x10000, 0x10800), (0x1F000, 0x1FB00), (0x20000, 0x20400), (0x10FC00, last + 1))
        points += [p for first, end in ranges for p in range(first, end)]
    return points


class Charsets:
    def __init__(self, database, everything):
        self.database, self.everything = database, everything
        self.counts, self.tables, self.writes = {}, [], []

    def create(self):
        have = of_server(self.database)
        script = [f"DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA}; USE {SCHEMA}"]
        for charset in (*SINGLE, *WIDE_RANGES, *BY_CODE_POINT):
            if charset not in have or any(table.name == charset for table in self.tables):
                continue
            script.append(f"CREATE TABLE `{charset}` (id int primary key, c mediumtext character set {charset})")
            self.tables.append(sides.Compared(charset, (sides.Field("id", "int"), sides.Field("c", "text", charset))))
            self.counts[charset] = 0
        self.database.run(";\n".join(script))

    def write(self):
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; USE {SCHEMA}; BEGIN"]
        for table in self.tables:
            at = 0
            if table.name in SINGLE or table.name in WIDE_RANGES:
                known, _ = codes(self.database, table.name)
                self.counts[table.name] += len(known)
                for first in range(0, len(known), PACK):
                    script.append(f"INSERT INTO `{table.name}` VALUES ({at}, x'{''.join(known[first:first + PACK])}')")
                    at += 1
            if table.name in BY_CODE_POINT:
                points = code_points(BY_CODE_POINT[table.name], self.everything)
                self.counts[table.name] += len(points)
                for first in range(0, len(points), POINTS):
                    text = "".join(map(chr, points[first:first + POINTS])).encode().hex()
                    script.append(f"INSERT INTO `{table.name}` VALUES ({at}, CONVERT(x'{text}' USING utf8mb4))")
                    at += 1
        self.database.run(";\n".join([*script, "COMMIT"]))

    def truth(self):
        found = sides.of_server(self.database, SCHEMA, self.tables)
        for table in self.tables:   # nothing was lost on the way in, else less than everything would be compared
            characters = sum(len(values[0]) for values in found[table.name].values())
            assert characters == self.counts[table.name], f"{table.name}: {characters} characters of {self.counts[table.name]}"
        return found
