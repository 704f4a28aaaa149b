"""Sinks that fail: nothing is lost, and the job goes on once the cause is gone."""
import os
import signal
import subprocess
import time

import pytest
from checks import assert_error, at_source, copied

from harness import compare
from harness.servers import wait_for
from harness.values import Column, Table

ITEMS = Table("shop", "items", (Column("id", "int not null", "int"), Column("name", "varchar(50)", "text"),
                                Column("n", "int", "int")), ("id",))


def error_code(engine):
    found = engine.look("SELECT error_code FROM v1_job")
    return found[0][0] if found else ""


# -- disk full ----------------------------------------------------------------------------------------


def test_page_limit(database, jobs):
    database.run("INSERT INTO shop.items SELECT seq, REPEAT('x', 50), seq FROM shop.seq_1000_to_30000")
    engine = jobs(database, sink={"url": f"sqlite://{jobs.copy}", "max_page_count": "100"}, pipeline={"chunk_rows": 1000})
    assert_error(engine.run(seconds=60), "SINK-0003", "copy.db")
    expected = at_source(database)
    assert all(expected[key] == row for key, row in copied(jobs.copy).items())


def test_full_file_system_then_more_space(database, jobs, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        database.run("INSERT INTO shop.items SELECT seq, REPEAT('x', 50), seq FROM shop.seq_1000_to_40000")
        copy = folder / "copy.db"
        engine = jobs(database, sink={"url": f"sqlite://{copy}"}, pipeline={"chunk_rows": 1000})
        assert_error(engine.run(seconds=60), "SINK-0003", "copy.db")
        database.run("DELETE FROM shop.items WHERE id%3=0; UPDATE shop.items SET n=-1 WHERE id%5=0")
        subprocess.run(["mount", "-o", "remount,size=64M", folder], check=True)
        ended = engine.run(seconds=60)
        assert ended.code == 0, str(ended)
        assert copied(copy) == at_source(database)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


# -- Kafka --------------------------------------------------------------------------------------------


def topic_rows(broker):
    """The last state of every key in the topic, deletes left out."""
    state = {}
    for message in compare.kafka_messages(broker, [ITEMS])["shop.items"]:
        if message.before is not None:
            state.pop(message.before[0], None)
        if message.after is not None:
            state[message.after[0]] = message.after
    return state


def fresh_topic(broker):
    if "shop.items" in compare.kafka_topics(broker):
        pytest.skip("the broker has the topic already")


def test_kafka_down_at_the_start(services, database, jobs, broker):
    services.down("e2ekafka")
    engine = jobs(database, sink={"url": f"kafka://{broker}", "format": "default", "topic": "down-at-start",
                                  "connect_timeout": "1s"}).start("caught_up")
    wait_for(lambda: error_code(engine) == "SINK-0002" or not engine.alive(), "the error in the job file", 60)
    assert engine.alive(), str(engine.wait())
    database.run("INSERT INTO shop.items VALUES (500, 'meanwhile', 5)")
    services.up("kafka", "e2ekafka")
    ended = engine.wait(90)
    assert ended.code == 0, str(ended)
    assert compare.kafka_count(broker, "down-at-start") == 101


def test_kafka_down_in_mid_stream(services, database, jobs, broker):
    engine = jobs(database, sink={"url": f"kafka://{broker}", "format": "default"}).start()
    wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the stream")
    services.down("e2ekafka")
    database.run("UPDATE shop.items SET n=n+1000")
    for at in range(200):
        database.run(f"INSERT INTO shop.items VALUES ({2000 + at}, 'while down', {at}); DELETE FROM shop.items WHERE id={at}")
    assert engine.alive(), str(engine.wait())
    services.up("kafka", "e2ekafka")
    end = database.position()

    def arrived():
        found = engine.checkpoint()
        parts = dict(part.split("=", 1) for part in found[0].split(";"))
        return (parts["file"], int(parts["offset"])) >= end or not engine.alive()

    wait_for(arrived, "the changes in the topic", 90)
    assert engine.stop().code == 130
    assert topic_rows(broker) == at_source(database)


def lag(engine):
    """None while it is not known."""
    found = engine.look("SELECT lag_s FROM v1_job")
    return found[0][0] if found else None


def test_a_signal_ends_a_job_whose_broker_is_down(services, database, jobs, broker):
    engine = jobs(database, sink={"url": f"kafka://{broker}", "format": "default", "topic": "signal"}).start()
    wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the stream")
    wait_for(lambda: lag(engine) == 0, "an idle source")
    services.down("e2ekafka")
    database.run("UPDATE shop.items SET n=n+1")
    wait_for(lambda: lag(engine), "the change on its way")
    started = time.monotonic()
    os.kill(engine.process.pid, signal.SIGINT)
    assert engine.wait(10).code == 130
    assert time.monotonic() - started < 1.5
    services.up("kafka", "e2ekafka")
    engine.run()
    assert compare.kafka_count(broker, "signal") >= 200
