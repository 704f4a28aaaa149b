"""Flavor upstream beside Debezium itself: the same changes of the same table on MySQL 9, message by message.

Debezium comes from Maven Central (tests/formats/debezium), built once in build/debezium. Clocks and names of the program are
not compared; every other difference is in DIFFERENT and in docs/formats.md.
"""
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from harness import topics
from harness.servers import Unavailable

from tailrace.formats import _json

REPO = Path(__file__).resolve().parents[2]
HOME = REPO / "build/debezium"
CLOCKS = ["/payload/ts_ms", "/payload/ts_us", "/payload/ts_ns"]
DIFFERENT = {
    "/payload/source/version": "ours is the option's",
    "/payload/source/pos": "Debezium: start of the row's event; ours: end of the transaction so far",
    "/payload/source/row": "number of the row in its event; ours 0",
    "/payload/source/thread": "not in what the engine keeps of a transaction",
}
OF_SNAPSHOTS = {  # rows of the first copy
    **{f"/payload/source/{name}": "clock" for name in ("ts_ms", "ts_us", "ts_ns")},
    "/payload/source/snapshot": "Debezium marks the first and the last row; ours: true",
    "/payload/source/file": "Debezium: where the log stood; ours empty",
}

TYPES = {
    "ti": "TINYINT", "tiu": "TINYINT UNSIGNED", "si": "SMALLINT", "siu": "SMALLINT UNSIGNED", "mi": "MEDIUMINT",
    "miu": "MEDIUMINT UNSIGNED", "i": "INT", "iu": "INT UNSIGNED", "bi": "BIGINT", "biu": "BIGINT UNSIGNED", "yes": "BOOL",
    "f": "FLOAT", "d": "DOUBLE", "dec2": "DECIMAL(10,2)", "dec0": "DECIMAL(65,0)", "dec30": "DECIMAL(65,30)",
    "b1": "BIT(1)", "b10": "BIT(10)", "b64": "BIT(64)", "y": "YEAR", "c": "CHAR(5)", "vc": "VARCHAR(50)", "tx": "TEXT",
    "mt": "MEDIUMTEXT", "e": "ENUM('a','b c','中')", "s": "SET('a','b','c')", "bin": "BINARY(4)", "vb": "VARBINARY(10)", "bl": "BLOB",
    "da": "DATE", "t0": "TIME", "t6": "TIME(6)", "dt0": "DATETIME", "dt3": "DATETIME(3)", "dt6": "DATETIME(6)",
    "ts0": "TIMESTAMP NULL", "ts3": "TIMESTAMP(3) NULL", "ts6": "TIMESTAMP(6) NULL", "js": "JSON", "pt": "POINT", "ge": "GEOMETRY",
}
ROWS = [
    {"ti": "-128", "tiu": "255", "si": "-32768", "siu": "65535", "mi": "-8388608", "miu": "16777215", "i": "-2147483648",
     "iu": "4294967295", "bi": "-9223372036854775808", "biu": "18446744073709551615", "yes": "1", "f": "1.2222", "d": "9.999999999999",
     "dec2": "-12345678.90", "dec0": "-99999999999999999999", "dec30": "0.000000000000000000000000000001", "b1": "b'1'",
     "b10": "b'1000000001'", "b64": "0x8000000000000001", "y": "2022", "c": "'abc'", "vc": "'näme 😀'", "tx": "'line\\n2'", "mt": "''",
     "e": "'b c'", "s": "'a,c'", "bin": "x'6162'", "vb": "x'00FF'", "bl": "x'FF00'", "da": "'2022-11-15'", "t0": "'-838:59:59'",
     "t6": "'10:01:00.5'", "dt0": "'2022-11-15 05:12:11'", "dt3": "'2022-11-15 05:12:11.5'", "dt6": "'2022-11-15 05:12:11.000001'",
     "ts0": "'2020-11-24 16:01:02'", "ts3": "'2020-11-24 16:01:02.5'", "ts6": "'2020-11-24 16:01:02.012340'",
     "js": "'{\"k\": [1, \"x\", null, 1.5]}'", "pt": "ST_GeomFromText('POINT(1 2)')",
     "ge": "ST_GeomFromText('LINESTRING(0 0,1 -1)', 4326)"},
    {name: "NULL" for name in TYPES},
    {"ti": "0", "tiu": "0", "si": "0", "siu": "0", "mi": "0", "miu": "0", "i": "0", "iu": "0", "bi": "0", "biu": "0", "yes": "0",
     "f": "-0.5", "d": "-2.5e-300", "dec2": "0", "dec0": "128", "dec30": "-1.5", "b1": "b'0'", "b10": "b'0'", "b64": "b'0'", "y": "1901",
     "c": "''", "vc": "''", "tx": "''", "mt": "'x'", "e": "'a'", "s": "''", "bin": "x''", "vb": "x''", "bl": "x''", "da": "'1000-01-01'",
     "t0": "'00:00:00'", "t6": "'-00:00:00.000001'", "dt0": "'1000-01-01 00:00:00'", "dt3": "'9999-12-31 23:59:59.999'",
     "dt6": "'1969-12-31 23:59:59.999999'", "ts0": "'1970-01-01 00:00:01'", "ts3": "'2038-01-19 03:14:07'",
     "ts6": "'2038-01-19 03:14:07.999999'", "js": "'[]'", "pt": "ST_GeomFromText('POINT(-0.5 1e10)', 0)",
     "ge": "ST_GeomFromText('POINT(3 4)')"},
]


