"""TLS, logins and rights at a real broker; what goes wrong has a code, and no secret is told."""
import json
import time

import pytest
from checks import assert_error, told

from harness import topics

PASSWORDS = {"alice": "alice-secret", "bob": "bob-secret"}


def sink(secure, user="alice", **options):
    return {"url": f"kafka://{user}@{secure['broker']}", "password": PASSWORDS[user], "security": "sasl_ssl", "tls_ca": secure["ca"],
            "topic": f"secure-{time.time_ns()}", "connect_timeout": "5s", **options}


def count(secure, topic):
    return len(topics.records(secure["plain"], topic))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_logins(database, jobs, secure, mechanism):
    target = sink(secure, sasl_mechanism=mechanism)
    engine = jobs(database, sink=target)
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert count(secure, target["topic"]) == 100
    assert b"alice-secret" not in told(engine)


def test_transactions_and_a_library_that_tells_much(database, jobs, secure):
    """The consumer of the checkpoint logs in as well; the client's own debug output has no password either."""
    target = sink(secure, transactions="true", properties="debug=security")
    engine = jobs(database, sink=target)
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run("UPDATE shop.items SET n = n + 1")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    assert count(secure, target["topic"]) == 200
    assert b"alice-secret" not in told(engine)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password(database, jobs, secure, mechanism):
    engine = jobs(database, sink=sink(secure, password="wrong-secret", sasl_mechanism=mechanism))
    started = time.monotonic()
    assert_error(engine.run(), "SINK-0001", "refused the login", secure["broker"])
    assert time.monotonic() - started < 5
    assert b"wrong-secret" not in told(engine)


def test_a_certificate_of_another_authority(database, jobs, secure):
    engine = jobs(database, sink=sink(secure, tls_ca=secure["other_ca"]))
    assert_error(engine.run(), "SINK-0001", "no TLS with", "certificate verify failed", "sink.tls_ca")


def test_a_user_without_rights(database, jobs, secure):
    target = sink(secure, user="bob")
    assert_error(jobs(database, sink=target).run(), "SINK-0004", "does not let this user write", "authorization failed", secure["broker"])


def test_a_user_without_the_right_to_transactions(database, jobs, secure):
    assert_error(jobs(database, sink=sink(secure, user="bob", transactions="true")).run(), "SINK-0004", "uthorization failed", "transactional.id")


def test_a_password_among_the_properties_is_refused(database, jobs, secure):
    target = sink(secure, properties="sasl.password=open-secret")
    ended = jobs(database, sink=target).run()
    assert_error(ended, "CFG-0003", "sink.password", exit_code=2)
    assert "open-secret" not in json.dumps(ended.status) + ended.err
