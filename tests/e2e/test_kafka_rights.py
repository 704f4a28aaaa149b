"""Rights by topic at a real broker: what is missing is named with the topic, and nothing is lost by it."""
import time

import pytest
from checks import assert_error
from test_kafka_secure import sink

from harness import topics

TIMEOUT = 30


class Rights:
    """What bob may do; given and taken by the broker's administrator."""

    def __init__(self, secure):
        pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
        from confluent_kafka import admin
        self.admin, self.client = admin, admin.AdminClient({"bootstrap.servers": secure["plain"]})

    def binding(self, kind, name, operation):
        of = self.admin
        return (getattr(of.ResourceType, kind), name, of.ResourcePatternType.LITERAL, "User:bob", "*", getattr(of.AclOperation, operation),
                of.AclPermissionType.ALLOW)

    def give(self, name, *operations, kind="TOPIC"):
        asked = self.client.create_acls([self.admin.AclBinding(*self.binding(kind, name, each)) for each in operations])
        for future in asked.values():
            future.result(TIMEOUT)

    def take(self, name, *operations, kind="TOPIC"):
        asked = self.client.delete_acls([self.admin.AclBindingFilter(*self.binding(kind, name, each)) for each in operations])
        for future in asked.values():
            assert future.result(TIMEOUT)

    def take_all(self):
        of = self.admin
        every = of.AclBindingFilter(of.ResourceType.ANY, None, of.ResourcePatternType.ANY, "User:bob", None, of.AclOperation.ANY, of.AclPermissionType.ANY)
        for future in self.client.delete_acls([every]).values():
            future.result(TIMEOUT)

    def make_topic(self, name):
        for future in self.client.create_topics([self.admin.NewTopic(name, 1, 1)]).values():
            future.result(TIMEOUT)


@pytest.fixture
def rights(secure):
    given = Rights(secure)
    yield given
    given.take_all()   # other tests want bob without rights


@pytest.fixture
def prefix(rights):
    """bob may write PREFIX.items, which is there."""
    prefix = f"rights-{time.time_ns()}"
    rights.make_topic(f"{prefix}.items")
    rights.give(f"{prefix}.items", "WRITE")
    return prefix


def job(jobs, database, secure, prefix, **options):
    return jobs(database, sink=sink(secure, user="bob", topic=prefix + ".{table}", create_topics="false", **options))


def test_one_topic_and_not_another(database, jobs, secure, rights, prefix):
    """WRITE on one of two topics. The first is delivered, the other is named."""
    rights.make_topic(f"{prefix}.other")
    engine = job(jobs, database, secure, prefix)
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert len(topics.messages(secure["plain"], f"{prefix}.items")) == 100
    database.run("UPDATE shop.items SET n = 0 WHERE id = 1; CREATE TABLE shop.other (id INT NOT NULL PRIMARY KEY); INSERT INTO shop.other VALUES (7); "
                 "UPDATE shop.items SET n = 0 WHERE id = 2")
    ended = engine.run()
    assert_error(ended, "SINK-0004", f"topic={prefix}.other", "table=shop.other", "Topic authorization failed", "it needs DESCRIBE")
    rights.give(f"{prefix}.other", "DESCRIBE")
    ended = engine.run()
    assert_error(ended, "SINK-0004", f"topic={prefix}.other", "table=shop.other", "Topic authorization failed", "needs WRITE on the topic")
    assert topics.messages(secure["plain"], f"{prefix}.other") == []
    rights.give(f"{prefix}.other", "WRITE")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert [each.key for each in topics.messages(secure["plain"], f"{prefix}.other")] == [None, "7"]
    stream = {each.headers.get("tailrace.id") for each in topics.messages(secure["plain"], f"{prefix}.items")} - {None}
    assert len(stream) == 2


def test_a_right_taken_away_while_the_job_runs(database, jobs, secure, rights, prefix):
    engine = job(jobs, database, secure, prefix, format="debezium")
    assert engine.run().code == 0
    rights.take(f"{prefix}.items", "WRITE")
    rights.give(f"{prefix}.items", "DESCRIBE")
    rights.make_topic(f"{prefix}.spare")
    rights.give(f"{prefix}.spare", "WRITE")   # a user without any topic gets no producer id, which is another error
    database.run("UPDATE shop.items SET n = 0 WHERE id = 5")
    gtid = database.run("SELECT @@gtid_binlog_pos")[0][0]
    assert_error(engine.run(), "SINK-0004", "needs WRITE on the topic", f"topic={prefix}.items", "table=shop.items", "key=5", f"position={gtid}:0")
    rights.give(f"{prefix}.items", "WRITE")
    assert engine.run().code == 0
    found = topics.messages(secure["plain"], f"{prefix}.items")
    assert [each.key for each in found[100:]] == ["5"]


def test_creation_refused(database, jobs, secure, rights, prefix):
    """Rights on the new topic, but none to make it; CREATE on the topic is enough."""
    name = f"{prefix}.fresh"
    rights.give(name, "WRITE")
    engine = jobs(database, sink=sink(secure, user="bob", topic=name))
    assert_error(engine.run(), "SINK-0004", "the topic cannot be created", "uthorization failed", "needs CREATE on the topic or the cluster",
                 f"topic={name}", "table=shop.items", "key=")
    assert name not in topics.topic_names(secure["plain"])
    rights.give(name, "CREATE")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert len(topics.messages(secure["plain"], name)) == 100


def test_a_checkpoint_topic_that_may_not_be_read(database, jobs, secure, rights, prefix):
    checkpoints = f"{prefix}.checkpoints"
    rights.make_topic(checkpoints)
    rights.give(checkpoints, "WRITE")
    options = {"transactions": "true", "checkpoint_topic": checkpoints, "transactional_id": f"{prefix}-"}
    engine = jobs(database, name="fixed", sink=sink(secure, user="bob", topic=f"{prefix}.items", create_topics="false", **options))
    ended = engine.run()
    assert_error(ended, "SINK-0004", "uthorization failed", f"transactional.id={prefix}-")
    job_id = engine.look("SELECT id FROM v1_job")[0][0]
    rights.give(f"{prefix}-{job_id}", "WRITE", "DESCRIBE", kind="TRANSACTIONAL_ID")
    rights.make_topic(f"{prefix}.written")
    assert engine.run().code == 0   # an empty topic has nothing to read
    database.run("UPDATE shop.items SET n = 0 WHERE id = 5")
    assert_error(engine.run(), "SINK-0001", "the checkpoint topic may not be read", f"topic={checkpoints}", "needs READ")
    rights.give(checkpoints, "READ")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert len(topics.messages(secure["plain"], f"{prefix}.items")) == 101
