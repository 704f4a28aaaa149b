"""Tables, rows and SQL expressions at random, for comparing row filters with a server."""
from dataclasses import dataclass, field

import catalog

WORDS = ["", "a", "A", "ab", "Ab ", "ab  ", " ab", "abc", "B", "b", "ä", "Ä", "a\u0308", "ß", "ss", "SS", "é", "e", "E\u0301", "Æ", "ae", "ø", "o",
         "Straße", "日本", "日", "한글", "\u1112\u1161\u11ab", "😀", "🎉", "\u0301", "%", "_", "a_b", "a%b", "10", "10.5", " 10", "1e1", "-5", "abc10", "10abc",
         "\t1", "0", "-0", "+7", ".5", "5.", "1e400", "ǆ", "Ǆ", "İ", "i", "I", "ı", "Σ", "ς", "σ", "\u00a0", "\u200b", "a\u0001", "z", "Z", "{", "[", "~",
         "9007199254740993", "18446744073709551616", "x" * 20, "ЙОД", "йод", "и\u0306", "ﬁ", "fi", "½", "①", "1", "Å", "Ａ", "\\", "'", '"']
ASCII = [word for word in WORDS if word.isascii()]
DATES = ["2026-01-31", "2026-02-01", "1970-01-01", "2000-02-29", "9999-12-31", "1000-01-01", "2025-12-31"]
TIMES = ["00:00:00", "12:34:56", "23:59:59", "-01:02:03", "838:59:59", "-838:59:59", "08:00:00"]
NUMBERS = ["0", "1", "-1", "2", "7", "10", "100", "-128", "127", "255", "65535", "2147483647", "-2147483648", "4294967295"]
LARGE = ["9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808"]
UNSIGNED = ["9223372036854775808", "18446744073709551615"]
DECIMALS = ["0.00", "0.01", "-0.01", "1.00", "1.50", "10.25", "-99999999.99", "99999999.99", "3.33", "7.00", "100.00"]
LABELS = ["new", "old", "", "10", "Zed"]


@dataclass
class Column:
    name: str
    kind: str                  # type as the engine reads it
    group: str                 # int, decimal, double, text, bytes, date, datetime, time, json
    values: list = field(repr=False, default_factory=list)
    collation: int = 0
    suffix: str = ""           # of the type at the server
    nullable: bool = True

    def sql(self, _server):
        return f"{self.kind}{self.suffix}{' NULL' if self.nullable else ' NOT NULL PRIMARY KEY'}"

    def literal(self, value):
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return f"x'{value.hex()}'"
        if self.kind.startswith("bit"):
            return value
        return f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)" if self.group in ("text", "json") else f"'{value}'"


def fits(kind, numbers):
    low, high = {"tinyint": (-128, 127), "int": (-2**31, 2**31 - 1), "int unsigned": (0, 2**32 - 1), "bigint": (-2**63, 2**63 - 1),
                 "bigint unsigned": (0, 2**64 - 1)}[kind]
    return [number for number in numbers if low <= int(number) <= high]


