"""Rules that make other tables and messages of their own: into SQLite, Kafka and files, from a copy and from the stream."""
import json
import sqlite3
import subprocess

import pytest
from checks import assert_error
from harness import compare

CRM = """
return {
  api = 1,
  outputs = { ["dw.address"] = { key = { "customer_id", "kind" },
    columns = { "customer_id bigint not null", "kind varchar(8) not null", "city varchar(80)" } } },
  tables = { ["shop.customer"] = {
    to = "dw.customer", columns = { home_city = false, work_city = false, full_name = { "varchar(200)" } },
    map = function(row, out)
      row.full_name = row.first .. " " .. row.last
      if row.home_city then out:add("dw.address", { customer_id = row.id, kind = "home", city = row.home_city }) end
      if row.work_city then out:add("dw.address", { customer_id = row.id, kind = "work", city = row.work_city }) end
    end,
  } },
}
"""
SETUP = """
DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;
CREATE TABLE shop.customer (id BIGINT NOT NULL PRIMARY KEY, first VARCHAR(40) NOT NULL, last VARCHAR(40) NOT NULL,
                            home_city VARCHAR(80), work_city VARCHAR(80));
INSERT INTO shop.customer VALUES (1, 'Ada', 'L', 'Rome', 'Oslo'), (2, 'Bo', 'M', NULL, 'Bern'), (3, 'Cy', 'N', NULL, NULL);
"""
CHANGES = """
UPDATE shop.customer SET home_city = NULL WHERE id = 1;
UPDATE shop.customer SET work_city = 'Wien', last = 'X' WHERE id = 2;
INSERT INTO shop.customer VALUES (4, 'Di', 'O', 'Paris', NULL);
UPDATE shop.customer SET id = 5 WHERE id = 4;
DELETE FROM shop.customer WHERE id = 3;
"""


def rows(path, sql):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def addresses_at_source(database):
    """What the rule says the address table is, asked of the server."""
    return sorted((int(a), b, c) for a, b, c in database.run(
        "SELECT id, 'home', home_city FROM shop.customer WHERE home_city IS NOT NULL UNION ALL "
        "SELECT id, 'work', work_city FROM shop.customer WHERE work_city IS NOT NULL"))


def kafka(broker, topic, form="%k|%s\n"):
    return subprocess.run(["kcat", "-q", "-C", "-e", "-b", broker, "-t", topic, "-o", "beginning", "-f", form],
                          capture_output=True, check=True, text=True).stdout.splitlines()


def lines(folder):
    return [line for path in sorted(folder.glob("changes-*.jsonl")) for line in path.read_text().splitlines()]


def test_one_row_becomes_several_in_sqlite(main_database, jobs):
    database = main_database
    database.run(SETUP)
    engine = jobs(database, rules=CRM)
    for changes in ("", CHANGES, "UPDATE shop.customer SET work_city = home_city, home_city = work_city"):
        if changes:
            database.run(changes)
        ended = engine.run()
        assert ended.code == 0, str(ended)
        assert rows(jobs.copy, "SELECT customer_id, kind, city FROM address ORDER BY 1, 2") == addresses_at_source(database)
        assert rows(jobs.copy, "SELECT id, full_name FROM customer ORDER BY 1") == [
            (int(i), name) for i, name in database.run("SELECT id, CONCAT(first, ' ', last) FROM shop.customer ORDER BY 1")]
    database.run("TRUNCATE shop.customer")
    assert engine.run().code == 0
    assert rows(jobs.copy, "SELECT (SELECT count(*) FROM address) + (SELECT count(*) FROM customer)") == [(0,)]


