"""The schema registry: over TLS, with a login, for topics that come to be while the job runs; what goes wrong has a code and a place."""
import base64
import contextlib
import shutil
import threading
import time

import pytest
from checks import assert_error, told

from harness import topics
from harness.registry import Registry, make_certificates, running_registry
from harness.servers import wait_for


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("program 'openssl' not found")
    return make_certificates(tmp_path_factory.mktemp("tls"), ["IP:127.0.0.1", "DNS:localhost"])


def sink(broker, registry, prefix=None, **options):
    prefix = prefix or f"registry-{time.time_ns()}"
    return {"url": f"kafka://{broker}", "topic": prefix + ".{table}", "topic_partitions": "1", "format": "avro", "encoding": "confluent",
            "registry": registry, **options}


# -- https -----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_registry_over_tls_with_a_login(database, broker, jobs, certificates, host):
    prefix = f"registry-{time.time_ns()}"
    with running_registry(certificates / "server.pem") as registry:
        Registry.login = "Basic " + base64.b64encode(b"me:pa ss/word").decode()
        engine = jobs(database, sink=sink(broker, registry.replace("127.0.0.1", f"me@{host}"), prefix, registry_password="${env:REGISTRY_PW}",
                                          registry_ca=str(certificates / "ca.pem"), subject_naming="topic_name"))
        ended = engine.run(REGISTRY_PW="pa ss/word")
        assert ended.code == 0, str(ended)
        assert Registry.subjects == {f"{prefix}.items-value": [2]}
    assert len(topics.messages(broker, f"{prefix}.items")) == 100
    assert b"pa ss/word" not in told(engine)


@pytest.mark.parametrize("names, ca, texts", [
    (["IP:127.0.0.1"], "other-ca.pem", ("certificate is not to be trusted", "unable to get local issuer certificate", "registry_ca names")),
    (["IP:127.0.0.1"], None, ("certificate is not to be trusted", "registry_ca names")),
    (["DNS:elsewhere", "IP:127.0.0.2"], "ca.pem", ("certificate is not to be trusted", "IP address mismatch", "the host must be one")),
])
def test_a_certificate_that_cannot_be_trusted(database, jobs, tmp_path, names, ca, texts):
    if not shutil.which("openssl"):
        pytest.skip("program 'openssl' not found")
    (tmp_path / "tls").mkdir()
    made = make_certificates(tmp_path / "tls", names)
    with running_registry(made / "server.pem") as registry:
        more = {"registry_ca": str(made / ca)} if ca else {}
        ended = jobs(database, sink=sink("127.0.0.1:1", registry, **more)).run()
        assert_error(ended, "FMT-0005", *texts, "subject=com.alibaba.dts.formats.avro.Record", registry.removeprefix("https://"))
        assert not Registry.subjects


def test_a_certificate_of_another_host_name(database, jobs, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("program 'openssl' not found")
    made = make_certificates(tmp_path, ["DNS:elsewhere"])
    with running_registry(made / "server.pem") as registry:
        ended = jobs(database, sink=sink("127.0.0.1:1", registry.replace("127.0.0.1", "localhost"), registry_ca=str(made / "ca.pem"))).run()
        assert_error(ended, "FMT-0005", "hostname mismatch")


def test_https_to_a_registry_of_http(database, jobs):
    with running_registry() as registry:
        ended = jobs(database, sink=sink("127.0.0.1:1", registry.replace("http:", "https:"))).run()
        assert_error(ended, "FMT-0005", "no TLS", "does it speak http instead of https?")


# -- refusals --------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("refusal, texts", [
    ((409, "Schema being registered is incompatible with an earlier schema"), ("not compatible", "compatibility to NONE", "HTTP 409")),
    ((401, "Unauthorized"), ("refuses the login", "registry_password")),
    ((403, "User is denied operation Write"), ("refuses the login", "the right to write the subject", "denied operation Write")),
    ((422, "Invalid schema"), ("refuses the schema (HTTP 422): Invalid schema",)),
])
def test_a_registry_that_refuses_stops_the_job_by_name(database, jobs, refusal, texts):
    with running_registry() as registry:
        Registry.refuse = refusal
        ended = jobs(database, sink=sink("127.0.0.1:1", registry, subject_naming="topic_name", subject_topics="shop.items")).run()
    assert_error(ended, "FMT-0005", *texts, "subject=shop.items-value")


def test_a_registry_in_trouble_is_an_outage(database, jobs):
    with running_registry() as registry:
        Registry.refuse = (503, "no leader")
        ended = jobs(database, sink=sink("127.0.0.1:1", registry)).run()
    assert_error(ended, "FMT-0004", "HTTP 503", "no leader", exit_code=5)


def test_a_registry_that_is_not_there(database, jobs):
    assert_error(jobs(database, sink=sink("127.0.0.1:1", "https://127.0.0.1:1")).run(), "FMT-0004", "cannot be reached: Connection refused", exit_code=5)