def table(_rng, server):
    every = NUMBERS + LARGE + UNSIGNED
    columns = [Column("id", "int", "int", nullable=False)]
    columns += [Column(name, kind, "int", fits(kind, every)) for name, kind in
                (("t", "tinyint"), ("i", "int"), ("iu", "int unsigned"), ("l", "bigint"), ("lu", "bigint unsigned"))]
    columns += [
        Column("d", "decimal(10,2)", "decimal", DECIMALS),
        Column("dd", "decimal(30,10)", "decimal", ["0.0000000000", "1.5000000000", "-12345678901234567890.0123456789", "0.3333333333",
                                                   "9007199254740993.0000000000", "7.0000000000"]),
        Column("f", "double", "double", ["0", "1", "-1.5", "0.1", "1e+300", "10.25", "9007199254740992", "3.3333333333333335"]),
        Column("ff", "float", "double", ["0", "1", "0.1", "-1.5", "16777216"]),
        Column("g", "varchar(40)", "text", WORDS, 45, " COLLATE utf8mb4_general_ci"),
        Column("g2", "varchar(40)", "text", WORDS, 45, " COLLATE utf8mb4_general_ci"),
        Column("b", "varchar(40)", "text", WORDS, 46, " COLLATE utf8mb4_bin"),
        Column("c", "char(30)", "text", [word.rstrip(" ") for word in WORDS], 45, " COLLATE utf8mb4_general_ci"),
        Column("a", "varchar(40)", "text", ASCII, 11, " CHARACTER SET ascii COLLATE ascii_general_ci"),
        Column("vb", "varbinary(20)", "bytes", [b"", b"a", b"ab", b"ab ", b"\x00", b"\xff\x00", b"10", "ä".encode()]),
        Column("en", "enum('new','old','','10','Zed')", "enum", LABELS, 45, " COLLATE utf8mb4_general_ci"),
        Column("st", "set('a','B','c')", "set", ["", "a", "B", "a,B", "a,B,c", "c"], 45, " COLLATE utf8mb4_general_ci"),
        Column("bt", "bit(12)", "bit", ["0", "1", "5", "4095"]),
        Column("y", "year", "year", ["1970", "2000", "2026", "2155", "1901"]),
        Column("day", "date", "date", DATES),
        Column("dt", "datetime", "datetime", [f"{day} {time}" for day in DATES for time in ("00:00:00", "12:34:56", "23:59:59")]),
        Column("dt6", "datetime(6)", "datetime", [f"{day} {time}" for day in DATES for time in ("00:00:00.000000", "12:34:56.789012")]),
        Column("ts", "timestamp", "datetime", ["1970-01-02 00:00:00", "2026-01-31 12:34:56", "2037-12-31 23:59:59"]),
        Column("tm", "time", "time", TIMES),
        Column("tm3", "time(3)", "time", [f"{time}.{part}" for time in TIMES[:4] for part in ("000", "250")]),
        Column("doc", "json", "json", ["{}", "[1]", '"a"']),
    ]
    if server == catalog.MYSQL:
        columns += [Column("n", "varchar(40)", "text", WORDS, 255, " COLLATE utf8mb4_0900_ai_ci"),
                    Column("n2", "varchar(40)", "text", WORDS, 255, " COLLATE utf8mb4_0900_ai_ci"),
                    Column("nb", "varchar(40)", "text", WORDS, 309, " COLLATE utf8mb4_0900_bin")]
    return columns


def any_text(rng):
    """Mostly out of the list, sometimes made of any characters."""
    if rng.random() < 0.6:
        return rng.choice(WORDS)
    planes = ((0x20, 0x7e), (0xa0, 0x24f), (0x370, 0x52f), (0x530, 0xfff), (0x1000, 0x2fff), (0x3000, 0xd7ff), (0xe000, 0xfffd), (0x10000, 0x1f9ff))
    return "".join(chr(rng.randint(*rng.choice(planes))) for _ in range(rng.randint(1, 4)))


