"""Sources where nothing happens that a job wants: its checkpoint moves all the same, and its lag is known."""
import sqlite3

import pytest
from checks import assert_error, copied
from conftest import start_or_skip

from harness.engine import source_config
from harness.servers import wait_for


@pytest.fixture(params=["mariadb", "mysql9"])
def server(request, services):
    database = start_or_skip(services, request.param, f"e2eidle{request.param}")
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; DROP DATABASE IF EXISTS other; CREATE DATABASE other; "
                 "CREATE TABLE shop.items (id INT NOT NULL PRIMARY KEY, name VARCHAR(50), n INT); "
                 "CREATE TABLE other.log (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, text VARCHAR(50)); "
                 "INSERT INTO shop.items VALUES (1, 'one', 1); DROP DATABASE IF EXISTS drc")
    return database


def place(position):
    parts = dict(part.split("=", 1) for part in position.split(";"))
    return parts["file"], int(parts["offset"])


def running(engine):
    engine.start()
    wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the stream", 60)
    assert engine.alive(), engine.wait()
    return engine


def moves_to(engine, database):
    target = database.position()
    wait_for(lambda: place(engine.checkpoint()[0]) >= target, f"a checkpoint at or after {target}", 20)


def test_the_log_only_rotates(server, jobs):
    engine = running(jobs(server))
    for _ in range(3):
        server.run("FLUSH BINARY LOGS")
        moves_to(engine, server)
    assert engine.stop().code == 130


def test_only_unwanted_tables_are_written(server, jobs):
    engine = running(jobs(server))
    for _ in range(3):
        server.run("INSERT INTO other.log (text) VALUES ('x'), ('y')")
        moves_to(engine, server)
    assert engine.stop().code == 130
    assert engine.checkpoint()[2] == 1   # the row of the copy


def test_only_transactions_without_rows(server, jobs):
    engine = running(jobs(server))
    for at in range(3):
        if server.kind == "mariadb":
            server.run("FLUSH TABLES")       # a GTID and a statement
        else:
            server.run(f"SET gtid_next='3e11fa47-71ca-11e1-9e33-c80aa9429562:{at + 1}'; BEGIN; COMMIT; SET gtid_next='AUTOMATIC'")
        moves_to(engine, server)
    if server.kind == "mysql9":
        assert "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3" in engine.checkpoint()[0]
    assert engine.stop().code == 130


# -- the heartbeat table -------------------------------------------------------------------------------


def with_heartbeat(database, **more):
    return source_config(database, heartbeat="drc.heartbeat", heartbeat_interval="200ms", **more)


def allow(database):
    database.run("SET sql_log_bin=0; GRANT CREATE, SELECT, INSERT, UPDATE ON drc.* TO mig@'%'")


def forbid(database):
    database.run("SET sql_log_bin=0; REVOKE CREATE, SELECT, INSERT, UPDATE ON drc.* FROM mig@'%'")


@pytest.fixture
def granted(server):
    allow(server)
    yield server
    forbid(server)


def lag(engine):
    found = engine.look("SELECT lag_s FROM v1_job")
    return found[0][0] if found else None


def tables_of(path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE '\\_%' ESCAPE '\\'")}
    finally:
        connection.close()


def test_the_grant_is_named(server, jobs):
    ended = jobs(with_heartbeat(server)).run(seconds=30)
    assert_error(ended, "SRC-0004", "GRANT CREATE, SELECT, INSERT, UPDATE ON `drc`.* TO mig")


def test_a_name_that_is_no_table(database, jobs):
    ended = jobs(source_config(database, heartbeat="5s")).run(seconds=30)
    assert_error(ended, "CFG-0003", "source.heartbeat", "keepalive", exit_code=2)


def test_lag_of_an_idle_source(granted, jobs):
    """The table is made, written, not delivered; the lag is small, and grows while nothing comes through."""
    engine = running(jobs(with_heartbeat(granted)))
    before = granted.run("SELECT id, ts FROM drc.heartbeat")[0]
    assert before[0] == "1"
    wait_for(lambda: granted.run("SELECT ts FROM drc.heartbeat")[0][0] > before[1], "another heartbeat", 10)
    moves_to(engine, granted)
    # MariaDB's log tells the time of a commit in whole seconds.
    wait_for(lambda: lag(engine) is not None and 0 < lag(engine) < 1.8, "a measured lag", 20)
    locker = granted.session()
    locker.send("LOCK TABLES drc.heartbeat READ")
    locker.sync()
    wait_for(lambda: lag(engine) > 2.5, "the lag to grow", 30)
    locker.close()
    wait_for(lambda: lag(engine) < 1.8, "the lag to go back", 30)
    assert engine.stop().code == 130
    assert tables_of(jobs.copy) == {"items"}
    assert copied(jobs.copy) == {1: (1, "one", 1)}


def test_heartbeats_are_delivered_when_they_are_asked_for(granted, jobs):
    engine = running(jobs(with_heartbeat(granted), tables=["shop.*", "drc.heartbeat"]))
    first = wait_for(lambda: copied(jobs.copy, "heartbeat", "id, ts"), "a heartbeat at the sink", 20)[1]
    wait_for(lambda: copied(jobs.copy, "heartbeat", "id, ts")[1] > first, "the next one", 20)
    assert engine.stop().code == 130


def test_a_read_only_server_is_named(granted, jobs):
    engine = jobs(with_heartbeat(granted))
    assert engine.run().code == 0
    granted.run("SET GLOBAL read_only=1")
    try:
        assert_error(engine.run(seconds=30), "SRC-0013", "read-only", "drc.heartbeat")
    finally:
        granted.run("SET GLOBAL read_only=0")
