"""DataWorks' messages TRANSACTION_BEGIN and TRANSACTION_END: around the rows of each transaction, in every place that has them."""
import json
import time

import pytest
from checks import assert_error

from harness import topics
from harness.servers import REPO

BEGIN, END = "TRANSACTION_BEGIN", "TRANSACTION_END"


def read(broker, topic, partition=None):
    """(op, header, rest of the message) of each message, per partition."""
    found = {}
    for each in topics.messages(broker, topic, *(["-p", str(partition)] if partition is not None else [])):
        value = json.loads(each.payload)
        found.setdefault(each.partition, []).append((value["payload"]["op"], each.headers.get("tailrace.id", ""), value, each.key))
    return found


def case(name):
    """The message that a conformance case expects."""
    lines = (REPO / "tests/formats/transaction_marks.jsonl").read_text().splitlines()
    return next(each["expect"] for each in map(json.loads, lines) if each["id"] == name)


def without_times(message):
    times = dict.fromkeys(message["payload"]["timestamp"])
    return {**message, "payload": {**message["payload"], "timestamp": times}}


def transactions_of(messages):
    """[(gtid, [ops])] of one partition; every row of the log stands between the marks of its transaction."""
    out, inside, at = [], None, None
    for op, place, value, key in messages:
        gtid, _, number = place.rpartition(":")
        if op == BEGIN:
            assert inside is None and number == "begin" and key is None, (op, place)
            assert without_times(value) == without_times(case("DataWorks.marks.begin"))
            inside, at = (gtid, []), value["payload"]["timestamp"]["eventTime"]
        elif op == END:
            assert inside and inside[0] == gtid and number == "end", (op, place)
            assert without_times(value) == without_times(case("DataWorks.marks.end")) and value["payload"]["timestamp"]["eventTime"] == at
            out.append(inside)
            inside = None
        elif op in ("ALTER", "CREATE"):
            assert inside is None, (op, place)
        elif place:
            assert inside and inside[0] == gtid and value["payload"]["timestamp"]["eventTime"] == at, (op, place)
            inside[1].append(op)
        else:
            assert inside is None, "a row of the first copy between marks"
    assert inside is None
    return out


CHANGES = """
START TRANSACTION; INSERT INTO shop.items VALUES (1001, 'a', 1), (1002, 'b', 2); UPDATE shop.items SET n = 3 WHERE id = 1001;
INSERT INTO shop.other VALUES (1); COMMIT;
UPDATE shop.items SET n = 4 WHERE id = 1002;
ALTER TABLE shop.items ADD extra INT;
START TRANSACTION; DELETE FROM shop.items WHERE id > 1000; COMMIT;
"""
ITEMS = [["INSERT", "INSERT", "UPDATE"], ["UPDATE"], ["DELETE", "DELETE"]]


def run(jobs, database, broker, **options):
    prefix = f"marks-{time.time_ns()}"
    database.run("CREATE TABLE shop.other (id INT NOT NULL PRIMARY KEY); INSERT INTO shop.other VALUES (100)")
    engine = jobs(database, sink={"url": f"kafka://{broker}", "topic": prefix + ".{table}", "topic_partitions": "3", "format": "dataworks",
                                  "transaction_marks": "true", **options})
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run(CHANGES)
    ended = engine.run()
    assert ended.code == 0, str(ended)
    return prefix


@pytest.mark.parametrize("transactions", ["false", "true"])
def test_hash_every_partition_of_the_topic_has_the_marks(database, broker, jobs, transactions):
    prefix = run(jobs, database, broker, transactions=transactions)
    found = {at: transactions_of(messages) for at, messages in read(broker, f"{prefix}.items").items()}
    assert sorted(found) == [0, 1, 2]
    gtids = [[gtid for gtid, _ in each] for each in found.values()]
    assert gtids[0] == gtids[1] == gtids[2] and len(set(gtids[0])) == 3
    together = [sorted(op for each in found.values() for op in each[at][1]) for at in range(3)]
    assert together == [sorted(ops) for ops in ITEMS]
    # The transaction of both tables has its marks in both topics, the others only where their rows are.
    other = {at: transactions_of(messages) for at, messages in read(broker, f"{prefix}.other").items()}
    assert [[gtid for gtid, _ in each] for each in other.values()] == [[gtids[0][0]]] * 3
    assert sorted(len(ops) for each in other.values() for _, ops in each) == [0, 0, 1]


@pytest.mark.parametrize("partition", ["table", "one"])
def test_table_and_one_only_the_partition_of_the_rows_has_the_marks(database, broker, jobs, partition):
    prefix = run(jobs, database, broker, partition=partition, **({"partition_number": "2"} if partition == "one" else {}))
    found = read(broker, f"{prefix}.items")
    assert len(found) == 1 and (partition == "table" or list(found) == [2])
    assert [ops for _, ops in transactions_of(*found.values())] == ITEMS


