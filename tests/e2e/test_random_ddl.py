"""A reader that starts behind hundreds of random schema changes has, after each of them, the schema that the catalogue had
then, and the rows it delivers make up the tables as they are at the end.

TAILRACE_DDL_STATEMENTS and TAILRACE_DDL_RUNS make it longer, TAILRACE_DDL_SEED=1,2 runs these seeds again.
TAILRACE_DDL_METADATA=FULL has the names of columns in MariaDB's log, which by default has none: then nothing but the parser
tells the schema.
"""
import base64
import json
import os
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import start_or_skip

from harness import catalogue
from harness.ddl_random import RandomDdl
from harness.engine import source_config
from harness.servers import wait_for

SCHEMA = "ddl"
STATEMENTS = int(os.environ.get("TAILRACE_DDL_STATEMENTS", "75"))   # that the server takes; it refuses nearly half of all
FIXED_SEED = 20250301


def literal(kind, rng):
    """Something that a column of the type may take; without strict mode the server bends the rest."""
    word = re.match(r"\w+", kind)[0]
    if word in ("geometry", "point"):
        return f"ST_GeomFromText('POINT({rng.randint(-9, 9)} {rng.randint(-9, 9)})')"
    if word == "linestring":
        return f"ST_GeomFromText('LINESTRING(0 0,{rng.randint(1, 9)} {rng.randint(1, 9)})')"
    if word in ("geometrycollection", "geomcollection"):
        return f"ST_GeomFromText('GEOMETRYCOLLECTION(POINT({rng.randint(0, 9)} 1))')"
    if word == "json":
        return f"""'{{"a": {rng.randint(0, 99)}}}'"""
    if word == "vector":
        size = int(re.search(r"\d+", kind)[0])
        return "X'" + "".join(rng.choice(("0000803F", "00000040")) for _ in range(size)) + "'"
    if word == "uuid":
        return f"'{rng.getrandbits(128):032x}'"
    if word == "inet4":
        return f"'10.0.0.{rng.randint(0, 255)}'"
    if word == "inet6":
        return f"'fe80::{rng.randint(1, 9999):x}'"
    if word in ("date", "datetime", "timestamp"):
        return f"'20{rng.randint(10, 36)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)} 0{rng.randint(4, 9)}:30:15.{rng.randint(0, 999999):06}'"
    if word == "time":
        return f"'{rng.randint(0, 800)}:0{rng.randint(0, 9)}:12.5'"
    if word == "year":
        return str(rng.randint(1990, 2069))
    if word in ("enum", "set"):
        return "1"
    if word in ("bit", "tinyint"):
        return str(rng.randint(0, 1))
    if word in ("float", "double", "decimal"):
        return str(rng.randint(0, 400) / 4)
    if "int" in word:
        return str(rng.randint(0, 120))
    if "blob" in word or "binary" in word:
        # MODIFY to a text type takes the bytes as they are: others may be no text there (SRC-0018, as it should be).
        return "X'" + "".join(f"{rng.randint(33, 126):02X}" for _ in range(rng.randint(0, 4))) + "'"
    return "'" + "".join(rng.choice("abcxyz 12") for _ in range(rng.randint(0, 6))).strip() + "'"


def quote(name):
    return "`" + name.replace("`", "``") + "`"


def change_rows(name, table, rng):
    """A few statements that change rows of the table."""
    writable = [column for column in table.columns if not column[4]]
    if not writable:
        return []
    names = ", ".join(quote(column[0]) for column in writable)

    def value(column):
        return "NULL" if column[2] and rng.random() < 0.15 else literal(column[1], rng)

    rows = ", ".join("(" + ", ".join(value(column) for column in writable) + ")" for _ in range(rng.randint(1, 3)))
    out = [f"REPLACE INTO {quote(name)} ({names}) VALUES {rows}"]
    if rng.random() < 0.4:
        column = rng.choice(writable)
        out.append(f"UPDATE IGNORE {quote(name)} SET {quote(column[0])} = {value(column)} LIMIT 2")
    if rng.random() < 0.2:
        out.append(f"DELETE FROM {quote(name)} LIMIT 1")
    return out


