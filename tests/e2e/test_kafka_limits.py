"""Messages larger than their topic takes, statements of several tables, many topics: against a real broker."""
import json
import time

import pytest
from checks import assert_error
from conftest import start_or_skip

from harness import topics

LIMIT = 600_000     # of the narrow broker; the client's own is 1,000,000


def messages(broker, topic, *more):
    """(partition, key, value, headers) of every message."""
    return [(each.partition, each.key, json.loads(each.payload), each.headers) for each in topics.messages(broker, topic, *more)]


@pytest.fixture
def narrow(services):
    """A broker whose topics take fewer bytes than the client sends by itself."""
    return start_or_skip(services, "kafka", "e2enarrow", **{"message.max.bytes": LIMIT})


@pytest.fixture
def docs(database):
    database.run("CREATE TABLE shop.docs (id INT NOT NULL PRIMARY KEY, body LONGTEXT, note VARCHAR(50)); "
                 "INSERT INTO shop.docs VALUES (1, 'small', 'a'), (2, REPEAT('x', 800000), 'b'), (3, 'small', 'c')")
    return database


class Docs:
    """A job over shop.docs into a topic of its own: once with the large row in the copy, once in the stream."""

    def __init__(self, jobs, docs, narrow, **options):
        self.docs, self.topic = docs, f"docs-{time.time_ns()}"
        self.engine = jobs(docs, name=self.topic, tables=["shop.docs"], sink={"url": f"kafka://{narrow}", "format": "debezium", "topic": self.topic, **options})

    def run(self):
        ended = self.engine.run()
        assert ended.code == 0, str(ended)
        self.docs.run("INSERT INTO shop.docs VALUES (4, REPEAT('y', 800000), 'd'), (5, 'small', 'e')")
        ended = self.engine.run()
        assert ended.code == 0, str(ended)


def test_oversized_fails_with_its_place(jobs, docs, narrow):
    job = Docs(jobs, docs, narrow)
    assert_error(job.engine.run(), "SINK-0006", f"the topic takes {LIMIT}", "shop.docs", "key=2", job.topic)
    docs.run("DELETE FROM shop.docs WHERE id = 2")
    job = Docs(jobs, docs, narrow)
    assert job.engine.run().code == 0
    docs.run("INSERT INTO shop.docs VALUES (4, REPEAT('y', 800000), 'd')")
    gtid = docs.run("SELECT @@gtid_binlog_pos")[0][0]
    assert_error(job.engine.run(), "SINK-0006", "key=4", f"position={gtid}:0")


def test_oversized_dead_letters(jobs, docs, narrow):
    job = Docs(jobs, docs, narrow, oversized="dead_letter")
    job.run()
    assert [key for _, key, _, _ in messages(narrow, job.topic)] == ["1", "3", "5"]
    letters = job.engine.look('SELECT code, database, "table", key FROM v1_dead_letter ORDER BY id')
    assert letters == [("SINK-0006", "shop", "docs", "id=2"), ("SINK-0006", "shop", "docs", "id=4")]
    payload = json.loads(job.engine.look("SELECT payload FROM v1_dead_letter ORDER BY id")[1][0])
    assert payload["after"] == {"id": "4", "body": "y" * 800000, "note": "d"}
    assert job.engine.look('SELECT dropped FROM v1_table WHERE "table" = \'docs\'') == [(2,)]


def test_oversized_claim_checks(jobs, docs, narrow, tmp_path):
    job = Docs(jobs, docs, narrow, oversized="claim_check", claim_check_folder=str(tmp_path / "claims"))
    job.run()
    found = messages(narrow, job.topic)
    assert [key for _, key, _, _ in found] == ["1", "2", "3", "4", "5"]
    for at, letter in ((1, "x"), (3, "y")):
        claim = found[at][2]["claim_check"]
        assert found[at][3]["tailrace.claim_check"] == claim["file"]
        text = (tmp_path / "claims" / claim["file"]).read_text()
        assert len(text) == claim["bytes"]
        assert json.loads(text)["payload"]["after"]["body"] == letter * 800000
    assert "tailrace.claim_check" not in found[2][3]