def test_one_row_becomes_several_in_kafka(main_database, jobs, broker):
    database = main_database
    database.run(SETUP)
    engine = jobs(database, rules=CRM.replace('city varchar(80)" }', 'city varchar(80)" }, topic = "out-{customer_id}"'),
                  sink={"url": f"kafka://{broker}", "format": "default", "topic": "out-{table}"})
    assert engine.run().code == 0
    database.run(CHANGES)
    assert engine.run().code == 0
    told = {}
    topics = [topic for topic in compare.kafka_topics(broker) if topic.startswith("out-") and topic[4:].isdigit()]
    assert sorted(topics) == ["out-1", "out-2", "out-4", "out-5"]     # 3 has no address
    for topic in topics:
        for line in kafka(broker, topic, "%s\n"):
            message = json.loads(line)
            image = message["postStruct"] or message["prevStruct"]
            key = (image["customer_id"], image["kind"])
            if message["recordType"] == "DELETE":
                del told[key]
            else:
                told[key] = image["city"]
    assert sorted((*key, city) for key, city in told.items()) == addresses_at_source(database)


def test_soft_delete_and_meta_columns(main_database, jobs):
    database = main_database
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.user_01 (id INT PRIMARY KEY, mail VARCHAR(50)); "
                 "CREATE TABLE shop.user_02 LIKE shop.user_01; INSERT INTO shop.user_01 VALUES (1, 'a@x.io'); INSERT INTO shop.user_02 VALUES (1, 'b@x.io')")
    engine = jobs(database, rules="""
      local mask = require "tailrace.mask"
      return { api = 1, tables = { ["shop.user_*"] = { to = "dw.{table:^(.+)_%d+$}", key = { "shard", "id" },
        columns = { shard = { "varchar(64)", value = "{table}" }, mail = mask.email, gone = { "tinyint(1)", value = 0 },
                    label = { "varchar(200)", value = "{id}:{mail}" }, _op = meta.op, _gtid = meta.gtid },
        deletes = { set = { gone = 1, _op = meta.op } } } } }""")
    assert engine.run().code == 0
    database.run("UPDATE shop.user_01 SET mail = 'jo@x.io'; DELETE FROM shop.user_02")
    gtid = database.run("SELECT @@gtid_binlog_pos")[0][0]
    assert engine.run().code == 0
    found = rows(jobs.copy, "SELECT shard, id, mail, gone, label, _op FROM user ORDER BY shard")
    assert found == [("user_01", 1, "j***@x.io", 0, "1:j***@x.io", "update"), ("user_02", 1, "b***@x.io", 1, "1:b***@x.io", "delete")]
    # The soft delete keeps the row as it was; the update's transaction is the one before the last.
    domain, server, number = gtid.rsplit(",", 1)[-1].split("-")
    assert rows(jobs.copy, "SELECT _gtid FROM user WHERE shard = 'user_01'") == [(f"{domain}-{server}-{int(number) - 1}",)]


MESSAGES = """
return { api = 1, tables = { ["shop.reading"] = {
  ops = { "insert", "read", "update", "delete" },
  topic = "TOPIC-{site|lower}", partition_by = { "site" }, headers = { op = "{meta.op}", site = "{site}" },
  serialize = function(ev, out)
    out:put("reading,site="):col("site", "influx"):put(" value="):col "value":put(" "):col("at", "epoch_ns")
    out.key = ev.id
    out.headers.table = ev.table
  end,
} } }
"""
READINGS = """
DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;
CREATE TABLE shop.reading (id INT PRIMARY KEY, site VARCHAR(20) NOT NULL, value DECIMAL(6,2) NOT NULL, at TIMESTAMP(3) NOT NULL);
SET time_zone = '+00:00';
INSERT INTO shop.reading VALUES (1, 'A b', 1.50, '2026-01-02 03:04:05.678'), (2, 'C', -2, '2026-01-02 03:04:06')
"""
NS = 1767323045678 * 1_000_000     # date -d '2026-01-02 03:04:05.678 UTC' +%s%N