class Recorded:
    """A statement that the server took: where the log stood behind it, and what the catalogue showed then."""

    def __init__(self, place, sequence, sql, mode, tables, clock):
        self.place, self.sequence, self.sql, self.mode, self.tables, self.clock = place, sequence, sql, mode, tables, clock


def write(database, seed, statements):
    """Run random statements, and changes of rows between them."""
    rng = random.Random(f"rows {seed}")
    source = RandomDdl(seed, database.kind, lost_labels=False)
    tables, recorded = {}, []
    status = "SHOW MASTER STATUS; SELECT @@gtid_binlog_pos" if source.maria else "SHOW BINARY LOG STATUS; SELECT @@gtid_executed"
    database.run(f"CREATE DATABASE {SCHEMA}")
    while len(recorded) < statements:
        sql, refused = source.statement(tables, SCHEMA), False
        clock = int(time.time())   # of the statement: a NULL that becomes a TIMESTAMP NOT NULL is the time then
        settings = (f"USE {SCHEMA}; SET NAMES utf8mb4; SET time_zone='+00:00'; SET sql_mode='{source.mode}'; "
                    f"SET timestamp={clock};")
        try:
            lines = database.run(f"{settings} {sql}; {status}; {catalogue.queries(SCHEMA)}")
        except RuntimeError:
            if not sql.startswith("DROP TABLE") and "REPLACE TABLE" not in sql:
                continue
            lines, refused = database.run(f"{status}; {catalogue.queries(SCHEMA)}"), True
        cut = next(i for i, line in enumerate(lines) if re.fullmatch(r".+\.\d{6}", line[0]))
        sequence = int(re.search(r"(\d+)$", lines[cut + 1][0])[1])
        after = catalogue.parse(line for line in lines[cut:] if line[0].startswith("%"))
        if after.keys() != tables.keys():
            after = catalogue.read(database, SCHEMA)
        gone = tables.keys() - after.keys()
        if refused and not gone:
            continue
        if refused:  # of several tables to drop those that exist are gone; or the one that was to be replaced
            sql = "DROP TABLE " + ", ".join(map(quote, sorted(gone)))
        tables = after
        recorded.append(Recorded((lines[cut][0], int(lines[cut][1])), sequence, sql, source.mode, tables, clock))
        for name, table in rng.sample(sorted(tables.items()), min(2, len(tables))):
            for change in change_rows(name, table, rng):
                try:
                    database.run(f"USE {SCHEMA}; SET NAMES utf8mb4; SET time_zone='+00:00'; SET sql_mode=''; {change}")
                except RuntimeError:
                    pass  # a type that does not take the value, a key that is there
    return recorded, tables


def position_of(text):
    parts = dict(part.split("=", 1) for part in text.split(";"))
    return parts["file"], int(parts["offset"])


def collations(database):
    view = "COLLATION_CHARACTER_SET_APPLICABILITY" if database.kind.startswith("mariadb") else "COLLATIONS"
    name = "FULL_COLLATION_NAME" if database.kind.startswith("mariadb") else "COLLATION_NAME"
    return {int(id): name for id, name in database.run(f"SELECT ID, {name} FROM information_schema.{view}") if id != "NULL"}


