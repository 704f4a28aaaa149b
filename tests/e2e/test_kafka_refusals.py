"""Bad input of the Kafka sink at a real broker: each error has a code, and where it belongs to a row, its table, key and position."""
import time

import pytest
from checks import assert_error

from harness import topics


def sink(broker, **options):
    return {"url": f"kafka://{broker}", "format": "debezium", **options}


def gtid(database):
    return database.run("SELECT @@gtid_binlog_pos")[0][0]


@pytest.mark.parametrize("options, texts", [
    ({"compression": "brotli"}, ("sink.compression", "none|gzip|snappy|lz4|zstd", "brotli")),
    ({"topic": "{db}.{tabel}"}, ("sink.topic '{db}.{tabel}'", "only {db} and {table}")),
    ({"topic": ""}, ("sink.topic", "empty")),
    ({"partition": "round"}, ("sink.partition", "hash|table|one")),
    ({"partition_number": "1"}, ("sink.partition_number", 'sink.partition = "one"')),
    ({"topic_partitions": "0"}, ("sink.topic_partitions",)),
    ({"max_message_bytes": "10"}, ("sink.max_message_bytes",)),
    ({"properties": "compression.type=brotli"}, ("sink.properties", "brotli")),
    ({"properties": "no.such.setting=1"}, ("sink.properties", "no.such.setting")),
    ({"properties": "acks=0"}, ("acks is set by the sink itself",)),
    ({"checkpoint_topic": "a b", "transactions": "true"}, ("'a b' cannot be the name of a topic",)),
])
def test_settings_that_cannot_work(database, jobs, broker, options, texts):
    ended = jobs(database, sink=sink(broker, **options)).run()
    assert any(code in ended.err for code in ("CFG-0003", "SINK-0004")), str(ended)
    for text in texts:
        assert text in ended.err, str(ended)
    assert "cause:" in ended.err and "solution:" in ended.err and ended.code in (2, 6)


def test_an_unknown_option_has_a_neighbour(database, jobs, broker):
    assert_error(jobs(database, sink=sink(broker, compresion="zstd")).run(), "CFG-0002", "compresion", "did you mean 'compression'?", exit_code=2)


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_arrives(database, jobs, broker, compression):
    topic = f"packed-{time.time_ns()}"
    ended = jobs(database, sink=sink(broker, topic=topic, compression=compression)).run()
    assert ended.code == 0, str(ended)
    assert len(topics.messages(broker, topic)) == 100


def test_a_missing_topic_that_may_not_be_made(database, jobs, broker):
    topic = f"absent-{time.time_ns()}"
    database.run("DELETE FROM shop.items WHERE id > 1")
    assert_error(jobs(database, sink=sink(broker, topic=topic, create_topics="false")).run(), "SINK-0004",
                 "the topic does not exist, and create_topics is off", f"topic={topic}", "table=shop.items", "key=1")
    assert topic not in topics.topic_names(broker)


def test_a_missing_topic_of_a_table_made_later(database, jobs, broker):
    prefix = f"later-{time.time_ns()}"
    assert jobs(database, name="maker", tables=["shop.items"], sink=sink(broker, topic=prefix + ".{table}")).run().code == 0
    engine = jobs(database, sink=sink(broker, topic=prefix + ".{table}", create_topics="false"))
    assert engine.run().code == 0
    database.run("CREATE TABLE shop.later (id INT NOT NULL, part INT NOT NULL, PRIMARY KEY (id, part)); INSERT INTO shop.later VALUES (7, 8)")
    assert_error(engine.run(), "SINK-0004", "create_topics is off", f"topic={prefix}.later", "table=shop.later", "key=7 8", f"position={gtid(database)}:0")


@pytest.mark.parametrize("name, why", [
    ("naïve", "only letters, digits"), ("with space", "only letters, digits"), ("a/b", "only letters, digits"), ("x" * 64, "longer than 249"),
])
def test_a_name_that_no_topic_can_have(database, jobs, broker, name, why):
    topic = "{table}" if len(name) < 64 else "{table}" * 4
    database.run(f"CREATE TABLE shop.`{name}` (id INT NOT NULL PRIMARY KEY)")
    engine = jobs(database, sink=sink(broker, topic=topic), tables=[f"shop.{name}"])
    assert engine.run().code == 0, "a table without rows needs no topic"
    database.run(f"INSERT INTO shop.`{name}` VALUES (5)")
    assert_error(engine.run(), "SINK-0004", "cannot be the name of a topic", why, "give `topic` in the rule or the sink", f"table=shop.{name}", "key=5",
                 f"position={gtid(database)}:0")


