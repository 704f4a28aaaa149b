#!/usr/bin/env python3
"""Kill the engine with SIGKILL, again and again, while a database is written to; then compare with the truth.

  tests/fault/kill_loop.py --rounds 30 --sink sqlite|kafka|kafka-exactly-once|file [--source mariadb|mysql9] [--seed S]

Writers: sysbench oltp_write_only, and sessions of our own on a table without key, a table whose keys are swapped and
moved, a table with a case-insensitive text key, a wide copy and a table of all types. Each round starts the engine on
the same job file and kills it in one of three phases: while tables are copied (snapshot), with a batch written but not
durable (mid-batch), at the sink's commit or a checkpoint's save (flush). Two kills of three come at a fault point of
the engine (engine/base/fault_point.h), delayed by up to 3 ms; one of three at a random moment, and counts as the phase
that the job file showed then. Every round has to get further than the one before.

With kafka-exactly-once the sink works in Kafka transactions, and a reader of committed records has to see each change and
each copied row once; else what a restart delivered again is counted.

The truth: SELECT at the source, and for messages the event list of mariadb-binlog -v. Exit 1 on any difference.
"""
import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import compare, truth, workload
from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable, wait_for

SKIPPED = 77


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--sink", choices=["sqlite", "kafka", "kafka-exactly-once", "file"], default="sqlite")
    parser.add_argument("--source", choices=["mariadb", "mysql9"], default="mariadb")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds-per-round", type=float, default=1.5, help="how late a kill may come (default 1.5)")
    parser.add_argument("--threads", type=int, choices=[1, 2], default=2)
    parser.add_argument("--rate", type=int, default=250, help="roughly the statements a second (default 250)")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder; it is always kept on a failure")
    return parser.parse_args()


def sink_config(kind, folder, broker):
    if kind == "sqlite":
        return {"url": f"sqlite://{folder / 'copy.db'}"}
    if kind == "kafka":
        return {"url": f"kafka://{broker}", "format": "default", "topic_partitions": "2"}
    if kind == "kafka-exactly-once":
        return {"url": f"kafka://{broker}", "format": "default", "topic_partitions": "2", "transactions": "true"}
    return {"url": f"file://{folder / 'out'}", "format": "default"}


