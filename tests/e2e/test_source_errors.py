"""Sources that are not as they should be: a named error, and nothing delivered wrongly."""
import shutil
import struct
import zlib

import pytest
from checks import assert_error, at_source, copied
from conftest import fill, start_or_skip

from harness.engine import source_config
from harness.servers import wait_for

# -- the server ---------------------------------------------------------------------------------------


def test_wrong_password(database, jobs):
    ended = jobs({**source_config(database), "password": "wrong"}).run(seconds=30)
    assert_error(ended, "SRC-0002", "mig")
    assert "wrong" not in ended.err.replace("is wrong", ""), "the password is in the message"
    assert not copied(jobs.copy)


def test_binary_log_off(services, jobs):
    server = start_or_skip(services, "mariadb", "e2enolog", **{"skip-log-bin": "1"})
    fill(server)
    try:
        assert_error(jobs(server).run(seconds=30), "SRC-0005", "log_bin")
        # To copy the tables needs no log; the configuration says that nothing is to follow.
        server.run("CREATE TABLE shop.keyless (a INT, b TEXT); INSERT INTO shop.keyless VALUES (1, 'x'), (NULL, NULL)")
        only_copy = {"name": "tables", "phases": ["snapshot"]}
        jobs.copy.unlink()
        ended = jobs(server, name="tables", job=only_copy).run(until="end", seconds=30)
        assert ended.code == 0, str(ended)
        assert copied(jobs.copy) == at_source(server)
        assert copied(jobs.copy, "keyless", "a, b") == {1: (1, "x"), None: (None, None)}
        assert_error(jobs(server, name="again", job=only_copy).run(until="caught_up", seconds=30), "SRC-0005")
    finally:
        services.down("e2enolog")


@pytest.mark.parametrize("format", ["STATEMENT", "MIXED"])
def test_binlog_format_is_not_row(services, jobs, format):
    name = f"e2e{format.lower()}"
    server = start_or_skip(services, "mariadb", name, binlog_format=format)
    fill(server)
    try:
        assert_error(jobs(server).run(seconds=30), "SRC-0006", format)
        assert not copied(jobs.copy)
    finally:
        services.down(name)


def test_a_statement_in_the_stream(database, jobs):
    """A session may log statements although the server logs rows: the job stops before it misses the change."""
    engine = jobs(database)
    assert engine.run().code == 0
    database.run("UPDATE shop.items SET n=1000 WHERE id=1")
    database.run("SET SESSION binlog_format=STATEMENT; UPDATE shop.items SET n=2000 WHERE id=2")
    database.run("UPDATE shop.items SET n=3000 WHERE id=3")
    file = database.position()[0]
    assert_error(engine.run(seconds=30), "SRC-0006", file)
    rows = copied(jobs.copy)
    assert rows[1][2] == 1000 and rows[2][2] == 2 and rows[3][2] == 3


def purge(database):
    """Remove all binlog files but the newest. The server keeps a file that somebody reads, and notices late that a
    reader has gone."""
    last = database.position()[0]
    for id, command in database.run("SELECT id, command FROM information_schema.processlist"):
        if command == "Binlog Dump":
            database.run(f"KILL {id}")

    def gone():
        database.run(f"PURGE BINARY LOGS TO '{last}'")
        return database.binlog_files()[0].name == last

    wait_for(gone, "the purge of binary logs", 30)


def test_position_purged_at_the_start(database, jobs):
    first = database.binlog_files()[0].name
    database.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    purge(database)
    engine = jobs(source_config(database, start=f"file={first};offset=4"), job={"name": "job", "phases": ["stream"]})
    assert_error(engine.run(seconds=30), "SRC-0007", first)


def test_position_purged_while_the_job_rests(database, jobs):
    engine = jobs(database)
    assert engine.run().code == 0
    before = engine.checkpoint()
    database.run("FLUSH BINARY LOGS; UPDATE shop.items SET n=1007 WHERE id=7; FLUSH BINARY LOGS; "
                 "UPDATE shop.items SET n=1008 WHERE id=8; FLUSH BINARY LOGS")
    purge(database)
    assert_error(engine.run(seconds=30), "SRC-0007")
    assert engine.checkpoint() == before and copied(jobs.copy)[7][2] == 7


# -- binlog files -------------------------------------------------------------------------------------


@pytest.fixture
def log_file(database, tmp_path):
    """A binlog file with 50 transactions on shop.events, each one row."""
    database.run("CREATE TABLE shop.events (id INT NOT NULL PRIMARY KEY, name VARCHAR(50), n INT); FLUSH BINARY LOGS")
    for at in range(1, 51):
        database.run(f"INSERT INTO shop.events VALUES ({at}, 'event {at}', {at * 10})")
    path = database.binlog_files()[-1]
    database.run("FLUSH BINARY LOGS")
    copy = tmp_path / "binlog.000042"
    shutil.copy(path, copy)
    return copy


def events_of(data):
    """(offset, type, length) of the events of a binlog file."""
    at = 4
    while at + 19 <= len(data):
        kind, _, length = struct.unpack_from("<xxxxBII", data, at)
        yield at, kind, length
        at += length


WRITE_ROWS = 23          # MariaDB writes version 1 of the event


def row_events(data):
    return [(at, length) for at, kind, length in events_of(data) if kind in (WRITE_ROWS, 30)]


