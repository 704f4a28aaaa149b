"""Logs written under options that change their form: the target gets the same rows as with the defaults, through kills
and restarts; where the log lacks what a row needs, the documented error."""
import json
import os
import random
import signal
import struct
import subprocess
import threading

import pytest
from checks import assert_error, copied
from conftest import start_or_skip

from harness import changes, compare, truth
from harness.servers import wait_for
from harness.values import Number, Table, from_default

TRANSACTION_PAYLOAD, PARTIAL_UPDATE, TAGGED_GTID = 40, 39, 42
MARIADB_COMPRESSED = range(165, 172)
FIXED = 20240229
FRESH = int(os.environ.get("TAILRACE_SEED", random.SystemRandom().randrange(1 << 32)))

PARTIAL = "SET binlog_row_value_options=PARTIAL_JSON"
COMPRESSED = "SET binlog_transaction_compression=ON"
TAGGED = "SET gtid_next='AUTOMATIC:tailrace_tag'"
IMAGE = "SET binlog_row_image={}".format

# Per case: server, what its sessions set, and types of events that the log must then have.
CASES = {
    "mysql9-defaults": ("mysql9", [], []),
    "mysql9-compressed": ("mysql9", [COMPRESSED], [TRANSACTION_PAYLOAD]),
    "mysql9-partial_json": ("mysql9", [PARTIAL], [PARTIAL_UPDATE]),
    "mysql9-minimal": ("mysql9", [IMAGE("MINIMAL")], []),
    "mysql9-noblob": ("mysql9", [IMAGE("NOBLOB")], []),
    "mysql9-partial_json-noblob": ("mysql9", [IMAGE("NOBLOB"), PARTIAL], [PARTIAL_UPDATE]),
    "mysql9-tagged": ("mysql9", [TAGGED], [TAGGED_GTID]),
    "mysql9-compressed-partial-tagged": ("mysql9", [COMPRESSED, PARTIAL, TAGGED], [TRANSACTION_PAYLOAD, TAGGED_GTID]),
    "mysql9-compressed-minimal": ("mysql9", [COMPRESSED, IMAGE("MINIMAL")], [TRANSACTION_PAYLOAD]),
    "mysql9-no-checksum": ("mysql9", ["SET GLOBAL binlog_checksum=NONE"], []),
    "mariadb-compressed": ("mariadb", ["SET GLOBAL log_bin_compress=ON", "SET GLOBAL log_bin_compress_min_len=10"], [MARIADB_COMPRESSED]),
    "mariadb-minimal": ("mariadb", [IMAGE("MINIMAL")], []),
    "mariadb-noblob": ("mariadb", [IMAGE("NOBLOB")], []),
    "mariadb-compressed-minimal": ("mariadb", ["SET GLOBAL log_bin_compress=ON", "SET GLOBAL log_bin_compress_min_len=10",
                                               IMAGE("MINIMAL")], [MARIADB_COMPRESSED]),
    "mariadb_new-full_nodup": ("mariadb_new", [IMAGE("FULL_NODUP")], []),
    "mariadb_new-minimal": ("mariadb_new", [IMAGE("MINIMAL")], []),
    "mariadb-no-checksum": ("mariadb", ["SET GLOBAL binlog_checksum=NONE"], []),
}
RESET = {"mysql9": "SET GLOBAL binlog_checksum=CRC32",
         "mariadb_new": "DO 0",
         "mariadb": "SET GLOBAL binlog_checksum=CRC32; SET GLOBAL log_bin_compress=OFF; SET GLOBAL log_bin_compress_min_len=256"}


@pytest.fixture(scope="module")
def servers(services):
    running = {}

    def server(kind):
        if kind not in running:
            running[kind] = start_or_skip(services, kind, f"e2eopts{kind}".replace("_", ""))
        return running[kind]

    yield server
    if running:
        services.down(*(f"e2eopts{kind}".replace("_", "") for kind in running))


def event_types(database, start):
    """Types of the events from (file, offset) on, those inside compressed transactions not among them."""
    found = set()
    for path in database.binlog_files(start[0]):
        data = path.read_bytes()
        at = start[1] if path.name == start[0] else 4
        while at + 19 <= len(data):
            found.add(data[at + 4])
            at += struct.unpack_from("<I", data, at + 9)[0]
    return found


