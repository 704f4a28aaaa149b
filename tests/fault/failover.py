#!/usr/bin/env python3
"""Two servers that replicate by GTID; the one the engine reads is killed with SIGKILL, the other takes over.

  tests/fault/failover.py [--source mariadb|mysql9] [--sink sqlite|file] [--phase stream|snapshot] [--lose] [--seed S]

The job's source names both servers. Writers of the kill loop write to the first; the engine is held (SIGSTOP) while the
last of it is written, so that it is behind when the server dies. The second, which has caught up, is promoted and
written to, and the engine has to go on there by itself: the copy in SQLite equals the new primary value by value, the
messages in files hold every change of the new primary's log once, in the order of each key.

With --lose the second server misses the last transactions, which the engine has delivered: it must say so by name and
take nothing of the other history.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import compare, truth, workload
from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable, wait_for

SKIPPED = 77


class Failure(Exception):
    pass


class Pair:
    """A primary and its replica. Both keep a log of everything."""

    def __init__(self, services, kind):
        self.kind = kind
        options = {"log_slave_updates": "ON", "gtid_strict_mode": "ON"} if kind == "mariadb" else {"log_replica_updates": "ON"}
        self.first = services.up(kind, "fofirst", **options)
        self.second = services.up(kind, "fosecond", **options)
        if kind == "mariadb":
            self.second.run(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self.first.port}, MASTER_USER='root', "
                            "MASTER_USE_GTID=slave_pos; START SLAVE")
        else:
            self.second.run(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={self.first.port}, "
                            "SOURCE_USER='root', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA")

    def url(self):
        return f"mysql://mig@127.0.0.1:{self.first.port},127.0.0.1:{self.second.port}"

    def synchronise(self):
        if self.kind == "mariadb":
            at = self.first.run("SELECT @@gtid_binlog_pos")[0][0]
            done = self.second.run(f"SELECT MASTER_GTID_WAIT('{at}', 60)")
        else:
            at = self.first.run("SELECT @@gtid_executed")[0][0].replace("\\n", "")
            done = self.second.run(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{at}', 60)")
        if done[0][0] != "0":
            raise Failure(f"the replica did not reach {at}")

    def stop_replication(self):
        self.second.run("STOP SLAVE" if self.kind == "mariadb" else "STOP REPLICA")

    def kill_first(self):
        pid = int((self.first.datadir.parent / "server.pid").read_text())
        os.kill(pid, signal.SIGKILL)

    def promote(self):
        self.stop_replication()
        self.second.run("RESET SLAVE ALL" if self.kind == "mariadb" else "RESET REPLICA ALL")


def other_writer(database, count, first):
    """Transactions among the others whose GTIDs are of another kind: tagged (MySQL 8.3 and newer), or of a second
    domain (MariaDB)."""
    session = database.session()
    session.send("SET gtid_domain_id=7" if database.kind == "mariadb" else "SET gtid_next='AUTOMATIC:blue'")
    for at in range(count):
        session.send(f"INSERT INTO {workload.DB}.wide VALUES ({10_000_000 + first + at},'other GTID',1,{-1 - first - at})")
    session.sync()
    session.close()
    if session.errors:
        raise RuntimeError(f"the other writer failed: {session.errors[:3]}")


def sink_config(kind, folder):
    return {"url": f"sqlite://{folder / 'copy.db'}"} if kind == "sqlite" else {"url": f"file://{folder / 'out'}", "format": "default"}


def write_for(writers, seconds):
    writers.start()
    before = writers.written
    wait_for(lambda: writers.written > before or writers.failure, "the first statements", 30)
    time.sleep(seconds)   # not a wait for something: this is how much is written


def look(engine):
    if not engine.alive():
        raise Failure(f"the engine ended by itself\n{engine.wait()}")
    return True


def run(kind, sink, phase, seed, folder, services, lose=False, seconds=2.0):
    """The differences found, as text."""
    pair = Pair(services, kind)
    writers = workload.Writers(pair.first, seed, wide_rows=60000 if phase == "snapshot" else 2000, rate=250,
                               duplicates=sink == "sqlite")
    stream_only = phase == "stream"
    source = source_config(pair.first) | {"url": pair.url()}
    if stream_only:
        source["start"] = "earliest"
    engine = Engine(folder / "job.db", {
        "version": 1, "job": {"name": "failover", "phases": ["stream"] if stream_only else ["snapshot", "stream"]},
        "source": source, "sink": sink_config(sink, folder), "tables": [f"{workload.DB}.*", "sbtest.*"],
        "pipeline": {"chunk_rows": 50},
    })
    try:
        writers.prepare()
        writers.start()
        engine.start()
        if phase == "snapshot":
            def mark():
                return compare.sqlite_checkpoint(folder / "copy.db") if sink == "sqlite" else engine.checkpoint()

            def copied():
                seen = mark()
                return look(engine) and seen and seen[2] > 3000
            wait_for(copied, "rows of the copy", 60, pause=0.002)
            engine.process.send_signal(signal.SIGSTOP)
            if not mark()[1]:   # what is left to copy
                raise Failure("the copy was over before the server could be killed")
        else:
            wait_for(lambda: look(engine) and engine.checkpoint(), "the first checkpoint", 60)
            time.sleep(seconds / 2)   # not a wait for something: this is how much is written
        if lose:
            writers.stop()
            return lost_transactions(pair, engine, folder)
        engine.process.send_signal(signal.SIGSTOP)
        pair.synchronise()
        begun = pair.second.position() if not stream_only else (pair.second.binlog_files()[0].name, 4)
        time.sleep(seconds / 2)
        writers.stop()
        other_writer(pair.first, 50, 0)
        pair.synchronise()
        behind = engine.checkpoint()[0]
        pair.kill_first()
        pair.promote()
        engine.process.send_signal(signal.SIGCONT)
        print(f"killed at checkpoint {behind} after {writers.written} statements", flush=True)

        after = workload.Writers(pair.second, seed + 1, wide_rows=writers.wide_rows, rate=250, duplicates=writers.duplicates)
        after._versions = writers._versions   # numbers are never used twice
        write_for(after, seconds)
        after.stop()
        other_writer(pair.second, 50, 1000)
        look(engine)
        engine.stop()
        ended = engine.run("caught_up", seconds=180)
        if ended.code:
            raise Failure(f"catching up failed: {ended}")
        if ended.status["position"] == behind:
            raise Failure("the checkpoint did not move")
        print(f"caught up at {ended.status['position']} after {after.written} statements at the new primary; comparing", flush=True)
        return differences(pair.second, sink, folder, begun, stream_only)
    finally:
        if engine.process:
            engine.kill()
        for one in (writers, locals().get("after")):
            if one:
                try:
                    one.stop()
                except RuntimeError:
                    pass


def differences(database, sink, folder, start, once):
    """`start`: a place in the log at or after the one the job began at; `once`: nothing may have come twice."""
    if sink == "sqlite":
        problems, rows = compare.compare_sqlite(database, folder / "copy.db", workload.ALL)
        print(f"{rows} rows of {len(workload.ALL)} tables compared value by value")
        return problems
    found = compare.file_messages(folder / "out", workload.ALL)
    if database.kind != "mariadb":
        return folded(database, found)
    log = truth.changes(database, workload.ALL, (database.binlog_files()[0].name, 4))
    result = compare.Checked()
    for table in workload.ALL:
        name = table.full_name()
        compare.check_messages(table, found[name], log[name], start, truth.rows(database, table), 1, result)
    print(f"{result.changes} changes of the log looked for in {result.messages} messages "
          f"({result.reads} of the copy, {result.replays} repetitions)")
    if once and result.replays:
        result.add(f"{result.replays} changes were delivered again")
    return result.problems


def folded(database, found):
    """Each change must find the row as its before-image says: so none is missing, doubled or out of its key's order.
    Stands in for the log where no program prints it in a form that the harness reads (MySQL)."""
    problems, messages = [], 0
    for table in workload.ALL:
        rows = collections.Counter()
        for message in found[table.full_name()]:
            messages += 1
            if message.before is not None:
                if not rows[message.before]:
                    problems.append(f"{table.full_name()}: {message.op} of a row that is not there: {compare.describe(table, message.before)}")
                rows[message.before] -= 1
            if message.after is not None:
                rows[message.after] += 1
        problems += compare.row_sets(table, truth.rows(database, table), list(rows.elements()))
    print(f"{messages} messages folded and compared with the tables")
    return problems[:20]


def lost_transactions(pair, engine, folder):
    """The replica misses what the engine has delivered, and is written to."""
    pair.synchronise()
    pair.stop_replication()
    pair.first.run("; ".join(f"INSERT INTO {workload.DB}.wide VALUES ({20_000_000 + at},'lost',1,{-at - 1})" for at in range(5)))
    copy = folder / "copy.db"

    def count(word):
        connection = sqlite3.connect(f"file:{copy}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute("SELECT COUNT(*) FROM wide WHERE v=?", (word,)).fetchone()[0]
        finally:
            connection.close()

    wait_for(lambda: look(engine) and count("lost") == 5, "the last rows at the sink", 60)
    pair.kill_first()
    pair.promote()
    pair.second.run("; ".join(f"INSERT INTO {workload.DB}.wide VALUES ({30_000_000 + at},'other',1,{-at - 1})" for at in range(9)))
    if pair.kind == "mariadb":
        code = "SRC-0024"
        ended = engine.wait(60)
        text = ended.err
        if ended.code != 6:
            return [f"an error for the operator was expected: {ended}"]
    else:   # nothing in MySQL's sets tells a replica that lags from one that lost transactions
        code = "SRC-0023"
        wait_for(lambda: look(engine) and code in engine.err.read_text(), "the error by name", 60)
        text = engine.err.read_text()
    problems = [] if code in text else [f"{code} was expected: {text[-2000:]}"]
    if count("other"):
        problems.append("rows of the other history were delivered")
    print("refused: " + next((line for line in text.splitlines() if code in line), ""))
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=["mariadb", "mysql9"], default="mariadb")
    parser.add_argument("--sink", choices=["sqlite", "file"], default="sqlite")
    parser.add_argument("--phase", choices=["stream", "snapshot"], default="stream")
    parser.add_argument("--lose", action="store_true")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long is written before and after (default 4)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    args = parser.parse_args()
    if args.source == "mysql9" and args.sink == "file" and args.phase == "snapshot":
        parser.error("changes that come before the copy of their rows can only be told with MariaDB's log; take --sink sqlite")
    print(f"failover: source {args.source}, sink {args.sink}, phase {args.phase}{', lost transactions' if args.lose else ''}, "
          f"seed {args.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="tailrace-failover-"))
    services, problems = Services(folder / "servers"), ["interrupted"]
    try:
        find_worker()
        problems = run(args.source, args.sink, args.phase, args.seed, folder, services, args.lose, args.seconds)
    except Unavailable as reason:
        print(f"skipped: {reason}")
        problems = []
        return SKIPPED
    except (Failure, TimeoutError) as failure:
        problems = [str(failure)]
    finally:
        services.close()
        if problems:
            print(f"the run's files are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print(f"DIFFERENCE {problem}")
    print(f"seed {args.seed}: {'FAILED' if problems else 'equal'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
