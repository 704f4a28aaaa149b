#!/usr/bin/env python3
"""Many tables into as many topics of a real broker: all arrive, in order, in bounded memory.

  tests/fault/many_topics.py [--topics 1000] [--rounds 20] [--set OPTION=VALUE]...

Each table is copied with ten rows; then every round updates one row of every table, ten tables a transaction, while the engine
streams. Each topic must hold the ten rows and then the rounds in their order, once.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable, wait_for

LIMIT_MIB = 256
ROWS = 10


def memory_peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def write_rounds(database, topics, rounds):
    session = database.session()
    for number in range(1, rounds + 1):
        for first in range(0, topics, 10):
            updates = "".join(f"UPDATE many.t{at} SET n = {number} WHERE id = {1 + number % ROWS};" for at in range(first, min(first + 10, topics)))
            session.send(f"BEGIN; {updates} COMMIT")
    session.sync()
    session.close()
    if session.errors:
        raise RuntimeError(f"the writer failed: {session.errors[0]}")


def read_topics(broker):
    """The values of `n` in each topic of the job, in order."""
    command = ["kcat", "-q", "-b", broker, "-X", "auto.offset.reset=earliest", "-e", "-f", "%t %s\n", "-G", f"reader-{time.time_ns()}", "^many[.].*"]
    found = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        for line in reader.stdout:
            topic, value = line.decode().split(" ", 1)
            found.setdefault(topic, []).append(json.loads(value)["payload"]["after"]["n"])
        errors = reader.stderr.read().decode()
    if reader.returncode:
        raise Unavailable(f"kcat ended with {reader.returncode}: {errors[-500:]}")
    return found


def many(topics, rounds, options, folder, services):
    database = services.up("mariadb", "manydb")
    broker = services.up("kafka", "manykafka")
    database.run("CREATE DATABASE many;" + "".join(
        f"CREATE TABLE many.t{at} (id INT NOT NULL PRIMARY KEY, n INT); INSERT INTO many.t{at} SELECT seq, 0 FROM many.seq_1_to_{ROWS};"
        for at in range(topics)))
    engine = Engine(folder / "many.db", {"version": 1, "job": {"name": "many"}, "tables": ["many.t*"], "source": source_config(database),
                                         "sink": {"url": f"kafka://{broker}", "format": "debezium", **options}})
    started = time.monotonic()
    engine.start()

    def rows_delivered():
        if not engine.alive():
            raise RuntimeError(f"the engine ended: {engine.wait()}")
        found = engine.checkpoint()
        return found[2] if found else 0

    wait_for(lambda: rows_delivered() >= topics * ROWS, "the copy", 1800, 0.1)
    copied = time.monotonic()
    write_rounds(database, topics, rounds)
    written = time.monotonic()
    wait_for(lambda: rows_delivered() >= topics * (ROWS + rounds), "the last change", 600, 0.1)
    done = time.monotonic()
    peak = memory_peak_mib(engine.process.pid)
    ended = engine.stop()
    found = read_topics(broker)
    expected = [0] * ROWS + list(range(1, rounds + 1))
    wrong = sorted(topic for topic in {f"many.t{at}" for at in range(topics)} | set(found) if found.get(topic) != expected)
    ok = ended.code == 130 and not wrong and peak < LIMIT_MIB
    print(f"{topics} topics: {topics * ROWS} rows copied in {copied - started:.1f} s, {topics * rounds} changes written in "
          f"{written - copied:.1f} s and there {done - written:.1f} s later, {len(wrong)} topics wrong, VmHWM {peak:.0f} MiB  "
          f"{'ok' if ok else 'FAILED'}", flush=True)
    if not ok:
        print(f"{wrong[:5]}: {found.get(wrong[0]) if wrong else ''}\n{ended}", file=sys.stderr)
    return ok


def run(topics, rounds, options=None):
    find_worker()
    with tempfile.TemporaryDirectory(prefix="tailrace-many-") as folder, Services() as services:
        return many(topics, rounds, options or {}, Path(folder), services)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="further options of the sink")
    args = parser.parse_args()
    try:
        return 0 if run(args.topics, args.rounds, dict(word.split("=", 1) for word in args.set)) else 1
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
