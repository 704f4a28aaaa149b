"""The short forms of failover.py that run with the other tests."""
import itertools
import signal
import sqlite3
import threading
import time

import pytest
from failover import Failure, Pair, look, run

from harness import compare
from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable, wait_for


@pytest.mark.parametrize(("kind", "sink", "phase", "lose"), [
    ("mariadb", "sqlite", "stream", False),
    ("mariadb", "file", "stream", False),
    ("mariadb", "sqlite", "snapshot", False),
    ("mariadb", "sqlite", "stream", True),
    ("mysql9", "sqlite", "stream", False),
    ("mysql9", "file", "stream", False),
    ("mysql9", "sqlite", "stream", True),
])
def test_the_source_fails_over(kind, sink, phase, lose, tmp_path):
    try:
        find_worker()
        with Services() as services:
            assert run(kind, sink, phase, 7, tmp_path, services, lose, seconds=1.0) == []
    except Unavailable as reason:
        pytest.skip(str(reason))
    except Failure as failure:
        pytest.fail(str(failure))


@pytest.mark.parametrize("moment", ["during", "after"])
@pytest.mark.parametrize("kind", ["mariadb", "mysql9"])
def test_a_table_without_a_key_is_copied_across_a_failover(kind, moment, tmp_path):
    """Killed while such a table is copied, whole and in one view: the copy begins anew at the other server. Killed after
    it, before the stream has passed its place: the changes that it holds are not applied twice."""
    try:
        find_worker()
        with Services() as services:
            keyless(Pair(services, kind), tmp_path, moment)
    except Unavailable as reason:
        pytest.skip(str(reason))


def keyless(pair, folder, moment):
    pair.first.run("CREATE DATABASE shop; CREATE TABLE shop.a_log (n INT, text VARCHAR(200)); "
                   "CREATE TABLE shop.items (id INT NOT NULL PRIMARY KEY, n INT)")
    digits = " UNION ALL ".join(f"SELECT {at} AS d" for at in range(10))
    pair.first.run(f"INSERT INTO shop.a_log SELECT a.d*10000+b.d*1000+c.d*100+e.d*10+f.d, REPEAT('x', 150) FROM ({digits}) a, ({digits}) b, "
                   f"({digits}) c, ({digits}) e, ({digits}) f; INSERT INTO shop.items SELECT n, n FROM shop.a_log WHERE n < 20000")
    copy = folder / "copy.db"
    engine = Engine(folder / "job.db", {
        "version": 1, "job": {"name": "keyless"}, "source": source_config(pair.first) | {"url": pair.url()},
        "sink": {"url": f"sqlite://{copy}"}, "tables": ["shop.*"], "pipeline": {"chunk_rows": 50, "chunk_bytes": "64KiB"}})

    def state():
        return (compare.sqlite_checkpoint(copy) or ("", ""))[1] or ""

    stop = threading.Event()

    def write():   # between the start of the job and the view that is copied, too
        session = pair.first.session()
        for n in itertools.count(1_000_000):
            if stop.is_set():
                break
            session.send(f"INSERT INTO shop.a_log VALUES ({n}, 'beside')")
            session.sync()
        session.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        engine.start()
        if moment == "during":
            copying = [("copying",)]
            wait_for(lambda: look(engine) and engine.look("SELECT state FROM v1_table WHERE \"table\"='a_log'") == copying, "the copy", 60, pause=0.002)
        else:
            wait_for(lambda: look(engine) and rows_of(copy, "a_log") >= 100_000, "the whole copy", 60, pause=0.002)
        engine.process.send_signal(signal.SIGSTOP)
        # Not while it holds the table's lock, for which the writers would wait for ever.
        end = time.monotonic() + 60
        while is_locked(pair.first):
            assert time.monotonic() < end, "the engine held the table's lock at every look"
            engine.process.send_signal(signal.SIGCONT)
            time.sleep(0.005)
            engine.process.send_signal(signal.SIGSTOP)
        assert '"phase":"keyless"' in state() and ('"table":"shop.a_log"' in state()) == (moment == "after"), f"too late: {state()}"
        stop.set()
        writer.join()
        pair.first.run("INSERT INTO shop.a_log VALUES (-1, 'new'), (-1, 'new'); DELETE FROM shop.a_log WHERE n=5; UPDATE shop.a_log SET n=-7 WHERE n=7")
        pair.synchronise()
        pair.kill_first()
        pair.promote()
        engine.process.send_signal(signal.SIGCONT)
        wait_for(lambda: look(engine) and '"phase":"keyed"' in state(), "the second copy", 120)
        pair.second.run("INSERT INTO shop.a_log VALUES (-2, 'new'), (-2, 'new'); DELETE FROM shop.a_log WHERE n=-1 LIMIT 1")
        engine.stop()
        ended = engine.run("caught_up", seconds=120)
        assert ended.code == 0, ended
    finally:
        stop.set()
        writer.join()
        engine.kill()
    expected = sorted((int(n), text) for n, text in pair.second.run("SELECT n, text FROM shop.a_log"))
    connection = sqlite3.connect(f"file:{copy}?mode=ro", uri=True)
    assert sorted(connection.execute("SELECT n, text FROM a_log")) == expected
    assert connection.execute("SELECT COUNT(*), SUM(n) FROM items").fetchone() == (20000, sum(range(20000)))
    connection.close()


def is_locked(server):
    session = server.session()
    session.send("SET SESSION lock_wait_timeout=1")
    session.send("DELETE FROM shop.a_log WHERE n=-99")   # changes nothing, so nothing is logged
    session.sync()
    session.close()
    return any("1205" in line for line in session.errors)


def rows_of(path, table):
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0