def write(database, lines):
    session = database.session()
    for line in lines:
        session.send(line)
    session.sync()
    session.close()
    real = [line for line in session.errors if line.startswith("ERROR")]
    assert not real, real[:3]


def has_checksums(database):
    return database.run("SELECT @@global.binlog_checksum")[0][0] != "NONE"


@pytest.mark.parametrize("seed", [FIXED, FRESH], ids=["fixed", "fresh"])
@pytest.mark.parametrize("case", CASES)
def test_same_rows(servers, jobs, case, seed):
    kind, settings, events = CASES[case]
    print(f"TAILRACE_SEED={seed} repeats this run")
    database = servers(kind)
    rng = random.Random(f"{seed}/{case}")
    tables = changes.tables(kind)
    changes.prepare(database, kind)
    work = changes.Changes(rng, kind)
    write(database, work.script(60, []))
    try:
        engine = jobs(database, tables=[f"{changes.DB}.*"], pipeline={"batch_bytes": "4KiB"})
        ended = engine.run()
        assert ended.code == 0, str(ended)
        start = database.position()
        lines = work.script(400, settings)
        failure = []

        def writer():
            try:
                write(database, lines)
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=writer)
        thread.start()
        for _ in range(3):
            engine.start(TAILRACE_FAULT=f"kill@mid-batch:{rng.randint(3, 40)}+{rng.randint(0, 2000)}")
            wait_for(lambda: not engine.alive(), "the kill in the middle of a batch")
            assert engine.process.returncode == -signal.SIGKILL, str(engine.wait())
        thread.join()
        assert not failure, failure
        ended = engine.run()
        assert ended.code == 0, str(ended)
        problems, rows = compare.compare_sqlite(database, jobs.copy, tables)
        assert not problems, "\n".join(problems)
        assert rows > 50
        seen = event_types(database, start)
        for wanted in events:
            assert seen & (set(wanted) if isinstance(wanted, range) else {wanted}), f"the log has event types {sorted(seen)}"
        if PARTIAL in settings and COMPRESSED in settings:   # inside of the compressed transactions, too
            text = subprocess.run([database.binlog_tool(), f"--start-position={start[1]}", database.datadir / start[0]],
                                  capture_output=True, check=True).stdout
            assert b"Update_rows_partial" in text
        if TAGGED in settings:
            assert ":tailrace_tag:" in compare.sqlite_checkpoint(jobs.copy)[0]
        if "no-checksum" in case:
            assert not has_checksums(database)
    finally:
        database.run(RESET[kind])


