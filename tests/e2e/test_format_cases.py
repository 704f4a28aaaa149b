"""Conformance cases made of real changes: 200 at random, written to MariaDB, read back from Kafka.

What a message says of its time, position and place is not the case's and is not looked at; all else must be as expected.
"""
import gzip
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from harness import topics

from tailrace import formats
from tailrace.formats import _avro, _json

CASES = Path(__file__).resolve().parents[1] / "formats/cases.jsonl.gz"
SEED = os.environ.get("TAILRACE_SEED") or str(time.time_ns())
CASES_PER_RUN = 200
PLACES = {
    "default": [f"/allMetaData/{name}" for name in ("checkpoint", "db", "table_name", "timestamp", "uniqueId", "transId", "clusterId",
                                                    "source_identity", "storeDataSequence")],
    "canal": ["/database", "/table", "/es", "/ts"],
    "dataworks": ["/schema/source/dbName", "/schema/source/table", "/payload/timestamp"],
    "shareplex": [f"/meta/{name}" for name in ("time", "posttime", "table", "rowid", "trans", "seq", "idx", "size", "scn")],
    "debezium": ["/payload/source", "/payload/ts_ms", "/schema"],
    "debeziumflatten": ["/source", "/ts_ms"],
    "debeziumsmt": [],
    "avro": ["/id", "/sourceTimestamp", "/sourcePosition", "/safeSourcePosition", "/objectName", "/processTimestamps", "/bornTimestamp"],
}
PLACES["defaultextendcolumntype"] = PLACES["default"]
OPTIONS = {"canal": {"time_zone": "+08:00"}, "shareplex": {"transaction_enabled": "true"},
           "default": {"sequence_enabled": "false"}, "defaultextendcolumntype": {"sequence_enabled": "false"}}


def moves(case):
    """An update of the key reaches a sink as a delete and an insert."""
    change = case["change"]
    return change["op"] == "update" and any(column["pk"] and change["before"][column["name"]] != change["after"][column["name"]]
                                            for column in case["table"]["columns"])


def load(rng):
    """Cases by format, of those that a statement can make, with the options most of them have."""
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    by_format = {}
    for case in cases:
        by_format.setdefault(case["format"].lower(), []).append(case)
    chosen = {}
    for name, mine in by_format.items():
        usual = Counter(json.dumps(case["options"], sort_keys=True) for case in mine).most_common(1)[0][0]
        ops = {"insert", "update", "delete"} | (set() if name == "debeziumsmt" else {"row"})  # its rows do not name their table
        fit = [case for case in mine if case["change"]["op"] in ops and json.dumps(case["options"], sort_keys=True) == usual
               and not moves(case)
               and not any(column["mysql_type"] == "json" for column in case["table"]["columns"])]  # another type on MariaDB
        chosen[name] = rng.sample(fit, -(-CASES_PER_RUN // len(by_format)))
    return chosen


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        return f"x'{value['hex']}'"
    return f"_utf8mb4 x'{value.encode().hex()}'"


def create(case, table):
    columns = [f"{quoted(c['name'])} {c['mysql_type']}{' unsigned' if c['unsigned'] else ''} {'NOT NULL' if c['pk'] else 'NULL'}"
               for c in case["table"]["columns"]]
    key = [quoted(c["name"]) for c in case["table"]["columns"] if c["pk"]]
    if key:
        columns.append(f"PRIMARY KEY ({', '.join(key)})")
    return f"CREATE TABLE {table} ({', '.join(columns)}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


def insert(row, table):
    return f"INSERT INTO {table} ({', '.join(map(quoted, row))}) VALUES ({', '.join(map(literal, row.values()))})"


def statements(case, table):
    """What makes the change; its message is the last."""
    change = case["change"]
    if change["op"] == "insert":
        return [insert(change["after"], table)]
    if change["op"] == "delete":
        return [insert(change["before"], table), f"DELETE FROM {table}"]
    sets = ", ".join(f"{quoted(name)} = {literal(value)}" for name, value in change["after"].items())
    return [insert(change["before"], table), f"UPDATE {table} SET {sets}"]


def parsed(name, message):
    return _json.loads(_json.dumps(_avro.printed(_avro.read(message)))) if name == "avro" else _json.loads(message)


def check(name, case, message):
    own = _json.Judgement.of(case)
    judgement = _json.Judgement(own.exact_keys, own.lexical, own.soft, {*own.ignore, *PLACES[name]})
    expected = EXACT[case["id"]]["expect"]
    return [str(each) for each in _json.compare(expected, parsed(name, message), judgement) if not each.soft]


EXACT = {}  # the chosen cases with their number tokens


@pytest.fixture(scope="module")
def chosen():
    print(f"TAILRACE_SEED={SEED} repeats this run")
    cases = load(random.Random(SEED))
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        wanted = {case["id"] for mine in cases.values() for case in mine}
        for line in lines:
            case = _json.loads(line)
            if case["id"] in wanted:
                EXACT[case["id"]] = case
    assert sum(map(len, cases.values())) >= CASES_PER_RUN
    return cases


@pytest.mark.parametrize("name", sorted(PLACES))
def test_cases_of_real_changes(main_database, broker, jobs, chosen, name):
    database = main_database
    schema = f"cases_{name}"
    cases = [(f"{schema}.c{i}", case) for i, case in enumerate(chosen[name])]
    prelude = "SET NAMES utf8mb4; SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; "
    database.run(f"{prelude}DROP DATABASE IF EXISTS {schema}; CREATE DATABASE {schema}; "
                 + "; ".join(create(case, table) for table, case in cases))
    rows = [(table, case) for table, case in cases if case["change"]["op"] == "row"]
    if rows:
        database.run(prelude + "; ".join(insert(case["change"]["after"], table) for table, case in rows))
    topic = f"{schema}-{random.randrange(1 << 32)}"
    sink = {"url": f"kafka://{broker}", "format": name, "topic": topic, "topic_partitions": "1", "db_type": "OB_MYSQL",
            **OPTIONS.get(name, {})}
    engine = jobs(database, name=name, sink=sink, tables=[f"{schema}.*"])
    ended = engine.run()
    assert ended.code == 0, str(ended)
    steps = [statements(case, table) for table, case in cases if case["change"]["op"] != "row"]
    database.run(prelude + "; ".join(statement for each in steps for statement in each))
    ended = engine.run()
    assert ended.code == 0, str(ended)
    messages = [value for _, value in topics.records(broker, topic)]
    assert len(messages) == len(rows) + sum(map(len, steps))
    problems = []
    snapshot, stream = messages[:len(rows)], messages[len(rows):]
    by_table = {formats.decode(name, message).table: message for message in snapshot}
    for table, case in rows:
        problems += [f"{case['id']} {each}" for each in check(name, case, by_table[table.partition(".")[2]])]
    at = 0
    for (_, case), each in zip([(t, c) for t, c in cases if c["change"]["op"] != "row"], steps, strict=True):
        at += len(each)
        problems += [f"{case['id']} {found}" for found in check(name, case, stream[at - 1])]
    assert not problems, "\n".join(problems)
