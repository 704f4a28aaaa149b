"""Case files against a live MariaDB: what a job delivers into SQLite and Kafka is what the same statements give at the desk."""
import base64
import json
import os
import re
import uuid
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from harness import compare, topics

tailrace = pytest.importorskip("tailrace")
from tailrace import _core  # noqa: E402
from tailrace.rules.cases import CaseFile  # noqa: E402

REPO = Path(__file__).resolve().parents[2]
CASES = sorted((REPO / "rules" / "examples").glob("*.case"))
MESSAGES_ONLY = {"line_protocol"}
LENIENT = "SET sql_mode='', time_zone='+00:00'"


def sections():
    for path in CASES:
        for number in range(len(CaseFile(path).sections)):
            yield pytest.param(path, number, id=f"{path.stem}-{number + 1}")


def section_of(case, number):
    """A section without the steps that end in an error: they would end the job as well."""
    section = case.sections[number]
    section.steps = [step for step in section.steps if not any(arrow.startswith("error ") for arrow in step.expected)]
    return section


def at_the_desk(case, section):
    """What the statements give, in order, as outcomes."""
    session = _core.RuleSession(file=case.rules, options=section.options, script=case.path.name, trusted=True)
    return [outcome for step in section.steps for outcome in session.run(step.sql, step.line)]


def split(section):
    """Statements before the job begins (tables, and rows that the first copy reads), and those it follows."""
    before, after = [], []
    for step in section.steps:
        sql = step.sql.strip()
        word = sql.split()[0].upper()
        if word == "READ":
            before.append(re.sub(r"(?i)^read(\s+into)?", "INSERT INTO", sql))
        elif word == "CREATE" and not after:
            before.append(sql)
        elif not re.match(r"(?i)set\s+gtid_next", sql):
            after.append(sql)
    return before, after


def prepare(database, statements, later):
    """Fresh databases with the tables; the patterns of a job that takes them all."""
    names = sorted({found for sql in [*statements, *later] for found in re.findall(r"(?i)(?:into|table|from|update)\s+(\w+)\.\w+", sql)})
    database.run("; ".join([*(f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4" for name in names), LENIENT,
                            *statements]))
    return [f"{name}.*" for name in names]


def run(jobs, database, case, section, sink):
    """A job over the section: first copy of what is there before, then the rest by the log."""
    before, after = split(section)
    options = {}
    for name, value in section.options.items():  # a secret is given to a job by reference only
        os.environ[f"CASE_{name.upper()}"] = value
        options[name] = f"${{env:CASE_{name.upper()}}}"
    rules = {"file": case.rules.split("\n"), "options": options}
    engine = jobs(database, name=f"job_{uuid.uuid4().hex[:8]}", sink=sink, tables=prepare(database, before, after), rules=rules)
    ended = engine.run()
    assert ended.code == 0, str(ended)
    database.run("; ".join([LENIENT, *after]))
    ended = engine.run()
    assert ended.code == 0, str(ended)


def expected_rows(outcomes):
    """Rows per target table after all outcomes."""
    tables = {}
    for outcome in outcomes:
        rows = tables.setdefault(outcome["table"], {})
        if outcome["op"] in ("ddl", "truncate"):
            if outcome["op"] == "truncate":
                rows.clear()
            continue
        key = outcome["key"]
        assert key, f"{outcome['table']} has no key: name one in the example"
        if outcome["before"] is not None:
            rows.pop(tuple(outcome["before"][name] for name in key), None)
        if outcome["after"] is not None:
            rows[tuple(outcome["after"][name] for name in key)] = outcome["after"]
    return {name: list(rows.values()) for name, rows in tables.items()}


def in_sqlite(value):
    if isinstance(value, Decimal) or (isinstance(value, int) and value >= 2**63):
        return str(value)
    return value


@pytest.mark.parametrize(("path", "number"), list(sections()))
def test_into_sqlite(main_database, jobs, path, number):
    case = CaseFile(path)
    section = section_of(case, number)
    outcomes = at_the_desk(case, section)
    if path.stem in MESSAGES_ONLY:
        pytest.skip("`serialize` of this case leaves events out as well, which says nothing of the rows that a database takes")
    run(jobs, main_database, case, section, None)
    import sqlite3
    connection = sqlite3.connect(jobs.copy)
    connection.row_factory = sqlite3.Row
    for name, wanted in expected_rows(outcomes).items():
        table = name.partition(".")[2]
        exists = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        found = [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')] if exists else []
        columns = {column for row in found for column in row}
        wanted = [{column: in_sqlite(row.get(column)) for column in columns | set(row)} for row in wanted]
        assert sorted(map(repr, map(sorted_items, found))) == sorted(map(repr, map(sorted_items, wanted))), name
    connection.close()


def sorted_items(row):
    return sorted(row.items())


# -- Kafka ------------------------------------------------------------------------------------------------------------
def as_json(value):
    """A value as the format `default` has it, numbers as their text."""
    if value is None or isinstance(value, str):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def expected_messages(outcomes, topic):
    """Rows as (topic, operation, table, before, after); messages the rules made as (topic, bytes)."""
    kinds = {"insert": "INSERT", "update": "UPDATE", "delete": "DELETE", "read": "ROW"}
    for outcome in outcomes:
        to = outcome["topic"] or topic.format(*outcome["table"].split("."))
        if outcome["message"] is not None:
            yield to, outcome["message"]
        elif outcome["op"] in kinds:
            images = [None if outcome[name] is None else repr(sorted((column, as_json(value)) for column, value in outcome[name].items()))
                      for name in ("before", "after")]
            yield (to, kinds[outcome["op"]], outcome["table"], *images)


def read_messages(broker, names):
    for name in sorted(names & set(compare.kafka_topics(broker))):
        for _, body in topics.records(broker, name):
            yield name, body or b""


def row_message(name, body):
    """The message as expected_messages has it; None for what is no row."""
    message = json.loads(body, parse_int=str, parse_float=str)
    kind, meta = message["recordType"], message["allMetaData"]
    if kind in ("DDL", "HEARTBEAT"):
        return None
    images = [None if message[member] is None else repr(sorted(message[member].items())) for member in ("prevStruct", "postStruct")]
    return (name, kind, f"{meta['db']}.{meta['table_name']}", *images)


@pytest.mark.parametrize(("path", "number"), list(sections()))
def test_into_kafka(main_database, broker, jobs, path, number):
    case = CaseFile(path)
    section = section_of(case, number)
    prefix = f"case-{uuid.uuid4().hex[:8]}"
    topic = prefix + ".{}.{}"
    outcomes = at_the_desk(case, section)
    wanted = Counter(expected_messages(outcomes, topic))
    names = {message[0] for message in wanted} | {topic.format(*outcome["table"].split(".")) for outcome in outcomes if outcome["table"]}
    already = Counter(read_messages(broker, names))  # a topic that a rule names may have messages of an earlier run
    run(jobs, main_database, case, section, {"url": f"kafka://{broker}", "format": "default", "topic": prefix + ".{db}.{table}",
                                             "topic_partitions": "1"})
    found = Counter(read_messages(broker, names))
    found.subtract(already)
    own = {message for message in wanted if len(message) == 2}
    made = Counter()
    for (name, body), count in found.items():
        message = (name, body) if (name, body) in own or not body.startswith(b"{") else row_message(name, body)
        if message is not None and count:
            made[message] += count
    assert made == wanted
