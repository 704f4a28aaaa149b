"""Writes every type with its edge values on one server, copies it by each way through the engine, and compares."""
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

    def add(self, table, side, count, problems):
        key = (table.family, side)
        self.compared[key] = self.compared.get(key, 0) + count
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


class Matrix:
    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.tables = []
        self.start = None

    def create(self):
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA}; USE {SCHEMA}"]
        for number, kind in enumerate(catalog.types_of(self.database.kind)):
            nullable = "" if kind.sql.endswith(" null") else " null"
            for letter, key in (("t", " primary key"), ("u", " not null")):
                name = f"{letter}{number:03}"
                script.append(f"CREATE TABLE {name} (id int{key}, c {kind.sql}{nullable})")
                self.tables.append(sides.Compared(name, (sides.Field("id", "int"), sides.Field("c", kind.kind, kind.form)), kind.family))
        self.database.run(";\n".join(script))
        self.start = None if self.database.kind == "seekdb" else start_text(self.database)

    def write(self):
        """Table t has inserts; u, which has no key, also updates and deletes: there each before image must be found in the copy."""
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; USE {SCHEMA}"]
        for number, kind in enumerate(catalog.types_of(self.database.kind)):
            values = [*kind.values, "NULL"]
            script.append("BEGIN")
            for letter in "tu":
                script += [f"INSERT INTO {letter}{number:03} VALUES ({at}, {value})" for at, value in enumerate(values)]
            script += [f"UPDATE u{number:03} SET c = {values[(at + 1) % len(values)]} WHERE id = {at}" for at in range(len(values))]
            script += [f"DELETE FROM u{number:03} WHERE id % 3 = 0", "COMMIT"]
        self.database.run(";\n".join(script))

    def compare(self, ways):
        outcome = Outcome()
        truth = {table: sides.of_server(self.database, SCHEMA, table) for table in self.tables}
        for number, side in enumerate(ways):
            start = self.start if WAYS[side][0] == ["stream"] else None
            path, ended = copy(self.database, self.folder, f"{self.database.kind}-{number}", WAYS[side], SCHEMA, start)
            if ended.code != 0:
                outcome.problems.append(f"{side}: {ended}")
                continue
            for table in self.tables:
                try:
                    outcome.add(table, side, *sides.differences(table, truth[table], sides.of_copy(path, table), side))
                except (sides.WrongForm, Exception) as error:
                    outcome.problems.append(f"{table.family}, {table.name}: {side}: {error}")
        return outcome
