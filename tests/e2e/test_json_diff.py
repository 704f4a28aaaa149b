"""JSON documents changed in place at MySQL 9, logged as differences: the engine gives every state that the server had.

TAILRACE_JSON_DOCUMENTS sets how many documents there are (each is changed several times), TAILRACE_SEED repeats a run.
"""
import json
import os
import random

import pytest
from conftest import start_or_skip
from test_log_options import FRESH, PARTIAL, PARTIAL_UPDATE, event_types

from harness import json_documents

DOCUMENTS = int(os.environ.get("TAILRACE_JSON_DOCUMENTS", "250"))
CHANGES = 6
FIXED = 95


@pytest.fixture(scope="module")
def database(services):
    yield start_or_skip(services, "mysql9", "e2ejson")
    services.down("e2ejson")


def statements(rng):
    """The changes, and after each of them a copy of the document as text."""
    lines = ["SET NAMES utf8mb4; SET sql_mode=''; " + PARTIAL]
    note = "INSERT INTO truth.texts (id, d, e) SELECT id, CAST(d AS CHAR), CAST(e AS CHAR) FROM shop.docs WHERE id={}"
    for id in range(DOCUMENTS):
        padding = f"'pad', REPEAT('p', {rng.choice([0, 300, 300, 300, 70000])})"
        sql, shape = json_documents.document(rng)
        if rng.random() < 0.1:
            sql, shape = json_documents.deep(rng), None
        elif isinstance(shape, dict):
            sql = sql[:-1] + (", " if shape else "") + padding + ")"
        second, other = json_documents.document(rng)
        lines.append(f"INSERT INTO shop.docs VALUES ({id}, {sql}, 0, {rng.choice([second, 'NULL'])})")
        lines.append(note.format(id))
        for _ in range(CHANGES):
            what = [json_documents.change(rng, shape if shape is not None else {"a": {"a": [None]}})]
            if rng.random() < 0.3:
                what.append(json_documents.change(rng, other, "e"))
            if rng.random() < 0.1:
                what = [f"e={rng.choice(['NULL', second])}", *what]
            lines.append(f"UPDATE shop.docs SET {', '.join(what)}, n=n+1 WHERE id={id}")
            lines.append(note.format(id))
    return lines


@pytest.mark.parametrize("seed", [FIXED, FRESH], ids=["fixed", "fresh"])
def test_every_state_of_every_document(database, jobs, tmp_path, seed):
    print(f"TAILRACE_SEED={seed} repeats this run")
    rng = random.Random(seed)
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; DROP DATABASE IF EXISTS truth; CREATE DATABASE truth; "
                 "CREATE TABLE truth.texts (at INT AUTO_INCREMENT PRIMARY KEY, id INT, d LONGTEXT, e LONGTEXT); "
                 "CREATE TABLE shop.docs (id INT PRIMARY KEY, d JSON, n INT, e JSON)")
    engine = jobs(database, sink={"url": f"file://{tmp_path / 'out'}", "format": "default"})
    ended = engine.run()
    assert ended.code == 0, str(ended)
    start = database.position()
    session = database.session()
    for line in statements(rng):
        session.send(line)
    session.sync()
    session.close()
    refused = [line for line in session.errors if line.startswith("ERROR")]
    # Too deep, or a path that the function does not take: the document stays as it was.
    assert len(refused) < DOCUMENTS, refused[:5]
    assert PARTIAL_UPDATE in event_types(database, start)
    ended = engine.run()
    assert ended.code == 0, str(ended)

    states = {}
    for id, d, e in database.stream("SELECT id, HEX(d), IF(e IS NULL, '-', HEX(e)) FROM truth.texts ORDER BY at"):
        texts = (bytes.fromhex(d).decode(), None if e == "-" else bytes.fromhex(e).decode())
        states.setdefault(int(id), []).append(texts)
    seen = {}
    for file in sorted((tmp_path / "out").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            message = json.loads(line)
            after, before = message["postStruct"], message["prevStruct"]
            if message["recordType"] not in ("INSERT", "UPDATE"):
                continue
            kept = seen.setdefault(after["id"], [])
            if before is not None:
                assert (before["d"], before["e"]) == kept[-1], f"document {after['id']}, before change {len(kept)}"
            kept.append((after["d"], after["e"]))
    assert len(seen) == DOCUMENTS
    compared = 0
    for id, found in seen.items():
        want = states[id]
        # A refused change left no event.
        want = [want[0]] + [text for text, earlier in zip(want[1:], want, strict=False) if text != earlier]
        have = [found[0]] + [text for text, earlier in zip(found[1:], found, strict=False) if text != earlier]
        assert have == want, f"document {id}"
        compared += len(found)
    print(f"{compared} states of {DOCUMENTS} documents, {len(refused)} changes refused by the server")
    assert compared > 3 * DOCUMENTS
