#!/usr/bin/env python3
"""One transaction far larger than the engine's memory, live, into each sink: the process stays under 256 MiB (VmHWM),
with the default options, and every row arrives.

  tests/fault/memory_test.py [--gib 2] [--sink sqlite|kafka]...
"""
import argparse
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import compare
from harness.engine import Engine, memory_peak_mib, source_config
from harness.servers import Services, Unavailable, wait_for

LIMIT_MIB = 256
ROW = 1024


def place(position):
    parts = dict(part.split("=", 1) for part in position.split(";"))
    return parts["file"], int(parts["offset"])


def write_transaction(database, rows):
    """`rows` rows of about 1 KiB in one statement; hardly compressible."""
    text = "CONCAT(" + ",".join(f"SHA2(CONCAT(seq,'-{part}'),512)" for part in range(8)) + ")"
    database.run(f"INSERT INTO big.rows SELECT seq, LEFT({text}, {ROW - 24}) FROM big.seq_1_to_{rows}")


def measure(sink, rows, services, database, folder):
    database.run("DROP DATABASE IF EXISTS big; CREATE DATABASE big; "
                 f"CREATE TABLE big.rows (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR({ROW}) NOT NULL)")
    if sink == "kafka":
        broker = services.up("kafka", "memkafka")
        target = {"url": f"kafka://{broker}", "format": "debezium"}
    else:
        target = {"url": f"sqlite://{folder / 'big.db'}"}
    engine = Engine(folder / f"{sink}.job.db", {"version": 1, "job": {"name": "memory"}, "tables": ["big.*"],
                                                "source": source_config(database), "sink": target})
    engine.start()
    try:
        wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the start of the stream", 60)
        started = time.monotonic()
        write_transaction(database, rows)
        written = time.monotonic()
        database.run("INSERT INTO big.rows VALUES (-1, 'the end')")     # the log may have begun a new file
        end = database.position()

        def arrived():
            if not engine.alive():
                raise RuntimeError(f"the engine ended: {engine.wait()}")
            found = engine.checkpoint()
            return found and place(found[0]) >= end

        wait_for(arrived, "the transaction at the sink", 1200, pause=0.2)
        peak = memory_peak_mib(engine.process.pid)
        seconds = time.monotonic() - written
    finally:
        ended = engine.stop() if engine.alive() else None
        engine.kill()
    if ended.code not in (0, 130):
        raise RuntimeError(f"the engine ended badly: {ended}")
    if sink == "kafka":
        found = compare.kafka_count(broker, "big.rows")
        services.down("memkafka")
    else:
        found = sqlite3.connect(folder / "big.db").execute("SELECT COUNT(*) FROM rows").fetchone()[0]
    ok = peak < LIMIT_MIB and found == rows + 1
    print(f"{sink:<7} {rows} rows, {rows * ROW / 2**30:.2f} GiB in one transaction (written in {written - started:.0f} s): "
          f"{found - 1} arrived {seconds:.0f} s later, VmHWM {peak:.0f} MiB  {'ok' if ok else 'FAILED'}", flush=True)
    return ok


def run(gib, sinks):
    rows = int(gib * 2**30 / ROW)
    with tempfile.TemporaryDirectory(prefix="tailrace-memory-") as folder, Services() as services:
        database = services.up("mariadb", "memdb")
        return all([measure(sink, rows, services, database, Path(folder)) for sink in sinks])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--sink", action="append", choices=["sqlite", "kafka"])
    args = parser.parse_args()
    try:
        return 0 if run(args.gib, args.sink or ["sqlite", "kafka"]) else 1
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
