"""Writes every type with its edge values on one server, copies it by each way through the engine, and compares."""
import re
from dataclasses import dataclass, field

import catalog
import sides
from harness.engine import Engine, source_config

SCHEMA = "parity"
IDENTITY = """return { api = 1, tables = { ["*.*"] = {
  map = function(row) for name, value in col.each(row) do row[name] = value end end } } }
"""
# Side -> phases, threads, rule. Each is a job of its own.
WAYS = {
    "SELECT": (["snapshot"], 1, None),
    "SELECT, identity rule": (["snapshot"], 2, IDENTITY),
    "log": (["stream"], 2, None),
    "log, identity rule": (["stream"], 1, IDENTITY),
}


@dataclass
class Outcome:
    compared: dict = field(default_factory=dict)     # (family, side) -> values
    problems: list = field(default_factory=list)

    def add(self, side, counts, problems):
        for family, count in counts.items():
            self.compared[family, side] = self.compared.get((family, side), 0) + count
        self.problems += problems


def copy(database, folder, name, way, schema, start=None, tables=None, **options):
    """Run one job to its end; path of the copy."""
    phases, threads, rule = way
    path = folder / f"{name}.copy.db"
    config = {"version": 1, "job": {"name": name, "phases": phases}, "tables": tables or [f"{schema}.*"],
              "source": source_config(database, **({"start": start} if start else {}), **options),
              "sink": {"url": f"sqlite://{path}"}, "pipeline": {"threads": threads}}
    if rule:
        (folder / f"{name}.lua").write_text(rule)
        config["rules"] = {"file": str(folder / f"{name}.lua")}
    ended = Engine(folder / f"{name}.db", config).run("end" if phases == ["snapshot"] else "caught_up", seconds=300)
    return path, ended


def start_text(database):
    file, offset = database.position()
    return f"file={file};offset={offset}"


def room(kind):
    """Bytes a column takes of the 65535 that a row may have, roughly."""
    match = re.match(r"(var)?(char|binary)\((\d+)\)", kind.sql)
    return 4 * int(match[3]) if match else 40


def packed(kinds, widest=16):
    """Types side by side in tables, as many as fit."""
    tables, free = [], 0
    for kind in kinds:
        if not tables or len(tables[-1]) == widest or room(kind) > free:
            tables.append([])
            free = 30000
        tables[-1].append(kind)
        free -= room(kind)
    return tables


class Matrix:
    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.tables = []
        self.layout = packed(catalog.types_of(database.kind))
        self.start = None

    def create(self):
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA}; USE {SCHEMA}"]
        for number, kinds in enumerate(self.layout):
            columns = ", ".join(f"c{at} {kind.sql}{'' if kind.sql.endswith(' null') else ' null'}" for at, kind in enumerate(kinds))
            for letter, key in (("t", " primary key"), ("u", " not null")):
                name = f"{letter}{number:03}"
                script.append(f"CREATE TABLE {name} (id int{key}, {columns})")
                fields = [sides.Field(f"c{at}", kind.kind, kind.family, kind.form) for at, kind in enumerate(kinds)]
                self.tables.append(sides.Compared(name, (sides.Field("id", "int"), *fields)))
        self.database.run(";\n".join(script))
        self.start = None if self.database.kind == "seekdb" else start_text(self.database)

    def write(self):
        """Table t has inserts; u, which has no key, also updates and deletes: there each before image must be found in the copy."""
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; USE {SCHEMA}"]
        for number, kinds in enumerate(self.layout):
            cycles = [[*kind.values, "NULL"] for kind in kinds]
            rows = max(map(len, cycles)) + 1
            row = [[cycle[at % len(cycle)] for cycle in cycles] for at in range(rows + 1)]
            script.append("BEGIN")
            for letter in "tu":
                script += [f"INSERT INTO {letter}{number:03} VALUES ({at}, {', '.join(map(str, row[at]))})" for at in range(rows)]
            for at in range(rows):
                script.append(f"UPDATE u{number:03} SET {', '.join(f'c{n} = {value}' for n, value in enumerate(row[at + 1]))} "
                              f"WHERE id = {at}")
            script += [f"DELETE FROM u{number:03} WHERE id % 3 = 0", "COMMIT"]
        self.database.run(";\n".join(script))

    def compare(self, ways):
        outcome = Outcome()
        truth = sides.of_server(self.database, SCHEMA, self.tables)
        for number, side in enumerate(ways):
            start = self.start if WAYS[side][0] == ["stream"] else None
            path, ended = copy(self.database, self.folder, f"{self.database.kind}-{number}", WAYS[side], SCHEMA, start)
            if ended.code != 0:
                outcome.problems.append(f"{side}: {ended}")
                continue
            for table in self.tables:
                try:
                    outcome.add(side, *sides.differences(table, truth[table.name], sides.of_copy(path, table), side))
                except sides.WrongForm as error:
                    outcome.problems.append(f"{table.name}: {side}: {error}")
        return outcome
