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
    # What was committed just before it is delivered, what follows is not.
    ledger.query(f"USE {ledger.database}; INSERT INTO ledger VALUES (10, 1), (11, 1); INSERT INTO ledger VALUES (12, 1); TRUNCATE ledger; "
                 "INSERT INTO ledger VALUES (3, 3)")
    wait_until(is_held)
    assert ids() == [1, 2, 10, 11, 12]
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
    wait_until(lambda: ids() == [1, 2, 3, 10, 11, 12])
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


def test_run_until_a_goal_ends_at_a_held_statement_and_says_what_to_do(ledger, folder, cli, spawn):
    write(folder / "rules.lua", 'return { api = 1, ddl = { deny = { "truncate" } } }')
    write(folder / "job.toml", config(ledger, "sqlite://./copy.db"))
    run = ("run", "job.toml", "--job", "shop.db", "--until", "caught_up", "--progress", "none")
    assert cli(*run).returncode == 0
    ledger.query(f"USE {ledger.database}; INSERT INTO ledger VALUES (3, 3); TRUNCATE ledger; INSERT INTO ledger VALUES (4, 4)")
    done = cli(*run)
    assert done.returncode == 8 and done.stdout == ""
    for part in ("SCH-0005", "TRUNCATE ledger", "gtid=0-", f"table={ledger.database}.ledger", "tailrace ddl release shop.db",
                 "tailrace ddl skip shop.db"):
        assert part in done.stderr
    assert ids() == [1, 2, 3]
    assert "SCH-0005" in cli("status", "shop.db").stdout
    done = cli(*run, "--json")
    end = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, end["reason"], end["exit_code"], end["failure"]["code"]) == (8, "held", 8, "SCH-0005")
    # Without a goal it waits, and says once what for.
    process = spawn(command("run", "shop.db", "--progress", "none"))
    wait_until(is_held)
    assert cli("ddl", "skip", "shop.db").returncode == 0
    wait_until(lambda: ids() == [1, 2, 3, 4])
    assert cli("stop", "shop.db").returncode == 0
    errors_shown = process.communicate(timeout=30)[1]
    assert process.returncode == 0 and errors_shown.count("✗ SCH-0005") == 1, errors_shown
    with tr.attach("shop.db") as job:
        ledger.query(f"TRUNCATE {ledger.database}.ledger")
        with pytest.raises(errors.SchemaHeld, match="TRUNCATE"):
            job.run("caught_up", timeout=60)
        job.release_ddl()
        job.run("caught_up", timeout=60)
    assert ids() == []


def test_rules_that_do_not_fit_the_table_after_a_statement(ledger, folder, cli):
    """The error names the statement; what stood before it has the old rules, and with corrected ones the job goes on."""
    ledger.query(f"USE {ledger.database}; ALTER TABLE ledger ADD COLUMN secret INT; UPDATE ledger SET secret = 42")
    rules = 'return {{ api = 1, tables = {{ ["{0}.ledger"] = {{ columns = {{ {1} = false }} }} }} }}'
    write(folder / "rules.lua", rules.format(ledger.database, "secret"))
    write(folder / "job.toml", config(ledger, "file://./out", '"stream"'))
    run = ("run", "job.toml", "--job", "shop.db", "--until", "caught_up", "--progress", "none")
    assert cli(*run).returncode == 0
    ledger.query(f"USE {ledger.database}; INSERT INTO ledger VALUES (3, 3, 42), (4, 4, 42); "
                 "ALTER TABLE ledger RENAME COLUMN secret TO hidden; INSERT INTO ledger VALUES (5, 5, 42)")
    done = cli(*run)
    assert done.returncode == 6, done.stderr
    for part in ("RULE-0105", "columns.secret", "statement=ALTER TABLE ledger RENAME COLUMN secret TO hidden", "gtid=0-",
                 f"table={ledger.database}.ledger", "tailrace rule swap"):
        assert part in done.stderr

    def images():
        lines = [line for path in sorted((folder / "out").iterdir()) for line in path.read_text().splitlines()]
        return [row["postStruct"] for row in map(json.loads, lines) if "ddl" not in row["postStruct"]]

    assert images() == [{"id": 3, "a": 3}, {"id": 4, "a": 4}]
    write(folder / "rules.lua", rules.format(ledger.database, "hidden"))
    done = cli(*run)
    assert done.returncode == 0, done.stderr
    assert images() == [{"id": 3, "a": 3}, {"id": 4, "a": 4}, {"id": 5, "a": 5}]
    # The same by a swap, of a job that stands still.
    ledger.query(f"USE {ledger.database}; ALTER TABLE ledger RENAME COLUMN hidden TO gone; INSERT INTO ledger VALUES (6, 6, 42)")
    assert cli(*run).returncode == 6
    write(folder / "next.lua", rules.format(ledger.database, "gone"))
    swapped = cli("rule", "swap", "shop.db", "next.lua")
    assert swapped.returncode == 0, swapped.stderr
    assert cli(*run).returncode == 0
    assert images()[3:] == [{"id": 6, "a": 6}]


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