class Loop:
    def __init__(self, args, folder, services):
        self.args, self.folder = args, folder
        self.rng = random.Random(args.seed)
        self.database = services.up(args.source, "killdb")
        self.broker = services.up("kafka", "killkafka") if args.sink.startswith("kafka") else None
        self.writers = workload.Writers(self.database, args.seed, wide_rows=40000, rate=args.rate,
                                        duplicates=args.sink == "sqlite")
        self.engine = Engine(folder / "job.db", {
            "version": 1, "job": {"name": "kill-loop"}, "source": source_config(self.database),
            "sink": sink_config(args.sink, folder, self.broker), "tables": [f"{workload.DB}.*", "sbtest.*"],
            "pipeline": {"threads": args.threads, "chunk_rows": 200 if args.sink == "sqlite" else 60},
        })
        self.died = {"snapshot": 0, "mid-batch": 0, "flush": 0, "stream": 0}
        self.start = None

    def progress(self):
        """What the job file and, for sinks that keep the checkpoint themselves, the sink show of the job's progress."""
        return self.engine.look("SELECT source_kind, position, snapshot_state, rows FROM v1_checkpoint"), self.sink_mark()

    def sink_mark(self):
        if self.args.sink != "sqlite":
            return None
        return compare.sqlite_checkpoint(self.folder / "copy.db")

    def plan(self, number):
        """(phase wanted, by fault point?) of a round; the copy comes first as it comes only once."""
        rounds = self.args.rounds
        if number < max(1, rounds * 2 // 5):
            return "snapshot", number % 3 != 2
        return ("mid-batch", "flush")[number % 2], number % 3 != 2 or rounds < 6

    def round(self, number, patience=1):
        """One start and one kill; True if the job got further. `patience` puts the fault point off."""
        phase, exact = self.plan(number)
        before = self.progress()
        environment = {}
        if exact:
            # Late enough for a checkpoint to have been saved before.
            own = self.args.sink in ("sqlite", "kafka-exactly-once")    # its checkpoint moves with every commit, that of the others twice a second
            count = {"snapshot": self.rng.randint(4, 14) if own else self.rng.randint(20, 45), "mid-batch": self.rng.randint(80, 250),
                     "flush": self.rng.randint(30, 80) if self.args.sink == "file" else self.rng.randint(6, 14)}
            point = phase
            if phase == "flush" and self.args.sink == "kafka-exactly-once":
                point, count["flush"] = "commit", self.rng.randint(10, 40)
            delay = self.rng.choice([0, 0, self.rng.randint(1, 3000)])
            environment["TAILRACE_FAULT"] = f"kill@{point}:{count[phase] * patience}+{delay}"
        self.engine.start(**environment)
        if number == 0:
            self.note_start()
        if exact:
            try:
                wait_for(lambda: not self.engine.alive(), f"the kill at {environment['TAILRACE_FAULT']}", 30)
            except TimeoutError:
                phase = "snapshot" if self.engine.phase() == "snapshot" else "stream"
                self.engine.kill()
        else:
            limit = self.args.seconds_per_round * (0.3 if phase == "snapshot" else 1)
            wait_for(lambda: self.progress() != before or not self.engine.alive(), "any progress", 30)
            time.sleep(self.rng.uniform(0, limit))
            seen = self.engine.phase()
            phase = "snapshot" if seen == "snapshot" else "stream"
            if self.engine.alive():
                self.engine.kill()
        code = self.engine.process.returncode
        if code != -9:
            raise Failure(f"round {number + 1}: the engine ended by itself\n{self.engine.wait()}")
        after = self.progress()
        progress = after != before
        self.died[phase] += progress
        rows = after[0][0][3] if after[0] else 0
        how = environment.get("TAILRACE_FAULT", "random moment")
        print(f"round {number + 1:3}  died in {phase:<9}  {how:<26} checkpoint {'moved' if progress else 'STUCK'}"
              f"  rows {rows:>8}  written {self.writers.written:>7}", flush=True)
        return progress

    def note_start(self):
        """A position at or after the one the job began with."""
        found = wait_for(lambda: self.engine.checkpoint() or not self.engine.alive(), "the first checkpoint", 60)
        if found is True:
            raise Failure(f"the engine ended before its first checkpoint\n{self.engine.wait()}")
        parts = dict(part.split("=", 1) for part in found[0].split(";"))
        self.start = (parts["file"], int(parts["offset"]))

    def run(self):
        self.writers.prepare()
        before = self.database.position()
        self.writers.start()
        for number in range(self.args.rounds):
            # A kill that came before the first checkpoint of its run shows nothing; it does not count as a round.
            if not any(self.round(number, patience) for patience in (1, 2, 4)):
                raise Failure(f"no progress in round {number + 1}, three times")
        # The last stretch: writers still run for a moment, then all has to arrive.
        self.engine.start()
        time.sleep(1)
        self.writers.stop()
        self.engine.stop()
        started = time.monotonic()
        ended = self.engine.run("caught_up", seconds=300)
        if ended.code:
            raise Failure(f"catching up failed: {ended}")
        print(f"caught up in {time.monotonic() - started:.1f} s after {self.writers.written} statements of our own "
              f"and sysbench; comparing", flush=True)
        return self.compare(before)

    def compare(self, log_start):
        if self.args.sink == "sqlite":
            problems, rows = compare.compare_sqlite(self.database, self.folder / "copy.db", workload.ALL)
            print(f"{rows} rows of {len(workload.ALL)} tables compared value by value")
            return problems
        log = truth.changes(self.database, workload.ALL, log_start)
        found = compare.kafka_messages(self.broker, workload.ALL) if self.broker else \
            compare.file_messages(self.folder / "out", workload.ALL)
        result = compare.Checked()
        restarts = 0 if self.args.sink == "kafka-exactly-once" else self.engine.starts
        for table in workload.ALL:
            name = table.full_name()
            compare.check_messages(table, found[name], log[name], self.start, truth.rows(self.database, table),
                                   restarts, result)
        print(f"{result.changes} changes of the log looked for in {result.messages} messages "
              f"({result.reads} of the copy, {result.replays} repetitions begun after a restart)")
        return result.problems


class Failure(Exception):
    pass


def main():
    args = parse_arguments()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 31)
    print(f"kill loop: source {args.source}, sink {args.sink}, rounds {args.rounds}, seed {args.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix=f"tailrace-kill-{args.sink}-"))
    services, loop, problems = Services(folder / "servers"), None, ["interrupted"]
    try:
        find_worker()
        loop = Loop(args, folder, services)
        problems = loop.run()
        print("died in: " + ", ".join(f"{phase} {count}" for phase, count in loop.died.items() if count))
        least = min(loop.died[phase] for phase in ("snapshot", "mid-batch", "flush"))
        if args.rounds >= 30 and least < 5:
            problems.append("a phase was hit fewer than 5 times")
    except Unavailable as reason:
        print(f"skipped: {reason}")
        problems = []
        return SKIPPED
    except (Failure, TimeoutError) as failure:
        problems = [str(failure)]
    finally:
        if loop:
            loop.engine.kill() if loop.engine.process else None
            try:
                loop.writers.stop()
            except Exception as error:
                problems.append(f"the writers: {error}")
        services.close()
        if problems or args.keep:
            print(f"the run's files are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print(f"DIFFERENCE {problem}")
    print(f"seed {args.seed}: {'FAILED' if problems else 'equal'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
