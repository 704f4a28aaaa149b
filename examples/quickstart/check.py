#!/usr/bin/env python3
"""Compare the quickstart's copy with the source. What should be there is computed by SQL at the source; nothing of
tailrace is used. A value is compared as the text the server prints (floating point numbers as numbers, bytes as bytes).

  check.py SOCKET COPY.db     prints a table; exit code 1 if a row differs
"""
import collections
import sqlite3
import subprocess
import sys

MASKED = """CASE WHEN INSTR(email, '@') = 0 THEN REPEAT('*', CHAR_LENGTH(email))
  ELSE CONCAT(LEFT(LEFT(email, CHAR_LENGTH(email) - CHAR_LENGTH(SUBSTRING_INDEX(email, '@', -1)) - 1), 1), '***@',
              SUBSTRING_INDEX(email, '@', -1)) END"""
ORDERS = "id, user_id, total, status, note, placed_at, paid_at"
SHARDS = [f"orders_{number:02}" for number in range(4)]

# Table of the copy: source tables, its columns, its key, and the rows expected in it.
EXPECTED = {
    "users": (["users"], "id name email born flags seen_at", "id",
              f"SELECT id, name, {MASKED} AS email, born, flags, seen_at FROM shop.users"),
    "products": (["products"], "sku title price stock weight prep attributes picture year bits", "sku",
                 "SELECT sku, title, price, stock, weight, prep, attributes, picture, year, bits + 0 AS bits FROM shop.products"),
    "orders": (SHARDS, f"{ORDERS.replace(',', '')} shard", "shard id",
               " UNION ALL ".join(f"SELECT {ORDERS}, '{shard}' AS shard FROM shop.{shard}" for shard in SHARDS)),
    "events": (["events"], "at kind payload", "", "SELECT at, kind, payload FROM shop.events"),
    "audit_log": (["audit_log"], "", "", None),      # must not be there
}


def query(socket, sql):
    done = subprocess.run(["mariadb", "--no-defaults", "-uroot", f"--socket={socket}", "--batch", "--skip-column-names",
                           "--quick", "--default-character-set=utf8mb4"], input=sql.encode(), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"query at the source failed: {done.stderr.decode()}")
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def expected_rows(socket, columns, select):
    cells = ", ".join(f"IF({name} IS NULL, '-', CONCAT('=', HEX({name if name == 'picture' else f'CAST({name} AS CHAR)'})))"
                      for name in columns)
    for line in query(socket, f"SET time_zone='+00:00'; SELECT {cells} FROM ({select}) AS expected"):
        yield tuple(None if cell == "-" else bytes.fromhex(cell[1:]) for cell in line)


def same(expected, found):
    if expected is None or found is None:
        return expected is found
    if isinstance(found, bytes):
        return expected == found
    if isinstance(found, float):
        return float(expected) == found
    return expected == str(found).encode()


def text(value):
    """For a table without key: rows are matched as wholes."""
    return value if value is None or isinstance(value, bytes) else str(value).encode()


def compare(socket, copy, table, columns, key, select):
    """(rows expected, rows found, differences)"""
    cells = ", ".join(f'"{name}"' for name in columns)
    found = copy.execute(f'SELECT {cells} FROM "{table}"').fetchall()
    expected = list(expected_rows(socket, columns, select))
    if not key:
        want = collections.Counter(expected)
        have = collections.Counter(tuple(text(value) for value in row) for row in found)
        wrong = [f"missing {count} x {row}" for row, count in (want - have).items()]
        wrong += [f"too many {count} x {row}" for row, count in (have - want).items()]
        return len(expected), len(found), wrong
    at = [columns.index(name) for name in key]
    have = {tuple(text(row[n]) for n in at): row for row in found}
    wrong = [] if len(have) == len(found) else [f"{len(found) - len(have)} rows share a key"]
    for row in expected:
        row_key = tuple(row[n] for n in at)
        other = have.pop(row_key, None)
        if other is None:
            wrong.append(f"{row_key} is missing")
        else:
            wrong += [f"{row_key} {name}: expected {left!r}, found {right!r}"
                      for name, left, right in zip(columns, row, other, strict=True) if not same(left, right)]
    wrong += [f"{row_key} is too many" for row_key in have]
    return len(expected), len(found), wrong


def report(socket, path, lag=None, rate=None):
    """Print the table; True if everything is equal."""
    copy = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    tables = {name for name, in copy.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    lag_text = "unknown" if lag is None else f"{lag:.1f} s"
    rate_text = "unknown" if rate is None else f"{rate:,.0f}/s"
    print(f"\n{'table':<10} {'rows at source':>14} {'rows expected':>14} {'rows at sink':>13} {'lag':>8} {'rate':>10}  equal")
    all_equal = True
    for table, (sources, columns, key, select) in EXPECTED.items():
        rows = sum(int(query(socket, f"SELECT COUNT(*) FROM shop.{name}")[0][0]) for name in sources)
        if select is None:
            wanted, found, wrong = 0, 0, ["is in the copy, but the rules drop it"] if table in tables else []
        elif table not in tables:
            wanted, found, wrong = rows, 0, ["is not in the copy"]
        else:
            names = columns.split()
            there = [row[1] for row in copy.execute(f'PRAGMA table_info("{table}")') if not row[1].startswith("_tailrace_")]
            wanted, found, wrong = compare(socket, copy, table, names, key.split(), select)
            if sorted(there) != sorted(names):
                wrong.append(f"has columns {there}")
        print(f"{table:<10} {rows:>14,} {wanted:>14,} {found:>13,} {lag_text:>8} {rate_text:>10}  {'no' if wrong else 'yes'}")
        for line in wrong[:5]:
            print(f"  {table}: {line}")
        if len(wrong) > 5:
            print(f"  {table}: … {len(wrong)} differences")
        all_equal &= not wrong
    return all_equal


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    sys.exit(0 if report(sys.argv[1], sys.argv[2]) else 1)