def test_text_that_no_message_can_have(database, jobs, broker):
    """UCS-2 has halves of characters that UTF-8, and so JSON, has not. (FMT-0001 is for sources that do not check: tests/unit/format.)"""
    topic = f"halves-{time.time_ns()}"
    database.run("CREATE TABLE shop.half (id INT NOT NULL, part INT NOT NULL, s VARCHAR(10) CHARACTER SET ucs2, PRIMARY KEY (id, part)); "
                 "INSERT INTO shop.half VALUES (1, 1, 'whole')")
    engine = jobs(database, tables=["shop.half"], sink=sink(broker, topic=topic))
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run("INSERT INTO shop.half VALUES (2, 3, x'D8000041'), (4, 5, 'behind')")
    assert_error(engine.run(), "SRC-0018", "x'd8000041'", "table=shop.half", "column=s", f"gtid={gtid(database)}")
    assert len(topics.messages(broker, topic)) == 1


def test_a_key_that_is_not_in_the_image(database, jobs, broker):
    """The rule's key is no key at the source: with minimal images an update does not log it."""
    topic = f"images-{time.time_ns()}"
    engine = jobs(database, sink=sink(broker, topic=topic), rules='return { api = 1, tables = { ["shop.items"] = { key = { "name" } } } }')
    database.run("DELETE FROM shop.items WHERE id > 2; UPDATE shop.items SET name = CONCAT('n', id); ALTER TABLE shop.items MODIFY name VARCHAR(50) NOT NULL")
    assert engine.run().code == 0
    database.run("SET SESSION binlog_row_image = MINIMAL; UPDATE shop.items SET n = 7 WHERE id = 2")
    assert_error(engine.run(), "RULE-0105", "the row images lack column `name`, which is part of the key", "table=shop.items", f"gtid={gtid(database)}")


def test_a_number_that_json_has_not(database, jobs, broker):
    topic = f"numbers-{time.time_ns()}"
    rules = """return { api = 1, tables = { ["shop.items"] = { columns = { r = { "double" } },
      map = function(row) row.r = row.n == 3 and 1/0 or 1 end } } }"""
    database.run("DELETE FROM shop.items WHERE id > 2")
    engine = jobs(database, rules=rules, sink=sink(broker, topic=topic))
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run("INSERT INTO shop.items VALUES (3, 'x', 3)")
    assert_error(engine.run(), "RULE-0104", "NaN and infinity cannot be written", "table=shop.items", "key=id=3", f"gtid={gtid(database)}")
    assert len(topics.messages(broker, topic)) == 2


def test_a_partition_that_the_topic_has_not(database, jobs, broker):
    topic = f"few-{time.time_ns()}"
    database.run("DELETE FROM shop.items WHERE id > 1")
    ended = jobs(database, sink=sink(broker, topic=topic, topic_partitions="2", partition="one", partition_number="2")).run()
    assert_error(ended, "SINK-0004", "sink.partition_number is 2, and the topic has 2 partition(s)", f"topic={topic}", "table=shop.items", "key=1")


def test_a_broker_that_is_not_there(database, jobs):
    ended = jobs(database, sink=sink("127.0.0.1:1", connect_timeout="1s")).run()
    assert_error(ended, "SINK-0002", "no broker of 127.0.0.1:1 answered within 1000 ms", "Connection refused", exit_code=5)


# -- statements (reference, 4.3) -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("partition", ["hash", "table", "one"])
def test_statements_whose_table_is_not_known(database, jobs, broker, partition):
    """A statement names its table in MySQL and MariaDB, known or not, and goes to that table's topic, where rows of it could be. Those
    that name none (of a database) are no statements of a table, and go nowhere."""
    prefix = f"ghosts-{partition}-{time.time_ns()}"
    options = {"partition_number": "1"} if partition == "one" else {}
    database.run("CREATE INDEX by_n ON shop.items (n); CREATE TABLE shop.other (id INT NOT NULL PRIMARY KEY); INSERT INTO shop.other VALUES (1)")
    engine = jobs(database, sink={"url": f"kafka://{broker}", "topic": prefix + ".{table}", "topic_partitions": "3", "partition": partition,
                                  "format": "dataworks", **options})
    ended = engine.run()
    assert ended.code == 0, str(ended)
    rows = {each.partition for each in topics.messages(broker, f"{prefix}.items")}
    database.run("DROP INDEX by_n ON shop.items; DROP TABLE IF EXISTS shop.ghost; ALTER DATABASE shop COMMENT 'x'; "
                 "CREATE DATABASE aside; DROP DATABASE aside; DROP TABLE IF EXISTS shop.other, shop.phantom")
    ended = engine.run()
    assert ended.code == 0, str(ended)

    def statements(table):
        found = {}
        for each in topics.messages(broker, f"{prefix}.{table}"):
            if each.key is None:
                found.setdefault(each.partition, []).append(each.payload)
        return found

    expected = {"hash": {0, 1, 2}, "table": rows, "one": {1}}[partition]
    for table, texts in (("items", ["DROP INDEX by_n"]), ("ghost", ["shop.ghost"]), ("other", ["shop.phantom"]), ("phantom", ["shop.phantom"])):
        found = statements(table)
        assert len(found) == len(expected) and (partition == "table" and table != "items" or set(found) == expected), table
        for payloads in found.values():
            assert len(payloads) == len(texts)
            for payload, text in zip(payloads, texts, strict=True):
                assert text in payload or text.replace(".", "`.`") in payload
