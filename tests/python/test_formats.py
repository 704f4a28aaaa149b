"""Message formats: conformance cases, round trips through the decoders, the samples of the formats' own description."""
import base64
import gzip
import json
import os
import random
import re
import struct
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.registry import Registry, running_registry

import tailrace as tr
from tailrace import conformance, formats
from tailrace.formats import _avro, _json

REPO = Path(__file__).resolve().parents[2]
CASES = REPO / "tests/formats/cases.jsonl.gz"
JUDGEMENT = ("expect", "exact_keys", "lexical", "soft", "ignore", "basis")


@pytest.fixture(scope="module")
def cases():
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def of_format(cases, name):
    return [case for case in cases if case["format"].lower() == name]


def write_cases(path, cases):
    path.write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
    return path


# -- conformance ---------------------------------------------------------------------------------------------------
def test_no_case_fails(cli):
    done = cli("conformance", "--cases", str(CASES))
    assert done.returncode == 0, done.stdout[-2000:]
    assert done.stdout.splitlines()[-1] == "3677 passed, 0 failed"


def test_blind_messages_pass_the_independent_check(cases, tmp_path):
    blind = write_cases(tmp_path / "blind.jsonl", [{k: v for k, v in case.items() if k not in JUDGEMENT} for case in cases])
    done = subprocess.run([sys.executable, "-m", "tailrace.conformance", blind, "--emit", tmp_path / "out.jsonl"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "3677 passed, 0 failed", done.stdout[-500:]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == len(cases) and all(set(line) == {"id", "raw"} for line in lines)
    whole = tmp_path / "cases.jsonl"
    whole.write_bytes(gzip.decompress(CASES.read_bytes()))
    checked = subprocess.run([sys.executable, REPO / "tests/formats/check.py", whole, tmp_path / "out.jsonl"],
                             capture_output=True, text=True)
    assert checked.returncode == 0 and "missing 0, soft differences 0" in checked.stdout, checked.stdout


def test_marks_of_transactions(cli, tmp_path):
    """Cases of our own, from the page's list of members (formats.md, section 7)."""
    marks = REPO / "tests/formats/transaction_marks.jsonl"
    assert cli("conformance", "--cases", str(marks)).stdout.splitlines()[-1] == "4 passed, 0 failed"
    described = [json.loads(line) for line in marks.read_text().splitlines()]
    for case in described:
        made = formats.encode({**case, "options": case["options"] | {"transactionMarks": True}})
        assert made.key is None
        change = formats.decode("dataworks", made.value)
        assert change.op == case["change"]["op"] and change.ts_ms == case["expect"]["payload"]["timestamp"]["eventTime"]
        # Off unless asked for, and no other format has them.
        assert formats.encode({**case, "options": {}}).value is None
        assert formats.encode({**case, "options": {}, "format": "Canal"}).value is None


def mutations(case):
    """The same case expecting something else, one thing at a time."""
    def copy():
        return json.loads(json.dumps(case))
    image = copy()
    image["change"]["now_ms"] += 1
    yield "clock", image
    if case["change"].get("after"):
        image = copy()
        name = next(iter(image["change"]["after"]))
        image["change"]["after"][name] = "4242"
        yield "value", image
    image = copy()
    image["expect"]["surplus"] = "x"
    yield "member", image


@pytest.mark.parametrize("name", ["default", "canal", "dataworks", "shareplex", "debezium", "debeziumflatten", "avro"])
def test_a_changed_case_fails(cases, tmp_path, name, capsys):
    case = next(case for case in of_format(cases, name) if case["change"]["op"] == "insert")
    seen = 0
    for what, changed in mutations(case):
        if what == "clock" and name == "default":
            continue  # it shows no clock without a sequence
        if what == "clock" and name == "shareplex":
            changed["change"]["now_ms"] += 1000
        assert conformance.run(write_cases(tmp_path / "c.jsonl", [case, changed])) == 4, what
        printed = capsys.readouterr().out.splitlines()
        assert printed[-1] == "1 passed, 1 failed" and printed[0].startswith("FAILED"), (what, printed)
        seen += 1
    assert seen >= 2


def test_broken_files_of_cases_are_named(tmp_path, cli, capsys):
    good = {"id": "g", "format": "Default", "table": {"db": "d", "name": "t", "columns": [{"name": "c", "mysql_type": "int"}]},
            "change": {"op": "insert", "after": {"c": "1"}}, "expect": {"recordType": "INSERT", "postStruct": {"c": 1}},
            "ignore": ["/allMetaData"]}
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(good) + "\n\n{broken\n[]\n" + json.dumps({**good, "id": "f", "format": "Canall"}) + "\n"
                    + json.dumps({k: v for k, v in good.items() if k != "expect"}) + "\n")
    assert conformance.run(path) == 4
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "1 passed, 4 failed"
    assert "line 3" in out[0] and "line 4" in out[1] and "did you mean 'canal'?" in out[2] and "--emit" in out[3]
    assert conformance.run(path, tmp_path / "out.jsonl") == 4
    assert [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["g", "g"]
    (tmp_path / "empty.jsonl").write_text("")
    assert conformance.run(tmp_path / "empty.jsonl") == 4
    done = cli("conformance", "--cases", str(tmp_path / "none.jsonl"))
    assert done.returncode == 2 and "CFG-0001" in done.stderr and "Traceback" not in done.stderr


def test_the_comparison_is_that_of_the_independent_check():
    sys.path.insert(0, str(REPO / "tests/formats"))
    import check

    pairs = [("1", "1.0"), ("1", '"1"'), ("1.50", "1.5"), ('{"a":null}', "{}"), ("{}", '{"a":1}'), ("[1,2]", "[2,1]"),
             ("[1]", "[1,2]"), ("true", "1"), ("null", "{}"), ('{"a":{"b":1}}', '{"a":{"b":2,"c":3}}'), ("1e2", "100")]
    for judgement in ({}, {"lexical": [""]}, {"soft": [""]}, {"exact_keys": ["", "/a"]}, {"ignore": ["/a/c"]}):
        for left, right in pairs:
            theirs = check.compare(check.loads(left), check.loads(right), judgement)
            mine = _json.compare(_json.loads(left), _json.loads(right), _json.Judgement.of(judgement))
            assert [(path, kind == "soft") for kind, path, _ in theirs] == [(each.path or "/", each.soft) for each in mine], (left, right)


# -- decoders ------------------------------------------------------------------------------------------------------
def canonical(kind, value):
    """One form of a source value, however it is spelled."""
    if value is None:
        return None
    base = re.split(r"[ (]", kind)[0]
    if base == "float":
        return struct.unpack("<f", struct.pack("<f", float(value)))[0]
    if base == "double":
        return float(value)
    if base == "decimal":
        return str(value)
    if base in ("tinyint", "smallint", "mediumint", "int", "bigint", "year"):
        return int(value)
    if base in ("time", "datetime", "timestamp") and "." in value:
        return value.rstrip("0").rstrip(".")
    return value


LOST = {  # what a format does not say (docs/formats.md): these values are not compared
    "debezium": re.compile(r"0000-00-00|-00$|-00 "), "debeziumflatten": re.compile(r"0000-00-00|-00$|-00 "),
    "debeziumsmt": re.compile(r"0000-00-00|-00$|-00 "),
}


def kinds_of(case):
    return {column["name"]: column["mysql_type"] + (" unsigned" if column["unsigned"] else "") for column in case["table"]["columns"]}


def expected_images(case, name):
    change = case["change"]
    op = change["op"]
    if name == "debeziumsmt":
        return ("delete", change["before"], None) if op == "delete" else ("upsert", None, change["after"])
    if op == "row" and name in ("debezium", "debeziumflatten"):
        op = "insert"
    return op, change["before"], change["after"]


@pytest.mark.parametrize("name", formats.names())
def test_messages_decode_to_the_change(cases, name):
    mine = of_format(cases, name)
    assert len(mine) > 300
    for case in mine:
        kinds = kinds_of(case)
        options = {"time_zone": case["options"].get("timeZone", "+08:00"), "bytes_encoding": case["options"].get("bytesEncoding", "latin1")}
        message = formats.encode(case)
        change = formats.decode(name, message.value, columns=kinds, **options)
        op, before, after = expected_images(case, name)
        assert change.op == op, case["id"]
        for image, wanted in ((change.before, before), (change.after, after)):
            if wanted is None:
                assert image is None, case["id"]
                continue
            assert list(image) == list(wanted) or set(image) == set(wanted), case["id"]
            for column, value in wanted.items():
                if isinstance(value, str) and name in LOST and LOST[name].search(value):
                    continue
                if name.startswith("debezium") and kinds[column].startswith("datetime") and value and "." in value:
                    value = value[:23]  # milliseconds
                assert canonical(kinds[column], image[column]) == canonical(kinds[column], value), (case["id"], column)
        if op == "ddl":
            assert change.ddl == case["change"]["ddl"]["text"]
        if change.table is not None and case["table"]["name"]:
            assert change.table == case["table"]["name"]
        if change.key:
            assert list(change.key) == [c["name"] for c in case["table"]["columns"] if c["pk"]]


def test_decoding_without_types_keeps_numbers_exact():
    change = {"format": "Default", "table": {"db": "d", "name": "t", "columns": [
        {"name": "n", "mysql_type": "decimal(65,30)"}, {"name": "i", "mysql_type": "bigint", "unsigned": True}]},
        "change": {"op": "insert", "after": {"n": "0.100000000000000000000000000000", "i": "18446744073709551615"}}}
    after = formats.decode("default", formats.encode(change).value).after
    assert after == {"n": Decimal("0.1"), "i": 18446744073709551615} and str(after["n"]) == "0.100000000000000000000000000000"


@pytest.mark.parametrize(("format", "message"), [
    ("default", b"{"), ("default", b"[]"), ("default", b"{}"), ("default", b"\xff"), ("canal", b'{"isDdl": false}'),
    ("avro", b""), ("avro", b"\x02"), ("avro", b"\x00\x00\x00\x00\x01\x02"), ("shareplex", b'{"meta": {"op": "x"}}'),
    ("debezium", b'{"payload": 1}'), ("dataworks", b"null"),
])
def test_what_is_no_message_is_refused(format, message):
    with pytest.raises(tr.errors.FormatError) as caught:
        formats.decode(format, message)
    assert caught.value.code == "FMT-0003" and caught.value.context["format"] == format


@pytest.mark.parametrize("name", formats.names())
def test_damaged_messages_are_read_or_refused(cases, name):
    seed = os.environ.get("TAILRACE_SEED") or str(time.time_ns())
    print(f"TAILRACE_SEED={seed} repeats this run")
    rng = random.Random(f"{seed}/{name}")
    for case in rng.sample(of_format(cases, name), 60):
        options = {"encoding": "binary"} if name == "avro" else {}
        message = bytearray(formats.encode(case, **options).value)
        for _ in range(5):
            at = rng.randrange(len(message))
            damaged = message[:at] + bytes([rng.randrange(256)]) * rng.randrange(3) + message[at + rng.randrange(4):]
            try:
                formats.decode(name, bytes(damaged), columns=kinds_of(case))
            except tr.errors.FormatError as error:
                assert error.code == "FMT-0003"


def test_unknown_formats_are_named():
    for call in (lambda: formats.decode("canall", b"{}"), lambda: formats.diff("canall", b"{}", b"{}")):
        with pytest.raises(tr.errors.ConfigError, match="did you mean 'canal'"):
            call()


# -- Avro on the wire ------------------------------------------------------------------------------------------------
def test_binary_records_say_what_the_printed_ones_say(cases):
    for case in of_format(cases, "avro"):
        binary = formats.encode(case, encoding="binary").value
        printed = formats.encode(case).value
        assert formats.diff("avro", printed, binary) == [], case["id"]
        framed = formats.encode(case, encoding="confluent", schema_id=258).value
        assert framed == b"\x00\x00\x00\x01\x02" + binary


def test_an_independent_reader_reads_the_records(cases):
    fastavro = pytest.importorskip("fastavro", reason="fastavro is not installed")
    import io

    schema = fastavro.parse_schema(json.loads(formats.avro_schema()))
    for case in of_format(cases, "avro"):
        binary = formats.encode(case, encoding="binary").value
        stream = io.BytesIO(binary)
        theirs = fastavro.schemaless_reader(stream, schema)
        assert stream.read() == b"", case["id"]
        mine = _avro.read(binary)
        mine.pop("")
        assert unnamed(theirs) == unnamed(mine), case["id"]


def unnamed(value):
    if isinstance(value, dict):
        return {key: unnamed(each) for key, each in value.items() if key}
    return [unnamed(each) for each in value] if isinstance(value, list) else value


# -- the command -----------------------------------------------------------------------------------------------------
def test_format_encode_and_diff(cli, folder, cases):
    case = next(case for case in of_format(cases, "canal") if case["change"]["op"] == "insert")
    write_cases(folder / "change.jsonl", [case])
    done = cli("format", "encode", "change.jsonl")
    assert done.returncode == 0 and _json.loads(done.stdout)["table"] == case["table"]["name"]
    (folder / "a.json").write_text(done.stdout)
    done = cli("format", "encode", "change.jsonl", "--format", "default", "--set", "sequence_enabled=false")
    assert json.loads(done.stdout)["recordType"] == case["change"]["op"].upper()
    other = json.loads((folder / "a.json").read_text())
    other["ts"] += 1
    (folder / "b.json").write_text(json.dumps(other))
    same = cli("format", "diff", "canal", "a.json", "a.json")
    assert (same.returncode, same.stdout) == (0, "")
    differ = cli("format", "diff", "Canal", "a.json", "b.json")
    assert differ.returncode == 4 and differ.stdout.startswith("/ts expected")
    wrong = cli("format", "encode", "change.jsonl", "--format", "canall")
    assert wrong.returncode != 0 and "did you mean 'canal'?" in wrong.stderr and "Traceback" not in wrong.stderr
    wrong = cli("format", "encode", "change.jsonl", "--set", "time_zone=Mars/Base")
    assert wrong.returncode == 2 and "CFG-0003" in wrong.stderr


# -- the schema registry -----------------------------------------------------------------------------------------------
@pytest.fixture
def registry():
    with running_registry() as url:
        yield url


def test_a_registry_gives_the_schema_its_number(cases, registry):
    case = of_format(cases, "avro")[0]
    binary = formats.encode(case, encoding="binary").value
    for subject in (None, "orders-value", "a/b c"):
        options = {"subject": subject} if subject else {}
        assert formats.encode(case, encoding="confluent", registry=registry, **options).value == b"\x00\x00\x00\x00\x02" + binary
    assert Registry.subjects == {"com.alibaba.dts.formats.avro.Record": [2], "orders-value": [2], "a/b c": [2]}
    assert json.loads(Registry.schemas[1]) == json.loads(formats.avro_schema())
    Registry.login = "Basic " + base64.b64encode(b"me:pa ss").decode()
    with pytest.raises(tr.TailraceError, match="refuses the login"):
        formats.encode(case, encoding="confluent", registry=registry)
    assert formats.encode(case, encoding="confluent", registry=registry.replace("//", "//me:pa%20ss@")).value


def test_a_registry_that_does_not_help_is_named(cases, registry):
    case = of_format(cases, "avro")[0]
    Registry.refuse = (409, "Schema being registered is incompatible with an earlier schema")
    with pytest.raises(tr.TailraceError) as caught:
        formats.encode(case, encoding="confluent", registry=registry)
    assert caught.value.code == "FMT-0005" and "not compatible" in str(caught.value) and "earlier schema" in str(caught.value)
    assert "subject=com.alibaba.dts.formats.avro.Record" in str(caught.value)
    with pytest.raises(tr.TailraceError, match="FMT-0004.*cannot be reached"):
        formats.encode(case, encoding="confluent", registry="http://127.0.0.1:1")
    for options in ({"registry": "ftp://x"}, {"registry": registry, "schema_id": 5}, {}):
        with pytest.raises(tr.TailraceError, match="CFG-0003"):
            formats.encode(case, encoding="confluent", **options)


# Confluent's strategies: a topic's value subject is TOPIC-value, the record's name, or both.
@pytest.mark.parametrize("naming, subjects", [
    ("topic_name", ["shop.orders-value", "b-value"]),
    ("topic_record_name", ["shop.orders-com.alibaba.dts.formats.avro.Record", "b-com.alibaba.dts.formats.avro.Record"]),
])
def test_subjects_are_called_after_topics(cases, registry, naming, subjects):
    case = of_format(cases, "avro")[0]
    given = {"encoding": "confluent", "registry": registry, "subject_naming": naming}
    assert formats.encode(case, **given, subject_topics="shop.orders, b").value[:5] == b"\x00\x00\x00\x00\x02"
    assert {name: [2] for name in subjects} == Registry.subjects
    Registry.refuse = (409, "Schema being registered is incompatible with an earlier schema")
    with pytest.raises(tr.TailraceError, match=f"FMT-0005(.|\n)*subject={subjects[1]}"):
        formats.encode(case, **given, subject_topics="b")


@pytest.mark.parametrize("options, said", [
    ({"subject_naming": "topic_name"}, "subject_topics = name,name expected"),
    ({"subject_naming": "topic_name", "subject_topics": "a,,b"}, "a name is empty"),
    ({"subject_naming": "topic_name", "subject_topics": "a", "subject": "s"}, "one of both expected"),
    ({"subject_naming": "topic_name", "subject_topics": "a, "}, "a name is empty"),
    ({"subject_topics": "a"}, "it goes with subject_naming"),
    ({"subject_naming": "topic"}, "record_name"),
    ({"encoding": "binary", "subject": "a"}, "they go with encoding = confluent and registry"),
    ({"registry": "ftp://me:secret@registry"}, "http://host:port or https://host:port expected"),
    ({"registry": "http://me:secret@registry", "registry_password": "secret"}, "one of both expected"),
    ({"registry_password": "secret"}, "registry_password goes with a user"),
    ({"registry_ca": "ca.pem"}, "registry_ca goes with a registry of https"),
])
def test_options_of_the_registry_that_cannot_be_meant(cases, registry, options, said):
    with pytest.raises(tr.TailraceError, match="CFG-0003") as caught:
        formats.encode(of_format(cases, "avro")[0], **{"encoding": "confluent", "registry": registry, **options})
    assert said in str(caught.value) and "secret" not in str(caught.value)
    assert not Registry.subjects


def test_a_registry_with_a_number_for_each_subject_is_refused(cases, registry, monkeypatch):
    def numbered(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {"id": 7 if "a-value" in self.path else 8})

    monkeypatch.setattr(Registry, "do_POST", numbered)
    with pytest.raises(tr.TailraceError, match="FMT-0005(.|\n)*7 under a-value and 8 under b-value"):
        formats.encode(of_format(cases, "avro")[0], encoding="confluent", registry=registry, subject_naming="topic_name", subject_topics="a,b")


def test_a_consumer_of_the_registry_reads_the_records(cases, registry):
    pytest.importorskip("confluent_kafka", reason="confluent-kafka[avro] is not installed")
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    read = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    for case in of_format(cases, "avro")[:50]:
        framed = formats.encode(case, encoding="confluent", registry=registry).value
        record = read(framed, SerializationContext("t", MessageField.VALUE))
        assert record["operation"] == case["expect"]["operation"]
        assert record["id"] == case["expect"]["id"]
