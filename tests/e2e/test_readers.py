"""Consumers that know nothing of us: readers after the rules of Canal's flat messages and of Flink's `debezium-json`,
confluent-kafka with a schema registry, and kcat.

Each applies what it reads from Kafka and must end with what SELECT says. A change that takes a row back must name the row that is
there: Flink's operators and Canal's adapters go wrong silently otherwise.
"""
import base64
import copy
import json
import time
from datetime import UTC, datetime

import pytest
from harness.registry import Registry, running_registry
from harness.topics import avro_records, messages

COLUMNS = {
    "id": "BIGINT NOT NULL", "region": "VARCHAR(10) NOT NULL", "name": "VARCHAR(50)", "amount": "DECIMAL(12,2)", "n": "INT UNSIGNED",
    "rate": "DOUBLE", "born": "DATETIME(3)", "seen": "TIMESTAMP(3) NULL", "note": "TEXT", "kind": "ENUM('a','b c')", "raw": "VARBINARY(8)",
}
# Numbers of java.sql.Types, for columns whose mapping is not Canal's own.
JDBC = {"id": -5, "region": 12, "name": 12, "amount": 3, "n": 4, "rate": 8, "born": 93, "seen": 93}
FULL = "7, 'eu', 'näme 😀', -1234567.80, 4000000000, 2.5, '2022-11-15 05:12:11.5', '2020-11-24 16:01:02.25', 'line\\n2', 'b c', x'00FF80'"


def create(database):
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    database.run("SET time_zone = '+00:00'; DROP DATABASE IF EXISTS readers; CREATE DATABASE readers; "
                 f"CREATE TABLE readers.orders ({columns}, PRIMARY KEY (id, region)) CHARACTER SET utf8mb4; "
                 f"CREATE TABLE readers.tags (tag VARCHAR(20) PRIMARY KEY, n INT) CHARACTER SET utf8mb4; "
                 f"INSERT INTO readers.orders VALUES ({FULL}); INSERT INTO readers.orders (id, region) SELECT seq, 'us' FROM readers.seq_1_to_20; "
                 "INSERT INTO readers.tags VALUES ('a', 1), ('b', NULL), ('', 0)")


CHANGES = """
SET time_zone = '+00:00';
UPDATE readers.orders SET name = NULL, amount = 0.05 WHERE id = 7;
UPDATE readers.orders SET name = CONCAT('n', id), born = '1969-12-31 23:59:59.001', raw = x'' WHERE region = 'us' AND id < 6;
UPDATE readers.orders SET region = 'eu' WHERE id IN (1, 2);
UPDATE readers.orders SET kind = 'a', note = '', n = 0, rate = -0.25, seen = '2038-01-19 03:14:07.999' WHERE id > 15;
START TRANSACTION;
DELETE FROM readers.orders WHERE id IN (3, 20);
INSERT INTO readers.orders (id, region, name) VALUES (3, 'us', 'again'), (-9223372036854775808, 'asia', '"quoted" \\\\ back');
UPDATE readers.tags SET n = n + 1;
DELETE FROM readers.tags WHERE tag = 'a';
COMMIT;
REPLACE INTO readers.tags VALUES ('b', 5), ('c', 6);
"""


def select(database, table, columns):
    """Rows of {name: expression} as texts and None; through HEX, for tabs and line ends."""
    shown = ", ".join(f"IFNULL(HEX(CAST({expression} AS CHAR CHARACTER SET utf8mb4)), '-')" for expression in columns.values())
    rows = database.run(f"SET time_zone = '+00:00'; SELECT {shown} FROM readers.{table}")
    return [tuple(None if cell == "-" else bytes.fromhex(cell).decode() for cell in row) for row in rows]


def consume(broker, topic):
    """(key, value, headers) of the topic's only partition, as texts; None for no value."""
    return [(each.key, each.payload, each.headers) for each in messages(broker, topic)]


def run_job(jobs, database, broker, changes, **options):
    """The topic with a copy of the tables and then these changes."""
    topic = f"readers-{time.time_ns()}"
    engine = jobs(database, name=topic, tables=["readers.*"],
                  sink={"url": f"kafka://{broker}", "topic": topic, "topic_partitions": "1", **options})
    for statements in ("", changes):
        if statements:
            database.run(statements)
        ended = engine.run()
        assert ended.code == 0, str(ended)
    return topic