def test_oversized_drops_columns(jobs, docs, narrow):
    job = Docs(jobs, docs, narrow, oversized="drop_column")
    job.run()
    found = messages(narrow, job.topic)
    assert [(each[2]["payload"]["after"], each[3].get("tailrace.dropped")) for each in found[1:4]] == [
        ({"id": 2, "note": "b"}, "body"), ({"id": 3, "body": "small", "note": "c"}, None), ({"id": 4, "note": "d"}, "body")]


def test_batches_larger_than_a_topic_takes(jobs, docs, narrow):
    job = Docs(jobs, docs, narrow, max_batch_bytes="700000")
    assert_error(job.engine.run(), "SINK-0006", f"sink.max_batch_bytes is 700000: set it to {LIMIT} or less")


@pytest.mark.parametrize("partition", ["hash", "table", "one"])
def test_statements_of_several_tables(database, jobs, broker, partition):
    """reference: hash: all partitions of each topic; table: where the table's rows are; one: the fixed partition."""
    prefix = f"routes-{partition}-{time.time_ns()}"
    database.run("CREATE TABLE shop.a (id INT NOT NULL PRIMARY KEY); CREATE TABLE shop.b LIKE shop.a; "
                 "INSERT INTO shop.a SELECT seq FROM shop.seq_1_to_30; INSERT INTO shop.b SELECT seq FROM shop.seq_1_to_30")
    one = {"partition_number": "1"} if partition == "one" else {}
    engine = jobs(database, tables=["shop.a", "shop.b"], sink={"url": f"kafka://{broker}", "topic": prefix + ".{table}", "topic_partitions": "3",
                                                               "partition": partition, "format": "default", **one})
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run("ALTER TABLE shop.a ADD n INT; DROP TABLE shop.a, shop.b")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    for table in "ab":
        found = messages(broker, f"{prefix}.{table}")
        rows = {at for at, _, value, _ in found if value["recordType"] == "ROW"}
        drops = sorted(at for at, _, value, _ in found if value["recordType"] == "DDL" and "DROP TABLE" in json.dumps(value))
        alters = sorted(at for at, _, value, _ in found if value["recordType"] == "DDL" and "ALTER TABLE" in json.dumps(value))
        assert rows == {"hash": {0, 1, 2}, "table": rows, "one": {1}}[partition]
        assert drops == {"hash": [0, 1, 2], "table": sorted(rows), "one": [1]}[partition], found[-3:]
        assert len(rows) == 1 or partition == "hash"
        assert alters == (drops if table == "a" else [])


def test_a_topic_for_each_of_many_tables(database, jobs, broker):
    count = 100
    prefix = f"many-{time.time_ns()}"
    database.run("".join(f"CREATE TABLE shop.t{at} (id INT NOT NULL PRIMARY KEY); INSERT INTO shop.t{at} VALUES ({at});" for at in range(count)))
    engine = jobs(database, tables=["shop.t*"], sink={"url": f"kafka://{broker}", "topic": prefix + ".{table}"})
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run("".join(f"UPDATE shop.t{at} SET id = id + 1000;" for at in range(count)))
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert len([name for name in topics.topic_names(broker) if name.startswith(prefix)]) == count
    for at in (0, 37, 99):
        assert [key for _, key, _, _ in messages(broker, f"{prefix}.t{at}")][0] == str(at)


def test_a_throttle_holds_the_reader_back(database, jobs, broker):
    database.run("TRUNCATE TABLE shop.items; INSERT INTO shop.items SELECT seq, 'x', seq FROM shop.seq_1_to_3000")
    engine = jobs(database, sink={"url": f"kafka://{broker}", "topic": f"slow-{time.time_ns()}", "throttle_rows": "1000"})
    started = time.monotonic()
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert time.monotonic() - started >= 2.8