@pytest.fixture(scope="session")
def debezium():
    """The class path of Debezium."""
    if not shutil.which("mvn") or not shutil.which("java"):
        pytest.skip("no Maven or no Java: apt-get install maven openjdk-17-jre-headless")
    if not (HOME / "classes/Tap.class").exists():
        done = subprocess.run(["mvn", "-q", "-B", "-f", REPO / "tests/formats/debezium/pom.xml", f"-Dtap.build={HOME}", "package"],
                              capture_output=True, text=True, check=False, timeout=550)
        if done.returncode:
            pytest.skip(f"Debezium is not to be had: {done.stdout[-300:]}")
    return f"{HOME / 'classes'}:{HOME / 'dependency'}/*"


@pytest.fixture
def mysql(services):
    try:
        database = services.up("mysql9", "e2edebezium")
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield database
    services.down("e2edebezium")


class Tap:
    """Debezium as a process; `events` grows."""

    def __init__(self, classpath, database, folder):
        settings = {
            "name": "tap", "connector.class": "io.debezium.connector.mysql.MySqlConnector", "topic.prefix": "srv",
            "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
            "schema.history.internal": "io.debezium.relational.history.MemorySchemaHistory", "database.hostname": "127.0.0.1",
            "database.port": database.port, "database.user": "dbz", "database.password": "dbz-secret", "database.server.id": 990099,
            "database.include.list": "types", "include.schema.changes": "false", "poll.interval.ms": 50,
        }
        path = folder / "tap.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        self.log = (folder / "tap.log").open("w")
        self.process = subprocess.Popen(["java", "-Xmx512m", "-cp", classpath, "Tap", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, encoding="utf-8")
        self.events = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(line.rstrip("\n").split("\t", 2))

    def wait_for(self, count, limit=180):
        end = time.monotonic() + limit
        while len(self.events) < count:
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.flush()
                pytest.fail(f"{len(self.events)} of {count} events\n{Path(self.log.name).read_text()[-3000:]}")
            time.sleep(0.05)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def insert(number, row):
    return f"INSERT INTO types.t (id, {', '.join(row)}) VALUES ({number}, {', '.join(row.values())})"


def without_defaults(value):
    """Schemas without the columns' defaults, which ours leave out."""
    if isinstance(value, dict):
        return {key: without_defaults(each) for key, each in value.items() if key != "default"}
    return [without_defaults(each) for each in value] if isinstance(value, list) else value


def with_plain_json(message):
    """JSON columns without the blanks that only MySQL's text has."""
    for part in ("before", "after"):
        image = message["payload"].get(part)
        if image and image.get("js") is not None:
            image["js"] = json.dumps(json.loads(image["js"]), separators=(",", ":"))
    return message


def consume(broker, topic):
    """(key, value) of the topic's only partition, as texts; None for no value."""
    return [tuple(part and part.decode() for part in parts) for parts in topics.records(broker, topic)]


def test_messages_are_those_of_debezium(debezium, mysql, broker, jobs, tmp_path):
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    mysql.run("CREATE USER dbz IDENTIFIED BY 'dbz-secret'; GRANT ALL ON *.* TO dbz; CREATE DATABASE types; SET time_zone = '+00:00'; "
              f"CREATE TABLE types.t (id INT PRIMARY KEY, {columns}); {insert(1, ROWS[0])}; {insert(2, ROWS[1])}")
    tap = Tap(debezium, mysql, tmp_path)
    try:
        tap.wait_for(2)
        topic = f"debezium-{time.time_ns()}"
        sink = {"url": f"kafka://{broker}", "topic": topic, "topic_partitions": "1", "format": "debezium", "flavor": "upstream",
                "name": "srv", "include_schema": "true"}
        engine = jobs(mysql, sink=sink, tables=["types.t"])
        ended = engine.run()
        assert ended.code == 0, str(ended)
        sets = ", ".join(f"{name} = {value}" for name, value in ROWS[0].items())
        mysql.run(f"SET time_zone = '+00:00'; {insert(3, ROWS[0])}; {insert(4, ROWS[1])}; {insert(5, ROWS[2])}; "
                  f"UPDATE types.t SET {sets} WHERE id IN (2, 5); DELETE FROM types.t WHERE id = 1")
        ended = engine.run()
        assert ended.code == 0, str(ended)
        tap.wait_for(2 + 3 + 2 + 2)  # a delete has its tombstone
    finally:
        tap.close()
    ours = consume(broker, topic)
    theirs = [(key, None if value == "null" else value) for destination, key, value in tap.events if destination == "srv.types.t"]
    assert len(ours) == len(theirs) == 9 and ours[-1][1] is theirs[-1][1] is None  # the tombstone
    problems = []
    for (my_key, my_value), (other_key, other_value) in zip(ours, theirs, strict=True):
        problems += [f"key: {each}" for each in _json.compare(_json.loads(other_key), _json.loads(my_key))]
        if my_value is None or other_value is None:
            continue
        mine, other = _json.loads(my_value), _json.loads(other_value)
        ignore = {*CLOCKS, *DIFFERENT, *(OF_SNAPSHOTS if other["payload"]["op"] == "r" else ())}
        found = _json.compare(with_plain_json(without_defaults(other)), with_plain_json(without_defaults(mine)), _json.Judgement(ignore=ignore))
        problems += [f"{other['payload']['op']} {(other['payload']['after'] or other['payload']['before'])['id']}: {each}" for each in found]
    assert not problems, "\n".join(problems)

