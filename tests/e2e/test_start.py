"""Where a stream begins: every form of source.start, on every server there is, and the named errors of bad ones."""
import contextlib
import datetime
import shutil

import pytest
from checks import assert_error, at_source, copied
from conftest import fill, start_or_skip

from harness.engine import source_config
from harness.servers import wait_for

STREAM = {"job": {"name": "job", "phases": ["stream"]}}


@pytest.fixture(params=["mariadb", "mysql9"])
def server(request, services):
    """A server with an empty table shop.items in a log of its own."""
    database = start_or_skip(services, request.param, f"e2estart{request.param}")
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; "
                 "CREATE TABLE shop.items (id INT NOT NULL PRIMARY KEY, name VARCHAR(50), n INT); FLUSH BINARY LOGS")
    return database


def insert(database, *ids):
    for id in ids:
        database.run(f"INSERT INTO shop.items VALUES ({id}, 'item {id}', {id})")


def gtid_set(database):
    name = "gtid_binlog_pos" if database.kind == "mariadb" else "gtid_executed"
    return database.run(f"SELECT @@{name}")[0][0].replace("\\n", "")


def next_second(database):
    """The server's clock at the beginning of a second in which nothing was committed yet, as datetime."""
    def text():
        return database.run("SET time_zone='+00:00'; SELECT NOW()")[0][0]
    before = text()
    after = wait_for(lambda: text() != before and text(), "the next second", 5)
    return datetime.datetime.fromisoformat(after).replace(tzinfo=datetime.UTC)


def stream_from(jobs, database, start, name="job", **more):
    # phases: a name of its own, as `job` holds both
    config = {**STREAM, **more}
    config["job"] = {**config["job"], "name": name}
    return jobs(source_config(database, start=start), name=name, sink={"url": f"sqlite://{jobs.folder / name}.copy"}, **config)


def rows_from(jobs, database, start, name):
    ended = stream_from(jobs, database, start, name).run(seconds=60)
    assert ended.code == 0, ended
    return sorted(copied(jobs.folder / f"{name}.copy"))


def test_every_form(server, jobs):
    insert(server, 1, 2)
    file, offset = server.position()
    set_before = gtid_set(server)
    server.run("FLUSH BINARY LOGS")
    at = next_second(server)
    insert(server, 3)
    server.run("FLUSH BINARY LOGS")
    insert(server, 4)
    one_hour_east = at.astimezone(datetime.timezone(datetime.timedelta(hours=1)))
    for number, (start, expected) in enumerate({
            f"{file}:{offset}": [3, 4],
            f"file={file};offset={offset}": [3, 4],
            f"gtid={set_before}": [3, 4],
            f"gtid={set_before};file={file};offset={offset}": [3, 4],
            at.strftime("%Y-%m-%dT%H:%M:%SZ"): [3, 4],
            one_hour_east.isoformat(): [3, 4],
            "now": [],
    }.items()):
        assert rows_from(jobs, server, start, f"form{number}") == expected, start


def test_earliest_begins_with_the_oldest_log_file(server, jobs):
    insert(server, 1)
    server.run("FLUSH BINARY LOGS")
    keep = server.position()[0]
    insert(server, 2)

    def purged():
        server.run(f"PURGE BINARY LOGS TO '{keep}'")
        return server.binlog_files()[0].name == keep
    wait_for(purged, "the purge", 60)
    assert rows_from(jobs, server, "earliest", "earliest") == [2]


def test_a_time_between_two_transactions_of_one_file(server, jobs):
    insert(server, 1)
    at = next_second(server)
    insert(server, 2)
    engine = stream_from(jobs, server, at.isoformat())
    assert engine.run(seconds=60).code == 0
    insert(server, 3)
    assert engine.run(seconds=60).code == 0, "it goes on from its checkpoint, not from the time"
    assert sorted(copied(jobs.folder / "job.copy")) == [2, 3]
    assert sorted(at_source(server)) == [1, 2, 3]


def test_a_time_after_the_last_transaction_begins_at_the_end(server, jobs):
    insert(server, 1)
    at = next_second(server)
    engine = stream_from(jobs, server, at.isoformat())
    assert engine.run(seconds=60).code == 0
    insert(server, 2)
    assert engine.run(seconds=60).code == 0
    assert sorted(copied(jobs.folder / "job.copy")) == [2]


