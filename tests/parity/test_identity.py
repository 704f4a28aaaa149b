"""A rule that writes every column back changes no byte: in every format, for every type and edge value, with the JIT and
without, in one thread and in two (TAILRACE_PARITY=long: each with each). (Rows of SQLite: test_matrix, the ways named "identity rule".)"""
import io
import json
import os
import re
import time

import catalog
import matrix
import pytest
from harness import topics
from harness.engine import Engine, source_config
from harness.servers import REPO

# Name -> threads, trusted (else the JIT is off); those that begin with "plain" have no rule.
ALL_RUNS = {"plain": (1, None), "plain-2": (2, None), "jit-1": (1, True), "jit-2": (2, True), "nojit-1": (1, False), "nojit-2": (2, False)}
RUNS = ALL_RUNS
if os.environ.get("TAILRACE_PARITY") != "long":
    RUNS = {label: ALL_RUNS[label] for label in ("plain", "plain-2", "jit-2", "nojit-1")}
# What a format needs to be written as lines. (Avro's binary records hold line breaks, which a file refuses; they go through Kafka, below.)
OPTIONS = {"avro": {"encoding": "print"}}
NUMBER = re.compile(rb'"([^"]+)":"?(-?\d[\d:T-]*)')   # or a time


def run(database, folder, name, phases, form, threads, trusted, start, sink=None):
    out = folder / f"{name}.out"
    config = {"version": 1, "job": {"name": name, "phases": phases}, "tables": [f"{matrix.SCHEMA}.*"],
              "source": source_config(database, **({"start": start} if start else {})),
              "sink": sink or {"url": f"file://{out}", "format": form, **OPTIONS.get(form.lower(), {})}, "pipeline": {"threads": threads}}
    if trusted is not None:
        (folder / "identity.lua").write_text(matrix.IDENTITY)
        config["rules"] = {"file": str(folder / "identity.lua"), "trusted": trusted}
    ended = Engine(folder / f"{name}.db", config).run("end" if phases == ["snapshot"] else "caught_up", seconds=300)
    return out, ended


def formats_of_this_build(database, folder):
    """The engine names them when it is asked for one it has not."""
    _, ended = run(database, folder, "formats", ["stream"], "none", 1, None, None)
    return re.search(r"this build has: ([\w, -]+)", ended.err)[1].split(", ")


def lines_of(out, form):
    lines = [line for path in sorted(out.iterdir()) for line in path.read_bytes().split(b"\n")[:-1]]
    return [AVRO_CLOCKS.sub(rb"\g<1>0", line) for line in lines] if form.lower() == "avro" else lines


# Tell when the message was made (docs/formats.md); two runs may fall into one second.
CLOCKS = {b"posttime", b"ts", b"systemTime", b"ts_ms", b"storeDataSequence", b"scn"}
# An Avro record has them around its images: the number of the message, when it was processed and when it was made.
AVRO_CLOCKS = re.compile(rb'(^\{"version":1,"id":|"processTimestamps":\[|"bornTimestamp":)\d+')


def clock_fields(one, other):
    """Names whose numbers differ between two runs without a rule: they tell when the message was made."""
    return CLOCKS | {name for a, b in zip(one, other, strict=True)
            for (name, first), (_, second) in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True) if first != second}


def without(fields, lines):
    if not fields:
        return lines
    pattern = re.compile(rb'"(' + b"|".join(map(re.escape, sorted(fields))) + rb')":"?-?\d[\d:T-]*"?')
    return [pattern.sub(rb'"\1":0', line) for line in lines]


