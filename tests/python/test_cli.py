"""The command line: exit codes, streams, no traceback for a known failure."""
import json
import signal
import time

import pytest
from conftest import command, sqlite_rows, source_rows, wait_until, write

import tailrace as tr

DOWN = """version = 1
source = { url = "mysql://mig@127.0.0.1:1", password = "${env:SHOP_PW}" }
sink = { url = "sqlite://./copy.db" }
"""


def live(server, sink="sqlite://./copy.db", password="${env:SHOP_PW}"):
    return (f'version = 1\nsource = {{ url = "{server.url}", password = "{password}" }}\nsink = {{ url = "{sink}" }}\n'
            f'tables = ["{server.database}.*"]\n')


def status_of(path, field):
    """A field of a job that another process is perhaps just creating."""
    try:
        return getattr(tr.attach(path).status, field)
    except tr.TailraceError:
        return None


@pytest.mark.parametrize(("words", "code", "says"), [
    (["run", "none.toml"], 2, "CFG-0001"),
    (["run", "bad.toml"], 2, "'naming'"),
    (["run", "down.toml", "--set", "nonsense"], 2, "CFG-0003"),
    (["run", "down.toml", "--until", "tomorrow"], 2, "until"),
    (["run", "down.toml", "--progress", "loud"], 2, "progress"),
    (["run"], 2, "CONFIG"),
    (["status", "none.db"], 2, "JOB-0009"),
    (["sql", "down.toml", "SELECT 1"], 2, "META-0001"),
    (["explain", "SRC-4711"], 2, "SRC-4711"),
    (["doctor", "mysql://mig@127.0.0.1:1"], 3, ""),
    (["nonsense"], 2, "nonsense"),
])
def test_exit_codes(cli, folder, words, code, says):
    write(folder / "down.toml", DOWN)
    write(folder / "bad.toml", DOWN + '[pipeline]\nx = 1\n'.replace("[pipeline]\nx", "[pipeline]\nthreds")
          if "naming" not in says else DOWN.replace("copy.db\"", 'copy.db", namng = "table"'))
    done = cli(*words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert code == 3 or done.stdout == ""


def test_explain_prints_on_stdout(cli):
    done = cli("explain", "src-0007")
    assert done.returncode == 0 and done.stdout.startswith("SRC-0007") and done.stderr == ""
    assert json.loads(cli("explain", "SRC-0007", "--json").stdout)["retry"] == "operator"


def test_error_card_has_code_place_cause_and_solution(cli, folder):
    write(folder / "bad.toml", DOWN.replace("copy.db\"", 'copy.db", namng = "table"'))
    lines = cli("run", "bad.toml").stderr.splitlines()
    assert lines[0].startswith("✗ CFG-0002")
    labels = [line.split()[0] for line in lines[1:]]
    assert labels == ["detail", "at", "cause", "solution", "retry"]
    assert "bad.toml:3" in lines[2]


def test_source_down_is_transient(cli, folder):
    write(folder / "down.toml", DOWN)
    done = cli("run", "down.toml", "--until", "caught_up")
    assert done.returncode == 5 and "SRC-0001" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_within_a_second(spawn, folder, number):
    write(folder / "down.toml", DOWN)
    process = spawn(command("run", "down.toml", "--json"))
    wait_until(lambda: status_of("down.db", "error"))
    began = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=10)
    assert time.monotonic() - began < 1.5  # a second, and the interpreter's own end on a busy machine
    assert process.returncode == 130 and "Traceback" not in stderr
    end = json.loads(stdout.splitlines()[-1])
    assert end["event"] == "end" and end["reason"] == "interrupted" and end["owner"] == ""


def test_owned_by_another_process(cli, folder):
    write(folder / "down.toml", DOWN)
    job = tr.Migration.from_config("down.toml")
    job.start()
    try:
        done = cli("run", "down.toml")
        assert done.returncode == 7 and "JOB-0005" in done.stderr
        assert json.loads(cli("status", "down.db", "--json").stdout)["owner"] == job.owner
    finally:
        job.stop("abort")