def first_log_time(database):
    """Of the FORMAT_DESCRIPTION event of the oldest file: seconds since 1970."""
    with open(database.binlog_files()[0], "rb") as log:
        return int.from_bytes(log.read(8)[4:], "little")


def test_a_time_before_the_log(server, jobs):
    begins = datetime.datetime.fromtimestamp(first_log_time(server), datetime.UTC)
    before = (begins - datetime.timedelta(seconds=1)).isoformat()
    ended = stream_from(jobs, server, before).run(seconds=30)
    assert_error(ended, "SRC-0007", begins.strftime("%Y-%m-%dT%H:%M:%SZ"), f"earliest={server.binlog_files()[0].name}:4")


def test_a_time_in_the_future(server, jobs):
    ended = stream_from(jobs, server, "2099-01-01T00:00:00Z").run(seconds=30)
    assert_error(ended, "CFG-0003", "future", exit_code=2)


@pytest.mark.parametrize("start", ["yesterday", "2026-11-25T08:00:00", "binlog.000001", "offset=4"])
def test_a_form_that_is_not_understood(database, jobs, start):
    ended = stream_from(jobs, database, start).run(seconds=30)
    assert_error(ended, "CFG-0003", "source.start", start, "binlog.000042:1234", exit_code=2)


def test_a_gtid_set_that_the_server_does_not_have(server, jobs):
    unknown = "0-4242-17" if server.kind == "mariadb" else "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-17"
    ended = stream_from(jobs, server, f"gtid={unknown}").run(seconds=30)
    assert_error(ended, "SRC-0015", unknown)
    assert not copied(jobs.folder / "job.copy")


def test_a_place_that_the_log_does_not_have(server, jobs):
    file, offset = server.position()
    assert_error(stream_from(jobs, server, f"{file}:{offset + 1000}", "beyond").run(seconds=30), "SRC-0015", "past the end")
    assert_error(stream_from(jobs, server, f"{file}:{5 << 30}", "far").run(seconds=30), "SRC-0015", "past the end")
    assert_error(stream_from(jobs, server, "binlog.999999:4", "nofile").run(seconds=30), "SRC-0007", "binlog.999999", "earliest=")


def test_a_place_needs_one_host(database, jobs):
    """The same file and offset would be another transaction at the next host."""
    hosts = database.url() + f",127.0.0.1:{database.port}"
    source = source_config(database, start="{}:{}".format(*database.position())) | {"url": hosts}
    assert_error(jobs(source, **STREAM).run(seconds=30), "CFG-0003", "source.start", "one host", exit_code=2)
    source["start"] = f"gtid={gtid_set(database)}"
    engine = jobs(source, name="set", sink={"url": f"sqlite://{jobs.folder / 'set.copy'}"}, **STREAM)
    assert engine.run(seconds=30).code == 0


def test_a_place_inside_a_transaction(server, jobs):
    file, before = server.position()
    server.run("BEGIN; INSERT INTO shop.items VALUES (1, 'a', 1); INSERT INTO shop.items VALUES (2, 'b', 2); COMMIT")
    events = [int(row[1]) for row in server.run(f"SHOW BINLOG EVENTS IN '{file}' FROM {before}")]
    assert len(events) > 5 and events[0] == before
    for offset in events[1:]:
        ended = stream_from(jobs, server, f"{file}:{offset}", f"at{offset}").run(seconds=30)
        assert_error(ended, "SRC-0015", "inside a transaction", str(offset))
    ended = stream_from(jobs, server, f"{file}:{before + 7}", "torn").run(seconds=30)
    assert_error(ended, "SRC-0015", str(before + 7))


def test_a_place_of_a_file_is_completed_with_its_set(server, jobs):
    """So that the job can go on at another server."""
    insert(server, 1)
    file, offset = server.position()
    before = gtid_set(server)
    insert(server, 2)
    engine = stream_from(jobs, server, f"{file}:{offset}").start()
    found = wait_for(lambda: engine.checkpoint() or not engine.alive(), "the first checkpoint", 30)
    assert found is not True, engine.wait()
    assert f"gtid={gtid_set(server)};" in found[0] or f"gtid={before};" in found[0]
    wait_for(lambda: sorted(copied(jobs.folder / "job.copy")) == [2], "the row", 30)
    engine.stop()