@pytest.mark.parametrize("url, options, texts", [
    ("ftp://registry", {}, ("http://host:port or https://host:port expected",)),
    ("http://registry", {"registry_ca": "/nowhere.pem"}, ("registry_ca goes with a registry of https",)),
    ("https://127.0.0.1:1", {"registry_password": "${env:HOME}"}, ("registry_password goes with a user, as in https://NAME@127.0.0.1",)),
    ("https://me@registry", {"registry_password": "open-secret"}, ("sink.registry_password", "${env:NAME}")),
    ("https://me:open-secret@registry", {}, ("sink.registry:", "${env:NAME}")),
    ("http://registry", {"encoding": "binary"}, ("they go with encoding = confluent",)),
])
def test_settings_of_the_registry_that_cannot_be_meant(database, jobs, url, options, texts):
    engine = jobs(database, sink=sink("127.0.0.1:1", url, **options))
    assert_error(engine.run(), "CFG-0003", *texts, exit_code=2)
    assert b"open-secret" not in told(engine)


def test_a_ca_file_that_is_not_there(database, jobs, certificates):
    with running_registry(certificates / "server.pem") as registry:
        ended = jobs(database, sink=sink("127.0.0.1:1", registry, registry_ca="/nowhere.pem")).run()
    assert_error(ended, "CFG-0003", "registry_ca", "/nowhere.pem", exit_code=2)


@pytest.mark.parametrize("target", ["file", "null"])
def test_subjects_by_topic_need_topics(database, jobs, tmp_path, target):
    url = f"file://{tmp_path / 'out'}" if target == "file" else "null://"
    options = {"records": "true"} if target == "null" else {}
    with running_registry() as registry:
        ended = jobs(database, sink={"url": url, "format": "avro", "encoding": "confluent", "registry": registry,
                                     "subject_naming": "topic_name", **options}).run()
    assert_error(ended, "CFG-0003", f"{target} has no topics", exit_code=2)


# -- topics that come to be while the job runs -----------------------------------------------------------------------------------
def test_a_table_made_later_has_its_subject_before_its_first_record(database, broker, jobs):
    prefix = f"registry-{time.time_ns()}"
    sent_before = {}

    def look(subject):
        topic = subject.removesuffix("-value")
        sent_before[topic] = len(topics.messages(broker, topic)) if topic in topics.topic_names(broker) else 0

    with running_registry() as registry:
        Registry.before = look
        engine = jobs(database, sink=sink(broker, registry, prefix, subject_naming="topic_name")).start()
        wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the stream")
        database.run("CREATE TABLE shop.later (id INT NOT NULL PRIMARY KEY, t TEXT); INSERT INTO shop.later VALUES (1, 'a')")
        wait_for(lambda: len(topics.messages(broker, f"{prefix}.later")) == 2 if f"{prefix}.later" in topics.topic_names(broker) else False,
                 "the statement and the row")
        # One schema serves all layouts of all tables: a change of a table has no version of its own.
        database.run("ALTER TABLE shop.later ADD n INT; INSERT INTO shop.later VALUES (2, 'b', 5)")
        wait_for(lambda: len(topics.messages(broker, f"{prefix}.later")) == 4, "the second row")
        ended = engine.stop()
        assert ended.code == 130, str(ended)   # stopped by a signal
        assert Registry.subjects == {f"{prefix}.items-value": [2], f"{prefix}.later-value": [2]}
        assert sent_before == {f"{prefix}.items": 0, f"{prefix}.later": 0}
        found = list(topics.avro_records(broker, f"{prefix}.later", registry))
        assert [each["operation"] for each in found] == ["DDL", "INSERT", "DDL", "INSERT"]
        assert [[each["name"] for each in found[at]["fields"]] for at in (1, 3)] == [["id", "t"], ["id", "t", "n"]]
        first = next(topics.avro_records(broker, f"{prefix}.items", registry))
        assert first["objectName"] == "shop.items"


def test_a_topic_that_a_rule_makes_of_a_column(database, broker, jobs):
    prefix = f"registry-{time.time_ns()}"
    rules = f'return {{ api = 1, tables = {{ ["shop.items"] = {{ topic = "{prefix}.{{name|lower}}" }} }} }}'
    database.run("TRUNCATE TABLE shop.items; INSERT INTO shop.items VALUES (1, 'Old', 1)")
    with running_registry() as registry:
        engine = jobs(database, rules=rules, sink=sink(broker, registry, prefix, subject_naming="topic_record_name"))
        assert engine.run().code == 0
        record = "com.alibaba.dts.formats.avro.Record"
        assert Registry.subjects == {f"{prefix}.old-{record}": [2]}
        database.run("INSERT INTO shop.items VALUES (2, 'New', 2), (3, 'Old', 3)")
        ended = engine.run()
        assert ended.code == 0, str(ended)
        assert Registry.subjects == {f"{prefix}.old-{record}": [2], f"{prefix}.new-{record}": [2]}
        for name, count in (("old", 2), ("new", 1)):
            found = list(topics.avro_records(broker, f"{prefix}.{name}", registry))
            assert len(found) == count