def test_wrong_password_needs_an_operator(cli, folder, shop):
    write(folder / "shop.toml", live(shop, password="wrong"))
    done = cli("run", "shop.toml", "--until", "caught_up")
    assert done.returncode == 6 and "SRC-0002" in done.stderr and "Traceback" not in done.stderr


def test_run_status_sql_doctor(cli, folder, shop):
    write(folder / "shop.toml", live(shop))
    done = cli("run", "shop.toml", "--until", "caught_up")
    assert done.returncode == 0, done.stderr
    assert "✓ caught up" in done.stdout and "shop.db" in done.stdout
    assert sqlite_rows("copy.db") == source_rows(shop)
    status = json.loads(cli("status", "shop.db", "--json").stdout)
    assert status["state"] == "stopped" and status["tables"][f"{shop.database}.orders"]["rows_read"] == 3001
    rows = cli("sql", "shop.db", 'SELECT "table", rows_done FROM v1_table ORDER BY 1', "--json").stdout.splitlines()
    assert [json.loads(row) for row in rows] == [{"table": "notes", "rows_done": 3}, {"table": "orders", "rows_done": 3001}]
    assert cli("sql", "shop.db", "DELETE FROM command").returncode == 2
    assert cli("doctor", "shop.toml").returncode == 0
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 1")
    done = cli("run", "shop.db", "--until", "caught_up", "--json")  # the job file alone resumes it
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[-1])["reason"] == "caught_up"
    assert sqlite_rows("copy.db") == source_rows(shop)


def test_rows_that_rules_leave_out_are_counted_by_table(cli, folder, shop):
    write(folder / "rules.lua", f"""return {{ api = 1, tables = {{ ["{shop.database}.notes"] = false,
      ["{shop.database}.orders"] = {{ where = [[ id <= 10 ]], deletes = "drop",
                                      map = function(row) if row.name == "gone" then return false end end }} }} }}""")
    write(folder / "shop.toml", live(shop) + 'rules = { file = "rules.lua" }\n')

    def counted():
        assert cli("run", "shop.toml", "--until", "caught_up").returncode == 0
        rows = cli("sql", "shop.db", 'SELECT "table", rows_done, updates, deletes, dropped FROM v1_table ORDER BY 1', "--json").stdout
        return [tuple(json.loads(row).values()) for row in rows.splitlines()]

    # What came, as the source has it, and how much of it left nothing: 2991 orders by the filter, the notes.
    assert counted() == [("notes", 3, 0, 0, 3), ("orders", 3001, 0, 0, 2991)]
    shop.query(f"USE {shop.database}; UPDATE orders SET name = 'gone' WHERE id IN (3, 4, 11); UPDATE orders SET price = 1 WHERE id = 5; "
               "DELETE FROM orders WHERE id IN (6, 12); UPDATE notes SET b = 'y' WHERE a = 2")
    # Rows 3 and 4 leave map, which is a delete, and deletes are dropped; so is row 6. Rows 11 and 12 never came in.
    assert counted() == [("notes", 3, 1, 0, 4), ("orders", 3001, 4, 2, 2991 + 5)]


def test_steering_from_another_process(cli, spawn, folder, shop):
    write(folder / "shop.toml", live(shop))
    process = spawn(command("run", "shop.toml"))
    wait_until(lambda: status_of("shop.db", "phase") == "stream")
    other = tr.attach("shop.db")
    assert other.owner.startswith(f"{process.pid}@")
    assert cli("pause", "shop.db").returncode == 0
    assert other.status.state == "paused" and process.poll() is None
    shop.query(f"UPDATE {shop.database}.orders SET name = 'while paused' WHERE id = 2")
    assert cli("resume", "shop.db").returncode == 0
    wait_until(lambda: sqlite_rows("copy.db") == source_rows(shop))
    assert cli("stop", "shop.db").returncode == 0
    assert process.wait(10) == 0
    done = cli("stop", "shop.db")
    assert done.returncode == 6 and "JOB-0006" in done.stderr