def test_partial_json_without_the_document(servers, jobs):
    """The policy: an error that names table and column, and says what to set."""
    database = servers("mysql9")
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.docs (id INT PRIMARY KEY, n INT, doc JSON)")
    engine = jobs(database)
    assert engine.run().code == 0
    document = "JSON_OBJECT('a', 1, 'pad', REPEAT('x', 500))"
    write(database, [IMAGE("MINIMAL"), PARTIAL, f"INSERT INTO shop.docs VALUES (1, 1, {document}), (2, 2, {document})",
                     "UPDATE shop.docs SET n=10 WHERE id=1", "UPDATE shop.docs SET doc=JSON_OBJECT('whole', true) WHERE id=1",
                     "UPDATE shop.docs SET doc=JSON_SET(doc, '$.a', 2) WHERE id=2"])
    ended = engine.run()
    assert_error(ended, "SRC-0022", "table=shop.docs", "column=doc", "PARTIAL_JSON", "binlog_row_value_options=''", "position=")
    assert copied(jobs.copy, "docs", "id, n, doc").get(2, (2, 2, None))[1] == 2


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
@pytest.mark.parametrize("kind", ["mysql9", "mariadb"])
def test_rows_change_while_they_are_copied(servers, jobs, kind, image):
    """A copied row and the columns that the stream has of it become one row."""
    database = servers(kind)
    rows = 4000
    table = Table("shop", "wide", (changes.column("id", "int not null", "int"), changes.column("n", "int"),
                                   changes.column("tx", "text"), changes.column("v", "varchar(20)", "text")), ("id",))
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; " + table.create())
    for first in range(0, rows, 1000):
        database.run("INSERT INTO shop.wide VALUES " + ",".join(f"({id},{id},'text {id}','v')" for id in range(first, first + 1000)))
    seed = FRESH
    print(f"TAILRACE_SEED={seed} repeats this run")
    rng = random.Random(seed)
    done = threading.Event()
    failure = []

    def writer():
        try:
            while not done.is_set():
                lines = [IMAGE(image)]
                for _ in range(100):
                    id = rng.randrange(rows)
                    lines.append(rng.choice([f"UPDATE shop.wide SET n=n+1 WHERE id={id}", f"UPDATE shop.wide SET tx='new {id}' WHERE id={id}",
                                             f"UPDATE shop.wide SET v=NULL, n=0 WHERE id BETWEEN {id} AND {id + 3}",
                                             f"DELETE FROM shop.wide WHERE id={id}",
                                             f"REPLACE INTO shop.wide VALUES ({id}, -1, 'again', 'r')"]))
                write(database, lines)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        engine = jobs(database, pipeline={"chunk_rows": 50})
        engine.start()
        wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the end of the copy")
        assert engine.alive(), str(engine.wait())
    finally:
        done.set()
        thread.join()
    assert not failure, failure
    engine.stop()
    ended = engine.run()
    assert ended.code == 0, str(ended)
    problems, _ = compare.compare_sqlite(database, jobs.copy, [table])
    assert not problems, "\n".join(problems)


# What a MariaDB leaves out of its images and nobody can know: statements, and what the error says.
UNKNOWABLE = {
    "virtual": (["UPDATE shop.t SET n=2"], ["column=vi", "generated column"]),
    "no statement": (["SET binlog_annotate_row_events=OFF", "INSERT INTO shop.t (id, n) VALUES (1, 1) ON DUPLICATE KEY UPDATE n=3"],
                     ["column=tx", "binlog_annotate_row_events"]),
    "trigger": (["UPDATE shop.other SET n=5"], ["table=shop.logged", "column=tx", "binlog_annotate_row_events"]),
}


@pytest.mark.parametrize("case", UNKNOWABLE)
def test_unknowable_columns_of_mariadb(servers, jobs, case):
    database = servers("mariadb")
    statements, words = UNKNOWABLE[case]
    virtual = ", vi INT AS (n + 1) VIRTUAL" if case == "virtual" else ""
    database.run(f"DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, n INT, tx TEXT{virtual}); "
                 "CREATE TABLE shop.other (id INT PRIMARY KEY, n INT); CREATE TABLE shop.logged (id INT PRIMARY KEY, n INT, tx TEXT); "
                 "CREATE TRIGGER shop.tr AFTER UPDATE ON shop.other FOR EACH ROW REPLACE INTO shop.logged (id, n) VALUES (NEW.id, NEW.n); "
                 "INSERT INTO shop.t (id, n, tx) VALUES (1, 1, 'x'); INSERT INTO shop.other VALUES (1, 1); INSERT INTO shop.logged VALUES (1, 1, 'x')")
    engine = jobs(database)
    assert engine.run().code == 0
    write(database, [IMAGE("MINIMAL"), *statements])
    assert_error(engine.run(), "SRC-0022", "SET GLOBAL binlog_row_image=FULL", *words)


def fold(messages, tables, members):
    """Rows of the tables after the messages, as dicts; an image tells the columns it has."""
    before_name, after_name = members
    state = {table.name: {} for table in tables}
    partial = 0
    for name, message in messages:
        table = next(table for table in tables if table.name == name)
        rows, before, after = state[name], message.get(before_name), message.get(after_name)

        def key_of(row, names=table.key):
            return tuple(row[column] for column in names)

        row = rows.pop(key_of(before)) if before is not None else {}
        if before is not None:
            assert all(row[column] == value for column, value in before.items()), (name, row, before)
        if after is not None:
            partial += len(after) < len(table.columns)
            row.update(after)
            rows[key_of(row)] = row
    return state, partial


