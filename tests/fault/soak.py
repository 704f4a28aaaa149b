#!/usr/bin/env python3
"""Millions of rows into a real broker that is restarted in between: none is lost, order holds, memory stays flat.

  tests/fault/soak.py [--rows 10000000] [--restarts 3] [--exactly-once] [--set OPTION=VALUE]...

One session inserts rows 1, 2, 3 … in transactions of 1,000; the engine streams them into a topic of three partitions, and the
broker is stopped and started again while rows flow. Afterwards the topic is read back: every row must be there (a bit for
each), and the first coming of the rows of a partition must be in their order. Repetitions are counted; with --exactly-once
none may be there. The engine's resident memory is sampled four times a second: its median in the last quarter of the run
may be 16 MiB above that of the second quarter.
"""
import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable, wait_for

LIMIT_MIB = 256
GROWTH_MIB = 16
PARTITIONS = 3
PER_TRANSACTION = 1000
TOPIC = "soak.rows"


def place(position):
    parts = dict(part.split("=", 1) for part in position.split(";"))
    return parts["file"], int(parts["offset"])


class Memory(threading.Thread):
    """Samples of a process's resident memory in MiB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.samples, self.peak, self.over = pid, [], 0.0, threading.Event()

    def run(self):
        while not self.over.wait(0.25):
            try:
                status = Path(f"/proc/{self.pid}/status").read_text()
            except OSError:
                return
            values = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM"))}
            if len(values) == 2:
                self.samples.append(int(values["VmRSS"]) / 1024)
                self.peak = int(values["VmHWM"]) / 1024

    def quarters(self):
        size = max(1, len(self.samples) // 4)
        return [statistics.median(self.samples[at * size:(at + 1) * size] or [0]) for at in range(4)]


def write_rows(database, rows):
    session = database.session()
    for first in range(1, rows + 1, PER_TRANSACTION):
        last = min(first + PER_TRANSACTION - 1, rows)
        session.send(f"INSERT INTO soak.rows SELECT seq, CONCAT('row ', seq), seq * 7 FROM soak.seq_{first}_to_{last}")
    session.sync()
    session.close()
    if session.errors:
        raise RuntimeError(f"the writer failed: {session.errors[0]}")


class Account:
    """What the topic holds of rows 1 … `rows`."""

    def __init__(self, rows):
        self.rows, self.seen = rows, bytearray(rows // 8 + 1)
        self.found = self.repeated = self.foreign = self.disordered = 0
        self.last = [0] * PARTITIONS

    def read(self, broker):
        command = ["kcat", "-q", "-C", "-e", "-b", broker, "-t", TOPIC, "-o", "beginning", "-f", "%p %k\n", "-X",
                   "isolation.level=read_committed", "-X", "check.crcs=true"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
            for line in reader.stdout:
                partition, key = map(int, line.split())
                self.note(partition, key)
        if reader.returncode:
            raise Unavailable(f"kcat ended with {reader.returncode}")

    def note(self, partition, key):
        if not 1 <= key <= self.rows:
            self.foreign += 1
            return
        at, bit = key >> 3, 1 << (key & 7)
        if self.seen[at] & bit:
            self.repeated += 1
            return
        self.seen[at] |= bit
        self.found += 1
        if key < self.last[partition]:
            self.disordered += 1
        self.last[partition] = key


def restart(services, number):
    started = time.monotonic()
    services.down("soakkafka")
    services.up("kafka", "soakkafka")
    print(f"restart {number} of the broker took {time.monotonic() - started:.1f} s", flush=True)


def soak(rows, restarts, options, exactly_once, folder, services):
    database = services.up("mariadb", "soakdb", max_binlog_size="256M")
    broker = services.up("kafka", "soakkafka")
    database.run("CREATE DATABASE soak; CREATE TABLE soak.rows (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR(50) NOT NULL, n BIGINT)")
    sink = {"url": f"kafka://{broker}", "topic": TOPIC, "topic_partitions": str(PARTITIONS), "format": "default",
            "transactions": str(exactly_once).lower(), **options}
    engine = Engine(folder / "soak.db", {"version": 1, "job": {"name": "soak", "phases": ["stream"]}, "tables": ["soak.rows"],
                                         "source": source_config(database), "sink": sink}).start()
    wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the start of the stream", 60)
    memory = Memory(engine.process.pid)
    memory.start()
    started = time.monotonic()
    with_failure = []

    def guarded_writer():
        try:
            write_rows(database, rows)
        except (RuntimeError, OSError) as error:
            with_failure.append(error)

    writer = threading.Thread(target=guarded_writer, daemon=True)
    writer.start()

    def delivered():
        if not engine.alive():
            raise RuntimeError(f"the engine ended: {engine.wait()}")
        found = engine.checkpoint()
        return found[2] if found else 0

    for number in range(1, restarts + 1):
        mark = rows * number // (restarts + 1)
        wait_for(lambda mark=mark: delivered() >= mark or with_failure, f"row {mark}", 3600, 0.1)
        restart(services, number)
    writer.join()
    if with_failure:
        raise with_failure[0]
    end = database.position()

    def arrived():
        delivered()
        return place(engine.checkpoint()[0]) >= end

    wait_for(arrived, "the last row", 3600, 0.1)
    seconds = time.monotonic() - started
    memory.over.set()
    memory.join()
    ended = engine.stop()
    account = Account(rows)
    account.read(broker)
    quarters = memory.quarters()
    grown = quarters[3] - quarters[1]
    ok = (ended.code == 130 and account.found == rows and account.disordered == 0 and account.foreign == 0
          and memory.peak < LIMIT_MIB and grown < GROWTH_MIB and (account.repeated == 0 or not exactly_once))
    print(f"{rows} rows, {restarts} restarts, {seconds:.0f} s ({rows / seconds:,.0f} rows/s): {rows - account.found} lost, "
          f"{account.repeated} repeated, {account.disordered} out of order, {account.foreign} of other rows; RSS by quarter "
          f"{', '.join(f'{each:.0f}' for each in quarters)} MiB, VmHWM {memory.peak:.0f} MiB  {'ok' if ok else 'FAILED'}", flush=True)
    if not ok:
        print(ended, file=sys.stderr)
    return ok


def run(rows, restarts, options=None, exactly_once=False):
    find_worker()
    with tempfile.TemporaryDirectory(prefix="tailrace-soak-") as folder, Services() as services:
        return soak(rows, restarts, options or {}, exactly_once, Path(folder), services)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--exactly-once", action="store_true", help="in Kafka transactions")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="further options of the sink")
    args = parser.parse_args()
    try:
        return 0 if run(args.rows, args.restarts, dict(word.split("=", 1) for word in args.set), args.exactly_once) else 1
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
