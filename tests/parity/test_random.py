"""Random tables, values, updates and deletes, another seed each run: the copy by SELECT, the copy from the log and the source agree.

TAILRACE_PARITY_SEED=N repeats a run; TAILRACE_PARITY=long compares 126,000 values per server.
"""
import os
import random

import catalog
import matrix
import pytest
import sides
from conftest import long_form

SCHEMA = "parity_random"
TABLES, COLUMNS, ROWS = 12, 12, 24
# How the server writes its log: the usual way first, which it is set back to.
MARIADB_LOG = {"binlog_row_metadata": ("FULL", "NO_LOG", "MINIMAL"), "log_bin_compress": ("OFF", "ON"),
               "binlog_row_image": ("FULL", "NOBLOB", "MINIMAL")}
MYSQL_LOG = {"binlog_row_metadata": ("FULL", "MINIMAL"), "binlog_transaction_compression": ("OFF", "ON"),
             "binlog_row_image": ("FULL", "NOBLOB", "MINIMAL"), "binlog_row_value_options": ("''", "PARTIAL_JSON")}
LOG_SETTINGS = {catalog.MARIADB: MARIADB_LOG, catalog.MARIADB_NEW: MARIADB_LOG, catalog.MYSQL: MYSQL_LOG, catalog.SEEKDB: {}}


class Workload:
    def __init__(self, database, seed):
        self.database, self.rng = database, random.Random(seed)
        kinds = [kind for kind in catalog.types_of(database.kind) if matrix.room(kind) < 2000 and "timestamp" not in kind.sql]
        stamps = [kind for kind in catalog.types_of(database.kind) if "timestamp" in kind.sql]
        # What takes a megabyte is compared by the matrix; here many values count.
        kinds = [kind for kind in kinds if kind.make or not any("repeat" in str(value) for value in kind.values)]
        self.layout = [self.rng.sample(kinds, COLUMNS - 1) + [self.rng.choice(stamps)] for _ in range(TABLES)]
        self.tables = [sides.Compared(f"r{number:02}", (sides.Field("id", "int"), *(
            sides.Field(f"c{at}", kind.kind, kind.family, kind.form) for at, kind in enumerate(row)))) for number, row in enumerate(self.layout)]

    def log_settings(self):
        choices = LOG_SETTINGS[self.database.kind]
        chosen = {name: self.rng.choice(values) for name, values in choices.items()}
        if chosen.get("binlog_row_value_options") == "PARTIAL_JSON":   # without the document before: a named error, not a value
            chosen["binlog_row_image"] = "FULL"
        return chosen

    def literal(self, kind):
        # An edge value of a megabyte once in a while would be most of the work.
        while True:
            text = catalog.random_literal(kind, self.rng)
            if "repeat" not in text:
                return text

    def create(self):
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA}; USE {SCHEMA}"]
        for number, kinds in enumerate(self.layout):
            columns = ", ".join(f"c{at} {kind.sql}{'' if kind.sql.endswith(' null') else ' null'}" for at, kind in enumerate(kinds))
            script.append(f"CREATE TABLE r{number:02} (id int {'primary key' if number % 3 else 'not null'}, {columns})")
        self.database.run(";\n".join(script))

    def row(self, kinds, key):
        return f"({key}, {', '.join(self.literal(kind) for kind in kinds)})"

    def write(self):
        rng = self.rng
        script = [f"SET NAMES utf8mb4; SET sql_mode=''; USE {SCHEMA}"]
        for number, kinds in enumerate(self.layout):
            name, key = f"r{number:02}", 0
            while key < ROWS:
                count = rng.randint(1, 6)
                rows = [self.row(kinds, key + n) for n in range(count)]
                key += count
                ends = rng.random()
                script.append("BEGIN")
                script.append(f"INSERT INTO {name} VALUES {', '.join(rows)}")
                for _ in range(rng.randint(0, 3)):
                    chosen = rng.sample(range(COLUMNS), rng.randint(1, 4))
                    changes = ", ".join(f"c{at} = {self.literal(kinds[at])}" for at in chosen)
                    script.append(f"UPDATE {name} SET {changes} WHERE id % {rng.randint(1, 5)} = 0 AND id < {key}")
                if rng.random() < 0.3:
                    script.append(f"DELETE FROM {name} WHERE id = {rng.randrange(key)}")
                if ends < 0.15:   # taken back: the log says nothing of it
                    script += ["ROLLBACK", f"INSERT INTO {name} VALUES {', '.join(rows)}"]
                else:
                    script.append("COMMIT")
            script.append(f"UPDATE {name} SET id = id + 100000 WHERE id = {rng.randrange(key)}")
        self.database.run(";\n".join(script))


@pytest.mark.parametrize("kind", catalog.EVERYWHERE)
def test_random_workload(server, tmp_path, request, kind):
    database = server(kind)

    def log_as(settings):
        database.run("; ".join(["DO 0"] + [f"SET GLOBAL {name} = {value}" for name, value in settings.items()]))
    usual = {name: values[0] for name, values in LOG_SETTINGS[kind].items()}
    request.addfinalizer(lambda: log_as(usual))
    seed = int(os.environ.get("TAILRACE_PARITY_SEED") or random.SystemRandom().randrange(1 << 32))
    wanted, values, problems, rounds = 126_000 if long_form() else 2_500, 0, [], 0
    while values < wanted:
        workload = Workload(database, seed + rounds)
        settings = workload.log_settings()
        log_as(settings)
        workload.create()
        start = matrix.start_text(database) if kind in catalog.LOGGED else None
        workload.write()
        truth = sides.of_server(database, SCHEMA, workload.tables)
        for side in ("SELECT", "log") if rounds % 2 == 0 else ("SELECT, identity rule", "log, identity rule"):
            way = matrix.WAYS[side]
            if way[0] == ["stream"] and kind not in catalog.LOGGED:
                continue
            name = f"random{rounds}{way[0][0]}"
            path, ended = matrix.copy(database, tmp_path, name, way, SCHEMA, start if way[0] == ["stream"] else None)
            assert ended.code == 0, f"TAILRACE_PARITY_SEED={seed + rounds} {settings}: {ended}"
            for table in workload.tables:
                try:
                    counts, found = sides.differences(table, truth[table.name], sides.of_copy(path, table), side)
                except sides.WrongForm as error:
                    counts, found = {}, [f"{table.name}, {side}: {error}"]
                values += sum(counts.values()) if way[0] == ["snapshot"] else 0
                problems += [f"TAILRACE_PARITY_SEED={seed + rounds} {settings}: {text}" for text in found]
            path.unlink()
        rounds += 1
    print(f"{kind}: {values} values of {rounds} workloads from seed {seed}, {len(problems)} wrong")
    assert not problems, "\n".join(problems[:40])