def end_readers(database):
    """A server notices late that a reader of its log has gone, and keeps the files for it until then."""
    for id, command in database.run("SELECT id, command FROM information_schema.processlist"):
        if command.startswith("Binlog Dump"):
            with contextlib.suppress(RuntimeError):   # it has just ended
                database.run(f"KILL {id}")


def purge_to_the_end(database):
    database.run("FLUSH BINARY LOGS")
    last = database.position()[0]
    end_readers(database)

    def gone():
        database.run(f"PURGE BINARY LOGS TO '{last}'")
        return database.binlog_files()[0].name == last
    wait_for(gone, "the purge of binary logs", 60)
    return last


def test_resumed_behind_the_purged_log(server, jobs):
    engine = stream_from(jobs, server, "{}:{}".format(*server.position()))
    insert(server, 1)
    assert engine.run(seconds=60).code == 0
    server.run("FLUSH BINARY LOGS")
    insert(server, 2)
    last = purge_to_the_end(server)
    assert_error(engine.run(seconds=30), "SRC-0007", f"earliest={last}:4")
    assert sorted(copied(jobs.folder / "job.copy")) == [1]


def test_a_gtid_set_behind_the_purged_log(server, jobs):
    set_before = gtid_set(server)
    insert(server, 1)
    last = purge_to_the_end(server)
    assert_error(stream_from(jobs, server, f"gtid={set_before}").run(seconds=30), "SRC-0007", f"earliest={last}:4")


def begin_log_anew(server):
    end_readers(server)

    def reset():
        try:
            server.run("RESET MASTER" if server.kind == "mariadb" else "RESET BINARY LOGS AND GTIDS")
        except RuntimeError as error:   # while a reader is still there
            assert "1758" in str(error) or "in use" in str(error), error
            return False
        return True
    wait_for(reset, "the reset", 60)


@pytest.mark.parametrize("more", [0, 40])
def test_resumed_after_the_log_was_begun_anew(server, jobs, more):
    """RESET: numbers and files begin again, and with enough transactions pass those of the checkpoint."""
    engine = stream_from(jobs, server, "{}:{}".format(*server.position()))
    insert(server, *range(1, 6))
    server.run("FLUSH BINARY LOGS")
    insert(server, 6)
    assert engine.run(seconds=60).code == 0
    begin_log_anew(server)
    insert(server, *range(100, 100 + more))
    assert_error(engine.run(seconds=30), "SRC-0007", "begun anew", "earliest=")
    assert sorted(copied(jobs.folder / "job.copy")) == [1, 2, 3, 4, 5, 6]


def test_resumed_in_the_first_file_of_a_log_begun_anew(server, jobs):
    """The numbers have passed the checkpoint and the file has its name, but it is shorter."""
    begin_log_anew(server)
    engine = stream_from(jobs, server, "{}:{}".format(*server.position()))
    server.run("BEGIN; " + "".join(f"INSERT INTO shop.items VALUES ({id}, REPEAT('x', 50), 1); " for id in range(1, 2001)) + "COMMIT")
    assert engine.run(seconds=60).code == 0
    begin_log_anew(server)
    insert(server, *range(3000, 3040))
    assert_error(engine.run(seconds=30), "SRC-0007", "past the end", "begun anew", "earliest=")
    assert len(copied(jobs.folder / "job.copy")) == 2000


def test_tagged_gtids_resume(services, jobs):
    database = start_or_skip(services, "mysql9", "e2estartmysql9")
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.items "
                 "(id INT NOT NULL PRIMARY KEY, name VARCHAR(50), n INT)")
    before = gtid_set(database)
    database.run("SET gtid_next='AUTOMATIC:blue'; INSERT INTO shop.items VALUES (1, 'a', 1); INSERT INTO shop.items VALUES (2, 'b', 2)")
    engine = stream_from(jobs, database, f"gtid={before}")
    assert engine.run(seconds=60).code == 0
    assert ":blue:" in engine.checkpoint()[0]
    middle = gtid_set(database)
    database.run("SET gtid_next='AUTOMATIC:blue'; INSERT INTO shop.items VALUES (3, 'c', 3)")
    insert(database, 4)
    assert engine.run(seconds=60).code == 0
    assert sorted(copied(jobs.folder / "job.copy")) == [1, 2, 3, 4]
    assert rows_from(jobs, database, f"gtid={middle}", "middle") == [3, 4]


# -- log files -----------------------------------------------------------------------------------------


