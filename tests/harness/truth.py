"""The truth about a source, read without the engine: rows by SELECT, changes by mariadb-binlog -v or mysqlbinlog -v."""
import re
import subprocess
from dataclasses import dataclass

from .values import from_binlog_text, from_server


def rows(database, table):
    """Every row of a table as a tuple of normal forms."""
    cells = ", ".join(column.select() for column in table.columns)
    sql = f"SET NAMES utf8mb4; SET time_zone='+00:00'; SELECT {cells} FROM `{table.database}`.`{table.name}`"
    return [tuple(from_server(column, cell) for column, cell in zip(table.columns, line, strict=True))
            for line in database.stream(sql)]


@dataclass(frozen=True)
class Change:
    op: str            # insert | update | delete
    before: tuple      # or None
    after: tuple       # or None
    place: tuple       # (file, offset of the row event)


HEAD = re.compile(rb"### (INSERT INTO|UPDATE|DELETE FROM) [`\"]([^`\"]+)[`\"]\.[`\"]([^`\"]+)[`\"]$")
CELL = re.compile(rb"###   @(\d+)=(.*)$", re.S)


def changes(database, tables, start, end=None):
    """{full table name: [Change]} of the row events from `start` (file, offset) on, in log order."""
    wanted = {table.full_name().encode(): table for table in tables}
    found = {table.full_name(): [] for table in tables}
    tool = database.binlog_tool()
    for path in database.binlog_files(start[0]):
        first = start[1] if path.name == start[0] else 4
        if end and path.name > end[0]:
            break
        command = [tool, "--no-defaults", "-v", "--base64-output=decode-rows", f"--start-position={first}", path]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _parse(process.stdout, path.name, wanted, found, not database.kind.startswith("mariadb"))
        if process.wait():
            raise RuntimeError(f"{tool}: {process.stderr.read().decode()}")
    return found


def _parse(stream, file, wanted, found, is_mysql):
    offset = 0
    table = op = None
    images = []

    def finish():
        nonlocal table
        if table is None:
            return
        whole = [tuple(image.get(at) for at in range(1, len(table.columns) + 1)) for image in images]
        for image in images:
            if len(image) != len(table.columns):
                raise RuntimeError(f"{table.full_name()} at {file}:{offset}: {len(image)} values in the log")
        before = whole[0] if op != "insert" else None
        after = whole[-1] if op != "delete" else None
        found[table.full_name()].append(Change(op, before, after, (file, offset)))
        table = None

    for raw in stream:
        line = raw.rstrip(b"\n")
        if line.startswith(b"###   @"):
            if table is not None:
                match = CELL.match(line)
                at = int(match[1])
                images[-1][at] = from_binlog_text(table.columns[at - 1], match[2], is_mysql)
        elif line.startswith(b"### "):
            head = HEAD.match(line)
            if head:
                finish()
                table = wanted.get(head[2] + b"." + head[3])
                op = {b"INSERT INTO": "insert", b"UPDATE": "update", b"DELETE FROM": "delete"}[head[1]]
                images = []
            elif table is not None:   # WHERE or SET
                images.append({})
        elif line.startswith(b"# at "):
            finish()
            offset = int(line[5:])
    finish()
