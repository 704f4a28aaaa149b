"""What ordered rules remember, over kills: a stateful dedupe and a counter give what they would have given undisturbed.

The expected rows are counted here, from the rows written. A sink that delivers a stretch again must deliver the same again.
"""
import json
import random
import subprocess
import time
import uuid
from collections import OrderedDict

import pytest

from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable, wait_for

SENSORS, KEPT = 60, 40
RULES = """
return {
  api = 1, mode = "ordered",
  state = {
    last = { key = "bigint", value = "text", max = %d, durable = true },
    seen = { key = { "text", "bigint" }, value = "bigint", durable = true },
  },
  outputs = { ["iot.passed"] = { append = true, serialize = json,
    columns = { "id bigint not null", "sensor_id bigint not null", "nth bigint not null" } } },
  tables = { ["iot.reading"] = { row = function(ev, ctx)
    local v, last, seen = text(ev.value), ctx.state.last, ctx.state.seen
    if last[ev.sensor_id] == v then return false end
    last[ev.sensor_id] = v
    seen[{ "n", ev.sensor_id }] = (seen[{ "n", ev.sensor_id }] or bigint(0)) + 1
    ev:append("iot.passed", { id = ev.id, sensor_id = ev.sensor_id, nth = seen[{ "n", ev.sensor_id }] })
    return false
  end } },
}
""" % KEPT


def expected_of(rows):
    """(id, sensor, nth) of the rows that pass. A write moves a sensor to the young end; the oldest beyond KEPT is forgotten."""
    last, counts, out = OrderedDict(), {}, []
    for number, sensor, value in rows:
        if last.get(sensor) == value:
            continue
        last[sensor] = value
        last.move_to_end(sensor)
        if len(last) > KEPT:
            last.popitem(last=False)
        counts[sensor] = counts.get(sensor, 0) + 1
        out.append((number, sensor, counts[sensor]))
    return out


class Writer:
    def __init__(self, database, seed):
        self.database, self.rng, self.rows = database, random.Random(seed), []

    def write(self, transactions):
        statements = []
        for _ in range(transactions):
            statements.append("BEGIN")
            for _ in range(self.rng.randint(1, 30)):
                row = (len(self.rows) + 1, self.rng.randint(1, SENSORS), self.rng.randint(0, 1))
                self.rows.append(row)
                statements.append("INSERT INTO iot.reading VALUES (%d, %d, %d)" % row)
            statements.append("COMMIT")
        self.database.run("; ".join(statements))


@pytest.fixture(scope="module")
def services():
    with Services() as running:
        yield running


def up(services, kind, name):
    try:
        find_worker()
        return services.up(kind, name)
    except Unavailable as reason:
        pytest.skip(str(reason))


def in_sqlite(folder):
    import sqlite3
    connection = sqlite3.connect(folder / "copy.db")
    try:
        return connection.execute("SELECT id, sensor_id, nth FROM passed ORDER BY rowid").fetchall()
    finally:
        connection.close()


def of_lines(lines):
    rows = []
    for line in lines:
        if line.startswith("{") and '"nth"' in line:
            row = json.loads(line)
            rows.append((int(row["id"]), int(row["sensor_id"]), int(row["nth"])))
    return rows


def in_files(folder):
    return of_lines(line for path in sorted((folder / "out").rglob("*")) if path.is_file() for line in path.read_text().splitlines())


def in_kafka(broker, topic):
    done = subprocess.run(["kcat", "-q", "-C", "-e", "-b", broker, "-t", topic, "-o", "beginning", "-X", "isolation.level=read_committed"],
                          capture_output=True, check=True, text=True)
    return of_lines(done.stdout.splitlines())


@pytest.mark.parametrize("sink", ["sqlite", "file", "kafka", "kafka-exactly-once"])
def test_kills(services, tmp_path, sink):
    database = up(services, "mariadb", "memorydb")
    database.run("DROP DATABASE IF EXISTS iot; CREATE DATABASE iot; "
                 "CREATE TABLE iot.reading (id BIGINT PRIMARY KEY, sensor_id BIGINT NOT NULL, value INT NOT NULL)")
    (tmp_path / "iot.lua").write_text(RULES)
    topic = f"passed-{uuid.uuid4().hex[:8]}"
    if sink == "sqlite":
        to = {"url": f"sqlite://{tmp_path / 'copy.db'}"}
    elif sink == "file":
        to = {"url": f"file://{tmp_path / 'out'}", "format": "default"}
    else:
        broker = up(services, "kafka", "memorykafka")
        to = {"url": f"kafka://{broker}", "format": "default", "topic": topic, "topic_partitions": "1"}
        if sink == "kafka-exactly-once":
            to["transactions"] = "true"
    seed = random.randrange(1 << 30)
    print("seed", seed)
    writer, rng = Writer(database, seed), random.Random(seed)
    engine = Engine(tmp_path / "job.db", {
        "version": 1, "job": {"name": topic}, "source": source_config(database), "sink": to, "tables": ["iot.*"],
        "rules": {"file": str(tmp_path / "iot.lua")}})
    writer.write(3)
    ended = engine.run()      # the first copy
    assert ended.code == 0, str(ended)
    kills = 0
    for number in range(12):
        point = ("mid-batch", "flush", None)[number % 3]
        environment = {"TAILRACE_FAULT": f"kill@{point}:{rng.randint(2, 12)}"} if point else {}
        before = engine.checkpoint()
        engine.start(**environment)
        for _ in range(20):
            if not engine.alive():
                break
            writer.write(2)
        wait_for(lambda before=before: not engine.alive() or engine.checkpoint() != before, "any progress", 30)
        if engine.alive():
            time.sleep(rng.uniform(0, 0.3))
        if engine.alive():
            engine.kill()
        assert engine.process.returncode == -9, str(engine.wait())
        kills += 1
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert kills == 12
    wanted = expected_of(writer.rows)
    found = in_sqlite(tmp_path) if sink == "sqlite" else in_files(tmp_path) if sink == "file" else in_kafka(broker, topic)
    if sink in ("sqlite", "kafka-exactly-once"):
        assert found == wanted
    else:
        assert list(OrderedDict.fromkeys(found)) == wanted  # what came again came as it had come
    import sqlite3
    connection = sqlite3.connect(engine.job)
    left = connection.execute("SELECT count(*) FROM rule_state_journal").fetchone()[0]
    connection.close()
    print(f"{len(wanted)} of {len(writer.rows)} rows, {len(found)} delivered, {kills} kills, {left} changes in the journal")