def lines_of(schema, names):
    """A stored schema in the form of catalogue.Table.lines."""
    out = []
    for column in schema["columns"]:
        text = any(column["base"].startswith(word) for word in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"))
        collation = names[column["charset"]] if text and column["charset"] else "-"
        generated = "virtual" if column.get("virtual") else "stored" if column["generated"] else ""
        out.append(" ".join(filter(None, (column["name"], column["type"], "NULL" if column["nullable"] else "NOT NULL", collation, generated))))
    key = [schema["columns"][index]["name"] for index in schema["key"]]
    return [*out, " ".join(["key", *key]), f"default {names.get(schema.get('collation'), '?')}"]


def compare_history(engine, recorded, names):
    """The engine's history, replayed to the place of each statement, against what the catalogue showed there."""
    entries = engine.look('SELECT position, "table", schema, origin FROM v1_schema WHERE database = ? ORDER BY seq'.replace("?", f"'{SCHEMA}'"))
    wrong, unknown, at, tables = [], [], 0, {}
    lost = set()
    for step, following in zip(recorded, [*recorded[1:], None]):
        were_lost = set(lost)

        def reached(entry, step=step, following=following):
            place = position_of(entry[0])
            # The table of a CREATE … SELECT, a transaction with rows, is stored as of where that begins: here, if nothing came between.
            is_made = entry[2] is not None and following and " SELECT * FROM " in following.sql
            is_next = is_made and entry[1] in following.tables.keys() - step.tables.keys()
            return place < step.place or (place == step.place and not is_next)

        while at < len(entries) and reached(entries[at]):
            _, table, schema, origin = entries[at]
            at += 1
            lost.discard(table)
            tables.pop(table, None)
            if origin == "statement" and schema is not None and "collation" in json.loads(schema):
                tables[table] = lines_of(json.loads(schema), names)
            elif schema is not None or origin == "unknown":
                lost.add(table)  # not followed: told by the catalogue of a later day, or by the log
        if lost - were_lost:
            unknown.append(f"{', '.join(sorted(lost - were_lost))}: {step.sql}")
        want = {name: table.lines() for name, table in step.tables.items() if name not in lost}
        for name in sorted(tables.keys() | want.keys()):
            if tables.get(name) != want.get(name):
                wrong.append(f"{step.sql}\n  {name} have {tables.get(name)}\n  {name} want {want.get(name)}")
    return wrong, unknown


GEOMETRIES = ("geom", "point", "linestring")
RAW = ("blob", "binary", "vector", *GEOMETRIES)


def sql_of(value, kind):
    """A value of the `default` format as SQL."""
    if value is None:
        return "NULL"
    if any(mark in kind for mark in RAW) or kind.startswith("bit"):
        return f"X'{base64.b64decode(value).hex()}'"
    if kind.startswith("timestamp") and not str(value).startswith("0000"):
        return f"FROM_UNIXTIME({value})"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"


def match(column, kind, value, maria):
    if value is None:
        return f"{column} IS NULL"
    if kind.startswith("float"):
        return f"ABS({column} - {value}) <= ABS({value}) * 1e-6"
    if any(mark in kind for mark in RAW):
        return f"HEX({column}) = '{base64.b64decode(value).hex().upper()}'"
    if kind.startswith("bit"):
        return f"{column} + 0 = {int.from_bytes(base64.b64decode(value), 'big')}"
    if kind == "year(2)":
        return f"{column} + 0 = {value % 100}"   # 0 and 2000 are both 00 there, and no comparison with 0 finds either
    if kind == "json":
        return f"{column} = CAST({sql_of(value, kind)} AS JSON)"
    return f"{column} = {sql_of(value, kind)}"


def replay(messages, recorded, maria):
    """SQL that does to a fresh database what the messages and the recorded statements say. IGNORE: a single row must be let
    into columns that the source's statement of several rows was bent for; what is lost by it shows in the end. An empty
    geometry or vector, which ADD COLUMN … NOT NULL leaves in the rows that are there, is taken by no server: there the column's
    own default has to make it."""
    out = ["CREATE DATABASE copy; USE copy; SET NAMES utf8mb4; SET time_zone='+00:00'"]
    waiting, tables, mode = list(recorded), {}, None

    def changed():
        step = waiting.pop(0)
        sql = step.sql.replace(f"ALTER DATABASE {SCHEMA} ", "ALTER DATABASE copy ")
        out.append(f"SET timestamp={step.clock}; SET sql_mode='{step.mode}'; {sql}{' LIMIT 0' if ' SELECT * FROM ' in sql else ''}")
        return step.tables, step.mode

    for message in messages:
        sequence = int(re.search(r"(\d+)$", message["uniqueId"])[1])
        while waiting and waiting[0].sequence <= sequence:
            tables, mode = changed()
        if message["op"] not in ("INSERT", "UPDATE", "DELETE"):
            continue
        if mode is not None:
            out.append("SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
            mode = None
        name, before, after = message["table"], message["before"], message["after"]
        columns = [(quote(column[0]), column[0], column[1]) for column in tables[name].columns if not column[4]]
        where = " AND ".join(match(column, kind, before[plain], maria) for column, plain, kind in columns) if before else ""
        if not before:
            given = [cell for cell in columns if after[cell[1]] != "" or not any(word in cell[2] for word in (*GEOMETRIES, "vector"))]
            values = ", ".join(sql_of(after[plain], kind) for _, plain, kind in given)
            out.append(f"INSERT IGNORE INTO {quote(name)} ({', '.join(column for column, _, _ in given)}) VALUES ({values})")
        elif not after:
            out.append(f"DELETE FROM {quote(name)} WHERE {where} LIMIT 1")
        else:
            changes = [f"{column} = {sql_of(after[plain], kind)}" for column, plain, kind in columns if after[plain] != before[plain]]
            if changes:
                out.append(f"UPDATE IGNORE {quote(name)} SET {', '.join(changes)} WHERE {where} LIMIT 1")
    while waiting:
        changed()
    return ";\n".join(out)


def contents(database, schema, tables):
    """{table: rows, sorted}, every cell in hexadecimal."""
    def cell(column):
        raw = any(mark in column[1] for mark in RAW)
        text = quote(column[0]) if raw else f"CONCAT({quote(column[0])}, '')"
        return f"IFNULL(HEX({text}), 'NULL')"

    out = {}
    for name, table in tables.items():
        cells = ", ".join(map(cell, table.columns))
        out[name] = sorted(database.run(f"SET NAMES utf8mb4; SET time_zone='+00:00'; SELECT {cells} FROM {schema}.{quote(name)}"))
    return out


def messages_of(folder):
    """The changes delivered, those of each transaction once. Behind a kill they come again, from a transaction's begin and in
    a new file; the last delivery is whole, and what came before has to be its beginning."""
    delivered = {}
    for path in sorted(folder.glob("*.jsonl")):
        here = {}
        for line in path.read_text().splitlines():
            message = json.loads(line, parse_float=str)
            about = message["allMetaData"]
            here.setdefault(about["uniqueId"], []).append(
                {"op": message["recordType"], "uniqueId": about["uniqueId"], "table": about["table_name"],
                 "before": message["prevStruct"], "after": message["postStruct"]})
        for transaction, changes in here.items():
            before = delivered.get(transaction, [])
            assert changes[:len(before)] == before, f"{transaction} was delivered as {before}, then as {changes}"
            delivered[transaction] = changes
    for changes in delivered.values():
        yield from changes


def seeds():
    given = os.environ.get("TAILRACE_DDL_SEED")
    if given:
        return [int(seed) for seed in given.split(",")]
    return [FIXED_SEED, *(f"fresh-{i + 1}" for i in range(int(os.environ.get("TAILRACE_DDL_RUNS", "1"))))]


def prepared(services, kind):
    """A server without the databases of this test, and the place where its log stands."""
    options = {"binlog_row_metadata": os.environ.get("TAILRACE_DDL_METADATA", "NO_LOG")} if kind == "mariadb" else {}
    database = start_or_skip(services, kind, f"e2eddl{kind}", **options)
    database.run(f"DROP DATABASE IF EXISTS {SCHEMA}; DROP DATABASE IF EXISTS copy")
    return database, database.position()


def engine_from(jobs, database, place, **more):
    return jobs(source_config(database, start=f"file={place[0]};offset={place[1]}"), job={"name": "job", "phases": ["stream"]},
                sink={"url": f"file://{jobs.folder / 'out'}", "format": "default"}, tables=[f"{SCHEMA}.*"], **more)


def compare(database, engine, folder, recorded, tables, seed):
    wrong, unknown = compare_history(engine, recorded, collations(database))
    print(f"{len(recorded)} statements compared, {len(unknown)} of them not followed, {len(wrong)} differences")
    for statement in unknown:
        print(f"  not followed, {statement}")
    reasons = {line for path in sorted(folder.glob("*.err")) for line in path.read_text(errors="replace").splitlines() if " is not followed from " in line}
    for reason in sorted(reasons):
        print(f"  {reason}")
    assert not wrong, f"seed {seed}: " + "\n".join(wrong[:5])
    assert len(unknown) <= len(recorded) * 0.01, f"seed {seed}: {len(unknown)} of {len(recorded)} not followed"
    assert engine.look("SELECT count(*) FROM v1_ddl")[0][0] >= len(recorded) * 0.9

    script = replay(messages_of(folder / "out"), recorded, database.kind == "mariadb")
    (folder / "replay.sql").write_text(script)
    database.run(script)
    want, have = contents(database, SCHEMA, tables), contents(database, "copy", tables)
    for name in want:
        assert have[name] == want[name], f"seed {seed}: rows of {name}"
    print(f"{sum(map(len, want.values()))} rows in {len(want)} tables at the end, all equal")


@pytest.mark.parametrize("kind", ["mariadb", "mysql9"])
@pytest.mark.parametrize("seed", seeds())
def test_random_ddl(services, jobs, kind, seed):
    if isinstance(seed, str):
        seed = time.time_ns() % 1_000_000_000
    print(f"{kind}, seed {seed}, {STATEMENTS} statements")
    database, place = prepared(services, kind)
    recorded, tables = write(database, seed, STATEMENTS)
    engine = engine_from(jobs, database, place)
    ended = engine.run(seconds=300)
    assert ended.code == 0, f"seed {seed}: {ended}"
    compare(database, engine, jobs.folder, recorded, tables, seed)


@pytest.mark.parametrize("kind", ["mariadb", "mysql9"])
def test_kills_amid_ddl(services, jobs, kind):
    """The same, but the engine reads while the statements are made, in small batches, and is killed again and again: behind a
    batch that is not durable, before the sink's flush, before a checkpoint is saved."""
    seed = time.time_ns() % 1_000_000_000
    print(f"{kind}, seed {seed}, {STATEMENTS} statements")
    rng = random.Random(f"kills {seed}")
    database, place = prepared(services, kind)
    engine = engine_from(jobs, database, place, pipeline={"batch_bytes": "1KiB"})
    kills, moved, before, behind = 0, 0, None, 0
    with ThreadPoolExecutor(1) as background:
        writing = background.submit(write, database, seed, STATEMENTS)
        while behind < 6:   # starts when all was written
            behind += writing.done()
            point = rng.choice([f"mid-batch:{rng.randint(1, 40)}", f"flush:{rng.randint(1, 6)}"])
            until = "caught_up" if behind else "forever"
            engine.start(until, TAILRACE_FAULT=f"kill@{point}+{rng.choice([0, 0, 800])}")
            wait_for(lambda until=until: not engine.alive() or (until == "forever" and writing.done()), f"the kill at {point}", 60)
            engine.kill()
            ended = engine.wait()
            assert ended.code in (0, -9), f"seed {seed}, {point}: {ended}"
            kills += ended.code == -9
            now = engine.checkpoint()
            moved, before = moved + (now != before), now
        recorded, tables = writing.result()
    ended = engine.run(seconds=300)
    assert ended.code == 0, f"seed {seed}: {ended}"
    print(f"{kills} kills, {moved} of them behind a new checkpoint")
    assert kills >= 6 and moved >= 2
    compare(database, engine, jobs.folder, recorded, tables, seed)
