#!/usr/bin/env python3
"""Write a capture of many events for `tailrace rule replay`: inserts, updates and deletes of several tables.

  tests/bench/make_capture.py OUT [--events 1200000] [--tables 61] [--seed 1]

The same arguments give the same bytes.
"""
import argparse
import random
from pathlib import Path

COLUMNS = ("id BIGINT UNSIGNED PRIMARY KEY, email VARCHAR(60), phone VARCHAR(20), amount DECIMAL(12,2) NOT NULL, "
           "state ENUM('new','paid','gone') NOT NULL, at DATETIME(3), note TEXT")
NAMES = ("id", "email", "phone", "amount", "state", "at", "note")
MAX_LIVE = 200  # rows of a table that updates and deletes choose from


def new_row(pick, number):
    return (str(number), f"'user{number}@mail{number % 97}.example'",
            f"'+49 171 {pick.randrange(1000000):07}'" if pick.random() < 0.9 else "NULL",
            f"{pick.randrange(-5000, 10000000) / 100:.2f}", pick.choice(("'new'", "'paid'")),
            f"'2026-{pick.randrange(1, 13):02}-{pick.randrange(1, 29):02} {pick.randrange(24):02}:00:00.{pick.randrange(1000):03}'",
            "'it''s näme'" if pick.random() < 0.2 else "NULL")


def condition(row):
    return " AND ".join(f"{name} IS NULL" if value == "NULL" else f"{name} = {value}" for name, value in zip(NAMES, row, strict=True))


def write(out, events, tables, seed):
    pick = random.Random(seed)
    out.write("capture\n")
    names = [f"shop.t{i:02}" for i in range(tables)]
    for name in names:
        out.write(f"CREATE TABLE {name} ({COLUMNS});\n")
    live = {name: [] for name in names}
    for number in range(events):
        name = names[int(tables * pick.random() ** 2)]
        rows = live[name]
        if number % 100 == 0:
            out.write(f"SET TIMESTAMP = {1767225600 + number // 100}.{number % 1000000:06};\n")
        out.write(f"SET GTID_NEXT = '0-1-{number + 1}';\n")
        what = pick.random()
        if not rows or what < 0.5:
            row = new_row(pick, 2**53 + number)
            out.write(f"INSERT INTO {name} VALUES ({', '.join(row)});\n")
            if len(rows) < MAX_LIVE:
                rows.append(row)
            else:
                rows[pick.randrange(MAX_LIVE)] = row
        elif what < 0.85:
            at = pick.randrange(len(rows))
            before = rows[at]
            row = (*before[:3], f"{pick.randrange(10000000) / 100:.2f}", "'paid'", *before[5:])
            changes = ", ".join(f"{column} = {value}" for column, value in zip(NAMES, row, strict=True))
            out.write(f"UPDATE {name} SET {changes} WHERE {condition(before)};\n")
            rows[at] = row
        else:
            row = rows.pop(pick.randrange(len(rows)))
            out.write(f"DELETE FROM {name} WHERE {condition(row)};\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--events", type=int, default=1_200_000)
    parser.add_argument("--tables", type=int, default=61)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with args.out.open("w", encoding="utf-8") as out:
        write(out, args.events, args.tables, args.seed)


if __name__ == "__main__":
    main()
