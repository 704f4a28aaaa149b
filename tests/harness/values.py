"""Tables of the workloads, and one normal form for a value wherever it was read: by SELECT, from the text of
mariadb-binlog, from an SQLite sink, from a message. Two readings are equal when their normal forms are.

  int, year, bit   int                 decimal, text, json, enum, set, date   str as the server prints it
  float, double    float (float: rounded to 32 bits)           bytes            bytes
  time, datetime   str, trailing zeros of the fraction cut     timestamp        epoch seconds as str, cut likewise
"""
import base64
import datetime
import json
import re
import struct
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    name: str
    sql: str           # type and attributes in CREATE TABLE
    kind: str
    labels: tuple = ()

    def select(self):
        """SQL text of the value, or of NULL, in a form no client can damage."""
        name = f"`{self.name}`"
        text = {
            "bytes": name,
            "bit": f"CAST({name} + 0 AS CHAR)",
            "float": f"CAST({name} + 0e0 AS CHAR)",
        }.get(self.kind, f"CAST({name} AS CHAR CHARACTER SET utf8mb4)")
        return f"IF({name} IS NULL, '-', CONCAT('=', HEX({text})))"


@dataclass(frozen=True)
class Table:
    database: str
    name: str
    columns: tuple
    key: tuple = ()                     # names of the key columns; () = no key
    extra: str = ""                     # further clauses of CREATE TABLE, e.g. an index
    options: str = ""
    by_name: dict = field(default_factory=dict, compare=False, hash=False)

    def __post_init__(self):
        self.by_name.update({column.name: column for column in self.columns})

    def full_name(self):
        return f"{self.database}.{self.name}"

    def create(self):
        parts = [f"`{column.name}` {column.sql}" for column in self.columns]
        if self.key:
            parts.append(f"PRIMARY KEY ({', '.join(f'`{name}`' for name in self.key)})")
        if self.extra:
            parts.append(self.extra)
        return f"CREATE TABLE `{self.database}`.`{self.name}` ({', '.join(parts)}) {self.options}"

    def key_of(self, row):
        """The key as it tells rows apart at the source; of a table without key the whole row."""
        return tuple(row[self.index(name)] for name in self.key) if self.key else row

    def index(self, name):
        return [column.name for column in self.columns].index(name)


def cut_zeros(text):
    return text.rstrip("0").rstrip(".") if "." in text else text


def round32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def epoch_text(text):
    """'2020-01-01 00:00:01.25' in UTC -> '1577836801.25'."""
    if text.startswith("0000-00-00"):
        return "0"
    moment, _, fraction = text.partition(".")
    seconds = datetime.datetime.fromisoformat(moment + "+00:00").timestamp()
    return cut_zeros(f"{int(seconds)}.{fraction}") if fraction else str(int(seconds))


def from_server(column, cell):
    """One cell of a SELECT made with Column.select."""
    if cell == "-":
        return None
    raw = bytes.fromhex(cell[1:])
    if column.kind == "bytes":
        return raw
    text = raw.decode()
    if column.kind in ("int", "year", "bit"):
        return int(text)
    if column.kind == "float":
        return round32(float(text))
    if column.kind == "double":
        return float(text)
    if column.kind in ("time", "datetime"):
        return cut_zeros(text)
    if column.kind == "timestamp":
        return epoch_text(text)
    return text


class Unexpected(Exception):
    """A value has a form that the documents do not allow here."""


def need(condition, column, value):
    if not condition:
        raise Unexpected(f"{column.name} ({column.kind}): {value!r} of type {type(value).__name__}")


def from_sqlite(column, value):
    """A cell of the SQLite sink; the storage class is part of what is checked."""
    if value is None:
        return None
    kind = column.kind
    if kind in ("int", "year", "bit"):
        # An unsigned BIGINT above 2^63-1 is text with its digits, everything else an integer.
        need(isinstance(value, int) or (isinstance(value, str) and value.isdigit() and int(value) >= 1 << 63), column, value)
        return int(value)
    if kind in ("float", "double"):
        need(isinstance(value, (float, int)), column, value)
        return round32(value) if kind == "float" else float(value)
    if kind == "bytes":
        need(isinstance(value, bytes), column, value)
        return value
    need(isinstance(value, str), column, value)
    if kind in ("time", "datetime"):
        return cut_zeros(value)
    if kind == "timestamp":
        return epoch_text(value)
    return value


