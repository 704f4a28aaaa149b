"""Random schema changes over a few tables of one database: all verbs, many types, odd quoting. Mostly valid; a server
refuses the rest."""
import random
import re

COMMON_TYPES = [
    "INT", "int(5)", "INTEGER UNSIGNED", "bigint", "BIGINT(3) unsigned", "TINYINT", "tinyint(1)", "TINYINT(1) UNSIGNED", "SMALLINT",
    "mediumint unsigned", "MIDDLEINT", "BOOL", "Boolean", "INT1", "INT2", "INT3", "INT4", "INT8", "int zerofill", "INT(7) ZEROFILL",
    "DECIMAL", "dec(5)", "NUMERIC(8,3)", "FIXED(4,1) unsigned", "decimal(30,10)", "FLOAT", "float(20)", "float(30)", "FLOAT(7,2)",
    "float4", "float8", "DOUBLE", "DOUBLE PRECISION", "double(9,4) unsigned", "REAL", "real(6,2)", "BIT", "bit(9)", "BIT(64)", "YEAR",
    "year(4)", "DATE", "TIME", "time(3)", "DATETIME", "datetime(6)", "datetime(0)", "TIMESTAMP", "timestamp(2)",
    "CHAR", "char(7)", "CHARACTER(4)", "varchar(20)", "VARCHAR(300)", "CHARACTER VARYING(9)", "CHAR VARYING(8)", "VARCHARACTER(6)",
    "NATIONAL CHAR(5)", "NCHAR(5)", "NVARCHAR(7)", "NATIONAL VARCHAR(4)", "NCHAR VARYING(3)", "NATIONAL CHARACTER VARYING(6)",
    "tinytext", "TEXT", "text(10)", "TEXT(400)", "text(30000)", "mediumtext", "LONGTEXT", "LONG", "LONG VARCHAR", "long varbinary",
    "CHAR(3) BYTE", "VARCHAR(12) byte", "BINARY", "binary(5)", "VARBINARY(40)", "TINYBLOB", "BLOB", "blob(200)", "BLOB(70000)",
    "MEDIUMBLOB", "longblob", "ENUM('a','b')", "enum('x','y ','it''s')", 'SET("p","q")', "set('one','two','three')",
    "enum('back\\\\slash','new\\nline')", "enum('ä','ß')", "JSON", "POINT", "geometry", "GEOMETRYCOLLECTION", "linestring",
    "CHAR(10) ASCII", "varchar(10) UNICODE", "CHAR(5) BINARY", "text BINARY", "varchar(6) ASCII BINARY",
    "varchar(5) /*!50000 CHARACTER SET */ /*!50000 latin1 */", "int /*!99999 garbage here */", "int /* plain */ unsigned",
]
TYPES = {
    "mariadb": [*COMMON_TYPES, "UUID", "INET6", "inet4", "year(2)", "varchar(30) COMPRESSED", "TEXT COMPRESSED", "int /*M!100200 unsigned */",
                "int /*!50701 garbage */"],
    "mysql9": [*COMMON_TYPES, "VECTOR(3)", "vector", "int /*M! garbage */", "int /*!90000 unsigned */"],
}
SIMPLE = ["INT", "BIGINT UNSIGNED", "VARCHAR(20)", "CHAR(8)", "DATE", "DECIMAL(8,2)", "VARBINARY(16)"]
CHARSETS = ["utf8mb4", "utf8mb3", "utf8", "latin1", "gbk", "binary", "ascii", "ucs2", "utf16", "big5", "sjis", "cp1251", "latin2", "koi8r"]
COLLATIONS = {
    "mariadb": ["utf8mb4_bin", "latin1_german1_ci", "utf8_general_ci", "utf8mb4_unicode_520_ci", "utf8mb4_uca1400_as_cs", "uca1400_ai_ci",
                "latin1_swedish_nopad_ci", "gbk_bin", "utf8mb3_croatian_ci", "binary"],
    "mysql9": ["utf8mb4_bin", "latin1_german1_ci", "utf8_general_ci", "utf8mb4_unicode_520_ci", "utf8mb4_0900_as_cs", "utf8mb4_ja_0900_as_cs",
               "gbk_bin", "utf8mb3_croatian_ci", "utf8mb4_croatian_ci", "binary"],
}
NAMES = ["a", "b", "c", "d", "e", "F", "g h", "ü", "order", "key", "first", "x`y", "Id", "date", "comment", "end", "2nd", 'q"q', "näme", "status"]
MODES = ["", "", "", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "REAL_AS_FLOAT", "ANSI"]