def test_messages_made_in_lua_reach_kafka(main_database, jobs, broker):
    database = main_database
    database.run(READINGS.replace("'A b'", "'A.b'"))
    engine = jobs(database, rules=MESSAGES.replace("TOPIC", "lua"), sink={"url": f"kafka://{broker}", "topic_partitions": "4"})
    assert engine.run().code == 0
    database.run("UPDATE shop.reading SET site = 'C' WHERE id = 1")     # leaves one topic and enters another
    assert engine.run().code == 0
    form = "%k|%p|%h|%s\n"
    first, second = kafka(broker, "lua-a.b", form), kafka(broker, "lua-c", form)
    assert [line.split("|")[0] for line in first] == ["1", "1"] and [line.split("|")[0] for line in second] == ["2", "1"]
    assert first[0].split("|")[3] == f"reading,site=A.b value=1.50 {NS}"
    assert second[1].split("|")[3] == f"reading,site=C value=1.50 {NS}"
    heads = [dict(pair.split("=", 1) for pair in line.split("|")[2].split(",")) for line in first + second]
    assert [(head["op"], head["site"], head["table"]) for head in heads] == [
        ("read", "A.b", "reading"), ("update", "A.b", "reading"), ("read", "C", "reading"), ("update", "C", "reading")]
    assert len({line.split("|")[1] for line in second}) == 1     # one site, one partition


@pytest.mark.parametrize("body, first", [
    ('line "{id},{site|csv},{value},{at|epoch_ms}"', "1,A b,1.50,1767323045678"),
    ("json", '{"id":1,"site":"A b","value":1.50,"at":"2026-01-02 03:04:05.678"}'),
    ('function(ev, out) out:put("r "):col("site", "influx"):put(" "):col "value" end', "r A\\ b 1.50"),
])
def test_messages_of_rules_reach_files(main_database, jobs, tmp_path, body, first):
    database = main_database
    database.run(READINGS)
    engine = jobs(database, rules="return { api = 1, tables = { ['shop.reading'] = { serialize = " + body + " } } }",
                  sink={"url": f"file://{tmp_path / 'out'}"})
    assert engine.run().code == 0
    assert lines(tmp_path / "out")[0] == first


def test_one_table_in_another_format(main_database, jobs, tmp_path):
    database = main_database
    database.run(READINGS + "; CREATE TABLE shop.plain (id INT PRIMARY KEY); INSERT INTO shop.plain VALUES (7)")
    engine = jobs(database, rules="return { api = 1, tables = { ['shop.reading'] = { serialize = 'debezium' } } }",
                  sink={"url": f"file://{tmp_path / 'out'}", "format": "default"})
    assert engine.run().code == 0
    messages = [json.loads(line) for line in lines(tmp_path / "out")]
    assert sorted(("payload" in message, "postStruct" in message) for message in messages) == [
        (False, True), (True, False), (True, False)]
    wrong = jobs(database, name="wrong", rules="return { api = 1, tables = { ['shop.reading'] = { serialize = 'debezum' } } }",
                 sink={"url": f"file://{tmp_path / 'other'}"})
    assert_error(wrong.run(seconds=30), "RULE-0101", "debezum", "debezium", "shop.reading")


def test_a_new_column_that_no_rule_names_takes_its_default_beside_a_mask(database, jobs):
    """The rows that are here already get what the server gave them; a rule for another column has no say in it."""
    database.run("CREATE TABLE shop.people (id INT PRIMARY KEY, email VARCHAR(50)); INSERT INTO shop.people VALUES (1, 'jo@x.io'), (2, 'al@x.io')")
    engine = jobs(database, tables=["shop.people"], rules='local mask = require "tailrace.mask"\n'
                  'return { api = 1, tables = { ["shop.people"] = { to = "dw.folk", columns = { email = mask.email } } } }')
    assert engine.run().code == 0
    database.run("ALTER TABLE shop.people ADD COLUMN extra INT DEFAULT 5, ADD COLUMN kind VARCHAR(10) NOT NULL DEFAULT 'x'; "
                 "INSERT INTO shop.people VALUES (3, 'bo@x.io', 7, 'y')")
    ended = engine.run()
    assert ended.code == 0, str(ended)
    expected = [(int(number), int(extra), kind) for number, extra, kind in database.run("SELECT id, extra, kind FROM shop.people ORDER BY id")]
    assert expected[0] == (1, 5, "x")
    assert rows(jobs.copy, "SELECT id, extra, kind FROM folk ORDER BY id") == expected
