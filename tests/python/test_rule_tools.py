"""For whoever runs rules: what `rule check` sees in them, calls that never return, what tables cost, the log as it is."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import command as words_of
from conftest import wait_until, write

import tailrace as tr
from tailrace import errors
from tailrace.rules import check, replay
from tailrace.rules.capture import capture_raw, log_source

REPO = Path(__file__).resolve().parents[2]
TABLE = "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(40));"


def command(*words):
    return subprocess.run(words_of(*words), capture_output=True, text=True, timeout=120, check=False)


def config(server, folder, rules, extra="", table="orders"):
    write(folder / "rules.lua", rules)
    return write(folder / "shop.toml", f'''version = 1
tables = ["{server.database}.{table}"]
[job]
name = "shop"
[source]
url = "{server.url}"
password = "${{env:SHOP_PW}}"
[sink]
url = "sqlite://./copy.db"
[rules]
file = "rules.lua"
{extra}
''')


# -- check ------------------------------------------------------------------------------------------------------------
def test_check_sees_loops_slow_calls_and_what_is_left_behind(folder):
    write(folder / "shop.lua", '''local seen, count = {}, 0
return { api = 1, tables = { ["shop.*"] = {
  map = function(row)
    for i = 1, #(row.v or "") do row.v = row.v end
    local found = (row.v or ""):match("x")
    seen[found or ""] = true
  end } } }''')
    write(folder / "ddl.sql", TABLE)
    report = check(folder / "shop.lua", schema=folder / "ddl.sql")
    assert {(finding.code, finding.line) for finding in report.findings if finding.code in ("loop", "slow-call", "upvalue-write")} == {
        ("loop", 4), ("slow-call", 5), ("upvalue-write", 6)}
    assert report.ok
    shown = command("rule", "check", "shop.lua", "--schema", "ddl.sql").stdout
    assert "shop.lua:4  warn   loop  a loop in map(): where rules.trusted = false it runs without the JIT" in shown, shown
    write(folder / "shop.lua", '''local count = 0
return { api = 1, tables = { ["shop.*"] = {
  map = function(row)
    count = count + 1
  end } } }''')
    done = command("rule", "check", "shop.lua", "--schema", "ddl.sql")
    assert done.returncode == 4
    assert done.stdout.startswith("shop.lua:4  error  RULE-0101  map() assigns `count`"), done.stdout


@pytest.mark.parametrize("path", sorted((REPO / "rules" / "examples").glob("*.case")), ids=lambda path: path.stem)
def test_the_examples_raise_no_alarm(path, folder):
    case = path.read_text()
    files = [path.with_name(f"{stem}.lua") for stem in path.stem.split("+")]
    options = dict(re.findall(r"(\w+): '([^']*)'", case.split("options {")[1].split("}")[0])) if "options {" in case else {}
    # The hooks of entries made by a function are known once tables are planned.
    write(folder / "ddl.sql", "".join(re.findall(r"^CREATE TABLE .*?;", case, re.M | re.S)))
    report = check(files if len(files) > 1 else files[0], schema=folder / "ddl.sql", options=options)
    assert report.tables
    assert [str(finding) for finding in report.findings if finding.code in ("loop", "slow-call", "upvalue-write")] == []


def test_purity_stands_in_the_plain_text(folder):
    write(folder / "r.lua", '''return { api = 1, tables = {
  ["s.a"] = { row = function(ev) return ev.id ~= 1 end }, ["s.b"] = { to = "dw.b" }, ["s.gone"] = false } }''')
    write(folder / "t.sql", "".join(f"CREATE TABLE s.{name} (id INT PRIMARY KEY);" for name in ("a", "b", "c", "gone")))
    shown = command("rule", "schema", "r.lua", "--schema", "t.sql").stdout
    assert "-- from s.a, decides\n" in shown and "-- from s.b, pure\n" in shown and "-- from s.c, pure\n" in shown and "gone" not in shown
    plans = command("rule", "check", "r.lua", "--schema", "t.sql").stdout
    assert "s.a -> s.a, row, decides" in plans and "s.b -> dw.b, native, pure" in plans and "s.c -> s.c, as it is, pure" in plans


# -- calls that do not return -----------------------------------------------------------------------------------------
FOREVER = '''return { api = 1, tables = { ["*.orders"] = { map = function(row)
  if row.id == 77 then while true do end end
end } } }'''


def test_an_endless_rule_ends_the_job_on_the_command_line(shop, folder, cli):
    path = config(shop, folder, FOREVER, "batch_ms = 100\nbatch_limit_ms = 1500")
    began = time.monotonic()
    done = cli("run", path, "--until", "caught_up", "--progress", "none")
    assert done.returncode == 6, done.stderr
    assert time.monotonic() - began < 30
    assert "RULE-0107" in done.stderr and f"map of {shop.database}.orders has not returned" in done.stderr, done.stderr
    status = json.loads(cli("status", "shop.db", "--json").stdout)
    assert status["state"] == "failed" and status["error"]["code"] == "RULE-0107" and status["owner"] == ""
    assert status["error"]["context"]["hook"] == "map"
    events = json.loads(cli("sql", "shop.db", "SELECT count(*) AS n FROM v1_event WHERE code = 'slow-rule'", "--json").stdout)
    assert events["n"] == 1
    # The file is whole, and the corrected rule goes on with it.
    write(folder / "rules.lua", FOREVER.replace("while true do end", "row.name = 'x'"))
    again = cli("run", "shop.db", "--until", "caught_up", "--progress", "none")
    assert again.returncode == 0, again.stderr


def test_a_slow_rule_is_a_warning_while_it_runs_and_none_afterwards(shop, folder, spawn, cli):
    slow = '''return { api = 1, tables = { ["*.orders"] = { map = function(row)
  if row.id == 77 then local n = 0 for i = 1, 4e9 do n = n + i % 7 end row.name = tostring(n) end
end } } }'''
    path = config(shop, folder, slow, "batch_ms = 200\nbatch_limit_ms = 0")
    process = spawn(words_of("run", path, "--until", "caught_up", "--progress", "none"))

    def warned():
        done = cli("status", "shop.db", "--json") if Path("shop.db").exists() else None
        return done is not None and done.returncode == 0 and any("map of" in text and "has not returned" in text
                                                                  for text in json.loads(done.stdout)["warnings"])

    wait_until(warned, 60)
    assert process.wait(120) == 0
    status = json.loads(cli("status", "shop.db", "--json").stdout)
    assert status["state"] in ("done", "stopped") and not [text for text in status["warnings"] if "has not returned" in text]


HOST = '''
import sys, tailrace as tr
from tailrace import errors
if __name__ == "__main__":
    job = tr.Migration.from_config("shop.toml")
    try:
        job.run("caught_up")
    except errors.RuleError as error:
        print(error.code, error.context["hook"], error.context["table"])
    print(job.status.state)
    try:
        job.start()
    except errors.TailraceError as error:
        print(error.code)
    print("alive", flush=True)
'''


def test_an_endless_rule_in_a_program_of_its_own_leaves_it_alive(shop, folder, cli):
    config(shop, folder, FOREVER, "batch_limit_ms = 1000")
    write(folder / "host.py", HOST)
    done = subprocess.run([sys.executable, "host.py"], capture_output=True, text=True, timeout=60, check=False)  # it ends by itself
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"RULE-0107 map {shop.database}.orders" and lines[1] == "failed" and lines[2].startswith("JOB-") and lines[3] == "alive"
    status = json.loads(cli("status", "shop.db", "--json").stdout)
    assert status["state"] == "failed" and status["owner"] == ""


# -- what tables cost -------------------------------------------------------------------------------------------------
COUNTED = '''return { api = 1, tables = { ["*.orders"] = {
  where = [[ id <> 5 ]],
  map = function(row) return row.id ~= bigint "6" end } } }'''


def test_a_job_tells_what_its_rules_cost(shop, folder, cli):
    config(shop, folder, COUNTED, table="*")
    with tr.Migration.from_config("shop.toml") as job:
        job.start()
        job.wait("caught_up", timeout=60)
        # Enough batches for one of them to be timed.
        for at in range(4):
            shop.query(f"USE {shop.database}; INSERT INTO orders SELECT 100000 + {at} * 1000 + seq, 'x', 1, NULL, NULL FROM seq_1_to_500")
        job.wait("caught_up", timeout=60)

        def counted():
            return next((one for one in job.rule_profile().tables if one.table == f"{shop.database}.orders" and one.events_in >= 5001), None)

        wait_until(lambda: counted() is not None)
        shown = cli("rule", "profile", "shop.db").stdout  # while it runs
        assert f"{shop.database}.orders" in shown and " map " in shown and "where 0 %" in shown, shown
    table = counted()
    assert (table.hook, table.events_in, table.events_out, table.errors) == ("map", 5001, 4999, 0)
    assert table.dropped == {"ops": 0, "where": 1, "row": 0, "map": 1}
    profile = job.rule_profile()
    assert profile.version == job.status.rules and profile.jit == "yes"
    assert table.ns_per_event is not None and 0 < table.ns_per_event < 1e6
    assert profile.native_ns_per_event is not None
    assert "(all)" in str(profile) and "<pre>" in profile._repr_html_()
    stopped = json.loads(cli("rule", "profile", "shop.db", "--json").stdout)
    assert {one["table"]: one["in"] for one in stopped["tables"]}[f"{shop.database}.orders"] == 5001


# -- the log as it is -------------------------------------------------------------------------------------------------
SCHEMA = ("CREATE TABLE {0}.u (id BIGINT UNSIGNED PRIMARY KEY, email VARCHAR(60), d DECIMAL(20,10), b VARBINARY(9), at DATETIME(6), "
          "e ENUM('a','b'), j JSON)")
CHANGES = ("INSERT INTO {0}.u VALUES (18446744073709551615, 'a@x.io', -1.0000000001, x'00ff27', '2026-01-02 03:04:05.000006', 'b', '{{\"a\": 1}}'), "
           "(1, NULL, NULL, x'', NULL, NULL, NULL)",
           "UPDATE {0}.u SET e = 'a' WHERE id = 1",
           "ALTER TABLE {0}.u ADD COLUMN note VARCHAR(20)",
           "INSERT INTO {0}.u (id, note) VALUES (2, 'it''s')",
           "DELETE FROM {0}.u WHERE id > 2")
RULES = 'return { api = 1, tables = { ["%s.*"] = { to = "dw.u", map = function(row) row.email = (row.email or "none") .. "!" end } } }'


def run_sql(words, sql):
    subprocess.run([*words, "-e", sql], check=True, capture_output=True, text=True)


SERVERS = [pytest.param(name, id=name.lower()) for name in ("MARIADB", "MYSQL9")]


@pytest.fixture
def source(request):
    name = request.param
    if f"TAILRACE_{name}_URL" not in os.environ:
        pytest.skip(os.environ.get(f"TAILRACE_SKIP_{name}", f"no server: TAILRACE_{name}_URL is not set"))
    words = ["mariadb", "--no-defaults", "-S", os.environ[f"TAILRACE_{name}_SOCKET"], "-uroot", "--default-character-set=utf8mb4"]
    url = f"mysql://mig@127.0.0.1:{os.environ[f'TAILRACE_{name}_PORT']}"
    run_sql(words, "DROP DATABASE IF EXISTS rawlog; CREATE DATABASE rawlog CHARACTER SET utf8mb4; " + SCHEMA.format("rawlog"))
    yield tr.source(url, password=tr.env("SHOP_PW")), words
    run_sql(words, "DROP DATABASE rawlog")


@pytest.mark.parametrize("source", SERVERS, indirect=True)
def test_a_kept_log_replays_without_the_server_like_the_server_itself(source, folder):
    endpoint, client = source
    write(folder / "r.lua", RULES % "rawlog")
    began = []

    def changes():
        """Called between two looks at the log, once it is being kept."""
        if not began:
            began.append(1)
            for statement in CHANGES:
                run_sql(client, statement.format("rawlog"))
            run_sql(client, "FLUSH BINARY LOGS")
            run_sql(client, "INSERT INTO rawlog.u (id, note) VALUES (3, 'behind')")
        return False

    done = capture_raw(endpoint, folder / "kept", tables=["rawlog.*"], idle=2.0, seconds=60, stop=changes)
    assert done.transactions >= 6 and len(done.files) == 2 and done.bytes > 500 and done.knows_columns
    assert sorted(path.name for path in (folder / "kept").iterdir() if path.name not in ("schema.sql", "capture.json")) == sorted(done.files)
    kept = replay(folder / "r.lua", on=log_source(folder / "kept"), tables=["rawlog.*"])
    assert kept.total("errors") == 0
    assert kept.tables["dw.u"]["same"] == 2 + 1 + 1 + 1 + 1 + 1  # rows of the statements, and one change of the schema
    # The same events as the server itself gives from there on, to the byte.
    first = json.loads(command("rule", "replay", "r.lua", "--from", "kept", "--tables", "rawlog.*", "--json").stdout)
    assert first["hash"] == kept.hash
    again = replay(folder / "r.lua", on=log_source(folder / "kept"), tables=["rawlog.*"])
    assert again.hash == kept.hash
    shown = command("rule", "profile", "r.lua", "--from", "kept", "--tables", "rawlog.*")
    assert shown.returncode == 0 and "rawlog.u" in shown.stdout, shown.stderr


@pytest.mark.parametrize("source", SERVERS, indirect=True)
def test_an_open_transaction_is_left_out(source, folder):
    endpoint, client = source
    process = subprocess.Popen(words_of("capture", endpoint.url, "--set", "password=${env:SHOP_PW}", "--raw", "--out", "kept", "--tables",
                                        "rawlog.*", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: Path("kept.part").is_dir())
        # Written until the capture has seen one: when it begins to listen cannot be told from outside.
        number = 10

        def seen():
            nonlocal number
            number += 1
            run_sql(client, f"INSERT INTO rawlog.u (id) VALUES ({number})")
            return any(path.stat().st_size > 300 for path in Path("kept.part").glob("*.[0-9]*"))

        wait_until(seen)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, err
    told = json.loads(out)
    write(folder / "r.lua", RULES % "rawlog")
    found = replay(folder / "r.lua", on=log_source(folder / "kept"), tables=["rawlog.*"])
    assert found.tables["dw.u"]["same"] == told["transactions"] >= 1


def test_a_log_that_cannot_be_kept_says_why(shop, folder, cli):
    words = ["capture", shop.url, "--set", "password=${env:SHOP_PW}", "--raw", "--out", "kept"]
    refused = cli(*words, "--mask", "name=fake")
    assert refused.returncode == 2 and "cannot mask a column" in refused.stderr
    (folder / "kept").mkdir()
    refused = cli(*words)
    assert refused.returncode == 2 and "it is there already" in refused.stderr
    (folder / "kept").rmdir()
    silent = cli(*words, "--for", "300ms")
    assert silent.returncode == 2 and "nothing came" in silent.stderr and not list(folder.glob("kept*"))
    empty = cli("rule", "replay", write(folder / "r.lua", "return { api = 1, tables = {} }"), "--from", folder)
    assert empty.returncode == 2 and "no log file in this folder" in empty.stderr
    file = cli("capture", "binlog:///nowhere/binlog.000001", "--raw", "--out", "kept")
    assert file.returncode == 2 and "of a MySQL or MariaDB server" in file.stderr


# -- words ------------------------------------------------------------------------------------------------------------
def test_misspelt_words_are_told(folder, cli):
    write(folder / "shop.toml", 'version = 1\n[source]\nurl = "mysql://mig@127.0.0.1:1"\n[sink]\nurl = "kafka://127.0.0.1:1"\nformat = "debezum"\n')
    done = cli("run", "shop.toml", "--until", "caugt_up")
    assert done.returncode == 2
    assert "did you mean 'debezium'?" in done.stderr or "did you mean 'caught_up'?" in done.stderr, done.stderr
    write(folder / "shop.toml", 'version = 1\n[source]\nurl = "mysql://mig@127.0.0.1:1"\n[sink]\nurl = "sqlite://./c.db"\n')
    done = cli("run", "shop.toml", "--until", "caugt_up")
    assert done.returncode == 2 and "did you mean 'caught_up'?" in done.stderr, done.stderr


def test_a_refused_swap_names_the_line(shop, folder):
    config(shop, folder, COUNTED)
    with tr.Migration.from_config("shop.toml") as job:
        job.start()
        job.wait("caught_up", timeout=60)
        for name, text, says in (("typo.lua", 'return { api = 1,\n  tabels = {} }', "typo.lua:2: "),
                                 ("column.lua", 'return { api = 1, tables = {\n  ["*.orders"] = {\n    columns = { nmae = false } } } }', "column.lua:3: ")):
            write(folder / name, text)
            with pytest.raises(errors.RuleError) as caught:
                job.swap_rules(name)
            assert says in caught.value.detail, caught.value.detail
