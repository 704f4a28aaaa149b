"""Runs schema changes at a server and keeps what its catalogue shows after each: the cases of tests/unit/mysql/ddl_test.cc."""
import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import catalogue  # noqa: E402
from harness.ddl_random import RandomDdl  # noqa: E402
from harness.servers import Database  # noqa: E402

SCHEMA = "d"


def server(kind):
    name = f"TAILRACE_{kind.upper()}"
    if f"{name}_PORT" not in os.environ:
        sys.exit(os.environ.get(f"TAILRACE_SKIP_{kind.upper()}", f"{name}_PORT is not set"))
    return Database(kind, int(os.environ[f"{name}_PORT"]), os.environ[f"{name}_SOCKET"], Path(os.environ[f"{name}_DATADIR"]))


class Recording:
    """A database made afresh; statements that the server refuses leave no trace."""

    def __init__(self, database, charset=""):
        self.database = database
        database.run(f"DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA} {charset}")
        self.case = {"mariadb": database.kind.startswith("mariadb"), "version": catalogue.version(database),
                     "database": catalogue.default_collation(database, SCHEMA), "steps": []}
        self.tables, self.shown = {}, {}

    def run(self, sql, mode="", timestamps=True):
        settings = f"SET NAMES utf8mb4; SET sql_mode='{mode}';"
        if not timestamps:
            settings += "SET explicit_defaults_for_timestamp=0;"
        before = self.tables
        try:
            lines = self.database.run(f"USE {SCHEMA}; {settings} {sql}; {catalogue.queries(SCHEMA)}")
            self.tables = catalogue.parse(line for line in lines if line[0].startswith("%"))
            if self.tables.keys() != before.keys():
                self.tables = catalogue.read(self.database, SCHEMA)
        except RuntimeError as error:
            # Of several tables to drop those that exist may be gone, and so may one that was to be replaced.
            if not sql.startswith("DROP TABLE") and "REPLACE TABLE" not in sql:
                return str(error)
            self.tables = catalogue.read(self.database, SCHEMA)
            gone = before.keys() - self.tables.keys()
            if not gone:
                return str(error)
            sql = "DROP TABLE " + ", ".join(f"`{name}`" for name in gone)
        # What is new: tables that look otherwise than before, and null for those that are gone.
        lines = {name: table.lines() for name, table in self.tables.items()}
        step = {"sql": sql, "tables": {name: lines.get(name) for name in sorted(lines.keys() | self.shown.keys())
                                       if lines.get(name) != self.shown.get(name)}}
        self.shown = lines
        if mode:
            step["mode"] = mode
        if not timestamps:
            step["explicit_timestamps"] = False
        self.case["steps"].append(step)
        return None


def random_case(database, seed, statements):
    recording = Recording(database)
    source = RandomDdl(seed, database.kind, select=False)
    for _ in range(statements):
        sql = source.statement(recording.tables, SCHEMA)
        recording.run(sql, source.mode)
    recording.case["seed"] = seed
    return recording.case


def listed_cases(path):
    """Blocks of statements, one a line, between empty lines; the first line of a block names the servers and may have a
    charset for the database and settings: `both | DEFAULT CHARSET latin1`. A statement may begin with `[MODE] `."""
    for block in Path(path).read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if lines:
            who, _, charset = lines[0].partition("|")
            yield who.strip(), charset.strip(), lines[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", action="append", choices=["mariadb", "mysql9"], required=True)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--statements", type=int, default=200)
    parser.add_argument("--list", help="file of statements")
    parser.add_argument("--out", required=True)
    given = parser.parse_args()
    problems = []
    with open(given.out, "w") as out:
        for kind in given.server:
            database = server(kind)
            cases = [random_case(database, seed, given.statements) for seed in given.seed or []]
            for who, charset, statements in listed_cases(given.list) if given.list else []:
                if who not in ("both", kind):
                    continue
                recording = Recording(database, charset)
                for sql in statements:
                    mode = ""
                    if sql.startswith("["):
                        mode, _, sql = sql[1:].partition("] ")
                    timestamps = "NOTS" not in mode
                    refused = recording.run(sql, mode.replace("NOTS", "").strip(","), timestamps)
                    if refused:
                        problems.append(f"{kind}: {refused}")
                cases.append(recording.case)
            for case in cases:
                out.write(json.dumps(case, ensure_ascii=False) + "\n")
            print(f"{kind}: {sum(len(case['steps']) for case in cases)} statements in {len(cases)} cases")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