def test_files_from_a_time_and_a_place(database, jobs, tmp_path):
    database.run("FLUSH BINARY LOGS")
    first = len(database.binlog_files()) - 1
    database.run("INSERT INTO shop.items VALUES (501, 'a', 1)")
    file, offset = database.position()
    database.run("FLUSH BINARY LOGS")
    at = next_second(database)
    database.run("INSERT INTO shop.items VALUES (502, 'b', 2)")
    database.run("FLUSH BINARY LOGS")
    paths = database.binlog_files()[first:first + 2]
    for path in paths:
        shutil.copy(path, tmp_path)
    url = "binlog://" + ",".join(str(tmp_path / path.name) for path in paths)
    begins = datetime.datetime.fromtimestamp(int.from_bytes(paths[0].read_bytes()[4:8], "little"), datetime.UTC)
    for number, (start, expected) in enumerate({
            "earliest": [501, 502], "now": [501, 502], f"{file}:{offset}": [502], at.isoformat(): [502],
            begins.isoformat(): [501, 502]}.items()):
        name = f"file{number}"
        engine = jobs({"url": url, "start": start}, name=name, sink={"url": f"sqlite://{jobs.folder / name}.copy"},
                      job={"name": name, "phases": ["stream"]})
        ended = engine.run("end", seconds=60)
        assert ended.code == 0, ended
        assert sorted(copied(jobs.folder / f"{name}.copy")) == expected, start
    for name, start, code, text in [
            ("early", (begins - datetime.timedelta(seconds=1)).isoformat(), "SRC-0007", "before the log begins"),
            ("late", "2099-01-01T00:00:00Z", "SRC-0015", "no transaction at or after"),
            ("set", "gtid=0-1-1", "SRC-0015", "not from a GTID set")]:
        engine = jobs({"url": url, "start": start}, name=name, sink={"url": f"sqlite://{jobs.folder / name}.copy"},
                      job={"name": name, "phases": ["stream"]})
        assert_error(engine.run("end", seconds=60), code, text)


# -- another server ------------------------------------------------------------------------------------


def test_a_job_pointed_to_a_server_of_another_history(database, services, jobs):
    """The other server has a file of the same name that is long enough, and even the same rows: it is not believed."""
    other = start_or_skip(services, "mariadb", "e2eother")
    fill(other)
    engine = jobs(database)
    assert engine.run().code == 0
    other.run("".join(f"UPDATE shop.items SET n={n} WHERE id=1;" for n in range(300)))
    engine.config.write_text(engine.config.read_text().replace(str(database.port), str(other.port)))
    ended = engine.run(seconds=60)
    assert ended.code in (5, 6), ended
    assert "SRC-0023" in ended.err or "SRC-0024" in ended.err, ended
    assert copied(jobs.copy)[1][2] == 1


def test_a_job_whose_source_moved_to_its_replica(services, jobs):
    first, second = (start_or_skip(services, "mariadb", name, log_slave_updates="ON") for name in ("e2emove1", "e2emove2"))
    second.run(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={first.port}, MASTER_USER='root', "
               "MASTER_USE_GTID=slave_pos; START SLAVE")
    try:
        fill(first)
        second.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
        engine = jobs(first)
        assert engine.run().code == 0
        # Prepared and not decided: its rows are read again at the other server, from an earlier place of its log.
        first.run("XA START 'x'; INSERT INTO shop.items VALUES (2000, 'prepared', 2); XA END 'x'; XA PREPARE 'x'")
        assert engine.run().code == 0
        assert "xa_gtid=" in engine.checkpoint()[0] and 2000 not in copied(jobs.copy)
        first.run("INSERT INTO shop.items VALUES (1000, 'while it rests', 1)")
        at = first.run("SELECT @@gtid_binlog_pos")[0][0]
        assert second.run(f"SELECT MASTER_GTID_WAIT('{at}', 60)") == [["0"]]
        second.run("STOP SLAVE; RESET SLAVE ALL; XA COMMIT 'x'")
        engine.config.write_text(engine.config.read_text().replace(str(first.port), str(second.port)))
        ended = engine.run(seconds=60)
        assert ended.code == 0, ended
        rows = copied(jobs.copy)
        assert rows == at_source(second) and 1000 in rows and 2000 in rows
        assert engine.look("SELECT text FROM v1_event WHERE text LIKE '%source.url%'")
    finally:
        services.down("e2emove1", "e2emove2")