def row(rng, columns, number):
    out = []
    for column in columns:
        if column.name == "id":
            out.append(str(number))
        elif column.nullable and rng.random() < 0.15:
            out.append(None)
        elif column.group == "text" and column.collation != 11 and rng.random() < 0.3:
            text = any_text(rng)
            out.append(text.rstrip(" ") if column.kind.startswith("char") else text)
        else:
            out.append(rng.choice(column.values))
    return out


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class Maker:
    def __init__(self, rng, columns):
        self.rng, self.columns = rng, columns
        # Of the two, MySQL takes all bits of a shift's width, rounds a quotient to four more digits, and takes numbers beside DECIMAL columns as exact.
        self.is_mysql = any(column.collation == 255 for column in columns)

    def negative(self, operand):
        """Of a constant that is negative already MySQL makes a DECIMAL."""
        return f"(-{operand})".replace("--", "- -" if self.is_mysql else "- id - -")

    def divide(self):
        return "/" if self.is_mysql else "+"

    def of(self, *groups):
        found = [column.name for column in self.columns if column.group in groups]
        return self.rng.choice(found)

    def pick(self, *choices):
        return self.rng.choice(choices)()

    # values by type -------------------------------------------------------------------------------------------

    def integer(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.4:
            return self.pick(lambda: self.of("int"), lambda: self.of("int"), lambda: rng.choice(NUMBERS), lambda: rng.choice((LARGE if self.is_mysql else LARGE[:-1]) + UNSIGNED),
                             lambda: str(rng.randint(-20, 20)))
        a, b = (lambda: self.integer(depth - 1)), (lambda: self.integer(depth - 1))
        return self.pick(lambda: f"({a()} {rng.choice(['+', '-', '*'])} {b()})", lambda: f"({a()} {rng.choice(['DIV', '%', 'MOD'])} {b()})",
                         lambda: f"({a()} {rng.choice(['&', '|', '^'])} {b()})",
                         lambda: f"({a()} {rng.choice(['<<', '>>'])} {b() if self.is_mysql else rng.randint(0, 70)})", lambda: self.negative(a()), lambda: f"(~{a()})",
                         lambda: f"ABS({a()})", lambda: f"MOD({a()}, {b()})", lambda: f"COALESCE({a()}, {b()})",
                         lambda: f"CAST({self.decimal(depth - 1)} AS SIGNED)", lambda: f"CAST({a()} AS UNSIGNED)", lambda: f"CAST({a()} AS SIGNED)",
                         lambda: f"CAST({self.text(depth - 1)} AS SIGNED)", lambda: f"CHAR_LENGTH({self.text(depth - 1)})",
                         lambda: f"({self.condition(depth - 1)})", lambda: f"{a()} + {b()} * {a()}", lambda: f"({a()} - {b()} - {a()})")

    def decimal(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.4:
            return self.pick(lambda: self.of("decimal"), lambda: self.of("decimal"), lambda: rng.choice(DECIMALS), lambda: f"{rng.randint(-99, 99)}.{rng.randint(0, 999)}")
        a = lambda: self.decimal(depth - 1)  # noqa: E731
        b = lambda: self.number(depth - 1)   # noqa: E731
        return self.pick(lambda: f"({a()} {rng.choice(['+', '-', '*', self.divide(), '%'])} {b()})", lambda: f"({b()} {self.divide()} {a()})", lambda: f"(-{a()})".replace("--", "- -"),
                         lambda: f"ABS({a()})", lambda: f"CAST({b()} AS DECIMAL({rng.choice(['10,2', '5,1', '20,0', '30,10', '3,3'])}))",
                         lambda: f"CAST({self.text(depth - 1)} AS DECIMAL(20,4))", lambda: f"({self.integer(depth - 1)} {self.divide()} {self.integer(depth - 1)})",
                         lambda: f"IFNULL({a()}, {b()})")

    def double(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.5:
            return self.pick(lambda: self.of("double"), lambda: rng.choice(["1e0", "-1.5e1", "1e300", "1e-3", *(["9007199254740992e0"] if self.is_mysql else [])]))
        a, b = self.double(depth - 1), self.pick(lambda: self.number(depth - 1), lambda: self.double(depth - 1))
        return self.pick(lambda: f"({a} {rng.choice(['+', '-', '*', '/', '%'])} {b})", lambda: f"CAST({b} AS DOUBLE)", lambda: f"(-{a})".replace("--", "- -"),
                         lambda: f"ABS({a})", lambda: f"CAST({self.text(depth - 1)} AS DOUBLE)")

    def number(self, depth):
        return self.integer(depth) if self.rng.random() < 0.6 else self.decimal(depth)

    def text(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.5:
            return self.pick(lambda: self.of("text"), lambda: self.of("text"), lambda: quote(any_text(rng)), lambda: self.of("enum", "set"))
        a = lambda: self.text(depth - 1)  # noqa: E731
        return self.pick(lambda: f"CONCAT({a()}, {a()})", lambda: f"SUBSTR({a()}, {rng.randint(-4, 4)})", lambda: f"SUBSTRING({a()}, {rng.randint(-4, 4)}, {rng.randint(-1, 4)})",
                         lambda: f"SUBSTRING({a()} FROM {rng.randint(-3, 3)} FOR 2)", lambda: f"REPLACE({a()}, {quote(any_text(rng))}, {quote(any_text(rng))})",
                         lambda: f"REPLACE({a()}, 'a', 'bb')", lambda: f"COALESCE({a()}, {a()})", lambda: f"CAST({a()} AS CHAR({rng.randint(0, 5)}))",
                         lambda: f"CAST({self.number(depth - 1)} AS CHAR)", lambda: f"CONCAT({a()}, {self.number(depth - 1)})",
                         lambda: f"CAST({self.of('date', 'datetime', 'time')} AS CHAR)")

    def plain(self):
        """Text of one column, or a literal: what collations are surely alike of."""
        column = self.rng.choice([c for c in self.columns if c.group == "text"])
        alike = [c.name for c in self.columns if c.group == "text" and c.collation == column.collation]
        other = self.pick(lambda: quote(any_text(self.rng)), lambda: quote(any_text(self.rng)), lambda: self.rng.choice(alike))
        return column.name, other, alike

    def moment(self, group):
        rng = self.rng
        if group == "time":
            return self.pick(lambda: self.of("time"), lambda: quote(rng.choice(TIMES)), lambda: f"TIME'{rng.choice(TIMES)}'", lambda: "CAST(dt AS TIME)")
        return self.pick(lambda: self.of("date", "datetime"), lambda: self.of("date", "datetime"), lambda: quote(rng.choice(DATES)),
                         lambda: quote(f"{rng.choice(DATES)} {rng.choice(['00:00:00', '12:34:56', '12:34:56.789012'])}"), lambda: f"DATE'{rng.choice(DATES)}'",
                         lambda: f"TIMESTAMP'{rng.choice(DATES)} 12:34:56'", lambda: f"CAST({self.of('datetime')} AS DATE)", lambda: "CAST(day AS DATETIME)")

    # conditions -----------------------------------------------------------------------------------------------

    def compare(self, depth):
        rng = self.rng
        op = rng.choice(["=", "=", "<>", "!=", "<", "<=", ">", ">=", "<=>"])

        def texts():
            left, right, _ = self.plain()
            return f"{left} {op} {right}" if rng.random() < 0.8 else f"{right} {op} {left}"
        return self.pick(
            lambda: f"{self.number(depth)} {op} {self.number(depth)}", lambda: f"{self.integer(depth)} {op} {self.integer(depth)}",
            lambda: f"{self.decimal(depth)} {op} {self.number(depth)}", lambda: f"{self.double(depth)} {op} {self.number(depth)}",
            texts, texts, texts, lambda: f"{self.text(depth)} {op} {self.of('text')}", lambda: f"{self.text(depth)} {op} {self.of('text')}",
            lambda: f"{self.of('int')} {op} {quote(rng.choice(NUMBERS + LARGE + ['10.5', '1e1', ' 7 ', '+1', '9007199254740992.0', '9.007199254740992e15']))}",
            lambda: f"{self.of('decimal', 'double')} {op} {quote(rng.choice(NUMBERS + DECIMALS + (['9007199254740992', '1.5e0'] if self.is_mysql else [])))}",
            lambda: f"{self.of('text')} {op} {self.number(0)}",
            lambda: f"{self.moment('date')} {op} {self.moment('date')}", lambda: f"{self.moment('time')} {op} {self.moment('time')}",
            lambda: f"en {op} {self.pick(lambda: quote(rng.choice(LABELS + ['NEW', 'zed', 'x'])), lambda: str(rng.randint(0, 5)))}",
            lambda: f"st {op} {self.pick(lambda: quote(rng.choice(['', 'a', 'A', 'a,b', 'a,B,c', 'b,a'])), lambda: str(rng.randint(0, 7)))}",
            lambda: f"y {op} {rng.choice(['2026', '1970', '1000', '3000', quote('2026'), self.of('int')])}",
            lambda: f"bt {op} {rng.choice(['5', chr(98) + quote('101'), '0x05', 't'])}", lambda: f"vb {op} {rng.choice([quote('ab'), quote('a'), 'x' + quote('ff00'), quote('ä')])}",
            lambda: f"{self.pick(lambda: self.number(0), lambda: self.text(0))} {op} NULL")

    def condition(self, depth):
        rng = self.rng
        if depth > 0 and rng.random() < 0.45:
            a = lambda: self.condition(depth - 1)  # noqa: E731
            return self.pick(lambda: f"({a()} AND {a()})", lambda: f"({a()} OR {a()})", lambda: f"({a()} XOR {a()})", lambda: f"NOT ({a()})", lambda: f"NOT {a()}",
                             lambda: f"({a()}) IS {rng.choice(['TRUE', 'FALSE', 'UNKNOWN', 'NOT TRUE', 'NOT FALSE', 'NULL', 'NOT NULL'])}",
                             lambda: f"{a()} AND {a()} OR {a()}", lambda: f"!({a()})", lambda: f"({a()}) = ({a()})", lambda: f"{a()} && {a()}")
        negated = rng.choice(["", "", "NOT "])

        def in_texts():
            left, _, alike = self.plain()
            items = [self.pick(lambda: quote(any_text(rng)), lambda: rng.choice(alike), lambda: quote(any_text(rng))) for _ in range(rng.randint(1, 5))]
            return f"{left} {negated}IN ({', '.join(items + (['NULL'] if rng.random() < 0.2 else []))})"

        def between_texts():
            left, right, alike = self.plain()
            return f"{left} {negated}BETWEEN {right} AND {self.pick(lambda: quote(any_text(rng)), lambda: rng.choice(alike))}"

        def like():
            left, _, _ = self.plain()
            pattern = "".join(rng.choice(["%", "_", "a", "b", "A", "ä", "ss", "日", "\\%", "\\_", "1", any_text(rng)[:1].replace("\\", "")]) for _ in range(rng.randint(0, 4)))
            escape = rng.choice(["", "", "", " ESCAPE '|'", " ESCAPE 'a'"])
            return f"{left} {negated}LIKE '{pattern.replace(chr(39), chr(39) * 2)}'{escape}"
        return self.pick(
            lambda: self.compare(depth), lambda: self.compare(depth), lambda: self.compare(depth), lambda: self.compare(depth), in_texts, between_texts, like, like,
            lambda: f"{self.number(depth - 1)} {negated}IN ({', '.join(self.number(0) for _ in range(rng.randint(1, 5)))})",
            lambda: f"{self.number(depth - 1)} {negated}BETWEEN {self.number(0)} AND {self.number(0)}",
            lambda: f"{self.of('date', 'datetime')} {negated}BETWEEN {quote(rng.choice(DATES))} AND {quote(rng.choice(DATES) + ' 12:00:00')}",
            lambda: f"{self.of('date', 'datetime')} {negated}IN ({quote(rng.choice(DATES))}, {quote(rng.choice(DATES))})",
            lambda: f"{self.of('int', 'date', 'datetime', 'time', 'decimal')} LIKE '{rng.choice(['1%', '%0', '2026-%', '%:%', '_', '-%', '10', '%.5%'])}'",
            lambda: f"{rng.choice(self.columns).name} IS {negated}NULL", lambda: f"({self.number(depth - 1)}) IS {negated}NULL",
            lambda: self.of("int", "decimal", "double"), lambda: f"{self.of('text')} IS {negated}NULL")


def condition(rng, columns):
    return Maker(rng, columns).condition(rng.randint(0, 3))


def value(rng, columns):
    maker = Maker(rng, columns)
    depth = rng.randint(0, 3)
    made = maker.pick(lambda: maker.integer(depth), lambda: maker.decimal(depth), lambda: maker.double(depth), lambda: maker.text(depth),
                      lambda: maker.of("date", "datetime", "time"), lambda: f"CAST({maker.of('datetime')} AS DATE)", lambda: f"CAST({maker.of('datetime')} AS TIME(6))")
    return "f" if made == "ff" else made  # the server's text of a FLOAT has six digits
