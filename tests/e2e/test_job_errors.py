"""Configurations and job files that are not right."""
import json
import shutil

import pytest
from checks import assert_error, at_source, copied

from harness.engine import source_config
from harness.servers import wait_for


def test_unknown_key(database, jobs):
    ended = jobs(database, tabels=["x"]).run(seconds=30)
    assert_error(ended, "CFG-0002", "tabels", "tables", exit_code=2)


@pytest.mark.parametrize("part, key, nearest", [("sink", "synchronus", "synchronous"), ("source", "conect_timeout", "connect_timeout"),
                                                ("pipeline", "treads", "threads")])
def test_unknown_option(database, jobs, part, key, nearest):
    config = {"source": source_config(database), "sink": {"url": f"sqlite://{jobs.copy}"}, "pipeline": {}}
    config[part][key] = "1"
    ended = jobs(config["source"], sink=config["sink"], pipeline=config["pipeline"]).run(seconds=30)
    assert_error(ended, "CFG-0002", key, nearest, exit_code=2)


def test_a_value_of_the_wrong_type(database, jobs):
    ended = jobs(database, pipeline={"memory": "plenty"}).run(seconds=30)
    assert_error(ended, "CFG-0003", "memory", "plenty", exit_code=2)


def test_not_json(database, jobs):
    engine = jobs(database)
    engine.config.write_text('{"version": 1,\n "source": {\n')
    assert_error(engine.run(seconds=30), "CFG-0001", exit_code=2)


def test_a_job_file_opened_twice(database, jobs):
    first = jobs(database).start()
    wait_for(lambda: first.phase() == "stream" or not first.alive(), "the stream")
    second = jobs(database)
    ended = second.run(seconds=30)
    assert_error(ended, "JOB-0005", str(first.process.pid), exit_code=7)
    database.run("INSERT INTO shop.items VALUES (777, 'still running', 7)")
    wait_for(lambda: 777 in copied(jobs.copy), "the first process goes on", 30)
    assert first.stop().code == 130


def test_resumed_with_another_configuration(database, jobs):
    engine = jobs(database)
    assert engine.run().code == 0
    config = json.loads(engine.config.read_text())
    config["tables"] = ["shop.*", "!shop.items"]
    engine.config.write_text(json.dumps(config))
    assert_error(engine.run(seconds=30), "JOB-0004", "tables")
    database.run("INSERT INTO shop.items VALUES (600, 'later', 1)")
    config["tables"] = ["shop.*"]
    engine.config.write_text(json.dumps(config))
    assert engine.run().code == 0
    assert copied(jobs.copy) == at_source(database)


def test_resumed_with_another_sink_file_in_the_configuration(database, jobs):
    engine = jobs(database)
    assert engine.run().code == 0
    config = json.loads(engine.config.read_text())
    config["sink"]["url"] = f"sqlite://{jobs.folder / 'other.db'}"
    engine.config.write_text(json.dumps(config))
    assert_error(engine.run(seconds=30), "JOB-0004", "other.db")
    assert not (jobs.folder / "other.db").exists()


@pytest.mark.parametrize("how", ["deleted", "empty", "of another job"])
def test_resumed_with_another_file_in_the_sinks_place(database, jobs, how):
    engine = jobs(database)
    assert engine.run().code == 0
    if how == "of another job":
        other = jobs(database, name="other", sink={"url": f"sqlite://{jobs.folder / 'other_copy.db'}"})
        assert other.run().code == 0
        shutil.copy(jobs.folder / "other_copy.db", jobs.copy)
    else:
        jobs.copy.unlink()
        if how == "empty":
            jobs.copy.touch()
    for side in ("-wal", "-shm"):
        jobs.copy.with_name(jobs.copy.name + side).unlink(missing_ok=True)
    database.run("INSERT INTO shop.items VALUES (601, 'later', 1)")
    assert_error(engine.run(seconds=30), "SINK-0005", "copy.db")
    assert 601 not in copied(jobs.copy)


def test_not_a_job_file(database, jobs):
    engine = jobs(database)
    engine.job.write_text("these are notes, not a job; " * 50)
    assert_error(engine.run(seconds=30), "META-0001", "job.db")