def test_messages_that_a_rule_makes_have_no_subject(database, broker, jobs):
    prefix = f"registry-{time.time_ns()}"
    rules = 'return { api = 1, tables = { ["shop.items"] = { serialize = "canal" } } }'
    with running_registry() as registry:
        ended = jobs(database, rules=rules, sink=sink(broker, registry, prefix, subject_naming="topic_name")).run()
        assert ended.code == 0, str(ended)
        assert Registry.subjects == {}
    assert topics.messages(broker, f"{prefix}.items")[0].payload.startswith("{")


@pytest.mark.parametrize("transactions", ["false", "true"])
def test_an_incompatible_subject_stops_the_job_in_front_of_its_record(database, broker, jobs, transactions):
    prefix = f"registry-{time.time_ns()}"
    with running_registry() as registry:
        engine = jobs(database, sink=sink(broker, registry, prefix, subject_naming="topic_name", transactions=transactions))
        assert engine.run().code == 0
        Registry.refuse_subjects = {f"{prefix}.later-value": (409, "Schema being registered is incompatible with an earlier schema")}
        database.run("SET SESSION binlog_format = ROW; UPDATE shop.items SET n = 1000 WHERE id = 1; "
                     "CREATE TABLE shop.later (id INT NOT NULL PRIMARY KEY)")
        statement = database.run("SELECT @@gtid_binlog_pos")[0][0]
        database.run("INSERT INTO shop.later VALUES (7); UPDATE shop.items SET n = 1001 WHERE id = 1")
        ended = engine.run()
        assert_error(ended, "FMT-0005", "not compatible", f"subject={prefix}.later-value", f"topic={prefix}.later", "table=shop.later",
                     f"position={statement}:0")
        # Nothing behind the place: one update of the two.
        expected = 100 if transactions == "true" else 101
        assert len(topics.messages(broker, f"{prefix}.items")) <= expected
        assert topics.messages(broker, f"{prefix}.later") == []
        Registry.refuse_subjects = {}
        ended = engine.run()
        assert ended.code == 0, str(ended)
        assert len(topics.messages(broker, f"{prefix}.later")) == 2
        kept = {each.headers["tailrace.id"] for each in topics.messages(broker, f"{prefix}.items") if "tailrace.id" in each.headers}
        assert len(kept) == 2


def test_a_registry_that_is_away_for_a_while_is_waited_for(database, broker, jobs):
    prefix = f"registry-{time.time_ns()}"
    with contextlib.ExitStack() as first:
        registry = first.enter_context(running_registry())
        port = int(registry.rpartition(":")[2])
        engine = jobs(database, sink=sink(broker, registry, prefix, subject_naming="topic_name")).start()
        wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the stream")
    database.run("CREATE TABLE shop.later (id INT NOT NULL PRIMARY KEY); INSERT INTO shop.later VALUES (7)")
    wait_for(lambda: engine.look("SELECT 1 FROM v1_event WHERE code = 'FMT-0004'"), "the outage")
    with running_registry(port=port):
        wait_for(lambda: f"{prefix}.later-value" in Registry.subjects, "the subject")
        wait_for(lambda: len(topics.messages(broker, f"{prefix}.later")) >= 2, "the row")
    ended = engine.stop()
    assert ended.code == 130, str(ended)   # stopped by a signal


def test_a_signal_ends_the_wait_for_a_registry(database, broker, jobs):
    prefix = f"registry-{time.time_ns()}"
    asked, released = threading.Event(), threading.Event()
    with running_registry() as registry:
        engine = jobs(database, sink=sink(broker, registry, prefix, subject_naming="topic_name")).start()
        wait_for(lambda: engine.phase() == "stream" or not engine.alive(), "the stream")

        def silent(subject):
            asked.set()
            released.wait(60)

        Registry.before = silent
        database.run("CREATE TABLE shop.later (id INT NOT NULL PRIMARY KEY); INSERT INTO shop.later VALUES (7)")
        assert asked.wait(30)
        started = time.monotonic()
        ended = engine.stop()
        took = time.monotonic() - started
        released.set()
    assert ended.code == 130, str(ended)
    assert took < 2
    assert topics.messages(broker, f"{prefix}.later") == []
    with running_registry(port=int(registry.rpartition(":")[2])):
        ended = engine.run()
        assert ended.code == 0, str(ended)
    assert len(topics.messages(broker, f"{prefix}.later")) == 2
