"""What a server's information_schema says of the tables of a database, in the form that the engine's history is compared in."""
import re

KINDS = ("BASE TABLE", "SYSTEM VERSIONED")
TEXT = re.compile(r"(tinytext|mediumtext|longtext|text|char|varchar|enum|set)\b")
ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def unescape(cell):
    """A cell as the client program prints it in batch mode."""
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[0]), cell)


def rows(database, sql):
    return [[unescape(cell) for cell in line] for line in database.run("SET NAMES utf8mb4; " + sql)]


class Table:
    def __init__(self, collation):
        self.collation = collation
        self.columns = []   # (name, type, nullable, collation or "-", "" | "virtual" | "stored")
        self.keys = {}      # name -> (unique, [(column or None, prefix or None)])

    def row_key(self):
        """The primary key, else the first unique key by name of whole, stored, NOT NULL columns."""
        usable = {name for name, _, nullable, _, generated in self.columns if not nullable and generated != "virtual"}
        for name in sorted(self.keys, key=lambda n: (n != "PRIMARY", n.encode())):
            unique, parts = self.keys[name]
            if unique and all(column in usable and prefix is None for column, prefix in parts):
                return [column for column, _ in parts]
        return []

    def lines(self):
        out = [" ".join(filter(None, (name, kind, "NULL" if nullable else "NOT NULL", collation, generated)))
               for name, kind, nullable, collation, generated in self.columns]
        return [*out, " ".join(["key", *self.row_key()]), f"default {self.collation}"]


def queries(schema):
    """The statements that `parse` reads the rows of."""
    where = f"TABLE_SCHEMA = '{schema}'"
    return ("SET NAMES utf8mb4; SELECT '%table', TABLE_NAME, TABLE_COLLATION FROM information_schema.TABLES "
            f"WHERE {where} AND TABLE_TYPE='BASE TABLE'; "
            "SELECT '%column', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, IFNULL(COLLATION_NAME, '-'), EXTRA "
            f"FROM information_schema.COLUMNS WHERE {where} ORDER BY TABLE_NAME, ORDINAL_POSITION; "
            "SELECT '%key', TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NON_UNIQUE FROM information_schema.STATISTICS "
            f"WHERE {where} ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX;")


def parse(lines):
    tables = {}
    for what, table, *cells in ([unescape(cell) for cell in line] for line in lines):
        if what == "%table":
            tables[table] = Table(cells[0])
        elif table not in tables:
            continue  # a view
        elif what == "%column":
            name, kind, nullable, collation, extra = cells
            generated = "virtual" if "VIRTUAL GENERATED" in extra else "stored" if "STORED GENERATED" in extra else ""
            tables[table].columns.append((name, kind, nullable == "YES", collation, generated))
        elif what == "%key":
            key, column, prefix, non_unique = cells
            parts = tables[table].keys.setdefault(key, (non_unique == "0", []))[1]
            parts.append((None if column == "NULL" else column, None if prefix == "NULL" else int(prefix)))
    return tables


def read(database, schema):
    """{table: Table} of one database. MariaDB may miss a table, or show one twice, while it tidies up behind a change:
    what two readings agree on counts."""
    before = None
    while True:
        tables = parse(database.run(queries(schema)))
        if before is not None and tables.keys() == before.keys():
            return tables
        before = tables


def default_collation(database, schema):
    return rows(database, f"SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='{schema}'")[0][0]


def version(database):
    """101119 for 10.11.19."""
    parts = re.match(r"(\d+)\.(\d+)\.(\d+)", rows(database, "SELECT VERSION()")[0][0])
    return int(parts[1]) * 10000 + int(parts[2]) * 100 + int(parts[3])