def with_checksum(data, at, length):
    """The event's CRC32 made right again."""
    struct.pack_into("<I", data, at + length - 4, zlib.crc32(data[at:at + length - 4]))


def file_job(jobs, path, name="job"):
    return jobs({"url": f"binlog://{path}"}, name=name, tables=["shop.events"],
                job={"name": name, "phases": ["stream"]})


def test_a_whole_file(log_file, jobs):
    assert file_job(jobs, log_file).run("end").code == 0
    assert copied(jobs.copy, "events") == {at: (at, f"event {at}", at * 10) for at in range(1, 51)}


def test_a_truncated_file(log_file, jobs):
    data = log_file.read_bytes()
    at, length = row_events(data)[30]
    log_file.write_bytes(data[:at + length // 2])
    assert_error(file_job(jobs, log_file).run("end", seconds=30), "SRC-0009", log_file.name, str(at))
    assert sorted(copied(jobs.copy, "events")) == list(range(1, 31)), "what stood before the damage is delivered"


@pytest.mark.parametrize("where", ["rows", "checksum", "header"])
def test_a_flipped_bit(log_file, jobs, where):
    data = bytearray(log_file.read_bytes())
    at, length = row_events(data)[30]
    data[{"rows": at + length - 8, "checksum": at + length - 2, "header": at + 9}[where]] ^= 0x10
    log_file.write_bytes(data)
    assert_error(file_job(jobs, log_file).run("end", seconds=30), "SRC-0008", log_file.name, str(at))
    assert sorted(copied(jobs.copy, "events")) == list(range(1, 31))


def test_an_unknown_event(log_file, jobs):
    data = bytearray(log_file.read_bytes())
    at, length = row_events(data)[30]
    data[at + 4] = 220
    with_checksum(data, at, length)
    log_file.write_bytes(data)
    assert_error(file_job(jobs, log_file).run("end", seconds=30), "SRC-0010", "220", log_file.name, str(at))
    assert sorted(copied(jobs.copy, "events")) == list(range(1, 31))


def test_no_such_file(jobs, tmp_path, services):
    start_or_skip(services, "mariadb", "e2edb")
    assert_error(file_job(jobs, tmp_path / "binlog.000001").run("end", seconds=30), "SRC-0014", "binlog.000001")


def test_not_a_binlog(jobs, tmp_path, services):
    start_or_skip(services, "mariadb", "e2edb")
    path = tmp_path / "binlog.000001"
    path.write_text("this is not a binary log, only a text")
    assert_error(file_job(jobs, path).run("end", seconds=30), "SRC-0014", "binlog.000001")


# -- the server goes away -----------------------------------------------------------------------------


def test_caught_up_behind_a_rotation(database, jobs):
    """Nothing has been written since the log began a new file: the job has all there is."""
    engine = jobs(database)
    assert engine.run().code == 0
    database.run("UPDATE shop.items SET n=1007 WHERE id=7; FLUSH BINARY LOGS")
    assert engine.run(seconds=30).code == 0
    assert copied(jobs.copy)[7][2] == 1007


def test_server_restarts(services, jobs):
    server = start_or_skip(services, "mariadb", "e2erestart")
    fill(server)
    engine = jobs(server).start()
    wait_for(lambda: len(copied(jobs.copy)) == 100, "the copy")
    services.down("e2erestart")
    wait_for(lambda: (engine.look("SELECT error_code FROM v1_job") or [("",)])[0][0].startswith("SRC-00"), "the error", 30)
    assert engine.alive()
    server = services.up("mariadb", "e2erestart")
    server.run("INSERT INTO shop.items VALUES (1001, 'after', 1)")
    wait_for(lambda: 1001 in copied(jobs.copy), "the row written after the restart", 60)
    assert engine.stop().code == 130
    assert copied(jobs.copy) == at_source(server)
    services.down("e2erestart")


# -- values --------------------------------------------------------------------------------------------


def test_what_stands_before_a_value_that_cannot_be_decoded(database, jobs):
    """In one batch with it, and delivered before the job stops."""
    engine = jobs(database)
    assert engine.run().code == 0
    database.run("CREATE TABLE shop.texts (id INT PRIMARY KEY, t VARCHAR(9) CHARACTER SET gbk)")
    for n in range(1, 6):
        database.run(f"UPDATE shop.items SET n={n * 1000} WHERE id={n}")
    database.run("SET sql_mode=''; INSERT INTO shop.texts VALUES (1, x'41'); INSERT INTO shop.texts VALUES (2, x'41AAA1')")
    assert database.run("SELECT HEX(t) FROM shop.texts WHERE id=2") == [["41AAA1"]]
    database.run("UPDATE shop.items SET n=6000 WHERE id=6")
    assert_error(engine.run(), "SRC-0018", "table=shop.texts", "column=t", "x'41aaa1'")
    before = copied(jobs.copy)
    assert {n: before[n][2] for n in range(1, 7)} == {**{n: n * 1000 for n in range(1, 6)}, 6: 6}
    assert copied(jobs.copy, "texts", "id, t") == {1: (1, "A")}
    # Again the same, and nothing twice.
    assert_error(engine.run(), "SRC-0018")
    assert engine.look("""SELECT inserts FROM v1_table WHERE "table"='texts'""") == [(1,)]
    assert engine.look("""SELECT updates FROM v1_table WHERE "table"='items'""") == [(5,)]