# -- Canal -----------------------------------------------------------------------------------------------------------------------
class CanalTables:
    """Tables of an adapter that applies flat messages: rows by the columns that pkNames says."""

    def __init__(self):
        self.rows, self.ddl, self.types, self.sql_types = {}, [], {}, {}

    def apply(self, message):
        table = self.rows.setdefault(message["table"], {})
        if message["isDdl"]:
            assert message["data"] is None and message["sql"]
            self.ddl.append((message["type"], message["sql"]))
            if message["type"] == "TRUNCATE":
                table.clear()
            return
        self.types[message["table"]] = message["mysqlType"]
        self.sql_types[message["table"]] = message["sqlType"]
        keys = message["pkNames"]
        old = message["old"] or [{}] * len(message["data"])
        for row, changed in zip(message["data"], old, strict=True):
            assert all(value is None or isinstance(value, str) for value in (*row.values(), *changed.values())), message
            assert row.keys() == message["mysqlType"].keys() == message["sqlType"].keys()
            # What `old` does not name has not changed.
            before = {**row, **changed}
            where, to = (tuple(image[name] for name in keys) for image in (before, row))
            if message["type"] == "INSERT":
                assert message["old"] is None and to not in table, message
                table[to] = row
            elif message["type"] == "UPDATE":
                there = table.pop(where)
                assert {name: there.get(name) for name in before} == before, message
                table[to] = row
            elif message["type"] == "DELETE":
                assert table.pop(where) == row, message
            else:
                raise AssertionError(f"a type that no adapter knows: {message['type']}")


def test_a_reader_of_canals_flat_messages_ends_with_the_tables(main_database, broker, jobs):
    database = main_database
    create(database)
    later = ("ALTER TABLE readers.orders ADD COLUMN extra INT; UPDATE readers.orders SET extra = id WHERE id BETWEEN 4 AND 8; "
             "TRUNCATE TABLE readers.tags; INSERT INTO readers.tags VALUES ('after', 1)")
    topic = run_job(jobs, database, broker, CHANGES + later, format="canal", flavor="upstream", time_zone="UTC")
    tables = CanalTables()
    for _, value, _ in consume(broker, topic):
        tables.apply(json.loads(value))
    assert [kind for kind, _ in tables.ddl] == ["ALTER", "TRUNCATE"] and "extra" in tables.ddl[0][1]
    # A binary value has a code point for each byte; an ENUM is its number.
    shown = {**dict.fromkeys(COLUMNS), "extra": None}
    shown = {name: {"kind": "kind + 0", "raw": "HEX(raw)"}.get(name, name) for name in shown}
    expected = sorted(select(database, "orders", shown), key=repr)

    def flat(row):
        raw = row["raw"]
        return tuple({**row, "raw": raw if raw is None else raw.encode("latin1").hex().upper()}.get(name) for name in shown)

    assert sorted(map(flat, tables.rows["orders"].values()), key=repr) == expected
    assert sorted(tuple(row.values()) for row in tables.rows["tags"].values()) == sorted(select(database, "tags", {"tag": "tag", "n": "n"}))
    declared = database.run("SELECT column_name, column_type FROM information_schema.columns "
                            "WHERE table_schema = 'readers' AND table_name = 'orders' ORDER BY ordinal_position")
    assert list(tables.types["orders"].items()) == [tuple(each) for each in declared]
    assert {name: tables.sql_types["orders"][name] for name in JDBC} == JDBC


# -- Flink -----------------------------------------------------------------------------------------------------------------------
class FlinkError(Exception):
    pass


def flink_changelog(value, schema_include):
    """What `debezium-json` makes of a message: [(row kind, row)]."""
    if not value:
        return []  # a tombstone
    message = json.loads(value)
    if schema_include:
        message = message["payload"]
    op = message["op"]
    if op in ("c", "r"):
        return [("+I", message["after"])]
    if op not in ("u", "d"):
        raise FlinkError(f'unknown "op" value "{op}"')
    if message.get("before") is None:
        raise FlinkError(f'the "before" field of {"UPDATE" if op == "u" else "DELETE"} message is null')
    if op == "d":
        return [("-D", message["before"])]
    return [("-U", message["before"]), ("+U", message["after"])]


def of_time(text):
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


SHOWN = {"orders": {**{name: name for name in COLUMNS}, "born": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', born) DIV 1000",
                    "raw": "HEX(raw)", "seen": "CONCAT(REPLACE(seen, ' ', 'T'), 'Z')"},
         "tags": {"tag": "tag", "n": "n"}}
# What Flink's user declares: BIGINT, STRING, DOUBLE; DECIMAL comes as text, DATETIME as milliseconds.
DECLARED = {"id": int, "region": str, "name": str, "amount": str, "n": int, "rate": (int, float), "born": int, "seen": str, "note": str,
            "kind": str, "raw": str, "tag": str}


def in_flink(row, bytes_as_hex):
    """A row by the declared types: TIMESTAMP_LTZ for `seen`, and BYTES for `raw` where it comes as Base64."""
    assert list(row) in [list(shown) for shown in SHOWN.values()]
    for name, value in row.items():
        assert value is None or (isinstance(value, DECLARED[name]) and not isinstance(value, bool)), (name, value)
    out = dict(row)
    if "seen" in row:
        out["seen"] = of_time(row["seen"])
        if not bytes_as_hex and row["raw"] is not None:
            out["raw"] = base64.b64decode(row["raw"], validate=True).hex().upper()
    return tuple(out.values())