class Number(str):
    """A JSON number with a fraction or exponent, digits as they were written."""


def from_default(column, value):
    """A member of an image in the `default` format, JSON parsed with parse_float=Number."""
    if value is None:
        return None
    kind = column.kind
    if kind in ("int", "year"):
        need(isinstance(value, int) and not isinstance(value, bool), column, value)
        return value
    if kind == "decimal":
        need(isinstance(value, (Number, int)), column, value)
        return str(value)
    if kind in ("float", "double"):
        need(isinstance(value, (Number, int)), column, value)
        return round32(float(value)) if kind == "float" else float(value)
    need(isinstance(value, str) and not isinstance(value, Number), column, value)
    if kind == "bytes":
        return base64.b64decode(value, validate=True)
    if kind == "bit":
        return int.from_bytes(base64.b64decode(value, validate=True), "big")
    if kind in ("time", "datetime"):
        return cut_zeros(value)
    if kind == "timestamp":
        return "0" if value.startswith("0000-00-00") else cut_zeros(value)
    return value


ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
# mysqlbinlog puts a backslash before quotes and backslashes, too, and names some characters.
MYSQL_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.S)
MYSQL_NAMED = {b"n": b"\n", b"f": b"\f", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"0": b"\0"}


def unescaped(raw, is_mysql):
    if not is_mysql:
        return ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw)
    return MYSQL_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]) if match[1] else MYSQL_NAMED.get(match[2], match[2]), raw)


def json_document(text):
    """mysqlbinlog prints a document that is a string without its quotes; that it is none is seen where it is no document else."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text


def from_binlog_text(column, raw, is_mysql=False):
    """The right side of `###   @1=...` as mariadb-binlog -v or mysqlbinlog -v prints it, as bytes."""
    if raw == b"NULL":
        return None
    kind = column.kind
    if raw.startswith(b"'"):
        raw = unescaped(raw[1:raw.rindex(b"'")], is_mysql)
        if kind == "bytes":
            return raw
        # The log has the bytes of the column's own character set; MySQL's latin1 is cp1252.
        text = raw.decode("cp1252" if "latin1" in column.sql else "utf-8")
        if kind == "json" and is_mysql:
            return json_document(text)
        if kind == "date":
            return text.replace(":", "-")
        if kind in ("time", "datetime"):
            return cut_zeros(text)
        return text
    if raw.startswith(b"b'"):
        bits = int(raw[2:-1], 2)
        if kind == "set":
            return ",".join(label for at, label in enumerate(column.labels) if bits >> at & 1)
        return bits
    text = raw.decode()
    if kind in ("int", "year"):
        match = re.fullmatch(r"(-?\d+)(?: \((\d+)\))?", text)
        need(match is not None, column, text)
        # Without metadata the tool prints both readings of a negative number.
        number = int(match[2]) if match[2] and "unsigned" in column.sql else int(match[1])
        return 0 if kind == "year" and number == 1900 else number   # YEAR 0 is printed as 1900, which no YEAR is
    if kind == "enum":
        return "" if text == "0" else column.labels[int(text) - 1]
    if kind == "float":
        return round32(float(text.split()[0]))
    if kind == "double":
        return float(text.split()[0])
    if kind == "timestamp":
        return cut_zeros(text)
    if kind == "decimal":
        return text
    raise Unexpected(f"{column.name} ({kind}): {text!r} in the text of mariadb-binlog")


def same_value(column, left, right, loose_float=False):
    if left is None or right is None:
        return left is right
    if column.kind == "float" and loose_float:   # mariadb-binlog prints six digits of a FLOAT
        return abs(left - right) <= 1e-5 * max(abs(left), abs(right))
    return left == right


def differing(table, left, right, loose_float=False):
    """Names of the columns in which two rows differ."""
    return [column.name for column, a, b in zip(table.columns, left, right, strict=True)
            if not same_value(column, a, b, loose_float)]
