"""Schema changes that the rules hold, skip or put into other words."""
import json
import sqlite3

import pytest
from conftest import command, wait_until, write

import tailrace as tr
from tailrace import errors


def config(server, sink, phases='"snapshot", "stream"'):
    return (f'version = 1\njob = {{ phases = [{phases}] }}\nsource = {{ url = "{server.url}", password = "${{env:SHOP_PW}}" }}\n'
            f'sink = {{ url = "{sink}" }}\ntables = ["{server.database}.ledger"]\nrules = {{ file = "rules.lua" }}\n')


def status_of(path="shop.db"):
    try:
        return tr.attach(path).status
    except tr.TailraceError:
        return None


def is_held():
    now = status_of()
    return now is not None and now.owner and now.state == "paused" and now.error is not None and now.error.code == "SCH-0005"


def ids():
    connection = sqlite3.connect("file:copy.db?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute("SELECT id FROM ledger ORDER BY id")]
    finally:
        connection.close()


@pytest.fixture
def ledger(shop):
    shop.query(f"USE {shop.database}; CREATE TABLE ledger (id INT PRIMARY KEY, a INT); INSERT INTO ledger VALUES (1, 1), (2, 2)")
    return shop


def test_a_held_statement_waits_for_a_person(ledger, folder, cli, spawn):
    write(folder / "rules.lua", 'return { api = 1, ddl = { deny = { "truncate", "drop_table" } } }')
    write(folder / "job.toml", config(ledger, "sqlite://./copy.db"))
    process = spawn(command("run", "job.toml", "--job", "shop.db", "--progress", "none"))
    wait_until(lambda: (now := status_of()) and now.phase == "stream" and now.checkpoint)
    ledger.query(f"TRUNCATE {ledger.database}.ledger; INSERT INTO {ledger.database}.ledger VALUES (3, 3)")
    wait_until(is_held)
    assert ids() == [1, 2]
    listed = cli("ddl", "list", "shop.db")
    assert "TRUNCATE" in listed.stdout and "the rules deny truncate" in listed.stdout and f"{ledger.database}.ledger" in listed.stdout
    assert "SCH-0005" in cli("status", "shop.db").stdout
    process.kill()  # the statement is held by the job file, not by the process
    process.wait()
    process = spawn(command("run", "shop.db", "--progress", "none"))
    wait_until(is_held)
    assert len(json.loads(cli("ddl", "list", "shop.db", "--json").stdout)) == 6
    nothing = cli("ddl", "skip", "shop.db", "77")
    assert nothing.returncode == 6 and "JOB-0006" in nothing.stderr
    assert cli("ddl", "skip", "shop.db").returncode == 0
    wait_until(lambda: ids() == [1, 2, 3])
    ledger.query(f"TRUNCATE {ledger.database}.ledger; INSERT INTO {ledger.database}.ledger VALUES (4, 4)")
    wait_until(is_held)
    assert cli("ddl", "release", "shop.db").returncode == 0
    wait_until(lambda: ids() == [4])
    ledger.query(f"TRUNCATE {ledger.database}.ledger; INSERT INTO {ledger.database}.ledger VALUES (5, 5)")
    wait_until(is_held)
    process.kill()
    process.wait()
    assert cli("ddl", "release", "shop.db").returncode == 0  # nobody runs the job
    assert cli("run", "shop.db", "--until", "caught_up").returncode == 0
    assert ids() == [5]
    states = tr.attach("shop.db").meta.sql("SELECT state FROM v1_ddl WHERE state <> '' ORDER BY id").rows
    assert states == [("skipped",), ("released",), ("released",)]


def test_a_paused_job_of_this_process(ledger, folder):
    write(folder / "rules.lua", 'return { api = 1, ddl = function(ev) if ev:has "truncate" then return ev:hold "ask first" end end }')
    with tr.Migration("shop.db", source=tr.source(ledger.url, password=tr.env("SHOP_PW")), sink=tr.sink("sqlite://./copy.db"),
                      tables=[f"{ledger.database}.ledger"], rules="rules.lua") as job:
        job.start()
        job.wait("caught_up", timeout=60)
        ledger.query(f"TRUNCATE {ledger.database}.ledger")
        wait_until(is_held)
        with pytest.raises(errors.WaitTimeout):
            job.wait("caught_up", timeout="300ms")
        assert "ask first" in job.status.error.detail
        job.release_ddl()
        job.wait("caught_up", timeout=60)
        assert ids() == []
        with pytest.raises(errors.JobError):
            job.skip_ddl()


def test_readers_hear_of_a_change_in_the_words_of_the_target(ledger, folder, cli):
    write(folder / "rules.lua", f'return {{ api = 1, tables = {{ ["{ledger.database}.ledger"] = {{' + """ to = "dw.book", columns = { a = "amount", secret = false } } },
  ddl = function(ev) if ev:has "drop_column" then return false end end }""")
    write(folder / "job.toml", config(ledger, "file://./out", '"stream"'))
    ledger.query(f"ALTER TABLE {ledger.database}.ledger ADD COLUMN secret INT")
    run = ("run", "job.toml", "--job", "shop.db", "--until", "caught_up", "--progress", "none")
    assert cli(*run).returncode == 0
    ledger.query(f"USE {ledger.database}; ALTER TABLE ledger ADD COLUMN b VARCHAR(20) NOT NULL DEFAULT 'it''s', ADD INDEX (b); "
                 "ALTER TABLE ledger MODIFY COLUMN secret BIGINT; ALTER TABLE ledger RENAME COLUMN b TO c; ALTER TABLE ledger ADD INDEX (a); "
                 "ALTER TABLE ledger MODIFY a BIGINT; INSERT INTO ledger (id, a, c) VALUES (9, 9, 'x'); "
                 "ALTER TABLE ledger DROP COLUMN c; TRUNCATE ledger")
    assert cli(*run).returncode == 0
    rows = [json.loads(line) for path in sorted((folder / "out").iterdir()) for line in path.read_text().splitlines()]
    assert [row["postStruct"].get("ddl", row["postStruct"]) for row in rows] == [
        "ALTER TABLE `dw`.`book` ADD COLUMN `b` varchar(20) NOT NULL DEFAULT 'it''s'",
        "ALTER TABLE `dw`.`book` RENAME COLUMN `b` TO `c`",
        "ALTER TABLE `dw`.`book` MODIFY COLUMN `amount` bigint(20)",
        {"id": 9, "amount": 9, "c": "x"},
        "TRUNCATE TABLE `dw`.`book`",
    ]
    skipped = tr.attach("shop.db").meta.sql("SELECT state, ddl FROM v1_ddl WHERE state <> ''").rows
    assert skipped == [("skipped", "ALTER TABLE ledger DROP COLUMN c")]
    # What the target was told is a statement that a server takes and that leads to what the rows look like.
    ledger.query("CREATE DATABASE IF NOT EXISTS dw; USE dw; DROP TABLE IF EXISTS book; CREATE TABLE book (id INT PRIMARY KEY, amount INT)")
    try:
        ledger.query("; ".join(row["postStruct"]["ddl"] for row in rows if "ddl" in row["postStruct"]))
        described = [line[:2] for line in ledger.query("SHOW COLUMNS FROM dw.book")]
        assert described == [["id", "int(11)"], ["amount", "bigint(20)"], ["c", "varchar(20)"]]
    finally:
        ledger.query("DROP DATABASE dw")