@pytest.mark.parametrize("kind", [catalog.MARIADB, catalog.MYSQL])
def test_identity_rule_changes_no_byte_of_any_format(server, tmp_path, kind):
    database = server(kind)
    grid = matrix.Matrix(database, tmp_path)
    grid.create()
    grid.write()
    problems, compared, refused = [], {}, {}
    for form in formats_of_this_build(database, tmp_path):
        for phases in (["snapshot"], ["stream"]):
            plain, clocks = None, set()
            for label, (threads, trusted) in RUNS.items():
                name = f"{kind}-{form}-{phases[0]}-{label}"
                out, ended = run(database, tmp_path, name, phases, form, threads, trusted, grid.start if phases == ["stream"] else None)
                if label == "plain" and "FMT-" in ended.err:
                    refused[form] = ended.err[:300]   # no lines, or a type it cannot write: nothing to compare
                    break
                if ended.code != 0:
                    problems.append(f"{name}: {ended}")
                    continue
                lines = lines_of(out, form)
                if plain is None:
                    plain = lines
                    assert len(lines) > 200, name
                    continue
                if len(lines) != len(plain):
                    problems.append(f"{name}: {len(lines)} messages, {len(plain)} without a rule")
                    continue
                if trusted is None:
                    clocks = clock_fields(plain, lines)
                    assert not any(re.fullmatch(rb"c\d+|id", field) for field in clocks), clocks
                compared[form] = compared.get(form, 0) + len(lines)
                pairs = enumerate(zip(without(clocks, plain), without(clocks, lines), strict=True))
                problems += [f"{name}: message {at}\n  - {old[:2000]!r}\n  + {new[:2000]!r}" for at, (old, new) in pairs if old != new][:3]
    print(json.dumps({"server": kind, "messages": compared, "refused": refused}))
    assert {"default", "debezium", "avro"} <= set(compared)
    assert not problems, f"{len(problems)} differences\n" + "\n".join(problems[:20])


# -- Avro's binary records -------------------------------------------------------------------------------------------------------
CLOCKS_OF_AVRO = {"id": 0, "processTimestamps": [0]}   # of a copied row also the safe point, which is then the clock's second


def binary_records(broker, topic):
    """The topic's records, as bytes, with their clocks set to 0. fastavro finds the clocks; what it writes again must be what it read."""
    fastavro = pytest.importorskip("fastavro", reason="fastavro is not installed")
    schema = fastavro.parse_schema(json.loads((REPO / "python/tailrace/formats/record.avsc").read_text()))
    found = []
    for _, raw in topics.records(broker, topic):
        record = fastavro.schemaless_reader(io.BytesIO(raw), schema, return_record_name=True)

        def written(record):
            again = io.BytesIO()
            fastavro.schemaless_writer(again, schema, record)
            return again.getvalue()

        assert written(record) == raw, record
        record.update(CLOCKS_OF_AVRO)
        if record["operation"] == "INIT":
            record["sourceTimestamp"] = 0
        found.append(written(record))
    return found


@pytest.mark.parametrize("kind", [catalog.MARIADB, catalog.MYSQL])
def test_identity_rule_changes_no_byte_of_binary_avro(server, broker, tmp_path, kind):
    database = server(kind)
    grid = matrix.Matrix(database, tmp_path)
    grid.create()
    grid.write()
    problems, compared = [], {}
    for phases in (["snapshot"], ["stream"]):
        plain = None
        for label, (threads, trusted) in ALL_RUNS.items():
            name = f"{kind}-binary-{phases[0]}-{label}"
            topic = f"{name}-{time.time_ns()}"
            sink = {"url": f"kafka://{broker}", "topic": topic, "topic_partitions": "1", "format": "avro", "encoding": "binary",
                    "max_message_bytes": "64MiB"}
            _, ended = run(database, tmp_path, name, phases, "avro", threads, trusted, grid.start if phases == ["stream"] else None, sink)
            assert ended.code == 0, f"{name}: {ended}"
            records = binary_records(broker, topic)
            if plain is None:
                plain = records
                assert len(plain) > 200, name
                continue
            compared[name] = len(records)
            if len(records) != len(plain):
                problems.append(f"{name}: {len(records)} messages, {len(plain)} without a rule")
                continue
            problems += [f"{name}: message {at}\n  - {old.hex()}\n  + {new.hex()}"
                         for at, (old, new) in enumerate(zip(plain, records, strict=True)) if old != new][:3]
    print(json.dumps({"server": kind, "messages": compared}))
    assert not problems, f"{len(problems)} differences\n" + "\n".join(problems[:20])