def from_select(database, table):
    makes = {"id": int, "n": int, "rate": float, "born": int, "seen": of_time}
    return [tuple(cell if cell is None else makes.get(name, str)(cell) for name, cell in zip(SHOWN[table], cells, strict=True))
            for cells in select(database, table, SHOWN[table])]


@pytest.mark.parametrize("flavor, include_schema, schema_include", [
    ("upstream", "false", False),
    ("upstream", "true", True),
    ("oms", "false", True),   # {"payload": …} for itself
    ("oms", "true", True),
])
def test_a_reader_like_flinks_ends_with_the_tables(main_database, broker, jobs, flavor, include_schema, schema_include):
    database = main_database
    create(database)
    options = {"decimal_handling": "string"} if flavor == "upstream" else {}
    topic = run_job(jobs, database, broker, CHANGES, format="debezium", flavor=flavor, include_schema=include_schema, **options)
    state, kinds, seen = {"orders": [], "tags": []}, set(), {}
    for _, value, _ in consume(broker, topic):
        changelog = flink_changelog(value, schema_include)
        for kind, row in changelog:
            kinds.add(kind)
            table, typed = state["orders" if "id" in row else "tags"], in_flink(row, flavor == "oms")
            if kind in ("-U", "-D"):
                assert typed in table, f"{kind} of a row that is not there: {row}"
                table.remove(typed)
            else:
                table.append(typed)
        if changelog:
            seen[changelog[0][0]] = json.loads(value)
    assert kinds == {"+I", "-U", "+U", "-D"}
    for table, rows in state.items():
        assert sorted(rows, key=repr) == sorted(from_select(database, table), key=repr)
    for kind, name in (("-U", "UPDATE"), ("-D", "DELETE")):
        message = copy.deepcopy(seen[kind])
        (message["payload"] if schema_include else message)["before"] = None
        with pytest.raises(FlinkError, match=f'"before" field of {name} message is null'):
            flink_changelog(json.dumps(message), schema_include)


# -- confluent-kafka -------------------------------------------------------------------------------------------------------------
def test_a_consumer_with_the_registry_ends_with_the_table(main_database, broker, jobs):
    database = main_database
    create(database)
    prefix = f"readers-{time.time_ns()}"
    topics = {table: f"{prefix}.{table}" for table in ("orders", "tags")}
    with running_registry() as registry:
        engine = jobs(database, name=prefix, tables=["readers.*"], sink={
            "url": f"kafka://{broker}", "topic": prefix + ".{table}", "topic_partitions": "1", "format": "avro", "encoding": "confluent",
            "registry": registry, "subject_naming": "topic_name", "subject_topics": ",".join(topics.values())})
        for statements in ("SELECT 1", CHANGES):
            database.run(statements)
            ended = engine.run()
            assert ended.code == 0, str(ended)
        assert Registry.subjects == {f"{topic}-value": [2] for topic in topics.values()}
        found = list(avro_records(broker, topics["tags"], registry))
    rows = {}
    for record in found:
        assert record["objectName"] == "readers.tags"
        key = json.loads(record["tags"]["pk_uk_info"])["PRIMARY"]
        assert key == ["tag"] and [each["name"] for each in record["fields"]] == ["tag", "n"]

        def row(image):
            tag, n = image
            return tag["value"].decode(tag["charset"].removesuffix("mb4").replace("utf8", "utf-8")), n and int(n["value"])

        if record["operation"] in ("UPDATE", "DELETE"):
            before = row(record["beforeImages"])
            assert rows.pop(before[0]) == before
        if record["operation"] != "DELETE":
            after = row(record["afterImages"])
            assert after[0] not in rows
            rows[after[0]] = after
    assert {record["operation"] for record in found} == {"INIT", "INSERT", "UPDATE", "DELETE"}
    assert sorted(rows.values()) == sorted(from_select(database, "tags"))


# -- kcat ------------------------------------------------------------------------------------------------------------------------
def test_kcat_shows_keys_and_headers(main_database, broker, jobs):
    database = main_database
    create(database)
    topic = run_job(jobs, database, broker, "UPDATE readers.orders SET n = 1 WHERE id = 7 AND region = 'eu'; DELETE FROM readers.tags WHERE tag IN ('a', 'b')",
                    format="debezium", id_header="true")
    end = database.run("SELECT @@gtid_binlog_pos")[0][0]
    found = consume(broker, topic)
    copied = {key for key, _, _ in found[:24]}
    assert copied == {"7\x01eu", *(f"{n}\x01us" for n in range(1, 21)), "a", "b", ""}
    update, first, second = found[24:]
    assert (update[0], first[0], second[0]) == ("7\x01eu", "a", "b")
    domain, server, number = end.split("-")
    places = [headers["tailrace.id"].rpartition(":") for _, _, headers in (update, first, second)]
    assert [place[0] for place in places] == [f"{domain}-{server}-{int(number) - 1}", end, end]
    assert int(places[2][2]) == int(places[1][2]) + 1