def test_one_topic_of_two_tables_has_each_mark_once(database, broker, jobs):
    prefix = run(jobs, database, broker, partition="one", topic=(topic := f"marks-{time.time_ns()}"))
    assert prefix
    found = read(broker, topic)
    assert [ops for _, ops in transactions_of(found[0])] == [["INSERT", "INSERT", "UPDATE", "INSERT"], ["UPDATE"], ["DELETE", "DELETE"]]


def test_a_transaction_larger_than_a_batch_has_two_marks(database, broker, jobs):
    topic = f"marks-{time.time_ns()}"
    engine = jobs(database, tables=["shop.items"], pipeline={"batch_bytes": "16KiB"}, sink={
        "url": f"kafka://{broker}", "topic": topic, "partition": "one", "format": "dataworks", "transaction_marks": "true"})
    assert engine.run().code == 0
    database.run("INSERT INTO shop.items SELECT seq, REPEAT('x', 40), seq FROM shop.seq_1001_to_6000; UPDATE shop.items SET n = 0 WHERE id = 1")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert [len(ops) for _, ops in transactions_of(read(broker, topic)[0])] == [5000, 1]


def test_killed_in_a_commit_each_mark_is_seen_once(database, broker, jobs):
    """With Kafka's transactions the marks are committed with their rows and the checkpoint."""
    topic = f"marks-{time.time_ns()}"
    engine = jobs(database, tables=["shop.items"], sink={"url": f"kafka://{broker}", "topic": topic, "format": "dataworks", "topic_partitions": "2",
                                                         "transaction_marks": "true", "transactions": "true", "commit_every": "0s"})
    assert engine.run().code == 0
    database.run("".join(f"UPDATE shop.items SET n = n + 1000 WHERE id BETWEEN {at} AND {at + 4};" for at in range(1, 41)))
    for count in (1, 2):   # in front of the commit: nothing of it is seen; behind it: all
        assert engine.run(TAILRACE_FAULT=f"kill@commit:{count}").code == -9
    ended = engine.run()
    assert ended.code == 0, str(ended)
    found = {at: transactions_of(messages) for at, messages in read(broker, topic).items()}
    assert sorted(found) == [0, 1]
    for each in found.values():
        gtids = [gtid for gtid, _ in each]
        assert len(gtids) == len(set(gtids)) == 40
    for at in range(40):
        assert sum(len(each[at][1]) for each in found.values()) == 5


def test_xa_transactions_and_rows_that_rules_take_away(database, broker, jobs):
    """An XA transaction is one where it is committed, none where it is rolled back; one without rows left has no marks."""
    topic = f"marks-{time.time_ns()}"
    rules = """return { api = 1, tables = { ["shop.items"] = { where = "id <> 7" }, ["shop.other"] = { serialize = "canal" } } }"""
    database.run("CREATE TABLE shop.other (id INT NOT NULL PRIMARY KEY)")
    engine = jobs(database, rules=rules, sink={"url": f"kafka://{broker}", "topic": topic, "partition": "one", "format": "dataworks",
                                               "transaction_marks": "true"})
    assert engine.run().code == 0
    copied = len(topics.messages(broker, topic))
    database.run("XA START 'kept'; UPDATE shop.items SET n = 0 WHERE id IN (1, 2); XA END 'kept'; XA PREPARE 'kept'; ")
    database.run("UPDATE shop.items SET n = 0 WHERE id = 7; UPDATE shop.items SET n = 0 WHERE id = 9; INSERT INTO shop.other VALUES (1); "
                 "XA START 'gone'; UPDATE shop.items SET n = 0 WHERE id = 3; XA END 'gone'; XA PREPARE 'gone'; XA ROLLBACK 'gone'; XA COMMIT 'kept'")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    ops = []
    for each in topics.messages(broker, topic)[copied:]:
        value = json.loads(each.payload)
        ops.append(value["payload"]["op"] if "payload" in value else "canal")
    assert ops == [BEGIN, "UPDATE", END, "canal", BEGIN, "UPDATE", "UPDATE", END]


@pytest.mark.parametrize("target", ["file", "null"])
def test_sinks_without_marks_refuse_them(database, jobs, tmp_path, target):
    url = f"file://{tmp_path / 'out'}" if target == "file" else "null://"
    options = {"records": "true"} if target == "null" else {}
    ended = jobs(database, sink={"url": url, "format": "dataworks", "transaction_marks": "true", **options}).run()
    assert_error(ended, "CFG-0003", f"sink.transaction_marks: {target} does not write them", exit_code=2)


def test_other_formats_have_no_such_option(database, jobs):
    ended = jobs(database, sink={"url": "kafka://127.0.0.1:1", "format": "canal", "transaction_marks": "true"}).run()
    assert_error(ended, "CFG-0002", "transaction_marks", exit_code=2)
