"""docs/parity.md: what was compared, written from what the tests did."""
import sqlite3
from pathlib import Path

import catalog
import matrix

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
TITLES = {catalog.MARIADB: "MariaDB 10.11", catalog.MYSQL: "MySQL 9", catalog.MARIADB_NEW: "MariaDB, newer (Debian sid)",
          catalog.SEEKDB: "seekdb (SELECT side only)"}

compared = {}      # server -> {(family, side): values}
characters = {}    # server -> {character set: characters}

EXCEPTIONS = {
    catalog.LOGGED: [
        "`-0` of FLOAT and DOUBLE arrives in SQLite as `0`: its REAL columns have one zero. Everything before the sink has the sign.",
        "ENUM and SET labels with characters beyond U+FFFF: the catalogue shows them as `?`. A copy that meets such a value stops with "
        "`SCH-0004`; from the log they are right with `binlog_row_metadata=FULL`.",
        "Codes that a character set has and the server knows no character for (it shows `?`), and bytes that are no text: `SRC-0018` from "
        "both sides, or U+FFFD with `invalid_text = \"replace\"`. See sinks.md.",
    ],
    catalog.MARIA: [
        "System-versioned tables are refused with `SRC-0011`: they log their history as rows.",
        "TIME, DATETIME and TIMESTAMP with fractions in the format before MySQL 5.6 (`mysql56_temporal_format=OFF`): the log does not "
        "describe them; `SCH-0001`.",
    ],
    (catalog.MARIADB_NEW,): [
        "An UPDATE logs no generated column, whatever `binlog_row_image` says: an update of such a table stops with `SRC-0022`.",
    ],
    (catalog.SEEKDB,): [
        "It has no binary log that can be read, its zero and partial dates are refused by itself, and it knows utf8mb4 and binary only.",
        "Labels with a quote: its catalogue prints them unescaped; `SCH-0004`.",
    ],
}


def tables_of(path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


def rows_of(path, table):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')]
    finally:
        connection.close()


def marker(kind):
    return f"<!-- {kind} -->\n", f"<!-- end of {kind} -->\n"


def section(kind):
    counts = compared[kind]
    ways = [side for side in matrix.WAYS if any(key[1] == side for key in counts)]
    lines = [f"## {TITLES[kind]}", "", "| type | " + " | ".join(ways) + " |", "| --- |" + " ---: |" * len(ways)]
    for family in dict.fromkeys(key[0] for key in counts):
        lines.append(f"| {family} | " + " | ".join(f"{counts.get((family, side), 0):,}" for side in ways) + " |")
    lines.append("| **values** | " + " | ".join(f"**{sum(n for key, n in counts.items() if key[1] == side):,}**" for side in ways) + " |")
    if kind in characters:
        lines += ["", "Characters, each compared with the server's `CONVERT(… USING utf8mb4)` from SELECT and from the log: "
                  + ", ".join(f"{name} {count:,}" for name, count in sorted(characters[kind].items())) + "."]
    lines += ["", "Exceptions:", ""]
    lines += [f"- {text}" for kinds, texts in EXCEPTIONS.items() if kind in kinds for text in texts]
    return "\n".join(lines) + "\n"


def stored(kind):
    first, last = marker(kind)
    page = PAGE.read_text()
    return page[page.index(first) + len(first):page.index(last)]


def write(kind):
    first, last = marker(kind)
    page = PAGE.read_text()
    head, rest = page.split(first)
    _, tail = rest.split(last)
    PAGE.write_text(head + first + section(kind) + last + tail)