def read_messages(sink, folder, broker, tables):
    """(table, message) in order."""
    if sink == "kafka-default":
        for table in tables:
            text = subprocess.run(["kcat", "-q", "-C", "-e", "-b", broker, "-t", table.full_name(), "-o", "beginning"],
                                  capture_output=True, check=True, text=True).stdout
            for line in text.splitlines():
                yield table.name, json.loads(line, parse_float=Number)
        return
    for path in sorted(folder.glob("changes-*.jsonl")):
        for line in path.read_text().splitlines():
            message = json.loads(line, parse_float=Number)
            if sink == "file-debezium":
                yield message["payload"]["source"]["table"], message["payload"]
            elif message["recordType"] != "HEARTBEAT":
                yield message["allMetaData"]["table_name"], message


@pytest.mark.parametrize("sink", ["file-default", "file-debezium", "kafka-default"])
@pytest.mark.parametrize("kind, image", [("mysql9", "MINIMAL"), ("mysql9", "NOBLOB"), ("mariadb", "MINIMAL"), ("mariadb", "NOBLOB")])
def test_messages_of_partial_images(services, servers, jobs, tmp_path, request, sink, kind, image):
    """Messages hold the columns that were logged; put together they are the source's rows."""
    database = servers(kind)
    broker = request.getfixturevalue("broker") if sink.startswith("kafka") else None
    debezium = sink == "file-debezium"   # of its forms, those of integers and text are the source's
    tables = [table for table in changes.tables(kind) if table.key and (table.name == "pair" or not debezium)]
    changes.prepare(database, kind)
    print(f"TAILRACE_SEED={FRESH} repeats this run")
    rng = random.Random(f"{FRESH}/{sink}/{kind}/{image}")
    config = {"url": f"file://{tmp_path / 'out'}", "format": sink.partition("-")[2]}
    if broker:
        topic = f"partial-{kind}-{image}-{rng.randrange(1 << 32)}".lower()
        config = {"url": f"kafka://{broker}", "format": "default", "topic_partitions": "1", "topic": topic + ".{table}"}
        tables = [Table(topic, table.name, table.columns, table.key) for table in tables]
    engine = jobs(database, sink=config, tables=[f"{changes.DB}.{table.name}" for table in tables])
    ended = engine.run()
    assert ended.code == 0, str(ended)
    write(database, changes.Changes(rng, kind).script(150, [IMAGE(image)]))
    ended = engine.run()
    assert ended.code == 0, str(ended)
    members = ("before", "after") if debezium else ("prevStruct", "postStruct")
    state, partial = fold(read_messages(sink, tmp_path / "out", broker, tables), tables, members)
    assert partial, "no image lacks a column"
    for table in tables:
        source = Table(changes.DB, table.name, table.columns, table.key)
        want = {source.key_of(row): row for row in truth.rows(database, source)}
        have = {key: tuple(row[column.name] if debezium else from_default(column, row[column.name]) for column in table.columns)
                for key, row in state[table.name].items()}
        assert want and want == have


