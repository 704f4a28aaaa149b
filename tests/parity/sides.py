"""The sides of a value: what the server itself says of it in SQL, and what the engine's copies hold."""
import collections
import math
import sqlite3
import struct
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    family: str = ""   # row of docs/parity.md
    form: str = ""     # SQL of the text, when it is not the usual one of the kind; {} is the column


@dataclass(frozen=True)
class Compared:
    """A table of the matrix; the first field tells its rows apart."""
    name: str
    fields: tuple


def sql_form(field, server):
    """SQL text of the value in its canonical form, or of NULL; no client can damage it."""
    name = f"`{field.name}`"
    if field.form:
        text = field.form.format(name)
    elif field.kind in ("bytes", "geometry"):
        text = name
    elif field.kind == "text":
        text = f"CONVERT({name} USING utf8mb4)"
    elif field.kind == "float":
        text = f"CAST({name} + 0e0 AS CHAR)"
    elif field.kind in ("int", "bit"):
        text = f"CAST({name} + 0 AS CHAR)"
    else:
        text = f"CAST({name} AS CHAR CHARACTER SET utf8mb4)" if server != "seekdb" else f"CAST({name} AS CHAR)"
    return f"IF({name} IS NULL, '-', CONCAT('=', HEX({text})))"


def bits_of(number):
    return struct.pack(">d", number).hex()


def neighbours(single):
    """The FLOATs below and above, and this one's parity; `single` as 4 bytes, not negative."""
    bits = int.from_bytes(single, "big")
    below = struct.unpack(">f", (bits - 1).to_bytes(4, "big"))[0] if bits else 0.0
    above = struct.unpack(">f", (bits + 1).to_bytes(4, "big"))[0]
    return below, above, bits % 2 == 0


def float_as_printed(number):
    """The double whose shortest text is the shortest text of this FLOAT, fewest characters with an exponent or without; the FLOAT
    itself where a reader who goes by way of a double would be led to its neighbour."""
    if number == 0 or math.isinf(number):
        return number
    size = abs(number)
    single = struct.pack(">f", size)
    below, above, even = neighbours(single)
    if math.isinf(above):
        above = 2 * size - below
    low, high = (Fraction(size) + Fraction(below)) / 2, (Fraction(size) + Fraction(above)) / 2
    for digits in range(1, 18):
        text = f"{size:.{digits}g}"
        if low < Fraction(text) < high or (even and Fraction(text) in (low, high)):
            if size == int(size) and len(str(int(size))) <= len(f"{size:.{digits - 1}e}"):
                return number   # all its digits are no longer than those with an exponent
            printed = float(text)
            by_double = struct.pack(">f", printed) if printed < 3.4028235677973366e38 else b""
            return math.copysign(printed if by_double == single else size, number)
    raise ValueError(f"{number!r} is no FLOAT")


def from_sql(field, cell):
    if cell == "-":
        return None
    raw = bytes.fromhex(cell[1:])
    if field.kind in ("bytes", "geometry"):
        return raw
    text = raw.decode()
    if field.kind in ("int", "bit", "year"):
        return int(text)
    if field.kind == "double":
        return bits_of(float(text))
    if field.kind == "float":
        return bits_of(float_as_printed(float(text)))
    return text


class WrongForm(Exception):
    """A copy holds a value in a storage class that the documents do not allow."""


def from_copy(field, value):
    if value is None:
        return None
    if field.kind in ("int", "bit", "year"):
        if isinstance(value, str) and value.isdigit() and int(value) >= 1 << 63:
            return int(value)
        expected = int
    elif field.kind in ("float", "double"):
        expected = float
    elif field.kind in ("bytes", "geometry"):
        expected = bytes
    else:
        expected = str
    if not isinstance(value, expected):
        raise WrongForm(f"{field.name} ({field.kind}): {value!r}")
    return bits_of(value) if expected is float else value


def of_server(database, schema, tables):
    """{table name: {key: values}}, through one session of the client program."""
    script = ["SET NAMES utf8mb4; SET time_zone='+00:00'; SET sql_mode=''"]
    for table in tables:
        cells = ", ".join(sql_form(field, database.kind) for field in table.fields)
        script.append(f"SELECT '#', '{table.name}'; SELECT {cells} FROM `{schema}`.`{table.name}`")
    by_name = {table.name: table for table in tables}
    found, table = {}, None
    for line in database.run(";\n".join(script)):
        if line[0] == "#":
            table = by_name[line[1]]
            found[table.name] = {}
            continue
        row = tuple(from_sql(field, cell) for field, cell in zip(table.fields, line, strict=True))
        found[table.name][row[0]] = row[1:]
    return found


def of_copy(path, table):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        names = ", ".join(f'"{field.name}"' for field in table.fields)
        rows = [tuple(from_copy(field, value) for field, value in zip(table.fields, row, strict=True))
                for row in connection.execute(f'SELECT {names} FROM "{table.name}"')]
    finally:
        connection.close()
    return {row[0]: row[1:] for row in rows}


NEGATIVE_ZERO, ZERO = bits_of(-0.0), bits_of(0.0)


def shown(value):
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:80]}… ({len(text)} characters)"


def differences(table, expected, found, side):
    """({family: values compared}, differences as text)"""
    problems, counts = [], collections.Counter()
    for key in sorted(expected.keys() | found.keys(), key=str):
        left, right = expected.get(key), found.get(key)
        if left is None or right is None:
            problems.append(f"{table.name} row {key}: {side} {'lacks it' if right is None else 'has it, the server not'}")
            continue
        for field, a, b in zip(table.fields[1:], left, right, strict=True):
            counts[field.family] += 1
            # SQLite's REAL has one zero; the only difference that is allowed, and named in docs/parity.md.
            if a != b and not (field.kind in ("float", "double") and a == NEGATIVE_ZERO and b == ZERO):
                problems.append(f"{field.family}, {table.name}.{field.name} row {key}: server {shown(a)}, {side} {shown(b)}")
    return counts, problems