CODECS = {"utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "latin1": "cp1252", "gbk": "gbk", "ascii": "ascii", "ucs2": "utf-16-be",
          "utf16": "utf-16-be", "big5": "big5", "sjis": "shift-jis", "cp1251": "cp1251", "latin2": "iso8859-2", "koi8r": "koi8-r"}


def stay_text(labels, before, after):
    """Do labels, as COLUMN_TYPE has them, stay text when their bytes are taken for those of another character set?"""
    if before == after:
        return True
    if not {before, after} <= CODECS.keys() or (before == "sjis" and any("\\" in label for label in labels)):
        return False   # a backslash of sjis has two codes
    try:
        for label in labels:
            plain = re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r", "0": "\0"}.get(found[1], found[1]), label.replace("''", "'"))
            seen = plain.encode(CODECS[before]).decode(CODECS[after])
            if "\0" in seen or len(seen) != len(seen.strip()) or any(0xD800 <= ord(c) < 0xE000 or ord(c) > 0xFFFF for c in seen):
                return False
    except UnicodeError:
        return False
    return True


class RandomDdl:
    def __init__(self, seed, kind, tables=4, select=True, lost_labels=True):
        self.lost_labels = lost_labels  # conversions that leave labels which are no text in the new character set
        self.select = select  # CREATE TABLE … SELECT, which a server logs in another form
        self.random = random.Random(seed)
        self.kind = "mariadb" if kind.startswith("mariadb") else "mysql9"
        self.maria = self.kind == "mariadb"
        self.names = [f"t{i}" for i in range(tables - 1)] + ["T x"]
        self.mode = ""

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def quoted(self, name):
        plain = name.isascii() and name.isalnum() and name.lower() not in ("order", "key") and name != "2nd"
        if plain and self.chance(50):
            return name
        if "ANSI" in self.mode and self.chance(50):
            return '"' + name.replace('"', '""') + '"'
        return "`" + name.replace("`", "``") + "`"

    def cased(self, name):
        return name.swapcase() if name.isascii() and self.chance(10) else name

    def charset(self):
        if self.chance(50):
            return f"{self.pick('CHARACTER SET', 'CHARSET', 'CHAR SET', 'character set')} {self.pick(*CHARSETS)}"
        collation = self.pick(*COLLATIONS[self.kind])
        charset = collation.split("_")[0]
        if self.chance(40) and charset not in ("uca1400", "binary"):
            return f"CHARACTER SET {charset} COLLATE {collation}"
        return f"COLLATE {collation}"

    def type(self, simple=False):
        kind = self.pick(*SIMPLE) if simple else self.pick(*TYPES[self.kind])
        if "ANSI" in self.mode:
            kind = kind.replace('"', "'")
        if "BACKSLASH" in self.mode:
            kind = kind.replace("\\", "/")
        text = any(kind.lower().startswith(word) for word in ("char", "varchar", "text", "tinytext", "mediumtext", "longtext", "enum", "set"))
        if text and not any(word in kind.upper() for word in ("ASCII", "UNICODE", "BYTE", "BINARY", "/*", "COMPRESSED")) and self.chance(30):
            kind += " " + self.charset()
        return kind

    def column(self, name, columns, simple=False):
        r = self.random
        if not simple and self.chance(4):
            return f"{self.quoted(name)} SERIAL"
        numbers = [c for c in columns if c != name]
        if not simple and numbers and self.chance(7):
            source = self.quoted(r.choice(numbers))
            always = self.pick("", "GENERATED ALWAYS ")
            how = self.pick("", " VIRTUAL", " STORED")
            null = self.pick("", "", " NOT NULL") if not self.maria else ""
            return f"{self.quoted(name)} {self.pick('INT', 'VARCHAR(40)')} {always}AS (LENGTH({source})){how}{null}"
        sql = f"{self.quoted(name)} {self.type(simple)}"
        if not simple and self.chance(12):
            sql += " " + self.pick("COMMENT 'it''s, a (comment'", "DEFAULT NULL", "COMMENT 'x' NULL", "NOT NULL DEFAULT '1'", "INVISIBLE",
                                   "DEFAULT (1 + 2)", "NULL DEFAULT -1.5e-3", "DEFAULT (CONCAT('a',',)'))", "CHECK (1 = 1)")
        elif self.chance(35):
            sql += self.pick(" NOT NULL", " NULL", " not null")
        if self.chance(4):
            sql += self.pick(" UNIQUE", " UNIQUE KEY")
        elif not simple and self.chance(2):
            sql += self.pick(" PRIMARY KEY", " KEY")
        return sql

    def key(self, columns):
        r = self.random
        parts = []
        for name in r.sample(columns, min(len(columns), r.randint(1, 2))):
            part = self.quoted(self.cased(name))
            if self.chance(20):
                part += f"({r.randint(1, 25)})"
            parts.append(part + self.pick("", "", " ASC", " DESC"))
        if self.chance(3) and not self.maria:
            parts = ["(1 + 1)"]
        name = self.pick("", "", "k1", "k2", "`K 3`", "u1", "`a`")
        text = f"({', '.join(parts)})"
        using = self.pick("", "", " USING BTREE")
        return self.pick(f"PRIMARY KEY{using} {text}", f"UNIQUE {name}{using} {text}", f"UNIQUE KEY {name} {text} COMMENT 'k'",
                         f"UNIQUE INDEX {name} {text}", f"KEY {name} {text}", f"INDEX {name}{using} {text}",
                         f"CONSTRAINT {self.pick('c1', '')} UNIQUE {name} {text}", f"CONSTRAINT {self.pick('c2', '')} PRIMARY KEY {text}")

    def create(self, name):
        r = self.random
        columns = r.sample(NAMES, r.randint(2, 7))
        items = [self.column(column, columns[:i], simple=i < 2) for i, column in enumerate(columns)]
        items += [self.key(columns) for _ in range(self.pick(0, 1, 1, 2, 3))]
        if self.chance(5):
            items.append("CHECK (1 > 0)")
        options = self.pick("", "", f" {self.pick('DEFAULT ', '')}{self.charset()}", f" ENGINE=InnoDB {self.charset()} COMMENT='a, b'",
                            " ROW_FORMAT=DYNAMIC, COMMENT 'x'", " AUTO_INCREMENT = 7")
        if self.chance(4):
            options += f" PARTITION BY KEY ({self.quoted(columns[0])}) PARTITIONS 2"
        head = self.pick("CREATE TABLE", "create table", "CREATE TABLE IF NOT EXISTS", "CREATE /* c */ TABLE")
        if self.maria and self.chance(20):
            head = "CREATE OR REPLACE TABLE"
        return f"{head} {self.quoted(name)} ({', '.join(items)}){options}"

    def position(self, columns):
        return self.pick("", "", "", " FIRST", f" AFTER {self.quoted(self.cased(self.random.choice(columns)))}")

    def change(self, table):
        """One item of an ALTER TABLE."""
        r = self.random
        columns = [column[0] for column in table.columns]
        keys = list(table.keys) or ["none"]
        new = r.choice(NAMES)
        old = self.cased(r.choice(columns))
        exists = self.pick("", " IF EXISTS") if self.maria and self.chance(30) else ""
        missing = self.pick("", " IF NOT EXISTS") if self.maria and self.chance(30) else ""
        word = self.pick("", " COLUMN")
        verb = r.randint(0, 27)
        if verb <= 5:
            return f"ADD{word}{missing} {self.column(new, columns)}{self.position(columns)}"
        if verb == 6:
            names = r.sample(NAMES, 2)
            return f"ADD{word}{missing} ({', '.join(self.column(name, columns) for name in names)})"
        if verb <= 9:
            return f"MODIFY{word}{exists} {self.column(old, columns)}{self.position(columns)}"
        if verb <= 12:
            name = self.pick(old, new)
            return f"CHANGE{word}{exists} {self.quoted(old)} {self.column(name, [c for c in columns if c != old])}{self.position(columns)}"
        if verb <= 14:
            return f"RENAME COLUMN {self.quoted(old)} TO {self.quoted(new)}"
        if verb <= 16:
            return f"DROP{word}{exists} {self.quoted(old)}"
        if verb == 17:
            return f"ADD {self.key(columns)}"
        if verb == 18:
            parts = f"({self.quoted(r.choice(columns))})"
            return f"ADD {self.pick('UNIQUE', 'INDEX')}{missing} {self.pick('', 'k1', 'u1')} {parts}" if not missing else \
                f"ADD {self.pick('UNIQUE INDEX', 'INDEX')}{missing} {self.pick('k1', 'u1')} {parts}"
        if verb == 19:
            return "DROP PRIMARY KEY"
        if verb == 20:
            key = r.choice(keys)
            return f"DROP {self.pick('KEY', 'INDEX')}{exists} {self.quoted(key)}" if key != "PRIMARY" else "DROP PRIMARY KEY"
        if verb == 21:
            return f"RENAME {self.pick('INDEX', 'KEY')} {self.quoted(r.choice(keys))} TO {self.pick('k9', '`A`', 'u1')}"
        if verb == 22:
            charset = self.pick("utf8mb4", "latin1", "utf8mb4 COLLATE utf8mb4_bin", "gbk", "utf8", "DEFAULT", "utf16")
            if self.may_convert(table, charset.split()[0]):
                return f"CONVERT TO CHARACTER SET {charset}"
        if verb == 23:
            return f"{self.pick('DEFAULT ', '')}{self.charset()}"
        if verb == 24:
            return f"ALTER{word} {self.quoted(old)} {self.pick('DROP DEFAULT', 'SET DEFAULT 3')}"
        return self.pick("ENGINE=InnoDB", "COMMENT='new, comment'", "FORCE", "ROW_FORMAT = COMPACT", "ALGORITHM=COPY", "LOCK=SHARED",
                         "AUTO_INCREMENT=100", "DISABLE KEYS", f"DROP CONSTRAINT {self.quoted(r.choice(keys))}", "ADD CHECK (1 < 2)")

    def may_convert(self, table, charset):
        """The servers keep the bytes of labels. What a second conversion makes of labels that the first one left no text is
        known to nobody who sees text only; and rows with such a label can be written by no text."""
        for _, kind, _, collation, _ in table.columns:
            if not kind.startswith(("enum", "set")) or collation == "-":
                continue
            text = kind[kind.index("("):]
            if "?" in text or "('')" in text or "'')" in text or "''," in text or "\\0" in text:
                return False
            if not self.lost_labels and not stay_text(re.findall(r"'((?:[^'\\]|''|\\.)*)'", text), collation.split("_")[0], charset):
                return False
        return True

    def alter(self, name, table):
        items = [self.change(table) for _ in range(self.pick(1, 1, 1, 2, 2, 3))]
        if self.chance(4):
            items.append(f"RENAME {self.pick('TO ', 'AS ', '')}{self.quoted(self.random.choice(self.names))}")
        if self.chance(3):
            items.append(self.pick("ORDER BY 1", f"ORDER BY {self.quoted(table.columns[0][0])}"))
        head = self.pick("ALTER TABLE", "alter table", "ALTER /* x */ TABLE")
        if self.maria:
            head = self.pick(head, head, "ALTER ONLINE TABLE", "ALTER IGNORE TABLE", "ALTER TABLE IF EXISTS")
        wait = self.pick(" WAIT 5", " NOWAIT") if self.maria and self.chance(4) else ""
        return f"{head} {self.quoted(name)}{wait} {', '.join(items)}"

    def statement(self, tables, schema):
        """The next statement, given what exists: {name: Table}. Sets `mode`, the sql_mode to run it under."""
        r = self.random
        self.mode = self.pick(*MODES)
        present = [name for name in self.names if name in tables]
        absent = [name for name in self.names if name not in tables]
        if not present or (absent and self.chance(40)):
            source = self.pick(*present) if present else None
            name = r.choice(absent)
            if source and self.chance(20):
                return f"CREATE TABLE {self.quoted(name)} {self.pick('LIKE {}', '(LIKE {})').format(self.quoted(source))}"
            if source and self.select and self.chance(8):
                return f"CREATE TABLE {self.quoted(name)} SELECT * FROM {self.quoted(source)}"
            return self.create(name)
        name = r.choice(present)
        quoted = self.quoted(name)
        columns = [column[0] for column in tables[name].columns]
        verb = r.randint(0, 99)
        if verb < 72:
            return self.alter(name, tables[name])
        if verb < 75:
            return f"TRUNCATE {self.pick('', 'TABLE ')}{quoted}"
        if verb < 78:
            return f"DROP TABLE {self.pick('', 'IF EXISTS ')}{quoted}{self.pick('', ', nothing', ' CASCADE')}"
        if verb < 84:
            unique = self.pick("", "UNIQUE ")
            missing = " IF NOT EXISTS" if self.maria and self.chance(20) else ""
            replace = "OR REPLACE " if self.maria and not missing and self.chance(20) else ""
            return (f"CREATE {replace}{unique}INDEX{missing} {self.pick('k1', 'k2', '`K 3`', 'u1')} ON {quoted} "
                    f"({self.quoted(r.choice(columns))}{self.pick('', '(3)')})")
        if verb < 87:
            key = r.choice(list(tables[name].keys) or ["none"])
            return f"DROP INDEX {'`PRIMARY`' if key == 'PRIMARY' else self.quoted(key)} ON {quoted}"
        if verb < 91:
            other = r.choice(absent) if absent else "nothing"
            return f"RENAME TABLE {quoted} TO {self.quoted(other)}"
        if verb < 94 and len(present) > 1:
            a, b = r.sample(present, 2)
            return f"RENAME TABLE {self.quoted(a)} TO tmp, {self.quoted(b)} TO {self.quoted(a)}, tmp TO {self.quoted(b)}"
        if verb < 97:
            return f"ALTER DATABASE {schema} {self.charset()}"
        return self.create(name) if self.maria else self.alter(name, tables[name])