@pytest.mark.parametrize("kind", ["mysql9", "mariadb"])
def test_defaults_over_schema_changes(servers, jobs, kind):
    """A default is the one of the statement's time, not the one that the catalogue shows when the log is read; one that is
    not known for certain stops the job."""
    database = servers(kind)
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, n INT DEFAULT 1, v VARCHAR(9) DEFAULT 'old')")
    engine = jobs(database)
    assert engine.run().code == 0
    write(database, [IMAGE("MINIMAL"), "INSERT INTO shop.t (id) VALUES (1)", "ALTER TABLE shop.t ADD COLUMN c INT DEFAULT -5",
                     "INSERT INTO shop.t (id) VALUES (2)",
                     "CREATE TABLE shop.made (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 7, v VARCHAR(9) DEFAULT 'made', tx TEXT)",
                     "INSERT INTO shop.made (id) VALUES (3)"])
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert copied(jobs.copy, "t", "id, n, v, c") == {1: (1, 1, "old", -5), 2: (2, 1, "old", -5)}
    assert copied(jobs.copy, "made", "id, n, v, tx") == {3: (3, 7, "made", None)}
    write(database, [IMAGE("MINIMAL"), "INSERT INTO shop.t (id) VALUES (4)", "ALTER TABLE shop.t ALTER n SET DEFAULT 2",
                     "INSERT INTO shop.t (id, n) VALUES (5, 5)", "INSERT INTO shop.t (id) VALUES (6)", "ALTER TABLE shop.t ALTER n SET DEFAULT 3"])
    assert_error(engine.run(), "SRC-0022", "table=shop.t", "column `n`")
    assert copied(jobs.copy, "t", "id, n, v, c").get(4, (4, 1, "old", -5)) == (4, 1, "old", -5)


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
@pytest.mark.parametrize("kind", ["mysql9", "mariadb", "mariadb_new"])
def test_replace_resets_what_it_does_not_name(servers, jobs, tmp_path, kind, image):
    """MariaDB logs it as an update without those columns; the statement stands beside it."""
    database = servers(kind)
    tmp_path.chmod(0o755)
    loaded = tmp_path / "rows.txt"
    loaded.write_text("6\t60\n")
    ways = ["REPLACE INTO shop.t (id, n) VALUES (1, 10)", "/* why */ replace into shop.`t` set id=2, n=20",
            "REPLACE shop.t (id, n) SELECT id, n FROM shop.other", "CALL shop.p(4)",
            "PREPARE s FROM 'REPLACE INTO shop.t (id, n) VALUES (?, 50)'", "SET @id=5", "EXECUTE s USING @id",
            f"LOAD DATA INFILE '{loaded}' REPLACE INTO TABLE shop.t (id, n)",
            "UPDATE shop.t SET id=id, n=70 WHERE id=7", "INSERT INTO shop.t (id, n) VALUES (8, 1) ON DUPLICATE KEY UPDATE n=80"]
    table = Table("shop", "t", (changes.column("id", "int not null", "int"), changes.column("n", "int not null default 5", "int"),
                                changes.column("v", "varchar(10) default 'dd'", "text"), changes.column("tx", "text"),
                                changes.column("bl", "blob", "bytes")), ("id",))
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; " + table.create() + "; CREATE TABLE shop.other (id INT PRIMARY KEY, n INT); "
                 "CREATE PROCEDURE shop.p(k INT) REPLACE INTO t (id, n) VALUES (k, 40); INSERT INTO shop.other VALUES (3, 30); "
                 "INSERT INTO shop.t VALUES " + ",".join(f"({id}, 1, 'v', 'tx', 'bl')" for id in range(1, 9)))
    engine = jobs(database)
    assert engine.run().code == 0
    if kind == "mariadb_new" and image == "NOBLOB":
        image = "FULL_NODUP"
    write(database, [IMAGE(image), "USE shop", *ways])
    ended = engine.run()
    assert ended.code == 0, str(ended)
    problems, rows = compare.compare_sqlite(database, jobs.copy, [table])
    assert not problems, "\n".join(problems)
    assert rows == 8


def test_partial_json_with_minimal_images_of_a_table_without_key(servers, jobs):
    """There the image before the update is whole."""
    database = servers("mysql9")
    table = Table("shop", "docs", (changes.column("n", "int"), changes.column("doc", "json")))
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; " + table.create())
    engine = jobs(database)
    assert engine.run().code == 0
    start = database.position()
    document = "JSON_OBJECT('a', 1, 'pad', REPEAT('x', 500))"
    write(database, [IMAGE("MINIMAL"), PARTIAL, f"INSERT INTO shop.docs VALUES (1, {document}), (2, {document}), (2, {document})",
                     "UPDATE shop.docs SET doc=JSON_SET(doc, '$.a', n, '$.b', 'new')", "UPDATE shop.docs SET n=3 WHERE n=2 LIMIT 1",
                     "UPDATE shop.docs SET doc=JSON_REMOVE(doc, '$.b') WHERE n=3"])
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert PARTIAL_UPDATE in event_types(database, start)
    problems, rows = compare.compare_sqlite(database, jobs.copy, [table])
    assert not problems, "\n".join(problems)
    assert rows == 3
